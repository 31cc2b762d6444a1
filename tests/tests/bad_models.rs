//! Providers, models and commands that do what they should not: a clear word each time, nothing runs that must not,
//! and the session goes on.

use std::time::Duration;

use harness::{
    Api, Stack, Turn,
    model_server::{Content, KEY, text, tool, tool_text, tool_use},
    record::{assistants, only_result, results, texts, words_of},
};
use protocol::{
    DesktopId, SessionId,
    event::{Event, ResultBlock, ToolResult},
    session::SessionState,
};
use serde_json::json;

/// Must not come into being.
const TRACE: &str = "~/must-not-run";

#[tokio::test]
async fn whatever_a_model_or_its_provider_does_the_session_goes_on() {
    let stack = Stack::start().await;
    let ada = stack.user("ada").await;
    ada.set_key(KEY).await;
    let desktop = ada.ready_desktop().await.id;
    let session = ada.create_session(&desktop).await.id;
    let agent = Agent { stack: &stack, ada: &ada, desktop: &desktop, session: &session };

    agent.what_may_pass_is_tried_again().await;
    agent.the_wait_is_the_providers().await;
    agent.what_needs_a_person_ends_with_a_word().await;
    agent.a_message_that_pauses_is_sent_again_unchanged().await;
    agent.what_comes_in_a_later_year_goes_back_as_it_came().await;
    agent.bad_inputs_are_answered_in_words().await;
    agent.bad_commands_leave_a_shell_that_works().await;
    agent.a_command_without_end_is_stopped_by_a_person().await;
    agent.what_is_too_large_is_refused_or_kept_whole().await;
    agent.more_pictures_than_a_provider_takes_end_no_session().await;

    assert_eq!(agent.shell(&format!("ls {TRACE}* 2>/dev/null")).await, "", "something ran that must not");
}

/// A session and all around it.
struct Agent<'a> {
    stack: &'a Stack,
    ada: &'a Api,
    desktop: &'a DesktopId,
    session: &'a SessionId,
}

impl Agent<'_> {
    async fn what_may_pass_is_tried_again(&self) {
        let half = || vec![text("Half of an answer that is never given")];
        let touch = || tool_use("bash", json!({ "command": format!("touch {TRACE}") }));
        let failures = [
            Turn::is_overloaded(),
            Turn::refuses(400, "odd_error", &[("x-should-retry", "true"), ("retry-after-ms", "50")]),
            Turn::shows_a_page(500, "<html><body><h1>Internal Server Error</h1></body></html>"),
            Turn::GoesAway,
            Turn::HangsUp { content: half() },
            Turn::HangsUp { content: vec![touch()] },
            Turn::BreaksWithError { content: half() },
            Turn::Streams(noise()),
            Turn::Streams(vec![b'x'; 9 << 20]),
            Turn::Streams(b"event: message_start\ndata: {\"type\": \"message_st\n\n".to_vec()),
            Turn::asks([tool_text("bash", &format!("{{\"command\": touch {TRACE}}}"))]),
            Turn::asks([tool_text("bash", &format!("[\"touch {TRACE}\"]"))]),
            Turn::asks([touch().with_id("toolu_twice"), touch().with_id("toolu_twice")]),
        ];
        for (number, failure) in failures.into_iter().enumerate() {
            let words = format!("The answer after failure {number}.");
            self.stack.model.script([failure, Turn::ends(&words)]);

            let events = self.ada.ask(self.session, &format!("Failure {number}")).await;

            assert_eq!(texts(&events), words, "failure {number}");
            assert_eq!(results(&events), [], "failure {number}");
        }
    }

    async fn the_wait_is_the_providers(&self) {
        for (header, value, at_least) in
            [("retry-after", "1", Duration::from_secs(1)), ("retry-after-ms", "1200", Duration::from_millis(1200))]
        {
            let limited = Turn::refuses(429, "rate_limit_error", &[(header, value)]);
            self.stack.model.script([limited, Turn::ends("Now.")]);

            self.ada.ask(self.session, &format!("With {header}")).await;

            let requests = self.stack.model.requests();
            let [.., first, second] = &requests[..] else { panic!("requests") };
            // Without being asked it would be half a second.
            assert!(second.came_at - first.came_at >= at_least, "{header} is kept");
        }
    }

    async fn what_needs_a_person_ends_with_a_word(&self) {
        let touch = || tool_use("bash", json!({ "command": format!("touch {TRACE}") }));
        let cut = tool_text("bash", &format!("{{\"command\": \"touch {TRACE}; and"));
        let failed = SessionState::Failed;
        let idle = SessionState::Idle;
        let cases = [
            (
                Turn::refuses(529, "overloaded_error", &[("x-should-retry", "false")]),
                failed,
                "the model provider answered 529: overloaded_error",
            ),
            (
                Turn::shows_a_page(403, "<html>Blocked</html>"),
                failed,
                "the model provider answered 403: it did not say why",
            ),
            (Turn::stops("refusal", []), idle, "the model declined to go on"),
            (Turn::stops("refusal", [text("I will"), touch()]), idle, "the model declined to go on"),
            (
                Turn::stops("max_tokens", [text("I will"), touch(), cut]),
                idle,
                "the answer was cut: it reached the limit of one message",
            ),
            (
                Turn::stops("model_context_window_exceeded", [text("I was"), touch()]),
                idle,
                "the conversation is too long for the model: start a new session",
            ),
            (Turn::asks([text("I shall use a tool.")]), idle, "the model stopped without saying why"),
            (Turn::stops("something_new", [touch()]), idle, "the model stopped without saying why"),
        ];
        for (turn, state, reason) in cases {
            self.stack.model.script([turn]);

            let events = self.ada.ask(self.session, "Do it").await;

            let now = self.ada.session(self.session).await;
            assert_eq!((now.state, now.reason.as_deref()), (state, Some(reason)), "{events:?}");
            for result in results(&events) {
                assert!(words_of(&result).starts_with("Not executed: the message ended"), "{result:?}");
            }
            self.goes_on().await;
        }
    }

    async fn a_message_that_pauses_is_sent_again_unchanged(&self) {
        let again = Turn::depends(|request| {
            // That nothing of it has changed is for the checker of all requests.
            let last = request.body["messages"].as_array().and_then(|messages| messages.last()).cloned();
            assert_eq!(last.expect("messages")["role"], "assistant");
            Turn::ends("and now I go on.")
        });
        self.stack.model.script([Turn::stops("pause_turn", [text("A moment, ")]), again]);

        let events = self.ada.ask(self.session, "Search for it").await;

        assert_eq!(texts(&events), "A moment, and now I go on.");
        self.goes_on().await;
    }

    async fn what_comes_in_a_later_year_goes_back_as_it_came(&self) {
        let hologram = json!({ "type": "hologram", "depth": 3 });
        let blank = text("\n\n");
        self.stack.model.script([Turn::stops("end_turn", [Content::Unknown(hologram.clone()), blank, text("See?")])]);

        let events = self.ada.ask(self.session, "Show me").await;

        assert_eq!(assistants(&events)[0].content[0], hologram);
        self.goes_on().await;
        let sent = self.stack.model.requests().pop().expect("a request").text();
        assert!(sent.contains("hologram"), "{sent}");
    }

    async fn bad_inputs_are_answered_in_words(&self) {
        let cases: Vec<(Content, &str)> = vec![
            (tool("fly", json!({})), "Error: unknown computer toolset member 'fly'"),
            (tool_use("no_such_tool", json!({})), "Error: there is no tool 'no_such_tool'"),
            (tool("mouse_move", json!({})), "Error: `coordinate` is missing: give [x, y]"),
            (tool("left_click", json!({ "coordinate": "middle" })), "must be [x, y] in whole pixels"),
            (tool("left_click", json!({ "coordinate": [90_000, 5] })), "Error: "),
            (tool("left_click", json!({ "coordinate": [-1, 5] })), "Error: "),
            (tool("zoom", json!({ "region": [0, 0, 90_000, 90_000] })), "Error: "),
            (
                tool("scroll", json!({ "scroll_direction": "in", "scroll_amount": 1 })),
                "must be up, down, left or right",
            ),
            (tool("key", json!({ "text": "NoSuchKey" })), "Error: "),
            (tool("wait", json!({ "duration": 1e9 })), "must be 0 to 60 seconds"),
            (tool("type", json!({})), "Error: `text` must be a non-empty text"),
            (tool("type", json!({ "text": ["a"] })), "Error: `text` must be a non-empty text"),
            (tool_use("bash", json!({})), "Error: `command` must be a non-empty text"),
            (tool_use("bash", json!({ "command": "a\0b" })), "holds a NUL character"),
            (tool_use("str_replace_based_edit_tool", json!({ "command": "view" })), "Error"),
            (tool_use("str_replace_based_edit_tool", json!({ "command": "view", "path": "etc" })), "Error"),
        ];
        for (call, words) in cases {
            let shown = format!("{call:?}");
            let result = self.result_of(call).await;
            assert!(result.is_error && words_of(&result).contains(words), "{shown}: {result:?}");
        }
        let more = json!({ "coordinate": [640, 400], "surprise": { "a": 1 } });
        let result = self.result_of(tool("mouse_move", more)).await;
        assert_eq!((result.is_error, words_of(&result)), (false, "Moved the mouse.".to_owned()));
    }

    async fn bad_commands_leave_a_shell_that_works(&self) {
        let cases: [(&str, &[&str]); 9] = [
            ("yes flood | head -c 30000000; echo the end", &["[the first ", " bytes were cut]", "the end\n"]),
            ("sleep 300 & echo started", &["started\n"]),
            ("(sleep 300; touch ~/late) & disown; yes > /dev/null & echo more", &["more\n"]),
            ("kill -9 $$", &["ended the shell itself", "the next one gets a fresh shell"]),
            ("exit 7", &["ended the shell itself", "[exit code 7]"]),
            ("exec >&- 2>&-; echo unheard", &["[exit code 1]"]),
            ("head -c 2000 /dev/urandom; printf '\\0\\377\\033[31m'; echo; echo bytes", &["bytes\n"]),
            ("echo 'not closed", &["unexpected EOF", "[exit code 2]"]),
            ("cat; read -r line; echo \"read: $line\"", &["read: \n"]),
        ];
        for (command, all) in cases {
            let result = self.result_of(tool_use("bash", json!({ "command": command }))).await;
            let words = words_of(&result);
            assert!(all.iter().all(|part| words.contains(part)), "{command}: {result:?}");
            assert!(words.len() < 200_000, "{command}: {} bytes", words.len());

            let result = self.result_of(tool_use("bash", json!({ "command": "echo next" }))).await;
            assert!(words_of(&result).ends_with("next\n"), "after {command}: {result:?}");
        }
        self.result_of(tool_use("bash", json!({ "restart": true }))).await;
        assert_eq!(self.shell("pgrep -x 'sleep|yes' || echo none").await, "none", "and a restart ends what it left");
    }

    async fn a_command_without_end_is_stopped_by_a_person(&self) {
        let command = "touch ~/begun; trap '' TERM INT HUP; yes & while :; do sleep 1000; done";
        self.stack.model.script([Turn::asks([tool_use("bash", json!({ "command": command }))])]);
        let seq = self.ada.say(self.session, "Run it for ever").await;
        self.ada.wait_for_file(self.desktop, "~/begun").await;

        self.ada.order(&format!("sessions/{}/stop", self.session)).await.expect("stop");

        let events = self.ada.wait_until_done(self.session, seq).await;
        assert_eq!(words_of(&only_result(&events)), "[interrupted by user]");
        assert_eq!(self.ada.session(self.session).await.state, SessionState::Cancelled);
        assert_eq!(self.shell("pgrep -x 'sleep|yes' || echo none").await, "none");
        let result = self.result_of(tool_use("bash", json!({ "command": "echo next" }))).await;
        assert_eq!(words_of(&result), "next\n");
    }

    async fn what_is_too_large_is_refused_or_kept_whole(&self) {
        let typing = |length: usize| tool("type", json!({ "text": "a".repeat(length) }));
        let result = self.result_of(typing(3_000_000)).await;
        assert!(result.is_error && words_of(&result).contains("at most 100000 are"), "{}", words_of(&result));
        let command = format!("touch {TRACE} #{}", "a".repeat(3_000_000));
        let result = self.result_of(tool_use("bash", json!({ "command": command }))).await;
        assert!(result.is_error && words_of(&result).contains("write a script file"), "{}", words_of(&result));

        self.stack.model.script([Turn::asks([typing(10_000_000)])]);
        self.ada.ask(self.session, "Type a book").await;
        let now = self.ada.session(self.session).await;
        let reason = now.reason.unwrap_or_default();
        assert!(now.state == SessionState::Failed && reason.contains("at most 3670016 can be kept"), "{reason}");

        let long = "All work and no play. ".repeat((3 << 20) / 22);
        self.stack.model.script([Turn::ends(&long)]);
        let events = self.ada.ask(self.session, "Write a book").await;
        assert_eq!(texts(&events).len(), long.len());
        self.goes_on().await;
    }

    async fn more_pictures_than_a_provider_takes_end_no_session(&self) {
        let look = |n: i32| tool("zoom", json!({ "region": [n, 0, n + 100, 100] }));
        let looks = (0..6).map(|turn| Turn::asks((0..20).map(|n| look(turn * 20 + n))));
        self.stack.model.script(looks.chain([Turn::ends("Seen.")]));

        self.ada.ask(self.session, "Look everywhere").await;

        let requests = self.stack.model.requests();
        let folded = requests.iter().rev().take(7).filter(|request| {
            let first = &request.body["messages"][0]["content"][0]["text"];
            first.as_str().is_some_and(|text| text.starts_with("[What came before"))
        });
        assert!((1..7).contains(&folded.count()), "the first of them are told as they were");
        self.goes_on().await;
    }

    /// The session is usable: the model is asked again, with a conversation that its provider takes.
    async fn goes_on(&self) {
        self.stack.model.script([Turn::ends("Here I am.")]);
        let events = self.ada.ask(self.session, "Are you there?").await;
        assert_eq!(texts(&events), "Here I am.");
        assert_eq!(self.ada.session(self.session).await.state, SessionState::Idle);
        assert_eq!(self.stack.model.violations(), Vec::<String>::new());
    }

    /// What a tool that the model uses comes to; the model says a closing word.
    async fn result_of(&self, call: Content) -> ToolResult {
        self.stack.model.script([Turn::asks([call]), Turn::ends("I see.")]);
        let events: Vec<Event> = self.ada.ask(self.session, "Do it").await;
        assert_eq!(texts(&events), "I see.", "{:?}", self.stack.model.violations());
        let result = only_result(&events);
        let is_text = |block: &ResultBlock| matches!(block, ResultBlock::Text { .. });
        assert!(result.content.iter().all(is_text), "{result:?}");
        result
    }

    /// Asked from outside of the session.
    async fn shell(&self, command: &str) -> String {
        self.ada.shell(self.desktop, command).await.output.trim().to_owned()
    }
}

/// Bytes of no kind, the same each time.
fn noise() -> Vec<u8> {
    let mut state = 1u32;
    std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    })
    .take(100_000)
    .collect()
}
