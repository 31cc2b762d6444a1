//! Eyes and hands, as the desktop's unprivileged user.
//!
//! One thread owns the screen's X connection, one the keyboard's and the pointer's, one the clipboard's.
//! Everything else holds a handle to them: [`screen::Screen`], [`input::Input`], [`clipboard::Clipboard`].

mod accessibility;
mod apps;
mod calls;
pub mod children;
pub mod clipboard;
mod connect;
mod files;
pub mod floor;
mod health;
pub mod input;
mod jpeg;
mod mailbox;
mod recording;
pub mod rfb;
pub mod screen;
mod serve;
mod shell;
mod things;
pub mod vnc;
mod windows;

use std::{path::PathBuf, time::Duration};

use anyhow::{Context, bail};
use tokio_util::sync::CancellationToken;

use self::{calls::Desk, children::Children, clipboard::Clipboard, input::Input, screen::Screen, shell::Shells};
use crate::link::{Refusal, RefusalKind};

/// A session starts its X server and the desk together.
const PATIENCE: Duration = Duration::from_secs(10);
const RETRY: Duration = Duration::from_millis(50);

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The Unix socket to listen on for the gate.
    #[arg(long, env = "CLOUDBOT_DESK_SOCKET", value_name = "PATH")]
    pub socket: PathBuf,
    /// The user that the gate runs as. Without it only a gate outside this PID namespace is let in.
    #[arg(long, env = "CLOUDBOT_GATE_UID", value_name = "UID")]
    pub gate_uid: Option<u32>,
    /// How the screen is read.
    #[arg(long, env = "CLOUDBOT_CAPTURE", value_enum, default_value_t, value_name = "METHOD")]
    pub capture: screen::Method,
}

/// Serves the gate until `stop`, or until the X server is gone: then it is an error, and to be started again.
pub async fn run(args: Args, stop: CancellationToken) -> anyhow::Result<()> {
    let screen = tokio::select! {
        screen = open_screen(args.capture) => screen?,
        () = stop.cancelled() => return Ok(()),
    };
    // Opening the input lifts what an earlier desk left pressed; the shells' note ends what it left running.
    let input = Input::open(None).await.context("open keyboard and pointer")?;
    let clipboard = Clipboard::open(None).await.context("open the clipboard")?;
    let shells = Shells::new(args.socket.with_extension("commands"));
    let children = Children::new(args.socket.with_extension("children"));
    let home = std::env::home_dir().context("find the home: set HOME")?;
    let gone = screen.clone();
    let desk = Desk::new(screen, input, clipboard, (shells, children), &home);
    let listener = serve::listen(&args.socket)?;
    tracing::info!(socket = %args.socket.display(), size = ?gone.latest().size, "the desk serves");
    let lost = tokio::select! {
        ((), ()) = async {
            tokio::join!(
                serve::serve(listener, desk.clone(), args.gate_uid, stop.clone()),
                accessibility::Accessibility::prepare(),
            )
        } => false,
        () = gone.gone() => true,
    };
    stop.cancel();
    desk.shut_down().await;
    let _ = std::fs::remove_file(&args.socket);
    if lost {
        bail!("the X server has gone away; the desk ends and is to be started again with it");
    }
    Ok(())
}

async fn open_screen(method: screen::Method) -> anyhow::Result<Screen> {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        match Screen::open(None, method).await {
            Err(Refusal { kind: RefusalKind::Unavailable, .. }) if tokio::time::Instant::now() < deadline => {
                tokio::time::sleep(RETRY).await;
            }
            opened => return opened.context("open the screen"),
        }
    }
}
