//! How pixels get to viewers beside being drawn: copied, sent with losses first, and shared between viewers.

use x11rb::{
    connection::Connection,
    protocol::xproto::{ConfigureWindowAux, ConnectionExt, CreateGCAux, CreateWindowAux, ImageFormat, WindowClass},
    wrapper::ConnectionExt as _,
};

use crate::{
    client::{DEADLINE, encoding::*},
    decoder::Format,
    desktop::Desktop,
};

/// Shows a picture of so many colours that a viewer who allows losses is sent a JPEG, in a window of its own.
fn show_a_photo(desktop: &Desktop, seed: u32) -> u32 {
    let x = desktop.x();
    let root = x.setup().roots[0].root;
    let (window, pen) = (x.generate_id().unwrap(), x.generate_id().unwrap());
    let look = CreateWindowAux::new().override_redirect(1);
    x.create_window(0, window, root, 100, 80, 300, 200, 0, WindowClass::INPUT_OUTPUT, 0, &look).unwrap();
    x.create_gc(pen, window, &CreateGCAux::new()).unwrap();
    x.map_window(window).unwrap();
    let colour = |i: u32| (i % 300) << 16 | (i / 300) << 8 | (i.wrapping_mul(2_654_435_761 + seed) >> 26);
    let pixels: Vec<u8> = (0..300 * 200).flat_map(|i| colour(i).to_le_bytes()).collect();
    x.put_image(ImageFormat::Z_PIXMAP, window, pen, 300, 200, 0, 0, 0, 24, &pixels).unwrap();
    // What is drawn stays although its program's connection ends.
    x.set_close_down_mode(x11rb::protocol::xproto::CloseDown::RETAIN_PERMANENT).unwrap();
    x.sync().unwrap();
    window
}

#[tokio::test]
async fn text_that_scrolls_is_copied_by_the_viewer_and_comes_out_right() {
    let mut desktop = Desktop::fixed().await;
    desktop.run(
        "xterm",
        &[
            "-geometry",
            "100x30+0+0",
            "-e",
            "for i in $(seq 100 400); do echo $i $((i*i*i)) $((i*77777)); sleep 0.01; done; sleep 60",
        ],
    );
    let mut client = desktop.viewer(&[COPY_RECT, TIGHT]).await;
    client.request(false).await;

    client.until("something was copied", |client| client.copies > 20).await;

    client.shows(&desktop, Format::Bgrx).await;
}

#[tokio::test]
async fn a_window_that_is_dragged_is_copied_by_the_viewer_and_comes_out_right() {
    let mut desktop = Desktop::fixed().await;
    let window = show_a_photo(&desktop, 3);
    let mut client = desktop.viewer(&[COPY_RECT, TIGHT]).await;
    client.request(false).await;
    client.shows(&desktop, Format::Bgrx).await;
    assert_eq!(client.copies, 0);

    let x = desktop.x();
    x.configure_window(window, &ConfigureWindowAux::new().x(163).y(41)).unwrap();
    x.sync().unwrap();

    client.until("the window was copied", |client| client.copies > 0).await;
    client.shows(&desktop, Format::Bgrx).await;
}

#[tokio::test]
async fn what_was_sent_with_losses_becomes_exact_once_it_stands_still() {
    let mut desktop = Desktop::fixed().await;
    show_a_photo(&desktop, 0);
    let mut client = desktop.viewer(&[TIGHT, QUALITY_6]).await;
    client.request(false).await;
    client.until("a picture came", |client| client.updates > 0).await;
    let server = desktop.pixels();
    assert_ne!(client.canvas.pixels, server, "the first picture has losses");

    client.shows(&desktop, Format::Bgrx).await;
}

#[tokio::test]
async fn viewers_that_share_their_pixels_all_show_the_servers_own_also_when_one_leaves() {
    let mut desktop = Desktop::fixed().await;
    desktop.run("xterm", &["-geometry", "100x30+0+0", "-e", "seq 1 4000; sleep 60"]);
    let mut viewers = Vec::new();
    for _ in 0..3 {
        let mut viewer = desktop.viewer(&[COPY_RECT, TIGHT, QUALITY_6]).await;
        viewer.request(false).await;
        viewers.push(viewer);
    }
    for viewer in &mut viewers {
        viewer.shows(&desktop, Format::Bgrx).await;
    }

    // From shared pixels to those for one alone, and back.
    drop(viewers.split_off(1));
    for _ in 0..2 {
        tokio::time::timeout(DEADLINE, desktop.served()).await.unwrap().unwrap().unwrap();
    }
    show_a_photo(&desktop, 1);
    viewers[0].shows(&desktop, Format::Bgrx).await;

    let mut late = desktop.viewer(&[COPY_RECT, TIGHT, QUALITY_6]).await;
    late.request(false).await;
    show_a_photo(&desktop, 2);
    late.shows(&desktop, Format::Bgrx).await;
    viewers[0].shows(&desktop, Format::Bgrx).await;
}
