//! MCP servers of the user on a real desk: one that others wrote, and ones that go wrong in every way that we know.

mod support;

use std::time::Duration;

use protocol::{
    capability::Scope,
    error::Code,
    event::ResultBlock,
    mcp::{McpServerConfig, McpState, McpStatus, McpTool},
    session::SessionState,
};
use serde_json::{Value, json};
use support::{
    script::bash,
    servers::{
        Servers, bad, bad_with, count, ends, house, house_with, notices, reference, refused, results, stdio, tool,
        uses, words,
    },
};
use tokio::{sync::watch, time::Instant};

#[tokio::test]
async fn the_agent_uses_the_tools_of_a_server_that_we_did_not_write() {
    let (_screen, house) = house(
        vec![reference("of-the-agent")],
        vec![
            uses(&[
                tool("t1", "mcp__everything__get-sum", json!({"a": 2, "b": 3})),
                tool("t2", "mcp__everything__get-tiny-image", json!({})),
                tool("t3", "mcp__everything__get-sum", json!({"a": "two"})),
                tool("t4", "mcp__everything__nothing", json!({})),
            ]),
            ends(),
        ],
    )
    .await;
    let status = Servers(&house).until("everything", McpState::Running).await;

    house.edge.with(|control| control.say("add"));
    house.edge.until_state(SessionState::Idle).await;

    house.edge.with(|control| {
        let results = results(control);
        assert!(words(&results["t1"]).1.contains('5') && !results["t1"].is_error, "{:?}", results["t1"]);
        let picture = results["t2"].content.iter().find_map(|block| match block {
            ResultBlock::Image { picture } => Some(picture),
            ResultBlock::Text { .. } => None,
        });
        assert!(control.blobs[&picture.expect("a picture").sha256].starts_with(b"\x89PNG"));
        assert!(results["t3"].is_error, "{:?}", results["t3"]);
        let gone = "Error: the MCP server everything has no tool 'mcp__everything__nothing' any more";
        assert_eq!(words(&results["t4"]), (true, gone));
        let told: Vec<&str> = control.asked[0].1["tools"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|tool| tool["name"].as_str().filter(|name| name.starts_with("mcp__")))
            .collect();
        assert_eq!(told.len(), status.tools as usize);
        assert!(told.is_sorted() && told.contains(&"mcp__everything__echo"), "{told:?}");
    });
}

#[tokio::test]
async fn people_start_stop_and_restart_a_server_see_its_tools_and_try_one() {
    let (_screen, house) = house(vec![reference("of-people")], vec![]).await;
    let servers = Servers(&house);
    let running = servers.until("everything", McpState::Running).await;

    let tools: Vec<McpTool> = servers.get("everything/tools").await;
    let tried = servers.call("everything", "echo", json!({"message": "hello"})).await;
    assert_eq!(tools.len(), running.tools as usize);
    assert!(tools.iter().any(|tool| tool.name == "echo" && tool.input_schema["properties"]["message"] != Value::Null));
    assert_eq!((tried.is_error, tried.text.as_str()), (false, "Echo: hello"));
    let image = servers.call("everything", "get-tiny-image", json!({})).await;
    assert!(image.text.contains("[image/png, "), "{}", image.text);
    assert!(servers.call("everything", "echo", json!({})).await.is_error);

    let again = servers.order("everything", "restart").await;
    assert_eq!((again.state, again.tools), (McpState::Running, running.tools));
    let stopped = servers.order("everything", "stop").await;
    assert_eq!((stopped.state, stopped.tools, stopped.reason), (McpState::Stopped, 0, None));
    assert_eq!(count("of-people"), 0, "nothing of it runs");
    let tried = servers.call("everything", "echo", json!({"message": "x"})).await;
    assert_eq!(tried.text, "Error: the MCP server everything is not running: stopped");
    assert_eq!(servers.order("everything", "start").await.state, McpState::Running);
    // The keeper names it too.
    assert_eq!(count("of-people"), 2);
}

#[tokio::test]
async fn what_is_unknown_or_not_allowed_is_refused() {
    let (_screen, house) = house(vec![bad("fine")], vec![]).await;
    let servers = Servers(&house);
    servers.until("fine", McpState::Running).await;

    for rest in ["other/start", "other/stop", "other/restart"] {
        assert_eq!(refused(servers.post(rest, Value::Null).await).await, Code::NotFound);
    }
    for rest in ["other/status", "other/tools", "other/logs"] {
        let answer = house.visitor(&[Scope::Chat]).get(&format!("mcp-servers/{rest}")).await;
        assert_eq!(refused(answer).await, Code::NotFound);
        let answer = house.visitor(&[Scope::View, Scope::Shell]).get(&format!("mcp-servers/{rest}")).await;
        assert_eq!(refused(answer).await, Code::MissingScope);
    }
    for verb in ["start", "stop", "restart", "try"] {
        let all_but_shell = house.visitor(&[Scope::View, Scope::Chat, Scope::Control, Scope::Files]);
        let answer = all_but_shell.post(&format!("mcp-servers/fine/{verb}"), json!({"tool": "echo"})).await;
        assert_eq!(refused(answer).await, Code::MissingScope);
    }
    let answer = servers.post("fine/try", json!({"tool": "none"})).await;
    assert_eq!(refused(answer).await, Code::NotFound);
}

#[tokio::test]
async fn a_server_that_cannot_start_says_why_by_its_exit_code_and_its_last_words() {
    let missing = stdio("missing", "no-such-program", &[], &[]);
    let (_screen, house) = house(vec![bad("dies_at_start"), missing], vec![]).await;
    let servers = Servers(&house);

    let died = servers.until("dies-at-start", McpState::Failed).await;
    let missing = servers.until("missing", McpState::Failed).await;

    assert_eq!(died.reason.as_deref(), Some("it ended with exit code 3: cannot read the settings"));
    let reason = missing.reason.unwrap();
    assert!(reason.starts_with("it ended with exit code 127: cannot start no-such-program: No such file"), "{reason}");
    let again = servers.order("dies-at-start", "start").await;
    assert_eq!((again.state, again.reason), (McpState::Failed, died.reason));
}

#[tokio::test]
async fn a_server_that_hangs_at_its_start_is_given_up_and_ended() {
    let (_screen, house) = house(vec![bad_with("hangs_in_initialize", &["hung"], &[])], vec![]).await;
    let servers = Servers(&house);

    let failed = servers.until("hangs-in-initialize", McpState::Failed).await;

    assert_eq!(failed.reason.as_deref(), Some("it did not answer within 10 s"));
    assert_eq!(count("hung"), 0);
}

#[tokio::test]
async fn a_server_that_dies_in_a_call_gives_an_error_and_a_word_in_the_chat_and_stays_down() {
    let call = |id| tool(id, "mcp__dies-in-call__act", json!({}));
    let (_screen, house) =
        house(vec![bad("dies_in_call")], vec![uses(&[call("t1"), call("t2"), bash("t3", "echo on")]), ends()]).await;
    let servers = Servers(&house);
    servers.until("dies-in-call", McpState::Running).await;

    house.edge.with(|control| control.say("act"));
    house.edge.until_state(SessionState::Idle).await;

    let why = "it ended with exit code 3: the disk has caught fire";
    house.edge.with(|control| {
        let results = results(control);
        let error = format!("Error: the MCP server dies-in-call is not running: {why}");
        assert_eq!(words(&results["t1"]), (true, error.as_str()));
        assert_eq!(words(&results["t2"]), (true, error.as_str()));
        assert_eq!(words(&results["t3"]), (false, "on\n"));
        assert_eq!(notices(control), [format!("The MCP server dies-in-call has ended: {why}")]);
        let told = control.asked[1].1["tools"].to_string();
        assert!(!told.contains("mcp__"), "a tool that is not there is not offered");
    });
    let status = servers.status("dies-in-call").await;
    assert_eq!((status.state, status.reason.as_deref()), (McpState::Failed, Some(why)));
    assert_eq!(servers.order("dies-in-call", "restart").await.state, McpState::Running);
    assert_eq!(servers.call("dies-in-call", "echo", json!({"a": 1})).await.text, r#"{"a": 1}"#);
}

#[tokio::test]
async fn a_call_that_hangs_is_given_up_told_to_the_server_and_the_next_one_works() {
    let (_screen, house) = house(
        vec![bad("hangs_in_call")],
        vec![
            uses(&[
                tool("t1", "mcp__hangs-in-call__act", json!({})),
                tool("t2", "mcp__hangs-in-call__echo", json!({"a": 1})),
            ]),
            ends(),
        ],
    )
    .await;
    let servers = Servers(&house);
    servers.until("hangs-in-call", McpState::Running).await;

    house.edge.with(|control| control.say("act"));
    house.edge.until_state(SessionState::Idle).await;

    house.edge.with(|control| {
        let results = results(control);
        let late = "Error: the MCP server hangs-in-call did not answer within 3 s";
        assert_eq!(words(&results["t1"]), (true, late));
        assert_eq!(words(&results["t2"]), (false, r#"{"a": 1}"#));
        assert!(notices(control).is_empty());
    });
    let log = servers.until_logged("hangs-in-call", "cancelled").await;
    assert!(log.find("acting") < log.find("cancelled"), "{log}");
}

#[tokio::test]
async fn a_stop_gives_the_call_up_and_leaves_the_server_usable() {
    let (_screen, house) =
        house(vec![bad("hangs_in_call")], vec![uses(&[tool("t1", "mcp__hangs-in-call__act", json!({}))])]).await;
    let servers = Servers(&house);
    servers.until("hangs-in-call", McpState::Running).await;
    let session = house.edge.with(|control| control.session.clone().unwrap());
    let mut chat = house.visitor(&[Scope::Chat]).chat(&session, 0).await;
    chat.say("c1", "act").await;
    servers.until_logged("hangs-in-call", "acting").await;

    chat.send(&protocol::chat::ChatUp::Stop).await;

    house.edge.until_state(SessionState::Cancelled).await;
    house.edge.with(|control| assert_eq!(words(&results(control)["t1"]), (true, "[interrupted by user]")));
    servers.until_logged("hangs-in-call", "cancelled").await;
    assert_eq!(servers.call("hangs-in-call", "echo", json!({})).await.text, "{}");
}

#[tokio::test]
async fn a_server_that_sends_a_hundred_megabytes_is_ended_for_it() {
    let (_screen, house) = house(
        vec![bad_with("floods", &["too-much"], &[]), bad("fine")],
        vec![uses(&[tool("t1", "mcp__floods__act", json!({})), tool("t2", "mcp__fine__act", json!({}))]), ends()],
    )
    .await;
    let servers = Servers(&house);
    servers.until("floods", McpState::Running).await;
    servers.until("fine", McpState::Running).await;

    house.edge.with(|control| control.say("act"));
    house.edge.until_state(SessionState::Idle).await;

    let why = "it sent a message of more than 8 MiB";
    house.edge.with(|control| {
        let results = results(control);
        let (is_error, text) = words(&results["t1"]);
        assert!(is_error && text.starts_with(&format!("Error: the MCP server floods is not running: {why}")), "{text}");
        assert_eq!(words(&results["t2"]), (false, "done"));
        assert_eq!(notices(control).len(), 1);
    });
    let status = servers.until("floods", McpState::Failed).await;
    assert!(status.reason.unwrap().starts_with(why));
    assert_eq!(count("too-much"), 0);
}

#[tokio::test]
async fn nothing_of_a_server_that_does_not_want_to_end_is_left() {
    let (_screen, house) = house(vec![bad_with("stubborn", &["hides-somewhere"], &[])], vec![]).await;
    let servers = Servers(&house);
    servers.until("stubborn", McpState::Running).await;
    assert!(count("hides-somewhere") >= 3, "the keeper, the server, and what hides");

    let stopped = servers.order("stubborn", "stop").await;

    assert_eq!((stopped.state, count("hides-somewhere")), (McpState::Stopped, 0));
}

#[tokio::test]
async fn a_gate_that_ends_takes_its_servers_along() {
    let (_screen, mut house) = house(vec![bad_with("stubborn", &["hides-with-the-gate"], &[])], vec![]).await;
    Servers(&house).until("stubborn", McpState::Running).await;

    house.stop().await;

    assert_eq!(count("hides-with-the-gate"), 0);
}

#[tokio::test]
async fn a_secret_reaches_the_server_and_nobody_else() {
    let env = [("KEY", "<{{secret:THE_KEY}}>")];
    let missing =
        McpServerConfig { name: "missing".to_owned(), ..bad_with("fine", &[], &[("KEY", "{{secret:NOT_THERE}}")]) };
    let (_screen, house) = house_with(
        vec![bad_with("tells", &[], &env), missing],
        vec![uses(&[tool("t1", "mcp__tells__act", json!({}))]), ends()],
        |edge| edge.with(|control| drop(control.secrets.insert("THE_KEY".to_owned(), "hunter2-and-more".to_owned()))),
    )
    .await;
    let servers = Servers(&house);
    servers.until("tells", McpState::Running).await;

    house.edge.with(|control| control.say("act"));
    house.edge.until_state(SessionState::Idle).await;

    house.edge.with(|control| {
        assert_eq!(words(&results(control)["t1"]), (false, "it is <{{secret:THE_KEY}}>"));
    });
    assert_eq!(servers.call("tells", "act", json!({})).await.text, "it is <{{secret:THE_KEY}}>");
    let log = servers.until_logged("tells", "running").await;
    assert!(log.contains("up, with <{{secret:THE_KEY}}>") && !log.contains("hunter2"), "{log}");
    let missing = servers.until("missing", McpState::Failed).await;
    let reason = missing.reason.unwrap();
    assert_eq!(reason, "the user has no secret with the name NOT_THERE. Ask them to store it.");
}

#[tokio::test]
async fn a_list_that_a_server_changes_is_read_again() {
    let (_screen, house) = house(vec![bad("changes")], vec![]).await;
    let servers = Servers(&house);
    assert_eq!(servers.until("changes", McpState::Running).await.tools, 2);

    servers.call("changes", "act", json!({})).await;

    servers.until_logged("changes", "its tools have changed: 3 now").await;
    assert_eq!(servers.status("changes").await.tools, 3);
    let names: Vec<McpTool> = servers.get("changes/tools").await;
    assert!(names.iter().any(|tool| tool.name == "new.tool"));
}

#[tokio::test]
async fn what_a_tool_calls_an_error_is_one() {
    let (_screen, house) =
        house(vec![bad("fails")], vec![uses(&[tool("t1", "mcp__fails__act", json!({}))]), ends()]).await;
    Servers(&house).until("fails", McpState::Running).await;

    house.edge.with(|control| control.say("act"));
    house.edge.until_state(SessionState::Idle).await;

    house.edge.with(|control| assert_eq!(words(&results(control)["t1"]), (true, "the moon is not full")));
}

#[tokio::test]
async fn servers_follow_controls_list_and_run_on_without_control() {
    let quiet = McpServerConfig { autostart: false, ..bad("fine") };
    let (_screen, house) = house(vec![bad("tells"), bad_with("changes", &["removed"], &[]), quiet], vec![]).await;
    let servers = Servers(&house);
    servers.until("tells", McpState::Running).await;
    servers.until("changes", McpState::Running).await;
    assert_eq!(servers.status("fine").await.state, McpState::Stopped);

    // One goes, one changes, one comes.
    let quiet = McpServerConfig { autostart: false, ..bad("fine") };
    house.edge.with(|control| {
        control.serve_mcp(vec![bad_with("tells", &[], &[("KEY", "new")]), quiet.clone(), bad("fails")]);
    });
    servers.until_logged("tells", "up, with new").await;
    servers.until("fails", McpState::Running).await;
    servers.until("tells", McpState::Running).await;
    let gone = house.visitor(&[Scope::Chat]).get("mcp-servers/changes/status").await;
    assert_eq!(refused(gone).await, Code::NotFound);
    let deadline = Instant::now() + Duration::from_secs(20);
    while count("removed") > 0 {
        assert!(Instant::now() < deadline, "what was removed still runs");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }

    // A start takes the list as it is at that moment, and what is known when control is away.
    house.edge.with(|control| control.mcp_servers.push(bad("dies_in_call")));
    assert_eq!(servers.order("dies-in-call", "start").await.state, McpState::Running);
    house.edge.cut();
    assert_eq!(servers.order("fine", "start").await.state, McpState::Running);
    assert_eq!(servers.call("tells", "act", json!({})).await.text, "it is new");
}

#[tokio::test]
async fn while_a_person_drives_servers_stand_still_and_none_starts() {
    let (_screen, house) = house(vec![bad("hangs_in_call")], vec![]).await;
    let servers = Servers(&house);
    servers.until("hangs-in-call", McpState::Running).await;
    let person = house.visitor(&[Scope::View, Scope::Control, Scope::Shell]);
    let program = house.program(&[Scope::Shell]);

    let held = program.post("mcp-servers/hangs-in-call/try", json!({"tool": "act"}));
    let take = async {
        servers.until_logged("hangs-in-call", "acting").await;
        person.post("control/take", json!({})).await
    };
    let (held, taken) = tokio::join!(held, take);
    assert!(taken.status().is_success());
    assert_eq!(refused(held).await, Code::PersonDrives, "a call that runs is given up");
    for (verb, body) in [("try", json!({"tool": "echo"})), ("start", Value::Null), ("restart", Value::Null)] {
        for visitor in [&program, &person] {
            let answer = visitor.post(&format!("mcp-servers/hangs-in-call/{verb}"), body.clone()).await;
            assert_eq!(refused(answer).await, Code::PersonDrives, "{verb}");
        }
    }
    house.edge.with(|control| control.serve_mcp(vec![bad("hangs_in_call"), bad("fine")]));
    let waits = servers.until("fine", McpState::Starting).await;
    assert_eq!(waits.reason.as_deref(), Some("it waits until control is handed back"));

    person.post("control/release", json!({})).await;

    servers.until("fine", McpState::Running).await;
    assert_eq!(servers.call("hangs-in-call", "echo", json!({})).await.text, "{}");
}

#[tokio::test]
async fn a_server_whose_start_a_takeover_breaks_off_starts_by_itself_after_it() {
    let (open, wait) = watch::channel(false);
    let config = bad_with("fine", &[], &[("KEY", "{{secret:KEY}}")]);
    let (_screen, house) = house_with(vec![config], vec![], |edge| {
        edge.with(|control| {
            control.secrets.insert("KEY".to_owned(), "hunter2-and-more".to_owned());
            control.secrets_wait = Some(wait);
        });
    })
    .await;
    let servers = Servers(&house);
    let person = house.visitor(&[Scope::View, Scope::Control]);
    servers.until_logged("fine", "[starting]").await;

    assert!(person.post("control/take", json!({})).await.status().is_success());
    open.send_replace(true);

    let waits = |status: &McpStatus| status.reason.as_deref() == Some("it waits until control is handed back");
    servers.until_it("fine", "waiting", waits).await;
    person.post("control/release", json!({})).await;
    servers.until("fine", McpState::Running).await;
}

#[tokio::test]
async fn a_server_that_lists_tools_without_end_is_left_for_it() {
    let (_screen, house) = house(vec![bad("lists_much")], vec![]).await;
    let servers = Servers(&house);

    let failed = servers.until("lists-much", McpState::Failed).await;

    assert_eq!(failed.reason.as_deref(), Some("it lists more than 4 MiB of tools"));
    let log = servers.until_logged("lists-much", "[failed").await;
    assert_eq!(log.matches(r#""lists""#).count(), 4, "{log}");
}

#[tokio::test]
async fn a_value_that_was_typed_into_the_settings_is_shown_nowhere() {
    let value = "Typed-\"In\"-änd-Secret";
    let all = vec![bad_with("tells", &[], &[("KEY", value)]), bad_with("boasts", &[], &[("KEY", value)])];
    let (_screen, house) = house(all, vec![]).await;
    let servers = Servers(&house);
    servers.until("tells", McpState::Running).await;
    servers.until("boasts", McpState::Running).await;

    for (by, shown) in [("text", "it is [•••• KEY]"), ("json", r#"{"key": "[•••• KEY]"}"#), ("notice", "logged")]
    {
        assert_eq!(servers.call("tells", "act", json!({"by": by})).await.text, shown);
    }
    let error = servers.call("tells", "act", json!({"by": "error"})).await.text;
    assert!(error.contains("xxx[•••") && !error.contains("Typed"), "{}", &error[error.len() - 80..]);
    let log = servers.until_logged("tells", "info: [•••• KEY]").await;
    assert!(log.contains("up, with [•••• KEY]") && !log.contains("Typed"), "{log}");
    let tools: Vec<McpTool> = servers.get("boasts/tools").await;
    let told: Vec<(&str, &str)> = tools.iter().map(|tool| (&*tool.name, &*tool.description)).collect();
    assert_eq!(told, [("act", "act"), ("echo", "with [•••• KEY]")]);
    let left_out = "the tool 'with.[•••• KEY]' is left out: its name tells a secret";
    servers.until_logged("boasts", left_out).await;
}
