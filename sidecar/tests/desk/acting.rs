//! Actions, as the window that they reach is told of them.

use std::time::Duration;

use protocol::{
    action::{Action, Point},
    desktop::Size,
};
use serde_json::json;
use sidecar::link::{Answer, Call, RefusalKind};
use tokio::time::Instant;
use x11rb::{
    connection::Connection,
    protocol::{
        Event,
        xproto::{
            ConnectionExt as _, CreateWindowAux, EventMask, InputFocus, KEY_PRESS_EVENT, KeyButMask, WindowClass,
        },
        xtest::ConnectionExt as _,
    },
    rust_connection::RustConnection,
    wrapper::ConnectionExt as _,
};
use xkeysym::Keysym;

use crate::display::{DEADLINE, Desk, Display, eventually};

/// A window over the whole screen that keeps what it is told.
struct Target {
    x: RustConnection,
    window: u32,
    symbols: Vec<u32>,
    per_key: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    Key(Keysym, bool),
    Button(u8, bool, Point, u16),
    Motion(Point),
}

impl Target {
    fn on(display: &Display) -> Target {
        let (x, number) = display.connect();
        let root = x.setup().roots[number].root;
        let window = x.generate_id().unwrap();
        let events = EventMask::BUTTON_PRESS
            | EventMask::BUTTON_RELEASE
            | EventMask::POINTER_MOTION
            | EventMask::KEY_PRESS
            | EventMask::KEY_RELEASE;
        let look = CreateWindowAux::new().override_redirect(1).event_mask(events).background_pixel(0x336699);
        x.create_window(0, window, root, 0, 0, 1280, 800, 0, WindowClass::INPUT_OUTPUT, 0, &look).unwrap();
        x.map_window(window).unwrap();
        x.set_input_focus(InputFocus::NONE, window, x11rb::CURRENT_TIME).unwrap();
        let map = x.get_keyboard_mapping(8, 248).unwrap().reply().unwrap();
        x.sync().unwrap();
        Target { x, window, symbols: map.keysyms, per_key: map.keysyms_per_keycode.into() }
    }

    /// All it was told since it was last asked.
    fn told(&self) -> Vec<Told> {
        self.x.sync().unwrap();
        let mut told = Vec::new();
        while let Some(event) = self.x.poll_for_event().unwrap() {
            let at = |x: i16, y: i16| Point { x: x.into(), y: y.into() };
            told.push(match event {
                Event::KeyPress(e) => Told::Key(self.symbol(e.detail), true),
                Event::KeyRelease(e) => Told::Key(self.symbol(e.detail), false),
                Event::ButtonPress(e) => Told::Button(e.detail, true, at(e.root_x, e.root_y), e.state.into()),
                Event::ButtonRelease(e) => Told::Button(e.detail, false, at(e.root_x, e.root_y), e.state.into()),
                Event::MotionNotify(e) => Told::Motion(at(e.root_x, e.root_y)),
                _ => continue,
            });
        }
        told
    }

    fn symbol(&self, key: u8) -> Keysym {
        Keysym::from(self.symbols[(usize::from(key) - 8) * self.per_key])
    }

    fn clicks(&self) -> Vec<(u8, bool)> {
        let button = |told: &Told| match told {
            Told::Button(button, down, ..) => Some((*button, *down)),
            _ => None,
        };
        self.told().iter().filter_map(button).collect()
    }

    fn nothing_is_down(&self) -> bool {
        let keys = self.x.query_keymap().unwrap().reply().unwrap().keys;
        let mask = self.x.query_pointer(self.window).unwrap().reply().unwrap().mask;
        let buttons = KeyButMask::BUTTON1 | KeyButMask::BUTTON2 | KeyButMask::BUTTON3;
        keys.iter().all(|byte| *byte == 0) && u16::from(mask) & u16::from(buttons) == 0
    }
}

async fn target() -> (Display, Desk, Target) {
    let display = Display::fixed();
    let target = Target::on(&display);
    let desk = display.desk().await;
    target.told();
    (display, desk, target)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_click_lands_on_the_pixel_that_the_picture_shows_at_any_size_of_it() {
    let (_display, desk, target) = target().await;

    for (picture, at, expected) in [
        (None, (0, 0), (0, 0)),
        (None, (1279, 799), (1279, 799)),
        (None, (641, 399), (641, 399)),
        (Some((640, 400)), (0, 0), (1, 1)),
        (Some((640, 400)), (639, 399), (1279, 799)),
        (Some((1000, 500)), (333, 250), (426, 400)),
        (Some((800, 1000)), (799, 999), (1279, 799)),
    ] {
        let picture = picture.map(|(width, height)| Size { width, height });
        desk.act_in(json!({"action": "click", "at": {"x": at.0, "y": at.1}}), picture).await.unwrap();

        let pressed: Vec<Point> = target
            .told()
            .iter()
            .filter_map(|t| if let Told::Button(1, true, at, _) = t { Some(*at) } else { None })
            .collect();
        assert_eq!(pressed, [Point { x: expected.0, y: expected.1 }], "{picture:?} {at:?}");
        let outcome = desk.act_in(json!({"action": "cursor_position"}), picture).await.unwrap();
        assert_eq!(outcome.position, Some(Point { x: at.0, y: at.1 }));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_button_action_presses_and_releases_what_it_says() {
    let (_display, desk, target) = target().await;
    let click = |button: u8, count: usize| [(button, true), (button, false)].repeat(count);

    for (action, expected) in [
        (json!({"action": "click"}), click(1, 1)),
        (json!({"action": "click", "button": "right"}), click(3, 1)),
        (json!({"action": "click", "button": "middle"}), click(2, 1)),
        (json!({"action": "click", "button": "back"}), click(8, 1)),
        (json!({"action": "click", "button": "forward"}), click(9, 1)),
        (json!({"action": "click", "count": 2}), click(1, 2)),
        (json!({"action": "click", "count": 3}), click(1, 3)),
        (json!({"action": "mouse_down"}), vec![(1, true)]),
        (json!({"action": "mouse_up"}), vec![(1, false)]),
        (json!({"action": "scroll", "direction": "up", "notches": 2}), click(4, 2)),
        (json!({"action": "scroll", "direction": "down", "notches": 3}), click(5, 3)),
        (json!({"action": "scroll", "direction": "left", "notches": 1}), click(6, 1)),
        (json!({"action": "scroll", "direction": "right", "notches": 1}), click(7, 1)),
    ] {
        let outcome = desk.act(action.clone()).await.unwrap();

        assert_eq!(target.clicks(), expected, "{action}");
        assert!(outcome.settled && outcome.changed.is_none(), "{action}: {outcome:?}");
        assert_eq!(target.nothing_is_down(), action["action"] != "mouse_down");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn modifiers_are_held_during_a_click_and_a_scroll_and_lifted_after() {
    let (_display, desk, target) = target().await;

    for action in [
        json!({"action": "click", "at": {"x": 9, "y": 9}, "modifiers": "ctrl+shift"}),
        json!({"action": "scroll", "direction": "down", "notches": 1, "modifiers": "ctrl+shift"}),
    ] {
        desk.act(action).await.unwrap();

        let state = target
            .told()
            .iter()
            .find_map(|t| if let Told::Button(_, true, _, state) = t { Some(*state) } else { None });
        assert_eq!(state, Some(u16::from(KeyButMask::SHIFT | KeyButMask::CONTROL)));
        assert!(target.nothing_is_down());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drag_goes_along_its_path_with_the_button_down() {
    let (_display, desk, target) = target().await;
    let path = [(100, 100), (300, 100), (300, 260)].map(|(x, y)| Point { x, y });

    desk.act(json!({"action": "drag", "path": path, "modifiers": "alt"})).await.unwrap();

    let told = target.told();
    let down = told.iter().position(|t| matches!(t, Told::Button(1, true, at, _) if *at == path[0])).unwrap();
    let up = told.iter().position(|t| matches!(t, Told::Button(1, false, at, _) if *at == path[2])).unwrap();
    let moves: Vec<Point> =
        told[down..up].iter().filter_map(|t| if let Told::Motion(at) = t { Some(*at) } else { None }).collect();
    assert!(moves.len() >= 10 && moves.contains(&path[1]), "{moves:?}");
    assert!(target.nothing_is_down());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chord_is_pressed_in_order_and_released_in_reverse_as_often_as_asked() {
    let (_display, desk, target) = target().await;

    desk.act(json!({"action": "key", "keys": "ctrl+shift+t", "repeat": 2})).await.unwrap();

    let (ctrl, shift, t) = (Keysym::Control_L, Keysym::Shift_L, Keysym::t);
    let once = [(ctrl, true), (shift, true), (t, true), (t, false), (shift, false), (ctrl, false)];
    let expected: Vec<Told> = once.repeat(2).into_iter().map(|(key, down)| Told::Key(key, down)).collect();
    assert_eq!(target.told(), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_held_key_is_down_for_its_time() {
    let (_display, desk, target) = target().await;
    let started = Instant::now();

    desk.act(json!({"action": "hold_key", "keys": "F5", "duration_ms": 300})).await.unwrap();

    assert!(started.elapsed() >= Duration::from_millis(300));
    let told = target.told();
    assert_eq!((told.first(), told.last()), (Some(&Told::Key(Keysym::F5, true)), Some(&Told::Key(Keysym::F5, false))));
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_refused_has_pressed_nothing() {
    let (_display, desk, target) = target().await;

    for action in [
        json!({"action": "key", "keys": "ctrl+nokey"}),
        json!({"action": "click", "at": {"x": 5, "y": 5}, "modifiers": "nokey"}),
        json!({"action": "click", "at": {"x": 1280, "y": 5}, "modifiers": "ctrl"}),
        json!({"action": "drag", "path": [{"x": 5, "y": 5}, {"x": 5, "y": 800}]}),
        json!({"action": "type", "text": "fine until \u{2}"}),
        json!({"action": "screenshot"}),
    ] {
        assert_eq!(desk.act(action.clone()).await.unwrap_err().kind, RefusalKind::Invalid, "{action}");
    }
    assert_eq!(target.told(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_action_that_is_given_up_lifts_what_it_holds() {
    let (_display, desk, target) = target().await;
    let action =
        |value| Call::Act { action: serde_json::from_value::<Action>(value).unwrap(), picture: None, secret: false };

    let hold = desk.begin(&action(json!({"action": "hold_key", "keys": "ctrl+F6", "duration_ms": 60_000}))).await;
    eventually("it is held", async || !target.nothing_is_down()).await;
    drop(hold);
    eventually("it is lifted", async || target.nothing_is_down()).await;

    let path: Vec<Point> = (0..200).map(|i| Point { x: i * 6, y: if i % 2 == 0 { 0 } else { 700 } }).collect();
    let drag = desk.begin(&action(json!({"action": "drag", "path": path}))).await;
    eventually("it is held", async || !target.nothing_is_down()).await;
    drop(drag);
    eventually("it is lifted", async || target.nothing_is_down()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn release_all_lifts_keys_and_buttons_and_so_does_a_starting_desk() {
    let (display, desk, target) = target().await;
    let (other, number) = display.connect();
    let root = other.setup().roots[number].root;
    let press = || {
        other.xtest_fake_input(KEY_PRESS_EVENT, 37, 0, root, 0, 0, 0).unwrap();
        other.sync().unwrap();
        assert!(!target.nothing_is_down());
    };

    desk.act(json!({"action": "mouse_down"})).await.unwrap();
    press();
    assert_eq!(desk.call(&Call::ReleaseAll).await, Ok(Answer::Done));
    assert!(target.nothing_is_down());

    drop(desk);
    press();
    let _desk = display.desk().await;
    assert!(target.nothing_is_down());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_action_is_answered_when_what_it_caused_is_drawn() {
    let (_display, desk, target) = target().await;
    let drawn = std::thread::spawn(move || {
        let deadline = std::time::Instant::now() + DEADLINE;
        loop {
            assert!(std::time::Instant::now() < deadline, "no click came");
            let event = target.x.wait_for_event().unwrap();
            if matches!(event, Event::ButtonRelease(_)) {
                // As slow as a program that has to think.
                std::thread::park_timeout(Duration::from_millis(150));
                target.x.clear_area(false, target.window, 0, 0, 1, 1).unwrap();
                let pen = target.x.generate_id().unwrap();
                let look = x11rb::protocol::xproto::CreateGCAux::new().foreground(0xffffff);
                target.x.create_gc(pen, target.window, &look).unwrap();
                let area = x11rb::protocol::xproto::Rectangle { x: 200, y: 100, width: 300, height: 150 };
                target.x.poly_fill_rectangle(target.window, pen, &[area]).unwrap();
                target.x.sync().unwrap();
                return target;
            }
        }
    });

    let outcome = desk
        .act_in(json!({"action": "click", "at": {"x": 5, "y": 5}}), Some(Size { width: 640, height: 400 }))
        .await
        .unwrap();

    assert!(outcome.settled && outcome.waited_ms >= 100, "{outcome:?}");
    assert_eq!(outcome.changed, Some(protocol::action::Rect { x: 100, y: 50, width: 150, height: 75 }));
    drawn.join().unwrap();
}
