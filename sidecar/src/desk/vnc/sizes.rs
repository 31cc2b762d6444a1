//! How large the screen is: what a viewer knows of it, and what it wishes.

use std::{collections::VecDeque, sync::Arc};

use bytes::BytesMut;
use protocol::desktop::Size;

use super::ServeError;
use crate::{
    desk::{
        rfb::{
            Area, Wishes,
            server::{SizeOutcome, SizeReason, Update},
        },
        screen::Frame,
    },
    link::Refusal,
};

/// A viewer that asks faster than it reads gets the last of its answers.
const MAX_NEWS: usize = 8;

/// The width and height of a frame as RFB counts them.
pub(super) fn of(frame: &Arc<Frame>) -> Result<(u16, u16), ServeError> {
    let side = |pixels| u16::try_from(pixels).ok();
    side(frame.size.width).zip(side(frame.size.height)).ok_or_else(|| {
        let Size { width, height } = frame.size;
        let message = format!("{width}x{height} pixels are more than RFB can count; make the screen smaller");
        ServeError::Screen(Refusal::failed(message))
    })
}

/// What a viewer has been told, and what it still has to be told.
pub(super) struct Sizes {
    told: (u16, u16),
    news: VecDeque<News>,
}

struct News {
    size: (u16, u16),
    reason: SizeReason,
    outcome: SizeOutcome,
}

impl Sizes {
    pub(super) fn new(told: (u16, u16)) -> Self {
        Self { told, news: VecDeque::new() }
    }

    /// The area that the viewer's own picture has.
    pub(super) fn known(&self) -> Area {
        Area::whole(self.told.0, self.told.1)
    }

    /// The screen is so large now, whoever made it so.
    pub(super) fn changed(&mut self, size: (u16, u16)) {
        self.push(News { size, reason: SizeReason::Server, outcome: SizeOutcome::Done });
    }

    /// The viewer wants to hear it, even if it is no news.
    pub(super) fn asked(&mut self, size: (u16, u16)) {
        if self.news.is_empty() {
            self.changed(size);
        }
    }

    /// How this viewer's own wish ended.
    pub(super) fn wished(&mut self, size: (u16, u16), outcome: SizeOutcome) {
        self.push(News { size, reason: SizeReason::ThisViewer, outcome });
    }

    /// Writes what is to be told as an update of its own, as the protocol wants it.
    /// Answers whether that changed the viewer's picture, and so is the answer to its request.
    pub(super) fn write(&mut self, wishes: &Wishes, out: &mut BytesMut) -> bool {
        let before = self.told;
        for news in std::mem::take(&mut self.news) {
            let (width, height) = news.size;
            let mut update = Update::begin(out);
            if wishes.extended_desktop_size {
                update.extended_desktop_size(width, height, news.reason, news.outcome);
            } else if wishes.desktop_size && news.size != self.told {
                update.desktop_size(width, height);
            } else {
                continue;
            }
            update.end();
            // A wish that failed repeats the size that still is.
            self.told = news.size;
        }
        self.told != before
    }

    pub(super) fn has_news(&self) -> bool {
        !self.news.is_empty()
    }

    fn push(&mut self, news: News) {
        if self.news.len() >= MAX_NEWS {
            self.news.pop_front();
        }
        self.news.push_back(news);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn both() -> Wishes {
        Wishes { extended_desktop_size: true, desktop_size: true, ..Wishes::default() }
    }

    #[test]
    fn a_viewer_that_cannot_follow_keeps_its_own_size() {
        let (mut sizes, mut out) = (Sizes::new((800, 600)), BytesMut::new());
        sizes.changed((1024, 768));

        let changed = sizes.write(&Wishes::default(), &mut out);

        assert!(!changed && out.is_empty());
        assert_eq!(sizes.known(), Area::whole(800, 600));
    }

    #[test]
    fn each_viewer_hears_of_a_new_size_in_its_own_words() {
        for (extended, encoding) in [(true, -308_i32), (false, -223)] {
            let (mut sizes, mut out) = (Sizes::new((800, 600)), BytesMut::new());
            sizes.changed((1024, 768));

            assert!(sizes.write(&Wishes { extended_desktop_size: extended, ..both() }, &mut out));

            assert_eq!(out[8..12], [4, 0, 3, 0]);
            assert_eq!(out[12..16], encoding.to_be_bytes());
            assert!(!sizes.has_news());
        }
    }

    #[test]
    fn a_failed_wish_is_told_with_its_reason_and_changes_nothing() {
        let (mut sizes, mut out) = (Sizes::new((800, 600)), BytesMut::new());
        sizes.wished((800, 600), SizeOutcome::Prohibited);

        assert!(!sizes.write(&both(), &mut out));

        assert_eq!(out[4..8], [0, 1, 0, 1]);
    }
}
