//! Additions to a session's record. control alone numbers them; what is acknowledged is stored.

use protocol::{
    MessageId, SessionId, UserId,
    desktop::DesktopState,
    error::{Code, Problem},
    event::{AnswerLost, AssistantMessage, EventBody, Picture, ResultBlock},
    journal::{Append, Appended, Events},
    session::{PostMessage, PostedMessage, SessionState},
    settings::Spent,
};

use super::{MAX_EVENTS, blobs, settings};
use crate::{
    app::App,
    db::{
        self,
        desktops::DesktopRow,
        events::{AppendedRow, NewEvent, NewState},
        sessions::SessionRow,
        vms::VmRow,
    },
    desktops,
    error::{ApiError, not_found},
    hub::Change,
    vms,
};

const MAX_TEXT: usize = 100_000;
/// An event's body as JSON, in bytes: pictures are blobs, so this is text alone.
const MAX_BODY: usize = 4 << 20;
/// Name spaces of what sidecars do not write: nothing of theirs hides a person's word, or stands for one.
const OTHERS: [&str; 3] = ["say/", "verdict/", "control/"];

/// Stores what a person or a program says, and makes work of it: it wakes a stopped desktop.
pub async fn say(
    app: &App,
    session: &SessionRow,
    user: &UserId,
    message: PostMessage,
) -> Result<PostedMessage, ApiError> {
    let chars = message.text.chars().count();
    if message.text.trim().is_empty() || chars > MAX_TEXT {
        return Err(Problem::new(
            Code::InvalidValue,
            format!("A message has 1 to {MAX_TEXT} characters; this one has {chars}."),
        )
        .into());
    }
    check_client_id(&message.client_id)?;
    if *user != session.user_id {
        return Err(Problem::new(Code::InvalidValue, "A session takes messages of its own user.").into());
    }
    let desktop = db::desktops::by_id(&app.db, &session.desktop_id).await?.ok_or_else(|| not_found("session"))?;
    super::demand_staying(&desktop)?;
    let state = next_state(app, session, &desktop).await?;
    let body = EventBody::UserMessage { message_id: MessageId::generate(), user_id: user.clone(), text: message.text };
    let EventBody::UserMessage { message_id, text, .. } = &body else { unreachable!("made above") };
    let words = text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty());
    let title: String = words.collect::<Vec<_>>().join(" ").chars().take(80).collect();
    // Its own name space: what a person calls a message never hides an event of the sidecar.
    let client_id = format!("say/{}", message.client_id);
    let event = NewEvent {
        client_id: &client_id,
        body: &body,
        expected_seq: None,
        state: NewState::Work(state),
        title: Some(&title),
        pictures: &[],
        spent: None,
    };
    let posted = match db::events::append(&app.db, &session.id, &event, app.clock.now()).await? {
        AppendedRow::New { seq, .. } => PostedMessage { message_id: message_id.clone(), seq },
        AppendedRow::Before { seq, .. } => PostedMessage { message_id: said_before(app, &session.id, seq).await?, seq },
        AppendedRow::NoSession | AppendedRow::NotWaiting | AppendedRow::Conflict { .. } => {
            return Err(not_found("session"));
        }
    };
    desktops::wake(app, &session.user_id, &session.desktop_id).await?;
    called(app, session, false);
    Ok(posted)
}

/// Appends what a sidecar has to record.
pub async fn append(app: &App, vm: &VmRow, session: &SessionRow, append: Append) -> Result<Appended, ApiError> {
    vms::demand_generation(vm, append.generation)?;
    check_client_id(&append.client_id)?;
    let invalid = |detail: &str| ApiError::from(Problem::new(Code::InvalidValue, detail));
    if OTHERS.iter().any(|prefix| append.client_id.starts_with(prefix)) {
        return Err(invalid("Such a client_id is not a sidecar's."));
    }
    if serde_json::to_vec(&append.body).map_or(usize::MAX, |bytes| bytes.len()) > MAX_BODY {
        return Err(invalid("An event has at most 4 MiB."));
    }
    let reason = match &append.body {
        EventBody::StateChanged { reason: Some(reason), .. } => Some(plain(reason)),
        _ => None,
    };
    let state = match &append.body {
        EventBody::UserMessage { .. } => return Err(invalid("What a person says goes by messages.")),
        EventBody::ApprovalAnswered(_) => return Err(invalid("A person's word on an action goes by verdicts.")),
        EventBody::ApprovalAsked(_) => NewState::Asked,
        EventBody::ToolResult(_) => NewState::Resolved,
        EventBody::StateChanged { state: SessionState::Queued, .. } => return Err(invalid("control alone queues.")),
        EventBody::StateChanged { state, .. } => NewState::Now(*state, reason.as_deref()),
        _ => NewState::Same,
    };
    let pictures = pictures(&append.body);
    for sha256 in &pictures {
        if !blobs::is_hash(sha256) || !db::blobs::is_of(&app.db, &vm.desktop_id, sha256).await? {
            return Err(invalid("A picture has to be stored before the event that shows it."));
        }
    }
    let event = NewEvent {
        client_id: &append.client_id,
        body: &append.body,
        expected_seq: Some(append.expected_seq),
        state,
        title: None,
        pictures: &pictures,
        spent: spent(&append.body),
    };
    match db::events::append(&app.db, &session.id, &event, app.clock.now()).await? {
        AppendedRow::New { seq, at } => {
            called(app, session, true);
            Ok(Appended { seq, at })
        }
        AppendedRow::Before { seq, at } => Ok(Appended { seq, at }),
        AppendedRow::Conflict { next } => Err(Problem::new(
            Code::SequenceConflict,
            format!("The next event is number {next}: read what came in between."),
        )
        .into()),
        AppendedRow::NoSession | AppendedRow::NotWaiting => Err(not_found("session")),
    }
}

/// What a sidecar reads of a session.
pub async fn read(app: &App, session: &SessionRow, after: i64, limit: i64) -> Result<Events, ApiError> {
    Ok(Events {
        events: db::events::after(&app.db, &session.id, after, limit.clamp(1, MAX_EVENTS)).await?,
        last_seq: session.last_seq,
        state: session.state,
        model: settings::model(app, &session.user_id, &session.settings).await?,
        settings: session.settings.clone(),
    })
}

/// Changes a session's state by control's own word.
pub async fn set_state(
    app: &App,
    session: &SessionRow,
    state: SessionState,
    reason: Option<&str>,
) -> Result<(), ApiError> {
    let body = EventBody::StateChanged { state, reason: reason.map(str::to_owned) };
    let client_id = format!("control/{}", MessageId::generate());
    let event = NewEvent {
        client_id: &client_id,
        body: &body,
        expected_seq: None,
        state: NewState::Now(state, reason),
        title: None,
        pictures: &[],
        spent: None,
    };
    db::events::append(&app.db, &session.id, &event, app.clock.now()).await?;
    called(app, session, false);
    Ok(())
}

/// What a message makes of a session that has no work yet.
async fn next_state(app: &App, session: &SessionRow, desktop: &DesktopRow) -> Result<SessionState, ApiError> {
    let busy = db::sessions::next_work(&app.db, &desktop.id).await?.is_some_and(|other| other.id != session.id);
    let ready = desktop.state == DesktopState::Ready;
    Ok(if ready && !busy { SessionState::Running } else { SessionState::Queued })
}

async fn said_before(app: &App, session: &SessionId, seq: i64) -> Result<MessageId, ApiError> {
    match db::events::at(&app.db, session, seq).await?.map(|event| event.body) {
        Some(EventBody::UserMessage { message_id, .. }) => Ok(message_id),
        _ => Err(anyhow::anyhow!("{session} has no message at {seq}").into()),
    }
}

/// Tells who listens that the session has changed.
pub(super) fn called(app: &App, session: &SessionRow, by_vm: bool) {
    app.hub.call(Change::Session { session_id: session.id.clone(), desktop_id: session.desktop_id.clone(), by_vm });
}

/// For a column of its own: PostgreSQL takes no null character.
fn plain(text: &str) -> String {
    text.chars().filter(|c| *c != '\0').take(2_000).collect()
}

fn check_client_id(id: &str) -> Result<(), ApiError> {
    if (1..=64).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_graphic()) {
        return Ok(());
    }
    Err(Problem::new(Code::InvalidValue, "A client_id has 1 to 64 printable ASCII characters.").into())
}

/// The hashes of all pictures that an event refers to.
fn pictures(body: &EventBody) -> Vec<String> {
    let (results, shown): (&[ResultBlock], &Option<Picture>) = match body {
        EventBody::ToolResult(result) => (&result.content, &result.trace.picture),
        EventBody::ApprovalAsked(asked) => (&[], &asked.picture),
        EventBody::HandedBack { picture, .. } => (&[], picture),
        _ => return Vec::new(),
    };
    let in_results = results.iter().filter_map(|block| match block {
        ResultBlock::Image { picture } => Some(picture),
        ResultBlock::Text { .. } => None,
    });
    in_results.chain(shown).map(|picture| picture.sha256.clone()).collect()
}

/// What the model has used; a console uses nothing.
fn spent(body: &EventBody) -> Option<Spent> {
    match body {
        EventBody::AssistantMessage(AssistantMessage { model, usage, cost_microusd, .. }) if model != "console" => {
            Some(Spent { steps: 1, usage: *usage, cost_microusd: cost_microusd.unwrap_or(0) })
        }
        EventBody::AnswerLost(AnswerLost { usage, cost_microusd, .. }) => {
            Some(Spent { steps: 0, usage: *usage, cost_microusd: cost_microusd.unwrap_or(0) })
        }
        _ => None,
    }
}
