//! A VM as its sidecar speaks for it, by way of the edge.

use axum::{Router, body::Body};
use http::Method;
use protocol::{
    SessionId, UserId, VmId,
    approval::{ApprovalAsked, Risk},
    desktop::Size,
    event::{EventBody, Picture},
    session::SessionState,
    vm::{EnrolRequest, Enrolled},
};
use provisioning::LaunchSpec;
use rcgen::{CertificateParams, KeyPair};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{Answer, Browser};

pub(crate) struct Vm {
    pub(crate) spec: LaunchSpec,
    pub(crate) key: KeyPair,
    caller: Browser,
}

impl Vm {
    /// A VM that has not enrolled yet.
    pub(crate) fn new(router: Router, spec: LaunchSpec) -> Self {
        let mut caller = Browser::new(router);
        caller.headers = vec![("x-cloudbot-vm".to_owned(), spec.vm_id.to_string())];
        Self { spec, key: KeyPair::generate().expect("a key"), caller }
    }

    /// The same VM, as it speaks to another control, or to the same one after a restart.
    pub(crate) fn at(self, control: &super::Control) -> Self {
        Self { caller: self.caller.at(control), ..self }
    }

    pub(crate) fn id(&self) -> &VmId {
        &self.spec.vm_id
    }

    /// The same VM with another key, as a thief of its token would have.
    pub(crate) fn with_another_key(&self) -> Self {
        Self { spec: self.spec.clone(), key: KeyPair::generate().expect("a key"), caller: self.caller.clone() }
    }

    pub(crate) fn csr(&self) -> String {
        let params = CertificateParams::new(vec!["anything.example".to_owned()]).expect("parameters");
        params.serialize_request(&self.key).expect("a request").pem().expect("PEM")
    }

    pub(crate) async fn enrol(&self) -> Answer {
        self.enrol_with(&self.spec.user_data.enrolment_token).await
    }

    pub(crate) async fn enrol_with(&self, token: &str) -> Answer {
        let request = EnrolRequest { vm_id: self.id().clone(), enrolment_token: token.to_owned(), csr_pem: self.csr() };
        // By server TLS alone: no certificate, so no header either.
        let nobody = self.caller.with_header("x-cloudbot-vm", None);
        nobody.post("/vm/v1/enrol", serde_json::to_string(&request).expect("JSON")).await
    }

    pub(crate) async fn renew(&self) -> Answer {
        self.post("renew", json!({ "csr_pem": self.csr() })).await
    }

    pub(crate) async fn report_painted(&self) -> Answer {
        self.report(json!({ "state": "painted", "size": { "width": 1280, "height": 800 } })).await
    }

    pub(crate) async fn report(&self, desk: Value) -> Answer {
        let report = json!({ "generation": self.spec.generation, "port": 40_000, "desk": desk, "version": "0.1.0" });
        self.post("report", report).await
    }

    pub(crate) async fn work(&self) -> Option<SessionId> {
        let work: protocol::vm::Work = self.get("work").await.expect_status(200).json();
        work.session.map(|session| session.session_id)
    }

    /// Appends with what this VM knows of itself.
    pub(crate) async fn append(
        &self,
        session: &SessionId,
        expected_seq: i64,
        client_id: &str,
        body: EventBody,
    ) -> Answer {
        let append = json!({
            "generation": self.spec.generation, "expected_seq": expected_seq, "client_id": client_id, "body": body,
        });
        self.post(&format!("sessions/{session}/events"), append).await
    }

    /// Asks for a person's word on an action.
    pub(crate) async fn asks(&self, session: &SessionId, seq: i64, picture: Option<&str>) -> Answer {
        let asked = ApprovalAsked {
            tool_use_id: format!("toolu_{seq}"),
            tool: "bash".to_owned(),
            risk: Some(Risk::Shell),
            shown: "rm -r photos".to_owned(),
            timeout_s: 600,
            picture: picture.map(picture_of),
            mark: None,
            region: None,
        };
        self.append(session, seq, &format!("q:{seq}"), EventBody::ApprovalAsked(asked)).await
    }

    /// Passes on what a person answered in the chat.
    pub(crate) async fn judges(&self, session: &SessionId, user: &UserId, verdict: &str, approval: i64) -> Answer {
        let generation = self.spec.generation;
        let judged = json!({ "generation": generation, "user_id": user, "approval": approval, "verdict": verdict });
        self.post(&format!("sessions/{session}/verdicts"), judged).await
    }

    /// Tells who drives.
    pub(crate) async fn put_lease(&self, epoch: i64, holder: Option<&UserId>) -> Answer {
        let holder = holder.map(|user| json!({ "user_id": user, "since": 1_000 + epoch }));
        let lease = match holder {
            Some(holder) => json!({ "epoch": epoch, "holder": holder }),
            None => json!({ "epoch": epoch }),
        };
        let put = json!({ "generation": self.spec.generation, "lease": lease });
        self.caller.send(Method::PUT, "/vm/v1/lease", Some(put.to_string().into())).await
    }

    pub(crate) async fn becomes(&self, session: &SessionId, seq: i64, state: SessionState) -> Answer {
        let body = EventBody::StateChanged { state, reason: None };
        self.append(session, seq, &format!("s:{seq}:{}", state.as_str()), body).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.caller.get(&format!("/vm/v1/{path}")).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        self.caller.post(&format!("/vm/v1/{path}"), body.to_string()).await
    }

    /// Stores a picture under its own name.
    pub(crate) async fn put_blob(&self, bytes: &[u8]) -> (String, Answer) {
        let name = sha256(bytes);
        let answer = self.put_blob_as(&name, bytes).await;
        (name, answer)
    }

    pub(crate) async fn put_blob_as(&self, name: &str, bytes: &[u8]) -> Answer {
        let caller = self.caller.with_header("content-type", Some("image/png"));
        caller.send(Method::PUT, &format!("/vm/v1/blobs/{name}"), Some(Body::from(bytes.to_vec()))).await
    }

    pub(crate) async fn notices(&self) -> http::Response<Body> {
        self.caller.open("/vm/v1/notices").await
    }
}

pub(crate) fn certificate_of(answer: &Answer) -> String {
    answer.json::<Enrolled>().certificate_pem
}

pub(crate) fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// How an event names a stored picture.
pub(crate) fn picture_of(sha256: &str) -> Picture {
    Picture {
        sha256: sha256.to_owned(),
        media_type: "image/png".to_owned(),
        size: Size { width: 1, height: 1 },
        bytes: 1,
    }
}

/// A PNG of one pixel, followed by bytes that make it another file.
pub(crate) fn picture(n: u8) -> Vec<u8> {
    const ONE_PIXEL: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0\x1f\x15\xc4\x89\0\0\0\rIDATx\xdacd\xf8\xcfP\x0f\0\x03\x86\x01\x80Z4}k\0\0\0\0IEND\xaeB`\x82";
    [ONE_PIXEL, &[n]].concat()
}
