//! A person's word on an action that waits for one. The first word counts.

use protocol::{
    SessionId, UserId,
    approval::{ApprovalAnswered, Verdict},
    error::{Code, Problem},
    event::EventBody,
    journal::{Appended, Judged},
    session::Session,
};

use super::journal;
use crate::{
    app::App,
    db::{
        self,
        events::{AppendedRow, NewEvent, NewState},
        sessions::SessionRow,
        vms::VmRow,
    },
    error::{ApiError, not_found},
    vms,
};

/// By the public API.
pub async fn judge(
    app: &App,
    user: &UserId,
    id: &SessionId,
    approval: i64,
    verdict: Verdict,
) -> Result<Session, ApiError> {
    let session = super::owned(app, user, id).await?;
    let word = ApprovalAnswered { approval, verdict, user_id: user.clone() };
    answer(app, &session, word, false).await?;
    super::get(app, user, id).await
}

/// In the chat socket, by way of the sidecar.
pub async fn judge_in_chat(app: &App, vm: &VmRow, session: &SessionRow, judged: Judged) -> Result<Appended, ApiError> {
    vms::demand_generation(vm, judged.generation)?;
    let Judged { user_id, approval, verdict, .. } = judged;
    if user_id != session.user_id {
        return Err(Problem::new(Code::InvalidValue, "A session takes the word of its own user.").into());
    }
    answer(app, session, ApprovalAnswered { approval, verdict, user_id }, true).await
}

async fn answer(app: &App, session: &SessionRow, word: ApprovalAnswered, by_vm: bool) -> Result<Appended, ApiError> {
    let (approval, verdict) = (word.approval, word.verdict);
    let asked = db::events::at(&app.db, &session.id, approval).await?;
    if !asked.is_some_and(|event| matches!(event.body, EventBody::ApprovalAsked(_))) {
        return Err(not_found("approval"));
    }
    let body = EventBody::ApprovalAnswered(word);
    let event = NewEvent {
        client_id: &format!("verdict/{approval}"),
        body: &body,
        expected_seq: None,
        state: NewState::Answered { approval },
        title: None,
        pictures: &[],
        spent: None,
    };
    match db::events::append(&app.db, &session.id, &event, app.clock.now()).await? {
        AppendedRow::New { seq, at } => {
            tracing::info!(session = %session.id, approval, verdict = verdict.as_str(), "judged");
            journal::called(app, session, by_vm);
            Ok(Appended { seq, at })
        }
        AppendedRow::Before { seq, at } => {
            let before = db::events::at(&app.db, &session.id, seq).await?.map(|event| event.body);
            match before {
                Some(EventBody::ApprovalAnswered(before)) if before.verdict == verdict => Ok(Appended { seq, at }),
                Some(EventBody::ApprovalAnswered(before)) => {
                    let detail =
                        format!("This action was {} before, and the first word counts.", before.verdict.as_str());
                    Err(Problem::new(Code::Conflict, detail).into())
                }
                _ => Err(anyhow::anyhow!("{} has no verdict at {seq}", session.id).into()),
            }
        }
        AppendedRow::NotWaiting => {
            let detail = "This action waits for nobody's word any more: look at what came after it.";
            Err(Problem::new(Code::Conflict, detail).into())
        }
        AppendedRow::NoSession | AppendedRow::Conflict { .. } => Err(not_found("session")),
    }
}
