//! The agent's hands on windows, applications and the accessibility tree.

use std::time::Duration;

use protocol::{event::ActionTrace, window::Launch, window::WindowVerb};

use super::{
    hands::{Done, Hands, words},
    own,
};
use crate::{
    gate::desk::DeskError,
    link::{Answer, Call, Refusal, RefusalKind},
};

const WITHIN: Duration = Duration::from_secs(15);
/// For an application's window to come. A cold browser or office suite on a small machine takes that long.
const WINDOW_MS: u64 = 20_000;

impl Hands<'_> {
    /// An application goes before an address: `xterm` could be either.
    pub(super) async fn open(&self, target: &str) -> Done {
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
            match self.agent.0.desk.call(&call, within).await {
                Ok(Answer::Launched(launched)) => {
                    let mut trace = self.trace(None).await;
                    (trace.settled, trace.waited_ms) = (Some(launched.settled), Some(launched.waited_ms));
                    return Ok((words(&own::launch_of(&launched)), trace));
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

    pub(super) async fn windows(&self) -> Done {
        match self.agent.0.desk.call(&Call::Windows { picture: self.picture }, WITHIN).await? {
            Answer::Windows { windows } => Ok((words(&own::list_of(&windows)), ActionTrace::default())),
            _ => Err(DeskError::Nonsense.into()),
        }
    }

    pub(super) async fn window(&self, id: u32, verb: WindowVerb) -> Done {
        match self.agent.0.desk.call(&Call::Window { id, verb, picture: self.picture }, WITHIN).await? {
            Answer::Window(outcome) => {
                let mut trace = self.trace(None).await;
                (trace.settled, trace.waited_ms) = (Some(outcome.settled), Some(outcome.waited_ms));
                Ok((words(&own::told_of(verb, &outcome)), trace))
            }
            _ => Err(DeskError::Nonsense.into()),
        }
    }

    pub(super) async fn tree(&self, window: Option<u32>) -> Done {
        let call = Call::Accessibility { window, bounds: own::TREE, picture: self.picture };
        match self.agent.0.desk.call(&call, WITHIN).await? {
            Answer::Accessibility(tree) => Ok((words(&own::tree_of(&tree)), ActionTrace::default())),
            _ => Err(DeskError::Nonsense.into()),
        }
    }
}
