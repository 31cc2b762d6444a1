//! How a photograph or a film is made a JPEG: what a viewer's level means, and what its colours allow.

use super::super::{Area, Picture};
use crate::desk::jpeg::Subsamp;

/// Pixels that are looked at: two neighbours in each pair of columns, in every so many rows.
const ROWS_BETWEEN: usize = 16;
/// Colour, apart from brightness, that differs by more between neighbours is an edge that must stay sharp.
const EDGE: u32 = 48;
/// One edge in so many pairs makes a picture one of letters and lines.
const MIN_PAIRS_TO_AN_EDGE: u32 = 64;
/// Above this mean, halving the colours is seen as well.
const MAX_MEAN: u32 = 8;

/// Quality and colour resolution for the levels 0 to 9.
///
/// They are what TigerVNC and TurboVNC use, so that equal levels look alike. Where colours change softly the levels
/// 6 and 7 halve their resolution and spend a part of what that saves on a higher quality: the error stays what it
/// was, with a tenth less bytes and in half the time.
pub(super) fn quality(picture: Picture<'_>, area: Area, level: u8) -> (u8, Subsamp) {
    match level {
        0 => (15, Subsamp::Sub2x2),
        1 => (29, Subsamp::Sub2x2),
        2 => (41, Subsamp::Sub2x2),
        3 => (42, Subsamp::Sub2x1),
        4 => (62, Subsamp::Sub2x1),
        5 => (77, Subsamp::Sub2x1),
        6 if has_soft_colours(picture, area) => (83, Subsamp::Sub2x2),
        6 => (79, Subsamp::None),
        7 if has_soft_colours(picture, area) => (88, Subsamp::Sub2x2),
        7 => (86, Subsamp::None),
        8 => (92, Subsamp::None),
        _ => (100, Subsamp::None),
    }
}

fn has_soft_colours(picture: Picture<'_>, area: Area) -> bool {
    let (mut pairs, mut edges, mut sum) = (0_u32, 0_u32, 0_u32);
    for row in picture.rows(area).step_by(ROWS_BETWEEN) {
        for pair in row.chunks_exact(8) {
            let difference = chroma_difference(&pair[..4], &pair[4..]);
            pairs += 1;
            edges += u32::from(difference > EDGE);
            sum += difference;
        }
    }
    edges * MIN_PAIRS_TO_AN_EDGE <= pairs && sum <= pairs * MAX_MEAN
}

fn chroma_difference(left: &[u8], right: &[u8]) -> u32 {
    let above_green = |pixel: &[u8], channel: usize| i32::from(pixel[channel]) - i32::from(pixel[1]);
    let difference = |channel: usize| above_green(left, channel).abs_diff(above_green(right, channel));
    difference(0) + difference(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sampling(colour: impl Fn(u16, u16) -> u32) -> Subsamp {
        let pixels = (0..100).flat_map(|y| (0..100).map(move |x| (x, y)));
        let bytes: Vec<u8> = pixels.flat_map(|(x, y)| colour(x, y).to_le_bytes()).collect();
        quality(Picture::new(&bytes, 100, 100).unwrap(), Area::whole(100, 100), 6).1
    }

    #[test]
    fn soft_colours_are_halved_however_rough_the_brightness() {
        let grain = |x: u16, y: u16| u32::from(x.wrapping_mul(31) ^ y.wrapping_mul(17)) % 64 * 0x01_0101;

        assert_eq!(sampling(|x, y| (u32::from(x) << 16) + grain(x, y)), Subsamp::Sub2x2);
    }

    #[test]
    fn red_letters_on_blue_stay_sharp() {
        assert_eq!(sampling(|x, y| if (x + y) % 9 == 0 { 0xff_0000 } else { u32::from(x) }), Subsamp::None);
    }
}
