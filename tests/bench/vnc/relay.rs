//! TCP to the desk's Unix socket, so that all servers are met by the same transport.
//!
//! It runs in the benchmark's own process: its cost counts as latency, against us, and never as our CPU.

use std::{
    io::{Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
};

use harness::desk;

const CHUNK: usize = 256 << 10;

pub(crate) struct Relay {
    pub(crate) port: u16,
    is_over: Arc<AtomicBool>,
    accepting: Option<JoinHandle<()>>,
}

impl Relay {
    pub(crate) fn to(socket: &Path) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("listen");
        let port = listener.local_addr().expect("an address").port();
        let is_over = Arc::new(AtomicBool::new(false));
        let (socket, over) = (socket.to_owned(), is_over.clone());
        let accepting = thread::spawn(move || accept(&listener, &socket, &over));
        Self { port, is_over, accepting: Some(accepting) }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::SeqCst);
        // The thread sleeps in accept.
        drop(TcpStream::connect(("127.0.0.1", self.port)));
        if let Some(accepting) = self.accepting.take() {
            let _ = accepting.join();
        }
    }
}

fn accept(listener: &TcpListener, socket: &Path, is_over: &AtomicBool) {
    thread::scope(|pumps| {
        for viewer in listener.incoming() {
            let viewer = Arc::new(viewer.expect("accept a viewer"));
            if is_over.load(Ordering::SeqCst) {
                break;
            }
            viewer.set_nodelay(true).expect("set TCP_NODELAY");
            let desk = Arc::new(desk::view(socket));
            let (viewer2, desk2) = (viewer.clone(), desk.clone());
            pumps.spawn(move || {
                pump(&*viewer, &*desk);
                let _ = desk.shutdown(Shutdown::Both);
            });
            pumps.spawn(move || {
                pump(&*desk2, &*viewer2);
                let _ = viewer2.shutdown(Shutdown::Both);
            });
        }
    });
}

/// Until either end is gone.
fn pump(mut from: impl Read, mut to: impl Write) {
    let mut chunk = vec![0; CHUNK];
    while let Ok(read @ 1..) = from.read(&mut chunk) {
        if to.write_all(&chunk[..read]).is_err() {
            break;
        }
    }
}
