//! Pixels that several viewers want alike are encoded once for all of them.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::{sync::OnceCell, task::JoinError};

use crate::desk::{
    rfb::{
        Picture, PixelFormat, Wishes,
        encoding::{Detached, Encoder},
        ledger::{Change, Plan},
        wishes::Pixels,
    },
    screen::Frame,
};

/// Viewers keep pace with the screen or fall behind at their own: so many of the last encodings are worth keeping.
const KEPT: usize = 4;
/// Fewer pixels are encoded where they are asked for: another thread would wake up for longer than it encodes.
pub(super) const ENCODED_AT_ONCE: usize = 64 * 1024;

/// One for all viewers of a screen.
#[derive(Clone, Default)]
pub struct Studio(Arc<Mutex<Shared>>);

#[derive(Default)]
struct Shared {
    viewers: HashMap<Class, usize>,
    shots: VecDeque<(Key, Arc<OnceCell<Arc<Detached>>>)>,
    encoders: Vec<Encoder>,
}

/// What makes the same pixels the same bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Class {
    format: PixelFormat,
    pixels: Pixels,
    quality: Option<u8>,
    compression: Option<u8>,
}

#[derive(PartialEq, Eq)]
struct Key {
    class: Class,
    serial: u64,
    exact: bool,
    changes: Vec<Change>,
}

/// A viewer's place among those who want their pixels as it does.
pub(super) struct Seat {
    studio: Studio,
    class: Option<Class>,
}

impl Studio {
    pub(super) fn seat(&self) -> Seat {
        Seat { studio: self.clone(), class: None }
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The plan's changes as rectangles: encoded now, or by another viewer a moment ago.
    pub(super) async fn shoot(
        self,
        frame: Arc<Frame>,
        plan: &Plan,
        format: PixelFormat,
        wishes: Wishes,
    ) -> Result<Arc<Detached>, JoinError> {
        let key = Key {
            class: Class::of(&format, &wishes),
            serial: frame.serial,
            exact: plan.exact,
            changes: plan.changes.clone(),
        };
        let shot = self.lock().shot(key);
        let encode = async {
            let pixels: usize = plan.changes.iter().map(|change| change.area.pixels()).sum();
            let (studio, changes) = (self.clone(), plan.changes.clone());
            let encode = move || Arc::new(studio.encode(&frame, &changes, &format, &wishes));
            if pixels <= ENCODED_AT_ONCE { Ok(encode()) } else { tokio::task::spawn_blocking(encode).await }
        };
        shot.get_or_try_init(|| encode).await.cloned()
    }

    fn encode(&self, frame: &Frame, changes: &[Change], format: &PixelFormat, wishes: &Wishes) -> Detached {
        let mut encoder = self.lock().encoders.pop().unwrap_or_default();
        let picture = Picture::new(&frame.pixels, frame.size.width as u16, frame.size.height as u16);
        let detached = picture.and_then(|picture| encoder.encode_detached(picture, changes, format, wishes));
        let mut shared = self.lock();
        if shared.encoders.is_empty() {
            shared.encoders.push(encoder);
        }
        detached.unwrap_or_default()
    }
}

impl Shared {
    fn shot(&mut self, key: Key) -> Arc<OnceCell<Arc<Detached>>> {
        if let Some((_, shot)) = self.shots.iter().find(|(known, _)| *known == key) {
            return shot.clone();
        }
        if self.shots.len() >= KEPT {
            self.shots.pop_front();
        }
        let shot = Arc::<OnceCell<_>>::default();
        self.shots.push_back((key, shot.clone()));
        shot
    }

    fn leave(&mut self, class: Class) {
        if let Some(viewers) = self.viewers.get_mut(&class) {
            *viewers -= 1;
            if *viewers == 0 {
                self.viewers.remove(&class);
            }
        }
        if self.viewers.values().all(|viewers| *viewers < 2) {
            self.shots.clear();
            self.encoders.clear();
        }
    }
}

impl Class {
    fn of(format: &PixelFormat, wishes: &Wishes) -> Self {
        Self { format: *format, pixels: wishes.pixels, quality: wishes.quality, compression: wishes.compression }
    }
}

impl Seat {
    /// The viewer said how it wants its pixels.
    pub(super) fn take(&mut self, format: &PixelFormat, wishes: &Wishes) {
        let class = Class::of(format, wishes);
        if self.class == Some(class) {
            return;
        }
        let mut shared = self.studio.lock();
        if let Some(before) = self.class.replace(class) {
            shared.leave(before);
        }
        *shared.viewers.entry(class).or_default() += 1;
    }

    /// The studio, when others want their pixels alike and these can be shared: ZRLE's only stream cannot begin anew.
    pub(super) fn shared(&self) -> Option<Studio> {
        let class = self.class.filter(|class| class.pixels != Pixels::Zrle)?;
        let company = self.studio.lock().viewers.get(&class).is_some_and(|viewers| *viewers > 1);
        company.then(|| self.studio.clone())
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        if let Some(class) = self.class {
            self.studio.lock().leave(class);
        }
    }
}

#[cfg(test)]
mod tests {
    use protocol::desktop::Size;

    use super::*;
    use crate::desk::rfb::{ledger::Ledger, wishes::number};

    fn frame(serial: u64) -> Arc<Frame> {
        let size = Size { width: 128, height: 64 };
        Arc::new(Frame { size, serial, pixels: Arc::new(vec![7; 128 * 64 * 4]), trail: Vec::new() })
    }

    fn wishes(quality: i32) -> Wishes {
        Wishes::read([number::TIGHT, number::QUALITY_0 + quality])
    }

    fn seated(studio: &Studio, quality: i32) -> Seat {
        let mut seat = studio.seat();
        seat.take(&PixelFormat::OURS, &wishes(quality));
        seat
    }

    #[tokio::test]
    async fn viewers_that_want_the_same_get_the_very_same_bytes() {
        let studio = Studio::default();
        let plan = Ledger::new(128, 64).take(crate::desk::rfb::Area::whole(128, 64), true);

        let shoot = |serial, quality| studio.clone().shoot(frame(serial), &plan, PixelFormat::OURS, wishes(quality));
        let (first, second) = tokio::join!(shoot(1, 6), shoot(1, 6));
        let (first, second) = (first.unwrap(), second.unwrap());

        assert!(first.rectangles > 0);
        assert!(Arc::ptr_eq(&first, &second));
        assert!(!Arc::ptr_eq(&first, &shoot(2, 6).await.unwrap()));
        assert!(!Arc::ptr_eq(&first, &shoot(1, 9).await.unwrap()));
        assert!(studio.lock().shots.len() <= KEPT);
    }

    #[test]
    fn only_a_viewer_in_company_shares() {
        let studio = Studio::default();
        let (first, other) = (seated(&studio, 6), seated(&studio, 9));
        assert!(first.shared().is_none() && other.shared().is_none());

        let second = seated(&studio, 6);
        assert!(first.shared().is_some() && second.shared().is_some() && other.shared().is_none());

        drop(second);
        assert!(first.shared().is_none());
    }
}
