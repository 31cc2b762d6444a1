//! The desktop that viewers look at: an X server with programs, a desk, and a door by TCP for native viewers.

use std::{
    net::Ipv4Addr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use sidecar::link::{Answer, Call, FloorRule, frame};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream, UnixStream},
    task::JoinSet,
};
use x11rb::{
    connection::Connection,
    protocol::Event,
    protocol::xproto::{ConnectionExt, CreateGCAux, CreateWindowAux, EventMask, ImageFormat, WindowClass},
    rust_connection::RustConnection,
    wrapper::ConnectionExt as _,
};

use crate::{
    display::{DEADLINE, Desk, Display, answer, eventually, read},
    picture::Picture,
};

/// A desktop that is seen through `port`.
pub(crate) struct Desktop {
    pub(crate) display: Display,
    pub(crate) x: RustConnection,
    pub(crate) desk: Desk,
    _doors: JoinSet<()>,
}

/// A way to the desktop by TCP, for one viewer at a time.
pub(crate) struct Door {
    pub(crate) port: u16,
    /// What went through it to the viewer, in bytes.
    sent: Arc<AtomicU64>,
}

impl Door {
    pub(crate) fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }
}

impl Desktop {
    /// With a terminal that writes what is typed to a file, and a picture of many colours.
    pub(crate) async fn start() -> Self {
        let mut display = Display::resizable();
        let to_file =
            "stty -icanon -echo; printf '\\033[32mgreen \\033[1mbold \\033[7mreverse\\033[0m\\n'; exec cat > typed";
        display.run("xterm", &["-u8", "-geometry", "100x30+0+0", "-e", to_file]);
        let (x, _) = display.connect();
        paint(&x);
        let desk = display.desk().await;
        assert_eq!(desk.call(&Call::Floor { rule: FloorRule::Anyone }).await, Ok(Answer::Done));
        eventually("the terminal is there", async || display.path("typed").exists()).await;
        Self { display, x, desk, _doors: JoinSet::new() }
    }

    /// Opens a door for another viewer.
    pub(crate) async fn door(&mut self) -> Door {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let door = Door { port: listener.local_addr().unwrap().port(), sent: Arc::default() };
        let (socket, sent) = (self.desk.socket.clone(), door.sent.clone());
        self._doors.spawn(async move {
            while let Ok((viewer, _)) = listener.accept().await {
                let mut desk = UnixStream::connect(&socket).await.unwrap();
                frame::write_json(&mut desk, &Call::Vnc { control: true, seat: "ada".into(), password: None })
                    .await
                    .unwrap();
                assert_eq!(answer(&mut desk).await.unwrap(), Answer::Done);
                pass(viewer, desk, &sent).await;
            }
        });
        door
    }

    pub(crate) fn picture(&self) -> Picture {
        Picture::of_screen(&self.x)
    }

    /// What was typed into the terminal.
    pub(crate) fn typed(&self) -> String {
        read(&self.display.path("typed"))
    }

    /// Waits for the next button that is pressed on the picture of many colours.
    pub(crate) async fn next_press(&self) -> u8 {
        let deadline = tokio::time::Instant::now() + DEADLINE;
        loop {
            if let Some(Event::ButtonPress(press)) = self.x.poll_for_event().unwrap() {
                return press.detail;
            }
            assert!(tokio::time::Instant::now() < deadline, "no button was pressed");
            tokio::task::yield_now().await;
        }
    }

    pub(crate) fn pointer(&self) -> (i16, i16) {
        let pointer = self.x.query_pointer(self.x.setup().roots[0].root).unwrap().reply().unwrap();
        (pointer.root_x, pointer.root_y)
    }

    /// Lets text run through another terminal until it is told to stop.
    pub(crate) fn scroll(&mut self) {
        let lines = "i=0; while [ ! -e stop ]; do i=$((i + 1)); echo \"$i: the quick brown fox, $((i * i)) times\"; \
                     sleep 0.01; done; echo \"line $i was the last\"; touch stopped; exec cat";
        self.display.run("xterm", &["-geometry", "80x12+620+20", "-e", lines]);
    }

    pub(crate) async fn stop_scrolling(&self) {
        std::fs::write(self.display.path("stop"), "").unwrap();
        eventually("no more text comes", async || self.display.path("stopped").exists()).await;
    }

    /// Makes the screen another size, as a program on the desktop does.
    pub(crate) async fn resize(&self, mode: &str) {
        let output = "$(xrandr | sed -n 's/ connected.*//p')";
        self.desk.bash(&format!("xrandr --output \"{output}\" --mode {mode}")).await;
        eventually("the screen has its mode's size", async || {
            let (width, height) = self.size();
            mode == format!("{width}x{height}")
        })
        .await;
    }

    /// Copies a text on the desktop.
    pub(crate) async fn copy(&self, text: &str) {
        self.desk.bash(&format!("printf '{text}' | xclip -selection clipboard -in > /dev/null 2>&1")).await;
    }

    /// What can be pasted on the desktop.
    pub(crate) async fn paste(&self) -> String {
        self.desk.bash("timeout 2 xclip -selection clipboard -out").await.output
    }

    pub(crate) fn size(&self) -> (u16, u16) {
        let root = self.x.setup().roots[0].root;
        let geometry = self.x.get_geometry(root).unwrap().reply().unwrap();
        (geometry.width, geometry.height)
    }
}

async fn pass(mut viewer: TcpStream, mut desk: UnixStream, sent: &AtomicU64) {
    let ((mut from_viewer, mut to_viewer), (mut from_desk, mut to_desk)) = (viewer.split(), desk.split());
    let down = async {
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(read @ 1..) = from_desk.read(&mut buffer).await {
            sent.fetch_add(read as u64, Ordering::Relaxed);
            if to_viewer.write_all(&buffer[..read]).await.is_err() {
                break;
            }
        }
    };
    tokio::select! {
        () = down => {}
        _ = tokio::io::copy(&mut from_viewer, &mut to_desk) => {}
    }
}

/// Shows a picture with more colours than a palette has: what an encoder with losses would send as JPEG.
fn paint(x: &RustConnection) {
    const SIDE: u16 = 240;
    let screen = &x.setup().roots[0];
    let (window, pixmap, gc) = (x.generate_id().unwrap(), x.generate_id().unwrap(), x.generate_id().unwrap());
    x.create_pixmap(screen.root_depth, pixmap, screen.root, SIDE, SIDE).unwrap();
    x.create_gc(gc, pixmap, &CreateGCAux::new()).unwrap();
    let wave = |phase: f32| ((phase.sin() + 1.0) * 127.5) as u8;
    let pixels: Vec<u8> = (0..u32::from(SIDE) * u32::from(SIDE))
        .flat_map(|at| {
            let (column, row) = ((at % u32::from(SIDE)) as f32, (at / u32::from(SIDE)) as f32);
            [wave(column / 30.0), wave(row / 23.0), wave((column + row) / 41.0), 0]
        })
        .collect();
    x.put_image(ImageFormat::Z_PIXMAP, pixmap, gc, SIDE, SIDE, 0, 0, 0, screen.root_depth, &pixels).unwrap();
    let looks = CreateWindowAux::new().background_pixmap(pixmap).event_mask(EventMask::BUTTON_PRESS);
    let class = WindowClass::INPUT_OUTPUT;
    x.create_window(0, window, screen.root, 700, 450, SIDE, SIDE, 0, class, 0, &looks).unwrap();
    x.map_window(window).unwrap();
    x.sync().unwrap();
}
