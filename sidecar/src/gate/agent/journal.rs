//! The record of sessions as this VM reads and adds to it: control's, by way of the edge.

use bytes::Bytes;
use protocol::{
    SessionId, UserId,
    approval::Verdict,
    error::Code,
    journal::{Append, Appended, Events, Judged, Say},
    secret::SecretValue,
    session::PostedMessage,
    vm::{Work, WorkSession},
};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::gate::edge::{Edge, EdgeError};

/// A page of events.
const PAGE: usize = 500;
/// The largest picture that is ever read back.
pub const MAX_BLOB: usize = 8 << 20;

/// The way to the record; cheap to clone.
#[derive(Clone)]
pub struct Journal {
    pub edge: Edge,
    pub generation: i64,
}

impl Journal {
    /// Events after `after`; fewer than there are when `last_seq` is ahead of the last one.
    pub async fn events(&self, session: &SessionId, after: i64) -> Result<Events, EdgeError> {
        self.edge.get(&format!("/vm/v1/sessions/{session}/events?after={after}&limit={PAGE}")).await
    }

    pub async fn append(&self, session: &SessionId, append: &Append) -> Result<Appended, EdgeError> {
        self.edge.post(&format!("/vm/v1/sessions/{session}/events"), append).await
    }

    /// Stores what a person typed.
    pub async fn say(
        &self,
        session: &SessionId,
        user_id: UserId,
        client_id: String,
        text: String,
    ) -> Result<PostedMessage, EdgeError> {
        let say = Say { generation: self.generation, user_id, client_id, text };
        self.edge.post(&format!("/vm/v1/sessions/{session}/messages"), &say).await
    }

    /// Stores what a person said about an action that waits for it.
    pub async fn judge(
        &self,
        session: &SessionId,
        user_id: UserId,
        approval: i64,
        verdict: Verdict,
    ) -> Result<Appended, EdgeError> {
        let judged = Judged { generation: self.generation, user_id, approval, verdict };
        self.edge.post(&format!("/vm/v1/sessions/{session}/verdicts"), &judged).await
    }

    /// The number of the session's newest event.
    pub async fn last_seq(&self, session: &SessionId) -> Result<i64, EdgeError> {
        let events: Events =
            self.edge.get(&format!("/vm/v1/sessions/{session}/events?after={}&limit=1", i64::MAX)).await?;
        Ok(events.last_seq)
    }

    /// A secret of the desktop's owner; `None` when there is none of this name.
    pub async fn secret(&self, name: &str) -> Result<Option<Zeroizing<String>>, EdgeError> {
        match self.edge.get::<SecretValue>(&format!("/vm/v1/secrets/{name}")).await {
            Ok(SecretValue { value }) => Ok(Some(Zeroizing::new(value))),
            Err(error) if error.is(Code::NotFound) => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub async fn work(&self) -> Result<Option<WorkSession>, EdgeError> {
        let work: Work = self.edge.get("/vm/v1/work").await?;
        Ok(work.session)
    }

    /// Stores a picture and answers its name.
    pub async fn put_blob(&self, media_type: &str, bytes: Vec<u8>) -> Result<String, EdgeError> {
        let sha256 = sha256(&bytes);
        self.edge.put_bytes(&format!("/vm/v1/blobs/{sha256}"), media_type, Bytes::from(bytes)).await?;
        Ok(sha256)
    }

    pub async fn blob(&self, sha256: &str) -> Result<Vec<u8>, EdgeError> {
        // The name comes out of the record, but it goes into a path.
        if sha256.len() != 64 || !sha256.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(EdgeError::Unreachable("the record names a picture that cannot be".to_owned()));
        }
        self.edge.get_bytes(&format!("/vm/v1/blobs/{sha256}"), MAX_BLOB).await
    }
}

/// The name of a picture.
pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
