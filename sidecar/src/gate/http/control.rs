//! Who drives: asking for control, taking it, and handing it back with a picture that one has seen oneself.

use std::sync::{Arc, Mutex, PoisonError};

use axum::{
    Extension, Json,
    body::Bytes,
    extract::{Request, State, rejection::BytesRejection},
    http::{HeaderMap, HeaderName, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use protocol::{
    UserId,
    capability::{Actor, Capability},
    error::{Code, Problem},
    event::{EventBody, Picture},
    journal::Append,
    lease::{ControlStatus, HandBack},
};

use super::{
    App,
    problem::{self, Refused},
};
use crate::{
    gate::{agent::sight, clock, edge::EdgeError},
    link::{Fit, Format, ScreenshotCall},
};

const MAX_NOTE: usize = 10_000;
/// Says which picture the preview is.
const PICTURE_HEADER: HeaderName = HeaderName::from_static("x-cloudbot-picture");

/// The picture that was shown last to who may hand it to the agent. Never stored before that.
#[derive(Default)]
pub struct Preview(Mutex<Option<Shown>>);

#[derive(Clone)]
struct Shown {
    epoch: i64,
    picture: Picture,
    bytes: Bytes,
}

/// `GET control`.
pub async fn status(State(app): State<Arc<App>>) -> Json<ControlStatus> {
    Json(app.lease.standing().status())
}

/// `POST control/request`: control at the agent's next safe point.
pub async fn request(
    State(app): State<Arc<App>>,
    Extension(capability): Extension<Capability>,
) -> Result<Json<ControlStatus>, Refused> {
    app.lease.request(&person(&capability)?, clock::now()).await.map_err(Refused)?;
    app.agent.nudge();
    Ok(status(State(app)).await)
}

/// `POST control/take`: control at once.
pub async fn take(
    State(app): State<Arc<App>>,
    Extension(capability): Extension<Capability>,
) -> Result<Json<ControlStatus>, Refused> {
    app.lease.take(&person(&capability)?, clock::now()).await.map_err(Refused)?;
    Ok(status(State(app)).await)
}

/// `GET control/preview`: what the agent will see.
pub async fn preview(
    State(app): State<Arc<App>>,
    Extension(capability): Extension<Capability>,
) -> Result<Response, Refused> {
    let epoch = demand_holder(&app, &capability)?;
    let call = ScreenshotCall { format: Format::Png, region: None, picture: None, fit: Some(Fit::MODEL) };
    let (shot, format) = sight::see(&app.desk, call).await?.ok_or_else(|| {
        Refused::new(Code::DesktopUnreachable, "the desktop gives no picture that the agent could get")
    })?;
    let picture = Picture {
        sha256: crate::gate::agent::journal::sha256(&shot.bytes),
        media_type: format.media_type().to_owned(),
        size: shot.picture,
        bytes: shot.bytes.len() as u64,
    };
    let headers = [
        (header::CONTENT_TYPE, picture.media_type.clone()),
        (header::CACHE_CONTROL, "no-store".to_owned()),
        (PICTURE_HEADER, picture.sha256.clone()),
    ];
    let bytes = Bytes::from(shot.bytes);
    *app.preview.0.lock().unwrap_or_else(PoisonError::into_inner) =
        Some(Shown { epoch, picture, bytes: bytes.clone() });
    Ok((headers, bytes).into_response())
}

/// `POST control/release`: hands control back. What the agent gets is stored first; without control nothing changes.
pub async fn release(
    State(app): State<Arc<App>>,
    Extension(capability): Extension<Capability>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<ControlStatus>, Refused> {
    let HandBack { note, picture } = problem::json(&headers, body)?;
    let user = person(&capability)?;
    let note = note.map(|note| note.trim().to_owned()).filter(|note| !note.is_empty());
    if note.as_ref().is_some_and(|note| note.chars().count() > MAX_NOTE) {
        return Err(Refused::new(Code::InvalidValue, format!("a note has at most {MAX_NOTE} characters")));
    }
    let standing = app.lease.standing();
    if standing.holder().is_some_and(|holder| *holder != user) {
        return Err(Refused::new(Code::NotTheHolder, "somebody else has taken control of this desktop"));
    }
    let epoch = standing.lease.epoch;
    let picture = picture.map(|sha256| app.preview.picture(epoch, &sha256)).transpose()?;
    if let Err(error) = tell_agent(&app, epoch, user, note, picture).await {
        return Err(match error {
            EdgeError::Problem(problem) if !EdgeError::Problem(problem.clone()).may_pass() => Refused(problem),
            _ => Refused::new(
                Code::Unavailable,
                "CloudBot's record does not answer, so what the agent is to know cannot be stored: you still have \
                 control, hand it back in a moment",
            ),
        });
    }
    app.lease.release().await.map_err(Refused)?;
    *app.preview.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    app.agent.nudge();
    Ok(status(State(app)).await)
}

/// Puts the hand-back into the record of the session that waits for it, if one does.
async fn tell_agent(
    app: &App,
    epoch: i64,
    user_id: UserId,
    note: Option<String>,
    shown: Option<Shown>,
) -> Result<(), EdgeError> {
    let journal = app.agent.journal();
    let Some(work) = journal.work().await? else { return Ok(()) };
    let mut picture = None;
    if let Some(Shown { picture: seen, bytes, .. }) = shown {
        journal.put_blob(&seen.media_type, bytes.to_vec()).await?;
        picture = Some(seen);
    }
    let body = EventBody::HandedBack { user_id, note, picture };
    // The agent may add to the record at the same moment.
    for _ in 0..20 {
        let append = Append {
            generation: journal.generation,
            expected_seq: journal.last_seq(&work.session_id).await? + 1,
            client_id: format!("h:{epoch}"),
            body: body.clone(),
        };
        match journal.append(&work.session_id, &append).await {
            Ok(_) => {
                app.agent.look(&work.session_id);
                return Ok(());
            }
            Err(error) if error.is(Code::SequenceConflict) => {}
            Err(error) => return Err(error),
        }
    }
    Err(EdgeError::Unreachable("the record moves on all the time".to_owned()))
}

impl Preview {
    fn picture(&self, epoch: i64, sha256: &str) -> Result<Shown, Refused> {
        let shown = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        shown.filter(|shown| shown.epoch == epoch && shown.picture.sha256 == sha256).ok_or_else(|| {
            Refused::new(Code::Conflict, "this is not the picture that was shown last: look at the preview again")
        })
    }
}

/// Lets a request of the agent's side through while it drives, and gives it up as soon as a person takes control.
/// That person's own requests go through.
pub async fn demand_floor(State(app): State<Arc<App>>, request: Request, next: Next) -> Result<Response, Refused> {
    let by_person = request.extensions().get::<Capability>().filter(|capability| capability.actor == Actor::Person);
    let user = by_person.map(|capability| capability.sub.clone());
    let answered = async { Ok(next.run(request).await) };
    tokio::select! {
        biased;
        () = app.lease.taken_by_another(user.as_ref()) => Err(person_drives()),
        answered = answered => answered,
    }
}

fn person_drives() -> Refused {
    Refused::new(Code::PersonDrives, "a person has taken control: wait until it is handed back")
}

/// Programs are on the agent's side: for them there is nothing to take.
fn person(capability: &Capability) -> Result<UserId, Refused> {
    match capability.actor {
        Actor::Person => Ok(capability.sub.clone()),
        Actor::Program => Err(Refused::new(
            Code::MissingScope,
            "control is taken by people, in their browser; a program acts on the agent's side",
        )),
    }
}

/// The epoch of the lease that this person holds.
fn demand_holder(app: &App, capability: &Capability) -> Result<i64, Refused> {
    let (user, standing) = (person(capability)?, app.lease.standing());
    match standing.holder() {
        Some(holder) if *holder == user => Ok(standing.lease.epoch),
        _ => Err(Refused(Problem::new(Code::NotTheHolder, "take control first"))),
    }
}
