//! How fresh the picture is that a slow or far viewer gets, on a way of known width and length.

use std::{sync::Arc, time::Duration};

use sidecar::desk::rfb::Area;
use tokio::{sync::watch, task::JoinSet, time::Instant};
use x11rb::{
    connection::Connection,
    protocol::xproto::{ConnectionExt, CreateGCAux, ImageFormat},
};

use crate::{
    client::{Client, encoding::*},
    desktop::Desktop,
    wire::Narrow,
};

/// What changes all the time, sent as it is: so large is an update.
const PLACE: Area = Area { x: 0, y: 0, width: 100, height: 80 };
const UPDATE: f64 = 100.0 * 80.0 * 4.0;
/// Updates that are watched, after those in which the way is learned.
const WATCHED: usize = 24;
const LEARNED: usize = 12;

struct Seen {
    /// How old the picture was on arrival, in the middle, in seconds.
    age: f64,
    per_s: f64,
    waited: u64,
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_viewer_gets_the_newest_picture_and_never_a_backlog() {
    let way = Narrow { bytes_per_s: 256_000.0, delay: Duration::from_millis(2) };

    let seen = watch_it(way).await;

    // Counting updates instead of measuring the way kept one update waiting behind another: twice the least.
    let least = UPDATE / way.bytes_per_s;
    assert!(seen.age < 1.6 * least, "{} s, where the way takes {least}", seen.age);
    assert!((seen.waited as f64) < 1.6 * UPDATE, "{} bytes waited", seen.waited);
    assert!(seen.per_s > 0.6 * way.bytes_per_s / UPDATE, "{} updates/s", seen.per_s);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_far_viewer_need_not_answer_before_it_gets_the_next_picture() {
    let way = Narrow { bytes_per_s: 512_000.0, delay: Duration::from_millis(150) };

    let seen = watch_it(way).await;

    // Two at once would be two in each 0.36 s; one at a time, one.
    let counted = 2.0 / (UPDATE / way.bytes_per_s + 2.0 * way.delay.as_secs_f64());
    assert!(seen.per_s > 1.5 * counted, "{} updates/s, by counting {counted}", seen.per_s);
    let least = UPDATE / way.bytes_per_s + way.delay.as_secs_f64();
    assert!(seen.age < 1.6 * least, "{} s, where the way takes {least}", seen.age);
}

async fn watch_it(way: Narrow) -> Seen {
    let mut desktop = Desktop::fixed().await;
    let mut tasks = JoinSet::new();
    let (stream, meter) = way.lead_to(desktop.connect(true), &mut tasks);
    let mut client = Client::connect(stream, &[RAW, FENCE, CONTINUOUS_UPDATES]).await;
    let drawn = keep_drawing(&desktop, &mut tasks);
    client.until("it is offered", |client| client.can_continue).await;
    client.continuous_in(PLACE).await;

    let mut ages = Vec::new();
    let mut begun = Instant::now();
    while ages.len() < WATCHED {
        let before = client.updates;
        client.until("an update comes", |client| client.updates > before).await;
        let shown = client.canvas.pixels[0] as usize;
        if client.updates == LEARNED {
            begun = Instant::now();
            meter.most_waiting();
        }
        if client.updates > LEARNED {
            let at = drawn.borrow().get(shown).copied().expect("it was drawn");
            ages.push(at.elapsed().as_secs_f64());
        }
    }
    let per_s = ages.len() as f64 / begun.elapsed().as_secs_f64();
    ages.sort_by(f64::total_cmp);
    Seen { age: ages[WATCHED / 2], per_s, waited: meter.most_waiting() }
}

/// Draws noise, and its number in the first pixel; answers when each was drawn.
fn keep_drawing(desktop: &Desktop, tasks: &mut JoinSet<()>) -> watch::Receiver<Arc<Vec<Instant>>> {
    let x = desktop.x();
    let (sender, receiver) = watch::channel(Arc::default());
    tasks.spawn(async move {
        let root = x.setup().roots[0].root;
        let gc = x.generate_id().unwrap();
        x.create_gc(gc, root, &CreateGCAux::new()).unwrap();
        let mut tick = tokio::time::interval(Duration::from_millis(10));
        let mut noise = 1_u32;
        for number in 0_u32.. {
            tick.tick().await;
            let mut pixels = Vec::with_capacity(UPDATE as usize);
            pixels.extend(number.to_le_bytes());
            pixels.resize_with(UPDATE as usize, || {
                noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (noise >> 24) as u8
            });
            sender.send_modify(|drawn: &mut Arc<Vec<Instant>>| Arc::make_mut(drawn).push(Instant::now()));
            x.put_image(ImageFormat::Z_PIXMAP, root, gc, PLACE.width, PLACE.height, 0, 0, 0, 24, &pixels).unwrap();
            x.flush().unwrap();
        }
    });
    receiver
}
