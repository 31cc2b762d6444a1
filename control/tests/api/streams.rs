//! Streams of events: what was, then what comes, without a gap and without a repeat.

use std::time::Duration;

use axum::body::Body;
use http_body_util::BodyExt;
use protocol::{
    desktop::{Desktop, DesktopState},
    event::Event,
    session::SessionState,
    vm::Notice,
};
use serde::de::DeserializeOwned;

use crate::support::Control;

facts!(
    desktops_are_told_first_all_then_each_change,
    a_deleted_desktop_is_told_of_once_more,
    another_users_changes_are_not_told,
    a_session_is_replayed_then_followed,
    a_stream_goes_on_behind_the_last_event_one_has,
    a_vm_is_greeted_then_told_of_work_and_stops,
    a_stop_that_nobody_heard_is_told_again,
    an_idle_vm_is_not_called_again_and_again,
    a_vm_that_serves_no_more_is_not_listened_to,
    a_vm_is_told_of_new_settings_and_of_a_word_given_elsewhere,
    a_word_that_came_by_the_vm_is_told_to_browsers_alone,
    who_drives_is_told_with_the_desktops,
    a_signed_out_browser_hears_no_more,
);

const SOON: Duration = Duration::from_secs(20);

/// The events of a stream, one by one.
pub(crate) struct Stream {
    body: Body,
    text: String,
}

impl Stream {
    #[track_caller]
    pub(crate) fn of(answer: http::Response<Body>) -> Self {
        assert_eq!(answer.status(), 200);
        let media_type = answer.headers()["content-type"].to_str().unwrap().to_owned();
        assert!(media_type.starts_with("text/event-stream"), "{media_type}");
        Self { body: answer.into_body(), text: String::new() }
    }

    /// The next event's id and data; `None` when the stream ends. What merely keeps it alive does not count.
    async fn next_raw(&mut self) -> Option<(Option<String>, String)> {
        tokio::time::timeout(SOON, self.read()).await.expect("an event in time")
    }

    async fn read(&mut self) -> Option<(Option<String>, String)> {
        loop {
            while let Some((event, rest)) = self.text.split_once("\n\n") {
                let field = |name: &str| {
                    let values: Vec<&str> =
                        event.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(':')).collect();
                    (!values.is_empty()).then(|| values.join("\n").trim_start().to_owned())
                };
                let (id, data) = (field("id"), field("data"));
                self.text = rest.to_owned();
                if let Some(data) = data {
                    return Some((id, data));
                }
            }
            let data = self.body.frame().await?.expect("a frame").into_data().expect("data");
            self.text.push_str(std::str::from_utf8(&data).expect("UTF-8"));
        }
    }

    pub(crate) async fn next<T: DeserializeOwned>(&mut self) -> T {
        let (_, data) = self.next_raw().await.expect("the stream goes on");
        serde_json::from_str(&data).unwrap_or_else(|error| panic!("{error}: {data}"))
    }

    /// Does nothing come for this long?
    pub(crate) async fn is_quiet(&mut self, during: Duration) -> bool {
        tokio::time::timeout(during, self.next_raw()).await.is_err()
    }
}

async fn desktops_are_told_first_all_then_each_change(control: Control) {
    let browser = control.user("ada").await;
    let first: Desktop = browser.post("desktops", "{}").await.json();
    let mut stream = Stream::of(browser.open("desktops/events").await);
    let known: Desktop = stream.next().await;

    let second: Desktop = browser.post("desktops", "{}").await.json();
    let told: Desktop = stream.next().await;
    control.pass().await;

    assert_eq!((known.id, told.id), (first.id, second.id));
    let states = [stream.next::<Desktop>().await.state, stream.next::<Desktop>().await.state];
    assert_eq!(states, [DesktopState::Launching; 2]);
}

async fn a_deleted_desktop_is_told_of_once_more(control: Control) {
    let browser = control.user("ada").await;
    let desktop: Desktop = browser.post("desktops", "{}").await.json();
    let mut stream = Stream::of(browser.open("desktops/events").await);
    stream.next::<Desktop>().await;

    browser.delete(&format!("desktops/{}", desktop.id)).await.expect_success();
    let deleting: Desktop = stream.next().await;
    control.settle().await;
    let deleted: Desktop = stream.next().await;

    assert_eq!((deleting.state, deleted.state), (DesktopState::Deleting, DesktopState::Deleted));
    assert_eq!(deleted.id, desktop.id);
}

async fn another_users_changes_are_not_told(control: Control) {
    let (ada, bob) = (control.user("ada").await, control.user("bob").await);
    let mut stream = Stream::of(ada.open("desktops/events").await);

    bob.post("desktops", "{}").await.expect_status(201);
    let hers: Desktop = ada.post("desktops", "{}").await.json();

    assert_eq!(stream.next::<Desktop>().await.id, hers.id);
}

async fn a_session_is_replayed_then_followed(control: Control) {
    let browser = control.user("ada").await;
    let (desktop, vm) = control.ready_desktop(&browser).await;
    let session = browser.create_session(&desktop.id).await.id;
    for n in 1..=3 {
        browser.say(&session, &format!("c{n}"), "Hello").await.expect_success();
    }

    let mut stream = Stream::of(browser.open(&format!("sessions/{session}/events?after=1")).await);
    let (id, data) = stream.next_raw().await.unwrap();
    let replayed: Event = stream.next().await;
    vm.becomes(&session, 4, SessionState::Running).await.expect_success();
    let live: Event = stream.next().await;

    assert_eq!(id.as_deref(), Some("2"));
    assert_eq!(serde_json::from_str::<Event>(&data).unwrap().seq, 2);
    assert_eq!((replayed.seq, live.seq), (3, 4));
}

async fn a_stream_goes_on_behind_the_last_event_one_has(control: Control) {
    let browser = control.user("ada").await;
    let (desktop, _) = control.ready_desktop(&browser).await;
    let session = browser.create_session(&desktop.id).await.id;
    for n in 1..=3 {
        browser.say(&session, &format!("c{n}"), "Hello").await.expect_success();
    }

    let again = browser.with_header("last-event-id", Some("2"));
    let mut stream = Stream::of(again.open(&format!("sessions/{session}/events?after=0")).await);

    assert_eq!(stream.next::<Event>().await.seq, 3);
}

async fn a_vm_is_greeted_then_told_of_work_and_stops(control: Control) {
    let browser = control.user("ada").await;
    let (desktop, vm) = control.ready_desktop(&browser).await;
    let session = browser.create_session(&desktop.id).await.id;
    let mut notices = Stream::of(vm.notices().await);
    let hello: Notice = notices.next().await;

    browser.say(&session, "c1", "Hello").await.expect_success();
    let work: Notice = next_but_hello(&mut notices).await;
    vm.becomes(&session, 2, SessionState::Running).await.expect_success();
    browser.order(&format!("sessions/{session}/stop")).await.expect_success();
    let stop = loop {
        // Its own state may be called out to it before.
        match notices.next::<Notice>().await {
            Notice::Work { .. } | Notice::Hello => {}
            stop => break stop,
        }
    };

    assert_eq!(hello, Notice::Hello);
    assert_eq!(work, Notice::Work { session_id: session.clone() });
    assert_eq!(stop, Notice::Stop { session_id: session });
}

async fn next_but_hello(notices: &mut Stream) -> Notice {
    loop {
        let notice = notices.next().await;
        if notice != Notice::Hello {
            return notice;
        }
    }
}

async fn a_stop_that_nobody_heard_is_told_again(control: Control) {
    let browser = control.user("ada").await;
    let (desktop, vm) = control.ready_desktop(&browser).await;
    let session = browser.create_session(&desktop.id).await.id;
    browser.say(&session, "c1", "Hello").await.expect_success();
    vm.becomes(&session, 2, SessionState::Running).await.expect_success();

    // The sidecar is between two connections.
    browser.order(&format!("sessions/{session}/stop")).await.expect_success();
    let mut notices = Stream::of(vm.notices().await);
    let told = [notices.next::<Notice>().await, notices.next::<Notice>().await];
    vm.becomes(&session, 3, SessionState::Cancelled).await.expect_success();
    let mut later = Stream::of(vm.notices().await);
    let first: Notice = later.next().await;

    assert!(told.contains(&Notice::Stop { session_id: session }), "{told:?}");
    assert_eq!(first, Notice::Hello);
    assert!(later.is_quiet(Duration::from_millis(300)).await, "what has stopped is not stopped again");
}

async fn an_idle_vm_is_not_called_again_and_again(control: Control) {
    let browser = control.user("ada").await;
    let (_, vm) = control.ready_desktop(&browser).await;
    let mut notices = Stream::of(vm.notices().await);
    notices.next::<Notice>().await;

    assert!(notices.is_quiet(Duration::from_secs(6)).await, "an idle desktop costs nothing");
}

async fn a_vm_that_serves_no_more_is_not_listened_to(control: Control) {
    let browser = control.user("ada").await;
    let (desktop, vm) = control.ready_desktop(&browser).await;
    browser.order(&format!("desktops/{}/reboot", desktop.id)).await.expect_success();
    control.settle().await;

    assert_eq!(vm.get("notices").await.code(), protocol::error::Code::StaleGeneration);
}

async fn a_signed_out_browser_hears_no_more(control: Control) {
    let browser = control.user("ada").await;
    let copy = browser.clone();
    let mut stream = Stream::of(copy.open("desktops/events").await);
    browser.order("auth/logout").await.expect_success();
    browser.log_in("ada@example.org", crate::support::PASSWORD).await.expect_status(200);

    browser.post("desktops", "{}").await.expect_status(201);

    assert_eq!(stream.next_raw().await, None, "the stream ends with the sign-in it began with");
}

async fn a_vm_is_told_of_new_settings_and_of_a_word_given_elsewhere(control: Control) {
    let browser = control.user("ada").await;
    let (session, vm) = control.running_session(&browser).await;
    vm.asks(&session, 3, None).await.expect_success();
    let mut notices = Stream::of(vm.notices().await);
    notices.next::<Notice>().await;

    let settings = serde_json::json!({ "settings": { "approvals": "always" } });
    browser.patch(&format!("sessions/{session}"), settings).await.expect_status(200);
    let of_settings: Notice = notices.next().await;
    browser.judge(&session, "approve", 3).await.expect_status(200);
    let of_the_word: Notice = notices.next().await;

    let work = Notice::Work { session_id: session };
    assert_eq!((of_settings, of_the_word), (work.clone(), work));
}

async fn a_word_that_came_by_the_vm_is_told_to_browsers_alone(control: Control) {
    let browser = control.user("ada").await;
    let (session, vm) = control.running_session(&browser).await;
    vm.asks(&session, 3, None).await.expect_success();
    let mut notices = Stream::of(vm.notices().await);
    notices.next::<Notice>().await;
    let mut record = Stream::of(browser.open(&format!("sessions/{session}/events?after=3")).await);

    vm.judges(&session, &browser.id().await, "denied", 3).await.expect_status(200);

    assert_eq!(record.next::<Event>().await.seq, 4);
    assert!(notices.is_quiet(Duration::from_millis(300)).await, "it knows already");
}

async fn who_drives_is_told_with_the_desktops(control: Control) {
    let browser = control.user("ada").await;
    let (_, vm) = control.ready_desktop(&browser).await;
    let me = browser.id().await;
    let mut stream = Stream::of(browser.open("desktops/events").await);
    let before: Desktop = stream.next().await;

    vm.put_lease(1, Some(&me)).await.expect_status(204);
    let taken: Desktop = stream.next().await;
    vm.put_lease(2, None).await.expect_status(204);
    let handed_back: Desktop = stream.next().await;

    assert_eq!((before.holder, handed_back.holder), (None, None));
    assert_eq!(taken.holder.map(|holder| holder.user_id), Some(me));
}
