//! Hands on windows, applications and the accessibility tree.

use std::time::Duration;

use protocol::window::{Launch, Launched, WindowOutcome, WindowVerb};

use super::{
    doer::{Did, Doer, Failure},
    own,
};
use crate::{
    gate::desk::DeskError,
    link::{Answer, Call, Refusal, RefusalKind},
};

const WITHIN: Duration = Duration::from_secs(15);
/// For an application's window to come. A cold browser or office suite on a small machine takes that long.
const WINDOW_MS: u64 = 20_000;

impl Doer<'_> {
    /// An application goes before an address: `xterm` could be either.
    pub(super) async fn open(&self, target: &str) -> Result<Did, Failure> {
        let target = target.trim();
        let own = || target.to_owned();
        let tries = if target.starts_with('/') || target.starts_with("file://") {
            vec![Launch::File(own())]
        } else if target.contains("://") {
            vec![Launch::Url(own())]
        } else {
            vec![Launch::Application(own()), Launch::Url(own())]
        };
        let mut unknown = None;
        for launch in tries {
            let call = Call::Launch { launch, timeout_ms: WINDOW_MS, picture: self.picture };
            let within = Duration::from_millis(WINDOW_MS) + WITHIN;
            match self.desk.call(&call, within).await {
                Ok(Answer::Launched(launched)) => {
                    let Launched { settled, waited_ms, .. } = launched;
                    return Ok(Did::Moved { text: own::launch_of(&launched), settled, waited_ms });
                }
                Ok(_) => return Err(DeskError::Nonsense.into()),
                Err(DeskError::Refused(refusal @ Refusal { kind: RefusalKind::NotFound, .. })) => {
                    unknown = Some(refusal)
                }
                // What is no address either was meant as an application.
                Err(DeskError::Refused(refusal)) => return Err(DeskError::Refused(unknown.unwrap_or(refusal)).into()),
                Err(error) => return Err(error.into()),
            }
        }
        Err(unknown.map_or(DeskError::Nonsense, DeskError::Refused).into())
    }

    pub(super) async fn windows(&self) -> Result<Did, Failure> {
        match self.desk.call(&Call::Windows { picture: self.picture }, WITHIN).await? {
            Answer::Windows { windows } => Ok(Did::Told(own::list_of(&windows))),
            _ => Err(DeskError::Nonsense.into()),
        }
    }

    pub(super) async fn window(&self, id: u32, verb: WindowVerb) -> Result<Did, Failure> {
        match self.desk.call(&Call::Window { id, verb, picture: self.picture }, WITHIN).await? {
            Answer::Window(outcome) => {
                let WindowOutcome { settled, waited_ms, .. } = outcome;
                Ok(Did::Moved { text: own::told_of(verb, &outcome), settled, waited_ms })
            }
            _ => Err(DeskError::Nonsense.into()),
        }
    }

    pub(super) async fn tree(&self, window: Option<u32>) -> Result<Did, Failure> {
        let call = Call::Accessibility { window, bounds: own::TREE, picture: self.picture };
        match self.desk.call(&call, WITHIN).await? {
            Answer::Accessibility(tree) => Ok(Did::Told(own::tree_of(&tree))),
            _ => Err(DeskError::Nonsense.into()),
        }
    }
}
