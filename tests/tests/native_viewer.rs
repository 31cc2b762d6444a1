//! An operator lets a native VNC viewer in: one, once, by a password.

use harness::{
    Stack,
    native_viewer::{Invitation, NativeViewer},
    wait,
};
use protocol::{
    DesktopId,
    action::{Action, Point},
};
use tokio::net::TcpStream;

#[tokio::test]
async fn a_native_viewer_is_let_in_once_by_a_password_and_by_nothing_else() {
    let stack = Stack::start().await;
    let ada = stack.user("ada").await;
    let desktop = ada.ready_desktop().await.id;
    let mut said = String::new();
    let position = async || {
        ada.act(&desktop, Action::CursorPosition).await.expect("ask for the pointer").position.expect("a position")
    };

    // Who knows the password sees and drives; who comes second finds nobody.
    let invited = Invitation::print(&stack, &desktop, &[]).await.ok().expect("it prints an address");
    let (address, password) = (invited.address, invited.password.clone());
    assert!(address.ip().is_loopback());
    let mut viewer = NativeViewer::connect(address, &password).await.expect("let in");
    let screen = viewer.screen().await;
    assert_eq!(viewer.size, (1280, 800));
    assert!(screen.chunks(4).any(|pixel| pixel[..3] != [0; 3]), "a picture");
    assert!(TcpStream::connect(address).await.is_err(), "a second connection");
    viewer.pointer(123, 45).await;
    wait::until("the pointer follows", std::time::Duration::from_secs(20), async || {
        (position().await == Point { x: 123, y: 45 }).then_some(())
    })
    .await;
    drop(viewer);
    let ended = invited.end().await;
    assert!(ended.success, "{}", ended.log);
    for fact in ["an operator opens a desktop to a viewer", desktop.as_str(), "\"operator\":", "a viewer came"] {
        assert!(ended.log.contains(fact), "{fact} is not in the record: {}", ended.log);
    }
    said += &ended.log;

    // A wrong password ends it, and so does a security type that was not offered.
    for wrong in [Some("12345678"), None] {
        let invited = Invitation::print(&stack, &desktop, &[]).await.ok().expect("it prints an address");
        let refused = match wrong {
            Some(wrong) => NativeViewer::connect(invited.address, wrong).await.err().expect("refused"),
            None => NativeViewer::insist(invited.address, 1).await,
        };
        let reason = if wrong.is_some() { "the password is wrong" } else { "only security type 2 is offered" };
        assert!(refused.0.contains(reason), "{refused:?}");
        assert_ne!(invited.password, password);
        said += &invited.end().await.log;
    }

    // Who may only look, drives nothing.
    let invited = Invitation::print(&stack, &desktop, &["--view-only"]).await.ok().expect("it prints an address");
    let mut viewer = NativeViewer::connect(invited.address, &invited.password).await.expect("let in");
    viewer.pointer(700, 600).await;
    viewer.screen().await;
    assert_eq!(position().await, Point { x: 123, y: 45 });
    drop(viewer);
    said += &invited.end().await.log;

    // Nobody waits for ever, for a desktop that is not there, or in front of everybody.
    let waited = Invitation::print(&stack, &desktop, &["--within", "1"]).await.ok().expect("it prints an address");
    let waited = waited.end().await;
    assert!(!waited.success && waited.log.contains("no viewer came within 1 s"), "{}", waited.log);
    let nowhere = Invitation::print(&stack, &DesktopId::generate(), &[]).await.err().expect("refused");
    assert!(!nowhere.success && nowhere.log.contains("there is no desktop"), "{}", nowhere.log);
    let open = Invitation::print(&stack, &desktop, &["--listen", "0.0.0.0:0"]).await.err().expect("refused");
    assert!(!open.success && open.log.contains("VNC is not encrypted"), "{}", open.log);
    said += &waited.log;

    let written = harness::stack::find(stack.folder(), |path| path.extension().is_some_and(|kind| kind == "log"));
    assert!(written.len() > 2, "{written:?}");
    for log in written.iter().map(|path| std::fs::read(path).expect("read a log")).chain([said.into_bytes()]) {
        let log = String::from_utf8_lossy(&log).into_owned();
        assert!(!log.contains(&password), "the password stands in a log");
    }
}
