//! The agent on a real X screen: the real desk, a real terminal, only the provider and control stand in.

mod support;

use std::time::Duration;

use protocol::{
    SessionId,
    capability::Scope,
    event::{EventBody, ResultBlock},
    session::SessionState,
};
use serde_json::json;
use support::{
    House,
    desk::Desk,
    screen::Screen,
    script::{bash, computer, message, text},
};

#[tokio::test]
async fn the_agent_sees_clicks_and_types_into_a_terminal() {
    let folder = tempfile::tempdir().unwrap();
    let screen = Screen::open(folder.path()).await;
    let typed = screen.home.join("typed");
    let type_it = format!("echo Grüße > {}\n", typed.display());
    let house = House::open_at(folder, Desk::none(), |edge| {
        edge.with(|control| {
            control.session = Some(SessionId::generate());
            control.model = Some("m".to_owned());
            control.replies.extend([
                message(&[computer("t1", "screenshot", json!({}))], "tool_use", 9),
                message(
                    &[
                        computer("t2", "left_click", json!({"coordinate": [300, 200]})),
                        computer("t3", "type", json!({"text": type_it})),
                        computer("t4", "zoom", json!({"region": [0, 0, 320, 200]})),
                        bash("t5", "cd /tmp && X=1; echo $DISPLAY"),
                        bash("t6", "echo $X; pwd"),
                    ],
                    "tool_use",
                    100,
                ),
                message(&[text("Written.")], "end_turn", 100),
            ]);
        });
    })
    .await;

    house.edge.with(|control| control.say("write a greeting"));
    house.edge.until_state(SessionState::Idle).await;

    let written = async {
        while std::fs::read_to_string(&typed).unwrap_or_default() != "Grüße\n" {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), written).await.expect("the terminal wrote what was typed");
    house.edge.with(|control| {
        let results: Vec<_> = control
            .events
            .iter()
            .filter_map(|event| if let EventBody::ToolResult(result) = &event.body { Some(result) } else { None })
            .collect();
        assert!(results.iter().all(|result| !result.is_error), "{results:#?}");
        let ResultBlock::Image { picture } = &results[0].content[0] else { panic!("no picture") };
        assert_eq!((picture.size.width, picture.size.height), (1280, 800));
        assert!(control.blobs[&picture.sha256].starts_with(b"\x89PNG"));
        assert_eq!(results[1].trace.mark.map(|mark| (mark.x, mark.y)), Some((300, 200)));
        assert!(results[1].trace.picture.is_some() && results[1].trace.settled.is_some());
        assert_eq!(results[4].content, [ResultBlock::Text { text: format!("{}\n", screen.display) }]);
        assert_eq!(results[5].content, [ResultBlock::Text { text: "1\n/tmp\n".to_owned() }]);
    });
    assert!(house.visitor(&[Scope::View]).get("screenshot").await.status().is_success());
}
