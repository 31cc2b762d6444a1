//! What outsiders read: one example of every wire type, as JSON. A changed snapshot is a changed API.

use insta::assert_json_snapshot;
use protocol::{
    accessibility::*, action::*, approval::*, capability::*, chat::*, desktop::*, edge::*, error::*, event::*,
    journal::*, key::*, lease::*, model::*, recording::*, secret::*, session::*, settings::*, ticket::*, user::*,
    vm::*, window::*, *,
};
use serde_json::json;

const HEX: &str = "0193a5b2c4d67e8f9a0b1c2d3e4f5061";
const SHA256: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

fn id<T: std::str::FromStr<Err = NotAnId>>(prefix: &str) -> T {
    format!("{prefix}-{HEX}").parse().unwrap()
}

fn picture() -> Picture {
    Picture { sha256: SHA256.into(), media_type: "image/png".into(), size: Size::DEFAULT, bytes: 81_234 }
}

fn event() -> Event {
    Event {
        seq: 3,
        at: 1_700_000_000_000,
        body: EventBody::ToolResult(ToolResult {
            tool_use_id: "toolu_1".into(),
            is_error: false,
            content: vec![ResultBlock::Text { text: "Clicked.".into() }, ResultBlock::Image { picture: picture() }],
            trace: ActionTrace {
                took_ms: 41,
                settled: Some(true),
                waited_ms: Some(120),
                picture: Some(picture()),
                mark: Some(Point { x: 300, y: 200 }),
                changed: Some(Rect { x: 290, y: 190, width: 20, height: 20 }),
            },
        }),
    }
}

fn holder() -> Holder {
    Holder { user_id: id("usr"), since: 1_700_000_000_000 }
}

fn settings() -> SessionSettings {
    SessionSettings {
        model: Some("claude".into()),
        system_prompt: Some("Answer in German.".into()),
        approvals: ApprovalPolicy::Risky,
        tools: [("bash".to_owned(), ToolRule::Ask)].into(),
        approval_timeout_s: 600,
        budgets: Budgets {
            steps: Some(200),
            seconds: Some(3600),
            tokens: Some(1_000_000),
            cost_microusd: Some(5_000_000),
        },
    }
}

fn model() -> Model {
    Model { prices: Some(Prices { input: 1, output: 2, cache_write: 3, cache_read: 4 }), ..Model::named("claude") }
}

#[test]
fn users_and_their_credentials() {
    assert_json_snapshot!([
        json!(User { id: id("usr"), email: "ada@example.org".into(), created_at: 1 }),
        json!(Credentials { email: "ada@example.org".into(), password: "correct horse battery".into() }),
        json!(Login { id: id("lgn"), created_at: 1, last_used_at: 2, user_agent: "Firefox".into(), current: true }),
        json!(CreateToken { name: "ci".into(), scopes: vec![Scope::View], expires_in_days: Some(7) }),
        json!(CreatedToken {
            token: AccessToken {
                id: id("tok"),
                name: "ci".into(),
                scopes: Scope::ALL.to_vec(),
                created_at: 1,
                expires_at: 2,
                last_used_at: None,
            },
            secret: "cbp_example".into(),
        }),
    ]);
}

#[test]
fn provider_keys() {
    assert_json_snapshot!([
        json!(PutKey { key: "sk-example".into() }),
        json!(ModelProvider { name: ProviderName::anthropic(), api: ModelApi::AnthropicMessages, needs_key: true }),
        json!(ProviderKey { provider: ProviderName::anthropic(), masked: "••••mple".into(), stored_at: 1 }),
        json!(KeyCheck { accepted: false, detail: "The provider does not know this key.".into() }),
    ]);
}

#[test]
fn desktops() {
    assert_json_snapshot!([
        json!(Desktop {
            id: id("dsk"),
            name: "Desktop 1".into(),
            state: DesktopState::Failed,
            reason: Some("no capacity".into()),
            size: Size::DEFAULT,
            generation: 2,
            created_at: 1,
            state_since: 2,
            holder: Some(holder()),
        }),
        json!(CreateDesktop { name: Some("Work".into()), size: Some(Size::MIN) }),
        json!(PatchDesktop { name: Some("Work".into()) }),
        json!(DesktopState::ALL),
    ]);
}

#[test]
fn a_name_is_spelled_alike_in_json_and_as_text() {
    for state in DesktopState::ALL {
        assert_eq!(json!(state), json!(state.as_str()));
    }
    for state in SessionState::ALL {
        assert_eq!(json!(state), json!(state.as_str()));
    }
    let others = [
        ApprovalPolicy::ALL.iter().map(|it| (json!(it), it.as_str())).collect::<Vec<_>>(),
        ToolRule::ALL.iter().map(|it| (json!(it), it.as_str())).collect(),
        Risk::ALL.iter().map(|it| (json!(it), it.as_str())).collect(),
        Verdict::ALL.iter().map(|it| (json!(it), it.as_str())).collect(),
        Driver::ALL.iter().map(|it| (json!(it), it.as_str())).collect(),
        ComputerTool::ALL.iter().map(|it| (json!(it), it.as_str())).collect(),
        ModelApi::ALL.iter().map(|it| (json!(it), it.as_str())).collect(),
    ];
    for (json, text) in others.concat() {
        assert_eq!(json, json!(text));
    }
}

#[test]
fn sessions() {
    assert_json_snapshot!([
        json!(Session {
            id: id("ses"),
            desktop_id: id("dsk"),
            title: "Fill in the form".into(),
            state: SessionState::WaitingControl,
            reason: None,
            archived: false,
            last_seq: 7,
            settings: SessionSettings::default(),
            spent: Spent::default(),
            created_at: 1,
            updated_at: 2,
        }),
        json!(CreateSession { desktop_id: Some(id("dsk")), title: None, settings: settings() }),
        json!(PatchSession { title: None, archived: Some(true), settings: None }),
        json!(PostMessage { text: "Open the terminal".into(), client_id: "c-1".into() }),
        json!(PostedMessage { message_id: id("msg"), seq: 1 }),
        json!(Page { items: vec![1], next: Some("cursor".into()) }),
        json!(SessionState::ALL),
    ]);
}

#[test]
fn actions() {
    let at = Some(Point { x: 300, y: 200 });
    assert_json_snapshot!([
        json!(ActionRequest { action: Action::Key { keys: "ctrl+l".into(), repeat: 1 }, picture: Some(Size::DEFAULT) }),
        json!(Action::HoldKey { keys: "shift".into(), duration_ms: 500 }),
        json!(Action::Type { text: "héllo".into() }),
        json!(Action::MouseMove { to: Point { x: 1, y: 2 } }),
        json!(Action::MouseDown { button: Button::Left }),
        json!(Action::MouseUp { button: Button::Back }),
        json!(Action::Click { button: Button::Right, count: 2, at, modifiers: Some("ctrl".into()) }),
        json!(Action::Drag { path: vec![Point { x: 1, y: 2 }, Point { x: 3, y: 4 }], modifiers: None }),
        json!(Action::Scroll { direction: Direction::Down, notches: 3, at, modifiers: None }),
        json!(Action::Wait { duration_ms: 1000 }),
        json!(Action::CursorPosition),
        json!(Action::Screenshot),
        json!(Action::Zoom { region: Rect { x: 0, y: 0, width: 10, height: 10 } }),
        json!(ActionOutcome {
            settled: true,
            waited_ms: 120,
            position: at,
            changed: Some(Rect { x: 0, y: 0, width: 1, height: 1 })
        }),
        json!(ShellRequest { command: "ls".into(), timeout_ms: None }),
        json!(ShellOutput { output: "a\n".into(), exit_code: Some(0), timed_out: false, cut_bytes: 0 }),
    ]);
}

#[test]
fn a_click_needs_no_more_than_its_name() {
    let click: ActionRequest = serde_json::from_value(json!({"action": "click"})).unwrap();

    assert_eq!(click.action, Action::Click { button: Button::Left, count: 1, at: None, modifiers: None });
}

#[test]
fn the_record() {
    assert_json_snapshot!([
        json!(event()),
        json!(EventBody::UserMessage { message_id: id("msg"), user_id: id("usr"), text: "Hello".into() }),
        json!(EventBody::AssistantMessage(AssistantMessage {
            message_id: id("msg"),
            content: vec![json!({"type": "text", "text": "Hello"})],
            stop_reason: "end_turn".into(),
            model: "console".into(),
            api: Some(ModelApi::AnthropicMessages),
            variant: Some("anthropic/claude-opus-5-5 computer_toolset_20260801".into()),
            usage: Usage { input_tokens: 1, output_tokens: 2, ..Usage::default() },
            cost_microusd: Some(33),
        })),
        json!(EventBody::StateChanged { state: SessionState::Failed, reason: Some("the provider refused".into()) }),
        json!(EventBody::ApprovalAsked(ApprovalAsked {
            tool_use_id: "toolu_1".into(),
            tool: "key".into(),
            risk: Some(Risk::Submit),
            shown: "Return".into(),
            timeout_s: 600,
            picture: Some(picture()),
            mark: Some(Point { x: 300, y: 200 }),
            region: Some(Rect { x: 290, y: 190, width: 20, height: 20 }),
        })),
        json!(EventBody::AnswerLost(AnswerLost {
            model: "claude".into(),
            usage: Usage { input_tokens: 40, output_tokens: 2, ..Usage::default() },
            cost_microusd: Some(150),
        })),
        json!(EventBody::ApprovalAnswered(ApprovalAnswered {
            approval: 4,
            verdict: Verdict::Denied,
            user_id: id("usr"),
        })),
        json!(EventBody::HandedBack {
            user_id: id("usr"),
            note: Some("I have signed in.".into()),
            picture: Some(picture()),
        }),
        json!(EventBody::Notice { text: "The desktop was restarted.".into() }),
        json!([json!(ApprovalPolicy::ALL), json!(ToolRule::ALL), json!(Risk::ALL), json!(Verdict::ALL)]),
        json!(Judge { approval: 4 }),
    ]);
}

#[test]
fn the_chat_socket() {
    assert_json_snapshot!([
        json!(ChatUp::Send { client_id: "c-1".into(), text: "Hello".into() }),
        json!(ChatUp::Stop),
        json!(ChatUp::Approve { approval: 4 }),
        json!(ChatUp::Deny { approval: 4 }),
        json!(ChatDown::Hello { session_id: id("ses"), state: SessionState::Idle, last_seq: 0, model: None }),
        json!(ChatDown::Event { event: event() }),
        json!(ChatDown::Delta {
            message_id: id("msg"),
            block: 0,
            offset: 5,
            kind: DeltaKind::ToolInput,
            text: "{".into()
        }),
        json!(ChatDown::Discarded { message_id: id("msg") }),
        json!(ChatDown::ToolStarted { tool_use_id: "toolu_1".into() }),
        json!(ChatDown::Control { status: control() }),
        json!(ChatDown::Accepted { client_id: "c-1".into(), seq: 1 }),
        json!(ChatDown::Problem { client_id: None, problem: Problem::new(Code::NotFound, "No such session.") }),
    ]);
}

fn control() -> ControlStatus {
    ControlStatus {
        driver: Driver::Person,
        holder: Some(holder()),
        requested_by: Some(id("usr")),
        session_id: Some(id("ses")),
    }
}

#[test]
fn control_of_a_desktop() {
    assert_json_snapshot!([
        json!(control()),
        json!(Driver::ALL),
        json!(HandBack { note: Some("I have signed in.".into()), picture: Some(SHA256.into()) }),
        json!(PutLease { generation: 1, lease: Lease { epoch: 3, holder: Some(holder()) } }),
    ]);
}

#[test]
fn secrets() {
    assert_json_snapshot!([
        json!(PutSecret { value: "hunter2".into() }),
        json!(Secret { name: "BANK_PASSWORD".into(), stored_at: 1 }),
        json!(SecretValue { value: "hunter2".into() }),
    ]);
    for (name, good) in [("A", true), ("BANK_2", true), ("", false), ("bank", false), ("2A", false), ("Ä", false)] {
        assert_eq!(is_name(name), good, "{name}");
    }
}

#[test]
fn recordings() {
    assert_json_snapshot!([
        json!(RecordingRequest { order: RecordingOrder::Start }),
        json!([RecordingOrder::Stop, RecordingOrder::Pause, RecordingOrder::Resume]),
        json!(RecordingStatus {
            state: RecordingState::Paused,
            reason: Some("it was paused".into()),
            name: Some("20260102-030405.mp4".into()),
            duration_ms: 61_000,
            bytes: 500_000,
            recordings: vec![RecordingFile { name: "20260102-030405.mp4".into(), bytes: 500_000 }],
        }),
        json!([RecordingState::Off, RecordingState::Recording]),
    ]);
}

#[test]
fn problems() {
    let all: Vec<_> = Code::ALL.iter().map(|&code| Problem::new(code, "What to do.")).collect();
    assert_json_snapshot!(all);
}

#[test]
fn what_a_vm_says_and_hears() {
    assert_json_snapshot!([
        json!(UserData {
            vm_id: id("vm"),
            edge_url: "https://127.0.0.1:8443".into(),
            ca_pem: "-----BEGIN CERTIFICATE-----".into(),
            enrolment_token: "one-time".into(),
            size: Size::DEFAULT,
        }),
        json!(EnrolRequest { vm_id: id("vm"), enrolment_token: "one-time".into(), csr_pem: "-----BEGIN".into() }),
        json!(Enrolled { certificate_pem: "-----BEGIN".into(), expires_at: 1 }),
        json!(RenewRequest { csr_pem: "-----BEGIN".into() }),
        json!(Assignment {
            desktop_id: id("dsk"),
            generation: 1,
            capability_key_pem: "-----BEGIN".into(),
            size: Size::DEFAULT,
            lease: Lease::default(),
        }),
        json!(Report {
            generation: 1,
            port: 8444,
            desk: DeskHealth::Painted { size: Size::DEFAULT },
            version: "0.1.0".into(),
        }),
        json!(DeskHealth::Waiting { reason: "no window manager".into() }),
        json!(Notice::Hello),
        json!(Notice::Work { session_id: id("ses") }),
        json!(Notice::Stop { session_id: id("ses") }),
        json!(Work {
            session: Some(WorkSession { session_id: id("ses"), model: Some(model()), settings: settings() }),
        }),
        json!(ComputerTool::ALL),
        json!(Judged { generation: 1, user_id: id("usr"), approval: 4, verdict: Verdict::Approved }),
        json!(Append {
            generation: 1,
            expected_seq: 4,
            client_id: "c-2".into(),
            body: EventBody::Notice { text: "Hello".into() },
        }),
        json!(Appended { seq: 4, at: 1 }),
        json!(Say { generation: 1, user_id: id("usr"), client_id: "c-1".into(), text: "Hello".into() }),
        json!(Events {
            events: vec![event()],
            last_seq: 3,
            state: SessionState::Running,
            model: None,
            settings: SessionSettings::default(),
        }),
    ]);
}

#[test]
fn what_the_edge_asks() {
    let credential_id = CredentialId::Login(id("lgn"));
    let grant = Grant { user_id: id("usr"), credential_id, desktop_id: id("dsk"), generation: 2 };
    assert_json_snapshot!([
        json!(Capability {
            iss: ISSUER.into(),
            aud: audience(&id("dsk"), 2),
            sub: id("usr"),
            actor: Actor::Person,
            scopes: Scope::ALL.to_vec(),
            iat: 1,
            exp: 1 + LIFETIME_S,
        }),
        json!(Resolve { desktop_id: id("dsk"), credential: Credential::Bearer("cbp_example".into()) }),
        json!(Resolved {
            user_id: id("usr"),
            credential_id: CredentialId::Token(id("tok")),
            ends_at: Some(90_000),
            generation: 2,
            vm_id: id("vm"),
            address: "127.0.0.1:40000".into(),
            capability: "a.b.c".into(),
            fresh_until: 60_000,
        }),
        json!(CreateTicket { desktop_id: id("dsk"), scopes: vec![Scope::View] }),
        json!(CreatedTicket { ticket: "cbt_example".into(), expires_at: 30_000 }),
        json!(AskGrants { grants: vec![grant.clone()] }),
        json!(Holds { holds: vec![true] }),
        json!([
            Revocation::Alive,
            Revocation::Credential { credential_id: grant.credential_id.clone() },
            Revocation::Browsers { user_id: id("usr"), but: Some(id("lgn")) },
            Revocation::Desktop { desktop_id: id("dsk") },
            Revocation::Missed,
        ]),
        json!(ModelKeyRequest { vm_id: id("vm"), provider: ProviderName::anthropic() }),
        json!(ModelKey {
            user_id: id("usr"),
            desktop_id: id("dsk"),
            session_id: Some(id("ses")),
            api: ModelApi::AnthropicMessages,
            base_url: "https://api.anthropic.com".into(),
            allow_private: false,
            api_key: Some("sk-example".into()),
        }),
    ]);
}

#[test]
fn windows_applications_and_what_they_show() {
    let window = Window {
        id: 12_582_925,
        title: "notes.txt".into(),
        class: "Mousepad".into(),
        pid: Some(311),
        bounds: Rect { x: -4, y: 20, width: 640, height: 480 },
        focused: true,
        minimised: false,
        maximised: false,
    };
    let to = Rect { x: 0, y: 0, width: 640, height: 480 };
    let verbs = [
        WindowVerb::Focus,
        WindowVerb::MoveResize { to },
        WindowVerb::Minimise,
        WindowVerb::Maximise,
        WindowVerb::Restore,
        WindowVerb::Close,
    ];
    assert_json_snapshot!([
        json!(verbs.map(|verb| WindowRequest { verb, picture: None })),
        json!(WindowRequest { verb: WindowVerb::Focus, picture: Some(Size::DEFAULT) }),
        json!(WindowOutcome { window: Some(window.clone()), settled: true, waited_ms: 210 }),
        json!(Application { id: "org.xfce.mousepad".into(), name: "Mousepad".into() }),
        json!(LaunchRequest { launch: Launch::Application("xterm".into()), timeout_ms: Some(5_000) }),
        json!(LaunchRequest { launch: Launch::File("/home/user/a.txt".into()), timeout_ms: None }),
        json!(LaunchRequest { launch: Launch::Url("https://example.org".into()), timeout_ms: None }),
        json!(Launched { window: Some(window), evidence: Some(Evidence::StartupId), settled: true, waited_ms: 480 }),
        json!([Evidence::Process, Evidence::Class, Evidence::Changed, Evidence::Existing, Evidence::Newest]),
        json!(AccessibilityTree {
            nodes: vec![AccessibleNode {
                depth: 2,
                role: "entry".into(),
                name: "Name".into(),
                text: "Ada".into(),
                states: vec!["focused".into()],
                bounds: Some(to),
            }],
            truncated: true,
            bounds_met: vec![
                TreeBound::Depth,
                TreeBound::Nodes,
                TreeBound::Time,
                TreeBound::Bytes,
                TreeBound::Children
            ],
            unanswered: 1,
            took_ms: 120,
        }),
        json!(TreeBounds::USUAL),
    ]);
}
