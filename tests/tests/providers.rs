//! Models of other providers on the same desktop: OpenAI's, by its computer tool, and whatever speaks as OpenAI does, by
//! functions. Every request is checked by OpenAI's own SDK.

use harness::{
    Api, Options, Stack, Turn,
    model_server::{KEY, compatible_url, computer, safety_check, text, thinking, tool, tool_text, tool_use},
    record::{assistants, results, texts, words_of},
    wait,
};
use protocol::{
    DesktopId, SessionId,
    approval::{ApprovalAsked, Risk},
    event::EventBody,
    key::KeyCheck,
    model::ModelApi,
    session::{CreateSession, PatchSession, Session, SessionState},
    settings::SessionSettings,
};
use serde_json::{Value, json};
use std::time::Duration;

const SOON: Duration = Duration::from_secs(30);

fn table(url: &str) -> Value {
    let house = compatible_url(url);
    let prices = json!({ "input": 2_000_000, "output": 10_000_000, "cache_write": 2_500_000, "cache_read": 200_000 });
    json!({
        "providers": [
            { "name": "house", "base_url": house, "allow_private": true },
            { "name": "open-house", "base_url": house, "allow_private": true, "needs_key": false },
        ],
        "models": [
            { "name": "claude-opus-5-5" },
            { "name": "astra", "id": "gpt-6-astra", "provider": "openai", "prices": prices },
            { "name": "plain", "id": "gpt-plain", "provider": "openai", "computer": "functions" },
            { "name": "qwen", "id": "qwen3-vl:32b", "provider": "house" },
            { "name": "free", "id": "qwen3-vl:4b", "provider": "open-house" },
        ],
    })
}

async fn stack() -> Stack {
    Stack::with(Options { models: Some(table), ..Options::default() }).await
}

struct Agent<'a> {
    stack: &'a Stack,
    ada: &'a Api,
    desktop: &'a DesktopId,
}

#[tokio::test]
async fn models_of_other_providers_work_on_the_same_desktop() {
    let stack = stack().await;
    let ada = stack.user("ada").await;
    for provider in ["anthropic", "openai", "house"] {
        ada.put::<Value>(&format!("keys/{provider}"), &json!({ "key": KEY })).await.expect("store a key");
        let check: KeyCheck = ada.post(&format!("keys/{provider}/check"), &json!({})).await.expect("check it");
        assert!(check.accepted, "{provider}: {check:?}");
    }
    let desktop = ada.ready_desktop().await.id;
    let agent = Agent { stack: &stack, ada: &ada, desktop: &desktop };

    agent.openais_computer_does_many_actions_with_one_call().await;
    agent.a_safety_check_waits_for_a_person().await;
    agent.functions_do_the_same("plain", "/openai/v1/responses").await;
    agent.functions_do_the_same("qwen", "/compatible/v1/chat/completions").await;
    agent.what_may_pass_is_tried_again("astra").await;
    agent.what_may_pass_is_tried_again("qwen").await;
    agent.what_stays_so_ends_with_a_word().await;
    agent.a_model_that_sends_elsewhere_is_not_followed().await;
    agent.another_model_goes_on_with_the_same_conversation().await;
    agent.where_no_key_is_wanted_none_is_sent().await;
}

impl Agent<'_> {
    async fn openais_computer_does_many_actions_with_one_call(&self) {
        let session = self.session("astra").await;
        let typed = "~/from-astra.txt";
        let press = |keys: &str| json!({ "type": "keypress", "keys": [keys] });
        self.stack.model.script([
            Turn::asks([thinking("I look first."), computer([json!({ "type": "screenshot" })])]),
            Turn::asks([tool_use("open", json!({ "target": "xterm" }))]),
            Turn::asks([
                text("Now I type."),
                computer([
                    json!({ "type": "move", "x": 640, "y": 400 }),
                    json!({ "type": "type", "text": format!("echo astra > {typed}") }),
                    press("ENTER"),
                    json!({ "type": "wait" }),
                ]),
                tool_use("bash", json!({ "command": "echo from bash" })),
            ]),
            Turn::ends("Done."),
        ]);

        let events = self.ada.ask(&session, "Type something").await;

        assert!(texts(&events).ends_with("Done."), "{events:?}");
        self.ada.wait_for_file(self.desktop, typed).await;
        let results = results(&events);
        let told: Vec<String> = results.iter().map(words_of).collect();
        assert_eq!(told[2..], ["Moved the mouse.", "Typed.", "Pressed ENTER.", "Waited 1s.", "from bash\n"]);
        assert!(results.iter().all(|result| !result.is_error), "{results:?}");
        let requests = self.stack.model.requests();
        let last = &requests[requests.len() - 1];
        assert_eq!((last.path.as_str(), &last.body["model"]), ("/openai/v1/responses", &json!("gpt-6-astra")));
        assert_eq!(last.newest_results().len(), 2, "one output a call: {:?}", last.newest());
        assert_eq!(last.newest_pictures().len(), 1, "of the screen as it is then");
        let answers = assistants(&events);
        assert!(answers.iter().all(|answer| answer.api == Some(ModelApi::OpenaiResponses) && answer.model == "astra"));
        let spent = self.ada.session(&session).await.spent;
        assert_eq!(spent.steps, 4);
        assert!(spent.cost_microusd > 0 && spent.usage.cache_read_input_tokens > 0, "{spent:?}");
    }

    async fn a_safety_check_waits_for_a_person(&self) {
        let session = self.session("astra").await;
        let asks = || {
            let check = safety_check("sc_1", "malicious_instructions", "The page gives orders.");
            let call = computer([
                json!({ "type": "click", "button": "left", "x": 30, "y": 30 }),
                json!({ "type": "screenshot" }),
            ]);
            Turn::asks([call.with_safety_checks([check])])
        };

        self.stack.model.script([Turn::asks([computer([])]), asks(), Turn::ends("Clicked.")]);
        let yes = self.answer(&session, "Click", "approve").await;
        self.stack.model.script([asks(), Turn::ends("Not clicked.")]);
        let no = self.answer(&session, "Click again", "deny").await;

        assert!(yes.iter().all(|result| !result.is_error), "{yes:?}");
        assert!(no.iter().all(|result| result.is_error), "{no:?}");
        let requests = self.stack.model.requests();
        let [.., after_yes, _, after_no] = requests.as_slice() else { panic!("{}", requests.len()) };
        assert_eq!(after_yes.newest_results()[0]["acknowledged_safety_checks"][0]["id"], "sc_1");
        assert!(after_no.newest_results().is_empty() && after_no.newest_words().contains("did not grant permission"));
    }

    /// Asks, waits for the question, answers it; the results of that turn.
    async fn answer(&self, session: &SessionId, text: &str, verdict: &str) -> Vec<protocol::event::ToolResult> {
        let seq = self.ada.say(session, text).await;
        let (approval, asked) = wait::until("it asks", SOON, async || {
            let events = self.ada.events(session, seq).await;
            events.iter().find_map(|event| match &event.body {
                EventBody::ApprovalAsked(asked) => Some((event.seq, asked.clone())),
                _ => None,
            })
        })
        .await;
        let ApprovalAsked { risk, shown, picture, mark, .. } = asked;
        assert_eq!(risk, Some(Risk::SafetyCheck));
        assert!(shown.contains("The page gives orders.") && picture.is_some() && mark.is_some(), "{shown}");
        let path = format!("sessions/{session}/{verdict}");
        self.ada.post::<Session>(&path, &json!({ "approval": approval })).await.expect(verdict);
        let done = self.ada.wait_until_done(session, seq).await;
        results(&done).into_iter().filter(|result| result.tool_use_id.starts_with("call_")).rev().take(2).collect()
    }

    async fn functions_do_the_same(&self, model: &str, path: &str) {
        let session = self.session(model).await;
        self.stack.model.script([
            Turn::asks([thinking("I look."), tool_use("screenshot", json!({}))]),
            Turn::asks([
                tool_use("mouse_move", json!({ "coordinate": [40, 50] })),
                tool_use("cursor_position", json!({})),
                tool_text("bash", "{\"command\": ls}"),
            ]),
            Turn::asks([tool_use("bash", json!({ "command": "echo again" }))]),
            Turn::ends("Done."),
        ]);

        let events = self.ada.ask(&session, "Look and move").await;

        let told: Vec<String> = results(&events).iter().map(words_of).collect();
        assert_eq!(told[1..3], ["Moved the mouse.", "X=40,Y=50"]);
        assert!(told[3].starts_with("Error: ") && told[4] == "again\n", "{told:?}");
        let requests = self.stack.model.requests();
        let [.., with_picture, after_fault, _] = requests.as_slice() else { panic!("{}", requests.len()) };
        assert_eq!(with_picture.path, path);
        assert_eq!(with_picture.newest_pictures().len(), 1);
        assert!(!with_picture.tool_names().contains(&"computer".to_owned()), "{:?}", with_picture.tool_names());
        assert_eq!(after_fault.newest_results().len(), 3);
    }

    async fn what_may_pass_is_tried_again(&self, model: &str) {
        let session = self.session(model).await;
        let half = || vec![text("Half of an answer that is never given")];
        let failures = [
            Turn::is_overloaded(),
            Turn::refuses(429, "rate_limit_error", &[("retry-after-ms", "50")]),
            Turn::shows_a_page(502, "<html><body><h1>Bad Gateway</h1></body></html>"),
            Turn::GoesAway,
            Turn::HangsUp { content: half() },
            Turn::BreaksWithError { content: half() },
            Turn::Fails { content: half(), code: "server_error" },
            Turn::Streams(b"data: {\"type\": \"response.crea\n\n".to_vec()),
        ];
        for (number, failure) in failures.into_iter().enumerate() {
            let words = format!("The answer after failure {number}.");
            self.stack.model.script([failure, Turn::ends(&words)]);

            let events = self.ada.ask(&session, &format!("Failure {number}")).await;

            assert_eq!(texts(&events), words, "{model}, failure {number}");
        }
    }

    async fn what_stays_so_ends_with_a_word(&self) {
        for (model, turn, said) in [
            ("astra", Turn::refuses(429, "insufficient_quota", &[]), "429"),
            ("astra", Turn::Fails { content: vec![text("Half")], code: "invalid_prompt" }, "invalid_prompt"),
            ("qwen", Turn::refuses(401, "invalid_api_key", &[]), "401"),
        ] {
            let session = self.session(model).await;
            self.stack.model.script([turn]);

            self.ada.ask(&session, "Try").await;

            let now = self.ada.session(&session).await;
            assert_eq!(now.state, SessionState::Failed);
            assert!(now.reason.as_deref().is_some_and(|reason| reason.contains(said)), "{:?}", now.reason);
            self.stack.model.script([Turn::ends("Better now.")]);
            assert_eq!(texts(&self.ada.ask(&session, "And now?").await), "Better now.");
        }
        for (model, stop_reason) in
            [("astra", "max_tokens"), ("qwen", "max_tokens"), ("astra", "refusal"), ("qwen", "content_filter")]
        {
            let session = self.session(model).await;
            let touch = tool_use("bash", json!({ "command": "touch ~/must-not-run" }));
            self.stack.model.script([Turn::stops(stop_reason, [text("I would"), touch])]);

            self.ada.ask(&session, "Try").await;

            let state = self.ada.session(&session).await.state;
            assert_eq!(state, SessionState::Idle, "{model} {stop_reason}");
            self.stack.model.script([Turn::ends("On.")]);
            assert_eq!(texts(&self.ada.ask(&session, "Go on").await), "On.", "{model} {stop_reason}");
        }
        assert_ne!(self.ada.shell(self.desktop, "ls ~/must-not-run").await.exit_code, Some(0));
    }

    async fn a_model_that_sends_elsewhere_is_not_followed(&self) {
        for model in ["astra", "qwen"] {
            let session = self.session(model).await;
            self.stack.model.script([Turn::redirects_to(&self.stack.model.elsewhere())]);

            self.ada.ask(&session, "Try").await;

            let reason = self.ada.session(&session).await.reason.unwrap_or_default();
            assert!(reason.contains("307"), "{reason}");
        }
        assert!(self.stack.model.visits_elsewhere().is_empty());
    }

    async fn another_model_goes_on_with_the_same_conversation(&self) {
        let session = self.session("astra").await;
        self.stack.model.script([
            Turn::asks([thinking("A thought of one's own."), computer([json!({ "type": "screenshot" })])]),
            Turn::ends("I have seen it."),
        ]);
        self.ada.ask(&session, "Look").await;

        for model in ["claude-opus-5-5", "qwen", "astra", "plain"] {
            self.choose(&session, model).await;
            let asks = match model {
                "claude-opus-5-5" => tool("screenshot", json!({})),
                "astra" => computer([json!({ "type": "screenshot" })]),
                _ => tool_use("screenshot", json!({})),
            };
            self.stack.model.script([Turn::asks([asks]), Turn::ends(&format!("So says {model}."))]);

            let events = self.ada.ask(&session, &format!("And you, {model}?")).await;

            assert_eq!(texts(&events), format!("So says {model}."));
            let requests = self.stack.model.requests();
            let said = requests[requests.len() - 1].text();
            assert!(said.contains("I have seen it."), "{model} is told what was said before");
            assert_eq!(said.contains("rs_"), model == "astra", "{model}: a thought is told to whom it came from alone");
        }
    }

    async fn where_no_key_is_wanted_none_is_sent(&self) {
        self.stack.model.needs_no_key();
        let session = self.session("free").await;
        self.stack.model.script([Turn::ends("For nothing.")]);

        assert_eq!(texts(&self.ada.ask(&session, "Hello").await), "For nothing.");

        let requests = self.stack.model.requests();
        assert_eq!(requests[requests.len() - 1].bearer(), None);
    }

    async fn session(&self, model: &str) -> SessionId {
        let settings = SessionSettings { model: Some(model.to_owned()), ..SessionSettings::default() };
        let wish = CreateSession { desktop_id: Some(self.desktop.clone()), settings, ..CreateSession::default() };
        self.ada.post::<Session>("sessions", &wish).await.expect("a session").id
    }

    async fn choose(&self, session: &SessionId, model: &str) {
        let settings = SessionSettings { model: Some(model.to_owned()), ..SessionSettings::default() };
        let wish = PatchSession { settings: Some(settings), ..PatchSession::default() };
        let path = format!("sessions/{session}");
        self.ada.send(http::Method::PATCH, &path, Some(&wish)).await.expect("change the model");
    }
}
