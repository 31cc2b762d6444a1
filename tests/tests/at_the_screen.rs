//! A person at the screen, by the bare protocol: what is seen is what is there, and what is typed arrives.

use std::time::Duration;

use harness::{Stack, viewer::Viewer, wait};
use http::Method;
use protocol::{
    action::{Action, Button, Point},
    desktop::{CreateDesktop, Desktop, DesktopState, Size},
    error::Code,
};
use serde_json::{Value, json};

#[tokio::test]
async fn keys_and_pointer_reach_the_desktop_and_pictures_come_back() {
    let stack = Stack::start().await;
    let ada = stack.user("ada").await;
    let desktop = ada.ready_desktop().await.id;
    let mut one = Viewer::open(&ada, &desktop).await.expect("the screen");
    let mut two = Viewer::open(&ada.token("a program").await, &desktop).await.expect("the screen, a second time");

    let seen = one.whole_screen().await.clone();
    let screen = ada.screenshot(&desktop).await;
    assert_eq!(seen.size, Size::DEFAULT);
    assert!(seen.colours() > 16, "{seen:?}");
    assert!(seen.difference(&screen) < 0.02, "{seen:?} is not {screen:?}");
    two.whole_screen().await;

    ada.shell(&desktop, "xterm -geometry 100x30+200+100 -e sh -c 'cat > ~/typed.txt' > /dev/null 2>&1 &").await;
    ada.wait_for_file(&desktop, "~/typed.txt").await;
    wait::until("both see it", Duration::from_secs(20), async || {
        let first = one.change().await.difference(&seen);
        let second = two.change().await.difference(&seen);
        (first > 0.05 && second > 0.05).then_some(())
    })
    .await;
    one.click(500, 300).await;
    let typed = "Typed by hand: aA1 !\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~ äöüß é";
    one.type_text(&format!("{typed}\n")).await;

    let arrived = wait::until("what was typed arrives", Duration::from_secs(20), async || {
        let arrived = ada.shell(&desktop, "cat ~/typed.txt").await.output;
        arrived.ends_with('\n').then_some(arrived)
    })
    .await;
    assert_eq!(arrived.trim_end(), typed);
    one.pointer(321, 123, 0).await;
    wait::until("the pointer is there", Duration::from_secs(10), async || {
        let outcome = ada.act(&desktop, Action::CursorPosition).await.expect("ask where the pointer is");
        (outcome.position == Some(Point { x: 321, y: 123 })).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_desktop_is_made_as_it_was_asked_for_and_bad_wishes_are_refused() {
    let stack = Stack::start().await;
    let ada = stack.user("ada").await;

    for (wish, status) in [
        (json!({ "size": { "width": 10, "height": 10 } }), 422),
        (json!({ "size": { "width": 100_000, "height": 100_000 } }), 422),
        (json!({ "name": "x".repeat(101) }), 422),
        (json!({ "nmae": "typo" }), 400),
    ] {
        let refused = ada.post::<Value>("desktops", &wish).await.expect_err("a bad wish");
        assert!([status, 422, 400].contains(&refused.status.as_u16()), "{wish}: {refused:?}");
        assert!(!refused.problem().detail.is_empty());
    }

    let size = Some(Size { width: 1024, height: 640 });
    let wish = CreateDesktop { name: Some("Small".to_owned()), size };
    let small: Desktop = ada.post("desktops", &wish).await.expect("create a desktop");
    let second = ada.create_desktop().await;
    let third = ada.post::<Desktop>("desktops", &CreateDesktop::default()).await.expect_err("one too many");
    assert_eq!(third.code(), Code::DesktopLimit);

    ada.wait_for(&small.id, DesktopState::Ready).await;
    assert_eq!(Some(ada.screenshot(&small.id).await.size), size);
    for (action, code) in [
        (click(1024, 1), Code::InvalidValue),
        (click(-1, 1), Code::InvalidValue),
        (Action::Key { keys: "no_such_key".to_owned(), repeat: 1 }, Code::InvalidValue),
        (Action::Wait { duration_ms: 10_000_000 }, Code::InvalidValue),
    ] {
        let refused = ada.act(&small.id, action.clone()).await.expect_err("a bad action");
        assert_eq!(refused.code(), code, "{action:?}");
    }
    let missing = ada.send(Method::GET, &format!("desktops/{}/nonsense", small.id), None::<&()>).await;
    assert_eq!(missing.expect_err("no such thing").status.as_u16(), 404);

    // Deleted while it is still on its way, and while it runs.
    for id in [&second.id, &small.id] {
        ada.delete(&format!("desktops/{id}")).await.expect("delete");
        wait::until("it is gone", Duration::from_secs(60), async || match ada.desktop(id).await {
            Ok(desktop) => (desktop.state == DesktopState::Deleted).then_some(()),
            Err(gone) => (gone.code() == Code::NotFound).then_some(()),
        })
        .await;
    }
    let left = || harness::stack::find(&stack.layout.data, |file| file.to_string_lossy().contains(small.id.as_str()));
    wait::until("its home is gone, too", Duration::from_secs(20), async || left().is_empty().then_some(())).await;
}

fn click(x: i32, y: i32) -> Action {
    Action::Click { button: Button::Left, count: 1, at: Some(Point { x, y }), modifiers: None }
}
