//! Does the viewer show what the X server shows? Asked before anything is measured.

use std::time::{Duration, Instant};

use crate::{
    client::{Client, Look, part},
    decoder::{Canvas, Place},
    likeness::decibels,
    peers::{Peer, Stage, Terminal},
    workloads::{FILM, TERMINAL},
};

/// Long enough for scrolling, copying and film to leave their traces.
const MOVING: Duration = Duration::from_secs(2);
const PATIENCE: Duration = Duration::from_secs(10);
const LOOK: Duration = Duration::from_millis(200);
/// Text is nearly always lossless, and a film at quality 6 is not.
const TEXT: f64 = 40.0;
const PICTURE: f64 = 25.0;

/// What a viewer shows after text has scrolled and a film has run, beside the X server's own pixels.
pub(crate) struct Likeness {
    pub(crate) text: f64,
    pub(crate) film: f64,
    pub(crate) screen: f64,
}

impl Likeness {
    pub(crate) fn is_enough(&self) -> bool {
        self.text >= TEXT && self.film >= PICTURE && self.screen >= PICTURE
    }
}

pub(crate) fn verify(peer: Peer) -> Likeness {
    let stage = Stage::raise(peer, Some(Terminal::Lines), true);
    let mut client = Client::connect(stage.port, Look::All);
    client.whole();
    client.watch_until(Instant::now() + MOVING);
    stage.freeze();
    let deadline = Instant::now() + PATIENCE;
    loop {
        client.watch_until(Instant::now() + LOOK);
        let own = Canvas { pixels: stage.pixels(), ..client.canvas.clone() };
        let at = |place: Place| decibels(&part(&client.canvas, place), &part(&own, place));
        let whole = (0, 0, own.width, own.height);
        let likeness = Likeness { text: at(TERMINAL), film: at(FILM), screen: at(whole) };
        if likeness.is_enough() || Instant::now() >= deadline {
            return likeness;
        }
    }
}
