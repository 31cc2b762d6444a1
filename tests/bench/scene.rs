//! What the benchmarks' desktops show: `bench-scene film` in a window of its own, `bench-scene lines` in a terminal.

use std::{
    fs::File,
    io::{Write, stdout},
    os::{fd::OwnedFd, unix::fs::FileExt},
    time::{Duration, Instant},
};

use harness::plasma;
use nix::sys::memfd::{MFdFlags, memfd_create};
use x11rb::{
    COPY_DEPTH_FROM_PARENT, COPY_FROM_PARENT,
    connection::Connection,
    protocol::{
        shm::ConnectionExt as _,
        xproto::{ConnectionExt, CreateGCAux, CreateWindowAux, ImageFormat, WindowClass},
    },
    wrapper::ConnectionExt as _,
};

const LINES_PER_SECOND: u32 = 400;
/// Beside a terminal of 100x40 characters at the left edge.
const FILM_AT: (i16, i16) = (632, 300);

fn main() {
    match std::env::args().nth(1).as_deref() {
        Some("film") => film(),
        Some("lines") => lines(),
        other => panic!("bench-scene film | lines, not {other:?}"),
    }
}

/// Shows the film through shared memory, as a player does.
fn film() {
    let (x, screen) = x11rb::connect(None).expect("connect to the X server");
    let root = x.setup().roots[screen].root;
    let (window, gc, segment) = (id(&x), id(&x), id(&x));
    // The film stands where the benchmark expects it, whatever the window manager would like.
    let look = CreateWindowAux::new().override_redirect(1).background_pixel(0);
    let (width, height) = (plasma::WIDTH as u16, plasma::HEIGHT as u16);
    let kind = WindowClass::INPUT_OUTPUT;
    let (left, top) = FILM_AT;
    x.create_window(COPY_DEPTH_FROM_PARENT, window, root, left, top, width, height, 0, kind, COPY_FROM_PARENT, &look)
        .expect("create a window");
    x.create_gc(gc, window, &CreateGCAux::new()).expect("create a graphics context");
    x.map_window(window).expect("show the window");

    let mut pixels = vec![0; plasma::WIDTH * plasma::HEIGHT];
    let memory = File::from(memfd_create(c"film", MFdFlags::MFD_CLOEXEC).expect("shared memory"));
    memory.set_len(pixels.len() as u64 * 4).expect("shared memory of a picture's size");
    let theirs: OwnedFd = memory.try_clone().expect("a second handle").into();
    x.shm_attach_fd(segment, theirs, true).expect("ask").check().expect("share memory with the X server");

    let depth = x.setup().roots[screen].root_depth;
    let format = u8::from(ImageFormat::Z_PIXMAP);
    let mut clock = Clock::of(plasma::FRAMES_PER_SECOND);
    for number in 0.. {
        plasma::paint(number, &mut pixels);
        clock.wait();
        let bytes: Vec<u8> = pixels.iter().flat_map(|pixel| pixel.to_le_bytes()).collect();
        memory.write_all_at(&bytes, 0).expect("write a picture");
        x.shm_put_image(window, gc, width, height, 0, 0, width, height, 0, 0, depth, format, false, segment, 0)
            .expect("show a picture");
        // The memory may be written again once the server has read it.
        x.sync().expect("the X server answers");
    }
}

fn id(x: &impl Connection) -> u32 {
    x.generate_id().expect("an id")
}

/// Prints text that never repeats, as a build does.
fn lines() {
    const WORDS: [&str; 8] = ["compiling", "crate", "for", "the", "desktop", "with", "warnings", "linked"];
    let mut clock = Clock::of(LINES_PER_SECOND);
    for number in 0_u32.. {
        clock.wait();
        let mut seed = number.wrapping_mul(0x9e37_79b9);
        let mut line = format!("{number:>7}");
        while line.len() < 80 {
            seed = seed.rotate_left(5).wrapping_mul(0x85eb_ca6b).wrapping_add(1);
            line.push(' ');
            line.push_str(WORDS[seed as usize % WORDS.len()]);
        }
        line.push('\n');
        stdout().write_all(line.as_bytes()).expect("the terminal takes a line");
    }
}

/// Ticks evenly, and makes up for no more than it must when it was held up.
struct Clock {
    every: Duration,
    next: Instant,
}

impl Clock {
    fn of(per_second: u32) -> Self {
        Self { every: Duration::from_secs(1) / per_second, next: Instant::now() }
    }

    fn wait(&mut self) {
        self.next = self.next.max(Instant::now() - 4 * self.every) + self.every;
        while let Some(left) = self.next.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) {
            std::thread::park_timeout(left);
        }
    }
}
