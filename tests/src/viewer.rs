//! A bare RFB 3.8 client over a WebSocket: Raw encoding, 32 bits a pixel, keys and pointer.

use std::time::Duration;

use bytes::{Buf, BytesMut};
use futures_util::{SinkExt, StreamExt};
use protocol::{DesktopId, desktop::Size};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;

use crate::{
    Api,
    picture::Picture,
    websocket::{Refused, Socket},
};

const RAW: i32 = 0;
const DESKTOP_SIZE: i32 = -223;
/// A whole screen in Raw is 4 MB, and two cores may be busy.
const PATIENCE: Duration = Duration::from_secs(30);

pub struct Viewer {
    socket: Socket,
    unread: BytesMut,
    pub screen: Picture,
}

impl Viewer {
    /// Opens the desktop's screen and shakes hands; nothing is painted yet.
    pub async fn open(api: &Api, desktop: &DesktopId) -> Result<Self, Refused> {
        let socket = api.socket(&format!("desktops/{desktop}/vnc"), Some("binary")).await?;
        let screen = Picture::black(Size { width: 1, height: 1 });
        let mut viewer = Self { socket, unread: BytesMut::new(), screen };
        viewer.shake_hands().await;
        Ok(viewer)
    }

    /// Asks for the whole screen and waits until it is there. A server may tell its size in an update of its own first.
    pub async fn whole_screen(&mut self) -> &Picture {
        let mut painted = 0;
        self.ask(false).await;
        while painted < u64::from(self.screen.size.width) * u64::from(self.screen.size.height) {
            painted += self.read_update().await;
            self.ask(true).await;
        }
        &self.screen
    }

    /// Asks for what has changed, and waits until something has.
    pub async fn change(&mut self) -> &Picture {
        self.ask(true).await;
        self.read_update().await;
        &self.screen
    }

    /// Presses and releases a key by its keysym.
    pub async fn key(&mut self, keysym: u32) {
        for down in [1u8, 0] {
            let mut message = vec![4, down, 0, 0];
            message.extend(keysym.to_be_bytes());
            self.send(message).await;
        }
    }

    /// Types Latin-1 text: there a character's code is its keysym.
    pub async fn type_text(&mut self, text: &str) {
        for character in text.chars() {
            self.key(if character == '\n' { 0xff0d } else { u32::from(character) }).await;
        }
    }

    /// Moves the pointer, with these buttons down (bit 0 is the left one).
    pub async fn pointer(&mut self, x: u16, y: u16, buttons: u8) {
        let mut message = vec![5, buttons];
        message.extend(x.to_be_bytes());
        message.extend(y.to_be_bytes());
        self.send(message).await;
    }

    pub async fn click(&mut self, x: u16, y: u16) {
        for buttons in [0, 1, 0] {
            self.pointer(x, y, buttons).await;
        }
    }

    async fn shake_hands(&mut self) {
        assert_eq!(&self.read(12).await[..], b"RFB 003.008\n");
        self.send(b"RFB 003.008\n".to_vec()).await;
        let kinds = self.read(1).await[0];
        let kinds = self.read(usize::from(kinds)).await;
        assert!(kinds.contains(&1), "the capability is the credential: RFB's own is None, but {kinds:?} is offered");
        self.send(vec![1]).await;
        assert_eq!(&self.read(4).await[..], [0; 4], "the handshake's verdict");
        // Shared: other viewers stay.
        self.send(vec![1]).await;
        let mut init = self.read(24).await;
        let (width, height) = (init.get_u16(), init.get_u16());
        init.advance(16);
        let name = init.get_u32() as usize;
        self.read(name).await;
        self.screen = Picture::black(Size { width: width.into(), height: height.into() });

        // 32 bits a pixel, depth 24, little-endian, true colour, 255 each, red at 16, green at 8, blue at 0.
        self.send(vec![0, 0, 0, 0, 32, 24, 0, 1, 0, 255, 0, 255, 0, 255, 16, 8, 0, 0, 0, 0]).await;
        let mut encodings = vec![2, 0, 0, 2];
        encodings.extend(RAW.to_be_bytes());
        encodings.extend(DESKTOP_SIZE.to_be_bytes());
        self.send(encodings).await;
    }

    async fn ask(&mut self, incremental: bool) {
        let Size { width, height } = self.screen.size;
        let mut message = vec![3, u8::from(incremental), 0, 0, 0, 0];
        message.extend((width as u16).to_be_bytes());
        message.extend((height as u16).to_be_bytes());
        self.send(message).await;
    }

    /// Reads messages until one FramebufferUpdate is in; answers how many pixels it brought.
    async fn read_update(&mut self) -> u64 {
        loop {
            match self.read(1).await[0] {
                0 => break,
                2 => {}
                3 => {
                    let length = self.read(7).await.split_off(3).get_u32();
                    self.read(length as usize).await;
                }
                other => panic!("an RFB message of type {other} was not expected"),
            }
        }
        let rectangles = self.read(3).await.split_off(1).get_u16();
        let mut painted = 0;
        for _ in 0..rectangles {
            let mut head = self.read(12).await;
            let (x, y) = (u32::from(head.get_u16()), u32::from(head.get_u16()));
            let (width, height) = (u32::from(head.get_u16()), u32::from(head.get_u16()));
            match head.get_i32() {
                RAW => {
                    painted += u64::from(width) * u64::from(height);
                    let pixels = self.read(width as usize * height as usize * 4).await;
                    let row =
                        |pixels: &[u8]| pixels.chunks_exact(4).flat_map(|p| [p[2], p[1], p[0]]).collect::<Vec<u8>>();
                    for (down, pixels) in pixels.chunks_exact(width as usize * 4).enumerate() {
                        self.screen.set_row(x, y + down as u32, &row(pixels));
                    }
                }
                DESKTOP_SIZE => self.screen = Picture::black(Size { width, height }),
                other => panic!("the server used encoding {other}, which was not offered"),
            }
        }
        painted
    }

    async fn read(&mut self, length: usize) -> BytesMut {
        while self.unread.len() < length {
            let message = timeout(PATIENCE, self.socket.next()).await.expect("the screen sends something");
            match message.expect("the screen's socket has ended").expect("read from the screen's socket") {
                Message::Binary(bytes) => self.unread.extend_from_slice(&bytes),
                Message::Ping(_) | Message::Pong(_) => {}
                other => panic!("the screen's socket sent {other:?}"),
            }
        }
        self.unread.split_to(length)
    }

    async fn send(&mut self, message: Vec<u8>) {
        self.socket.send(Message::binary(message)).await.expect("send to the screen");
    }
}
