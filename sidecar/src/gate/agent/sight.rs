//! Pictures of the screen that a model may be shown. The desk is not trusted to have made what it was asked for.

use std::time::Duration;

use protocol::{action::Point, desktop::Size};

use crate::{
    gate::desk::{Desk, DeskError, Shot},
    link::{Format, ScreenshotCall},
};

pub const WITHIN: Duration = Duration::from_secs(15);
pub const JPEG: Format = Format::Jpeg { quality: 80 };
/// A PNG above this is taken again as a JPEG: every later request carries it.
const LARGE_PNG: usize = 1_500_000;
/// What the provider refuses, for one image: 5 MiB of base64, 2000 px an edge beside 20 others.
const MAX_PICTURE: usize = 5 * 1024 * 1024 / 4 * 3;
const MAX_EDGE: u32 = 2000;

/// A picture and what it is; `None` where it is none that a model takes.
pub async fn see(desk: &Desk, call: ScreenshotCall) -> Result<Option<(Shot, Format)>, DeskError> {
    let mut call = call;
    let mut shot = desk.screenshot(call, WITHIN).await?;
    if call.format == Format::Png && shot.bytes.len() > LARGE_PNG {
        call.format = JPEG;
        shot = desk.screenshot(call, WITHIN).await?;
    }
    Ok(is_acceptable(&shot, call.format).then_some((shot, call.format)))
}

/// Is it one that a provider takes?
pub fn is_acceptable(shot: &Shot, format: Format) -> bool {
    let begins: &[u8] = match format {
        Format::Png => b"\x89PNG\r\n\x1a\n",
        Format::Jpeg { .. } => b"\xff\xd8\xff",
    };
    let Size { width, height } = shot.picture;
    shot.bytes.starts_with(begins)
        && shot.bytes.len() <= MAX_PICTURE
        && (1..=MAX_EDGE).contains(&width)
        && (1..=MAX_EDGE).contains(&height)
        && (1..=Size::MAX.width).contains(&shot.screen.width)
        && (1..=Size::MAX.width).contains(&shot.screen.height)
}

/// The same point in a picture of another size.
pub fn scale(point: Point, from: Size, to: Size) -> Point {
    let along = |at: i32, from: u32, to: u32| (i64::from(at) * i64::from(to) / i64::from(from.max(1))) as i32;
    Point { x: along(point.x, from.width, to.width), y: along(point.y, from.height, to.height) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_moved_to_the_picture_it_is_shown_on() {
        let (screen, picture) = (Size { width: 2560, height: 1600 }, Size { width: 1280, height: 800 });

        assert_eq!(scale(Point { x: 300, y: 201 }, screen, picture), Point { x: 150, y: 100 });
    }

    #[test]
    fn a_picture_that_the_provider_would_refuse_is_never_stored() {
        let shot = |bytes: Vec<u8>, width| Shot {
            bytes,
            picture: Size { width, height: 10 },
            screen: Size { width: 10, height: 10 },
        };
        let png = b"\x89PNG\r\n\x1a\n".to_vec();
        let huge = [png.clone(), vec![0; MAX_PICTURE]].concat();

        assert!(is_acceptable(&shot(png.clone(), 10), Format::Png));
        assert!(!is_acceptable(&shot(png.clone(), 2001), Format::Png));
        assert!(!is_acceptable(&shot(huge, 10), Format::Png));
        assert!(!is_acceptable(&shot(png, 10), JPEG));
    }
}
