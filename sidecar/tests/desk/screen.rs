//! What the desk sees, compared with what is there.

use std::sync::Arc;

use protocol::{action::Rect, desktop::Size};
use sidecar::{
    desk::screen::{CursorShape, Frame, Method, Screen},
    link::{Fit, Format, RefusalKind, ScreenshotCall},
};
use x11rb::{
    connection::Connection,
    protocol::xproto::{ChangeGCAux, ConnectionExt as _, CreateGCAux, CreateWindowAux, Rectangle, WindowClass},
    rust_connection::RustConnection,
    wrapper::ConnectionExt as _,
};

use crate::display::{DEADLINE, Display, eventually, whole};

/// A window that covers the screen, and a pen for it.
struct Canvas {
    x: RustConnection,
    window: u32,
    pen: u32,
}

impl Canvas {
    fn on(display: &Display) -> Canvas {
        let (x, number) = display.connect();
        let root = x.setup().roots[number].root;
        let (window, pen) = (x.generate_id().unwrap(), x.generate_id().unwrap());
        let look = CreateWindowAux::new().override_redirect(1).background_pixel(0x204060);
        x.create_window(0, window, root, 0, 0, 4000, 4000, 0, WindowClass::INPUT_OUTPUT, 0, &look).unwrap();
        x.create_gc(pen, window, &CreateGCAux::new()).unwrap();
        x.map_window(window).unwrap();
        x.sync().unwrap();
        Canvas { x, window, pen }
    }

    fn paint(&self, colour: u32, x: i16, y: i16, width: u16, height: u16) {
        self.x.change_gc(self.pen, &ChangeGCAux::new().foreground(colour)).unwrap();
        self.x.poly_fill_rectangle(self.window, self.pen, &[Rectangle { x, y, width, height }]).unwrap();
        self.x.sync().unwrap();
    }
}

fn pixels(frame: &Frame) -> Vec<[u8; 3]> {
    frame.pixels.chunks_exact(4).map(|p| [p[0], p[1], p[2]]).collect()
}

async fn screen(display: &Display) -> Screen {
    Screen::open(Some(&display.name), Method::Auto).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_way_to_read_the_screen_gives_the_pixels_that_xcap_gives() {
    let mut display = Display::fixed();
    display
        .run("xterm", &["-geometry", "80x24+33+57", "-fa", "DejaVu Sans Mono", "-e", "ls -l --color /usr; sleep 60"]);
    let screen = screen(&display).await;
    eventually("the terminal has painted", async || !screen.fresh().await.unwrap().is_blank()).await;
    let mut frames = screen.subscribe();
    while tokio::time::timeout(std::time::Duration::from_millis(500), frames.changed()).await.is_ok() {}

    let mut pictures = Vec::new();
    for method in ["xcap", "shm", "plain"] {
        let desk = display.desk_with(&["--capture", method]).await;
        pictures.push(desk.screenshot(whole()).await.unwrap());
    }

    assert_eq!(pictures[0].0, Size::DEFAULT);
    assert!(pictures[1] == pictures[0], "shared memory differs from xcap");
    assert!(pictures[2] == pictures[0], "plain requests differ from xcap");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mirror_kept_by_damage_equals_a_screen_read_as_a_whole() {
    let display = Display::fixed();
    let canvas = Canvas::on(&display);
    let kept = screen(&display).await;
    let _watching = kept.subscribe();

    for round in 0..20u32 {
        for i in 0..30u32 {
            let n = (round * 31 + i).wrapping_mul(2_654_435_761);
            canvas.paint(
                n & 0xff_ffff,
                (n % 1300) as i16,
                (n / 7 % 820) as i16,
                (n % 90) as u16 + 1,
                (n / 3 % 60) as u16 + 1,
            );
        }
        let (mirrored, read) = (kept.fresh().await.unwrap(), screen(&display).await.latest());

        assert!(pixels(&mirrored) == pixels(&read), "they differ in round {round}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watcher_wakes_for_what_is_drawn_and_is_told_where() {
    let display = Display::fixed();
    let canvas = Canvas::on(&display);
    let screen = screen(&display).await;
    let mut frames = screen.subscribe();
    // The first event of a damage object comes whether or not anything was drawn.
    let before = screen.fresh().await.unwrap();
    frames.mark_unchanged();

    canvas.paint(0xff0000, 700, 300, 40, 20);

    tokio::time::timeout(DEADLINE, frames.changed()).await.expect("it wakes").unwrap();
    let after = screen.fresh().await.unwrap();
    let painted = Rect { x: 700, y: 300, width: 40, height: 20 };
    assert_eq!(after.difference(&before, after.bounds()), Some(painted));
    let told: Vec<_> = after.changes().iter().map(|r| (r.x, r.y, r.width, r.height)).collect();
    assert_eq!(told, [(700, 300, 4, 20), (704, 300, 36, 20)]);
    assert_eq!(after.serial, before.serial + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn while_nothing_is_drawn_no_frame_is_made() {
    let display = Display::fixed();
    let _canvas = Canvas::on(&display);
    let screen = screen(&display).await;
    let settled = screen.fresh().await.unwrap();

    let again = screen.fresh().await.unwrap();

    assert!(Arc::ptr_eq(&settled, &again));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_screen_takes_other_sizes_while_it_runs_and_keeps_showing() {
    let display = Display::resizable();
    let canvas = Canvas::on(&display);
    let screen = screen(&display).await;

    for (width, height) in [(1016, 713), (1920, 1080), (3840, 2160), (320, 240), (1280, 800), (1017, 713)] {
        let size = Size { width, height };

        assert_eq!(screen.resize(size).await, Ok(size));
        assert_eq!(screen.latest().size, size);

        canvas.paint(0xff0000 + width, 0, 0, 4000, 4000);
        let frame = screen.fresh().await.unwrap();
        assert_eq!(frame.pixels.len(), (width * height * 4) as usize);
        assert!(frame.is_blank(), "{size:?}");
        assert_eq!(frame.pixels[..3], (0xff0000 + width).to_le_bytes()[..3]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_size_that_the_server_cannot_have_is_refused_with_the_reason() {
    let display = Display::fixed();
    let screen = screen(&display).await;

    let refused = screen.resize(Size { width: 1920, height: 1080 }).await.unwrap_err();

    assert_eq!(refused.kind, RefusalKind::Failed);
    assert!(refused.message.contains("1920x1080") && refused.message.contains("X server"), "{}", refused.message);
    assert_eq!(screen.fresh().await.unwrap().size, Size::DEFAULT);
    for (width, height) in [(0, 0), (319, 800), (4000, 800), (u32::MAX, u32::MAX)] {
        assert_eq!(screen.resize(Size { width, height }).await.unwrap_err().kind, RefusalKind::Invalid);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pointers_shape_and_place_are_known() {
    let mut display = Display::fixed();
    let screen = screen(&display).await;
    let mut cursor = screen.cursor();

    display.run("xsetroot", &["-cursor_name", "watch"]);

    // The server starts with a shape that nobody sees.
    let seen = |shape: &Arc<CursorShape>| shape.argb.iter().any(|pixel| pixel >> 24 != 0);
    let shape = tokio::time::timeout(DEADLINE, cursor.wait_for(seen)).await.expect("a new shape").unwrap().clone();
    assert_eq!(shape.argb.len(), (shape.size.width * shape.size.height) as usize);
    assert!(shape.hotspot.0 < shape.size.width && shape.hotspot.1 < shape.size.height);
    assert_eq!(screen.pointer().await.unwrap(), protocol::action::Point { x: 640, y: 400 });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_screenshot_has_the_size_and_the_part_that_were_asked_for() {
    let display = Display::fixed();
    let canvas = Canvas::on(&display);
    canvas.paint(0xffffff, 100, 50, 200, 100);
    let desk = display.desk().await;
    let size_of = |picture: &[u8]| {
        let edge = |at: usize| u32::from_be_bytes(picture[at..at + 4].try_into().unwrap());
        Size { width: edge(16), height: edge(20) }
    };

    let fitted = ScreenshotCall { fit: Some(Fit { max_edge: 640, max_patches: 10_000 }), ..whole() };
    let (size, picture) = desk.screenshot(fitted).await.unwrap();
    assert_eq!((size, size_of(&picture)), (Size { width: 640, height: 400 }, size));

    // A part of that picture comes at the screen's own resolution.
    let region = Rect { x: 50, y: 25, width: 100, height: 50 };
    let zoom = ScreenshotCall { region: Some(region), picture: Some(size), ..whole() };
    let (size, picture) = desk.screenshot(zoom).await.unwrap();
    assert_eq!((size, size_of(&picture)), (Size { width: 200, height: 100 }, size));
    let mut reader = png::Decoder::new(std::io::Cursor::new(picture)).read_info().unwrap();
    let mut rgb = vec![0; reader.output_buffer_size().unwrap()];
    reader.next_frame(&mut rgb).unwrap();
    assert!(rgb.iter().all(|value| *value == 255), "exactly the white part");

    let jpeg = ScreenshotCall { format: Format::Jpeg { quality: 80 }, ..whole() };
    assert!(desk.screenshot(jpeg).await.unwrap().1.starts_with(&[0xff, 0xd8]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_that_is_not_inside_the_picture_is_refused() {
    let display = Display::fixed();
    let desk = display.desk().await;
    let picture = Some(Size { width: 640, height: 400 });

    for (x, y, width, height) in
        [(0, 0, 641, 1), (-1, 0, 5, 5), (0, 399, 1, 2), (5, 5, 0, 5), (i32::MAX, 0, u32::MAX, 1)]
    {
        let call = ScreenshotCall { region: Some(Rect { x, y, width, height }), picture, ..whole() };

        assert_eq!(desk.screenshot(call).await.unwrap_err().kind, RefusalKind::Invalid);
    }
    let call = ScreenshotCall {
        picture: Some(Size { width: 0, height: 5 }),
        region: Some(Rect { x: 0, y: 0, width: 1, height: 1 }),
        ..whole()
    };
    assert!(desk.screenshot(call).await.is_err());
}
