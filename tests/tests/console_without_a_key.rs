//! Without a provider key the chat is a console: the same tools, the same record, and it says that no model is there.

use std::time::Duration;

use harness::{
    Api, Stack,
    chat::Chat,
    record::{assistants, only_result, results, texts, words_of},
    stack::find,
    wait,
};
use protocol::{
    DesktopId, SessionId,
    chat::{ChatDown, ChatUp},
    event::{Event, EventBody, ResultBlock},
    session::SessionState,
};

#[tokio::test]
async fn the_chat_works_as_a_console() {
    let stack = Stack::start().await;
    let ada = stack.user("ada").await;
    let desktop = ada.ready_desktop().await.id;
    let session = ada.create_session(&desktop).await.id;

    a_plain_text_is_told_that_no_model_is_connected(&ada, &session).await;
    a_command_runs_and_its_output_is_kept(&ada, &session).await;
    a_failing_command_says_so(&ada, &session).await;
    a_screenshot_is_a_picture_of_the_record(&stack, &ada, &session).await;
    clicks_and_keys_reach_the_desktop(&ada, &desktop, &session).await;
    an_address_opens_in_the_browser(&ada, &desktop, &session).await;
    nonsense_is_answered_with_what_there_is(&ada, &session).await;
    a_long_command_can_be_stopped(&ada, &desktop, &session).await;
    the_record_counts_without_a_gap(&ada, &session).await;

    assert!(stack.model.requests().is_empty(), "no key, no call");
}

async fn a_plain_text_is_told_that_no_model_is_connected(ada: &Api, session: &SessionId) {
    let events = ada.ask(session, "Please open a browser").await;

    let words = texts(&events).to_lowercase();
    assert!(words.contains("no model is connected"), "{words}");
    assert!(assistants(&events).iter().all(|message| message.model == "console"), "{events:?}");
    assert_eq!(ada.session(session).await.state, SessionState::Idle);
}

async fn a_command_runs_and_its_output_is_kept(ada: &Api, session: &SessionId) {
    let events = ada.ask(session, "!echo grüße $((6*7)) && pwd").await;

    let result = only_result(&events);
    assert!(!result.is_error, "{result:?}");
    assert!(words_of(&result).contains("grüße 42"), "{result:?}");
    // The shell lives on between two commands.
    ada.ask(session, "!cd /tmp && LEFT_BEHIND=yes").await;
    let events = ada.ask(session, "!echo \"$LEFT_BEHIND in $PWD\"").await;
    assert!(words_of(&only_result(&events)).contains("yes in /tmp"), "{events:?}");
}

async fn a_failing_command_says_so(ada: &Api, session: &SessionId) {
    let events = ada.ask(session, "!ls /nowhere-at-all").await;

    assert!(words_of(&only_result(&events)).contains("No such file"), "{events:?}");
}

async fn a_screenshot_is_a_picture_of_the_record(stack: &Stack, ada: &Api, session: &SessionId) {
    let events = ada.ask(session, "/screenshot").await;

    let result = only_result(&events);
    let sha256 = result
        .content
        .iter()
        .find_map(|block| match block {
            ResultBlock::Image { picture } => Some(picture.sha256.clone()),
            ResultBlock::Text { .. } => None,
        })
        .or(result.trace.picture.as_ref().map(|picture| picture.sha256.clone()))
        .unwrap_or_else(|| panic!("no picture in {result:?}"));
    let kept = find(&stack.layout.data, |file| file.to_string_lossy().replace('/', "").contains(&sha256));
    let blob = kept.first().unwrap_or_else(|| panic!("no blob {sha256} in the data folder"));
    assert_eq!(harness::sha256(&std::fs::read(blob).expect("read the blob")), sha256);
}

async fn clicks_and_keys_reach_the_desktop(ada: &Api, desktop: &DesktopId, session: &SessionId) {
    // A window that writes down what is typed into it.
    let open = "xterm -e sh -c 'cat > ~/typed.txt' > /dev/null 2>&1 &";
    ada.shell(desktop, open).await;
    ada.wait_for_file(desktop, "~/typed.txt").await;

    let events = ada.ask(session, "/click 300 200").await;
    assert!(!only_result(&events).is_error, "{events:?}");
    ada.ask(session, "/type hello from the console, A!@# é").await;
    ada.ask(session, "/key Return").await;
    ada.ask(session, "/key ctrl+d").await;

    let typed = wait::until("what was typed arrives", Duration::from_secs(20), async || {
        let typed = ada.shell(desktop, "cat ~/typed.txt").await.output;
        (!typed.trim().is_empty()).then_some(typed)
    })
    .await;
    assert_eq!(typed.trim(), "hello from the console, A!@# é");
}

async fn an_address_opens_in_the_browser(ada: &Api, desktop: &DesktopId, session: &SessionId) {
    ada.shell(desktop, "echo '<body bgcolor=red><h1>Hello</h1>' > ~/page.html").await;
    let before = ada.screenshot(desktop).await;

    let events = ada.ask(session, "/open file:///home/user/page.html").await;

    assert!(!only_result(&events).is_error, "{events:?}");
    wait::until("a browser window covers much of the screen", Duration::from_secs(60), async || {
        (ada.screenshot(desktop).await.difference(&before) > 0.2).then_some(())
    })
    .await;
}

async fn nonsense_is_answered_with_what_there_is(ada: &Api, session: &SessionId) {
    for nonsense in ["/clikc 1 2", "/click 99999 99999", "/key no_such_key_at_all", "/click here"] {
        let events = ada.ask(session, nonsense).await;

        let said = format!("{}{}", texts(&events), results(&events).iter().map(words_of).collect::<String>());
        assert!(!said.trim().is_empty(), "{nonsense} was met with silence: {events:?}");
        let succeeded = results(&events).iter().any(|result| !result.is_error);
        assert!(!succeeded, "{nonsense} succeeded: {events:?}");
    }
}

async fn a_long_command_can_be_stopped(ada: &Api, desktop: &DesktopId, session: &SessionId) {
    let last = ada.session(session).await.last_seq;
    let mut chat = Chat::open(ada, desktop, session, last).await.expect("the chat");
    let hello = chat.next().await;
    assert!(matches!(hello, ChatDown::Hello { model: None, .. }), "{hello:?}");

    chat.send(&ChatUp::Send { client_id: "long".to_owned(), text: "!sleep 600 && touch ~/too-late".to_owned() }).await;
    chat.until(|frame| matches!(frame, ChatDown::ToolStarted { .. })).await;
    chat.send(&ChatUp::Stop).await;
    let frames = chat
        .until(|frame| {
            matches!(frame, ChatDown::Event { event: Event { body: EventBody::StateChanged { state, .. }, .. } }
                if !state.has_work())
        })
        .await;

    let interrupted = frames.iter().any(|frame| {
        matches!(frame, ChatDown::Event { event: Event { body: EventBody::ToolResult(result), .. } }
            if result.is_error && words_of(result).contains("interrupted"))
    });
    assert!(interrupted, "{frames:?}");
    let still = ada.shell(desktop, "pgrep -x sleep || echo none").await;
    assert_eq!(still.output.trim(), "none", "the command is gone with its children");
}

async fn the_record_counts_without_a_gap(ada: &Api, session: &SessionId) {
    let events = ada.events(session, 0).await;

    let numbers: Vec<i64> = events.iter().map(|event| event.seq).collect();
    assert_eq!(numbers, (1..=numbers.len() as i64).collect::<Vec<_>>());
    assert_eq!(ada.session(session).await.last_seq, numbers.len() as i64);
}
