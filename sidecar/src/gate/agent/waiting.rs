//! The agent waits for control, says so once, and goes on by itself.

use protocol::{
    SessionId,
    chat::ChatDown,
    error::{Code, Problem},
    session::SessionState,
};

use super::Agent;
use crate::gate::{
    edge::EdgeError,
    patience::{Backoff, Told},
};

/// Waiting for control: with a word in the log and in the chat, once.
pub struct Waiting<'a> {
    agent: &'a Agent,
    session: &'a SessionId,
    backoff: Backoff,
    told: Told,
    chatted: bool,
}

impl<'a> Waiting<'a> {
    pub fn new(agent: &'a Agent, session: &'a SessionId) -> Self {
        Self { agent, session, backoff: Backoff::of_edge(), told: Told::default(), chatted: false }
    }

    /// Waits when waiting may help, else gives the error back.
    pub async fn after(&mut self, error: EdgeError) -> Result<(), EdgeError> {
        if !error.may_pass() {
            return Err(error);
        }
        self.told.failed("reach control", &error);
        if !std::mem::replace(&mut self.chatted, true) {
            let detail = format!(
                "{}: CloudBot's record does not answer. The agent waits and goes on by itself.",
                SessionState::WaitingControl.as_str()
            );
            let problem = Problem::new(Code::Unavailable, detail);
            self.agent.live().frame(self.session, ChatDown::Problem { client_id: None, problem });
        }
        tokio::time::sleep(self.backoff.wait()).await;
        Ok(())
    }
}
