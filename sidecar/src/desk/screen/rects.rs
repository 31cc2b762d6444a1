//! Rectangles of damage, made few.

use std::collections::HashMap;

use protocol::{action::Rect, desktop::Size};

use super::step::TILE;

/// More pieces than this cost more round trips than the pixels between them.
const FEW: usize = 12;
const STRIPE: i32 = 64;

/// Rectangles without overlap, inside the screen, that hold all of `rects` (which do not overlap either).
pub(super) fn few(rects: impl IntoIterator<Item = Rect>, screen: Size) -> Vec<Rect> {
    let rects: Vec<Rect> = rects.into_iter().filter_map(|r| clip(r, screen)).collect();
    let Some(all) = union(&rects) else { return rects };
    let (covered, around) = (rects.iter().map(area).sum::<u64>(), area(&all));
    if around <= covered + covered / 4 {
        return vec![all];
    }
    if rects.len() <= FEW { rects } else { stripes(&rects, screen) }
}

/// The smallest rectangle that holds all of them.
pub(crate) fn union(rects: &[Rect]) -> Option<Rect> {
    let x0 = rects.iter().map(|r| r.x).min()?;
    let y0 = rects.iter().map(|r| r.y).min()?;
    let x1 = rects.iter().map(right).max()?;
    let y1 = rects.iter().map(bottom).max()?;
    Some(Rect { x: x0, y: y0, width: (x1 - x0) as u32, height: (y1 - y0) as u32 })
}

/// The rectangles around changes that touch, of which each lies inside one tile.
pub(super) fn clusters(changes: &[Rect]) -> Vec<Rect> {
    let tile = |r: &Rect| (r.x / TILE as i32, r.y / TILE as i32);
    let mut left: HashMap<(i32, i32), Vec<Rect>> = HashMap::new();
    changes.iter().for_each(|change| left.entry(tile(change)).or_default().push(*change));
    let mut found = Vec::new();
    for change in changes {
        let Some(mut cluster) = left.remove(&tile(change)) else { continue };
        let mut edge = vec![tile(change)];
        while let Some((x, y)) = edge.pop() {
            for next in [-1, 0, 1].into_iter().flat_map(|dy| [-1, 0, 1].map(|dx| (x + dx, y + dy))) {
                if let Some(more) = left.remove(&next) {
                    cluster.extend(more);
                    edge.push(next);
                }
            }
        }
        found.extend(union(&cluster));
    }
    found
}

pub(super) fn clip(rect: Rect, screen: Size) -> Option<Rect> {
    let (x0, y0) = (rect.x.max(0), rect.y.max(0));
    let x1 = right(&rect).min(screen.width as i32);
    let y1 = bottom(&rect).min(screen.height as i32);
    (x0 < x1 && y0 < y1).then(|| Rect { x: x0, y: y0, width: (x1 - x0) as u32, height: (y1 - y0) as u32 })
}

/// Does `outer` hold all of `inner`?
pub(super) fn holds(outer: &Rect, inner: &Rect) -> bool {
    outer.x <= inner.x && outer.y <= inner.y && right(inner) <= right(outer) && bottom(inner) <= bottom(outer)
}

/// What of `rect` lies outside of `hole`.
pub(super) fn subtract(rect: Rect, hole: Rect) -> impl Iterator<Item = Rect> {
    let (x0, y0) = (rect.x, rect.y);
    let (x1, y1) = (x0 + rect.width as i32, y0 + rect.height as i32);
    let (hx0, hx1) = (hole.x.clamp(x0, x1), (hole.x + hole.width as i32).clamp(x0, x1));
    let (hy0, hy1) = (hole.y.clamp(y0, y1), (hole.y + hole.height as i32).clamp(y0, y1));
    let parts = if hx0 == hx1 || hy0 == hy1 {
        [(x0, y0, x1, y1), (0, 0, 0, 0), (0, 0, 0, 0), (0, 0, 0, 0)]
    } else {
        [(x0, y0, x1, hy0), (x0, hy1, x1, y1), (x0, hy0, hx0, hy1), (hx1, hy0, x1, hy1)]
    };
    parts.into_iter().filter(|(x0, y0, x1, y1)| x0 < x1 && y0 < y1).map(|(x0, y0, x1, y1)| Rect {
        x: x0,
        y: y0,
        width: (x1 - x0) as u32,
        height: (y1 - y0) as u32,
    })
}

/// One piece a stripe of the screen, neighbours of the same extent joined.
fn stripes(rects: &[Rect], screen: Size) -> Vec<Rect> {
    let mut pieces: Vec<Rect> = Vec::new();
    let mut top = 0;
    while top < screen.height as i32 {
        let height = STRIPE.min(screen.height as i32 - top);
        let stripe = Rect { x: 0, y: top, width: screen.width, height: height as u32 };
        let touched = rects.iter().filter(|r| r.y < bottom(&stripe) && bottom(r) > top);
        let parts: Vec<Rect> = touched.map(|r| Rect { y: top, height: stripe.height, ..*r }).collect();
        if let Some(piece) = union(&parts) {
            match pieces.last_mut() {
                Some(last) if bottom(last) == top && (last.x, last.width) == (piece.x, piece.width) => {
                    last.height += piece.height;
                }
                _ => pieces.push(piece),
            }
        }
        top += height;
    }
    pieces
}

fn right(rect: &Rect) -> i32 {
    rect.x.saturating_add_unsigned(rect.width)
}

fn bottom(rect: &Rect) -> i32 {
    rect.y.saturating_add_unsigned(rect.height)
}

pub(super) fn area(rect: &Rect) -> u64 {
    u64::from(rect.width) * u64::from(rect.height)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SCREEN: Size = Size { width: 300, height: 200 };

    fn holds(outer: &Rect, x: i32, y: i32) -> bool {
        (outer.x..right(outer)).contains(&x) && (outer.y..bottom(outer)).contains(&y)
    }

    fn disjoint() -> impl Strategy<Value = Vec<Rect>> {
        // One rectangle in each of many cells, as a server's region has them: never overlapping.
        prop::collection::vec((0..10i32, 0..10i32, 1..30u32, 1..20u32, prop::bool::ANY), 100).prop_map(|cells| {
            cells
                .into_iter()
                .enumerate()
                .filter(|(_, c)| c.4)
                .map(|(i, (dx, dy, w, h, _))| {
                    let (x, y) = ((i as i32 % 10) * 30, (i as i32 / 10) * 20);
                    Rect {
                        x: x + dx.min(29),
                        y: y + dy.min(19),
                        width: w.min(30 - dx as u32),
                        height: h.min(20 - dy as u32),
                    }
                })
                .collect()
        })
    }

    proptest! {
        #[test]
        fn what_is_subtracted_is_gone_and_nothing_else(
            rect in (0..40i32, 0..40i32, 1..30u32, 1..30u32), hole in (0..40i32, 0..40i32, 1..30u32, 1..30u32),
        ) {
            let of = |(x, y, width, height)| Rect { x, y, width, height };
            let (rect, hole) = (of(rect), of(hole));
            let parts: Vec<_> = subtract(rect, hole).collect();
            let inside = |r: &Rect, x: i32, y: i32| {
                (r.x..r.x + r.width as i32).contains(&x) && (r.y..r.y + r.height as i32).contains(&y)
            };
            for x in 0..80 {
                for y in 0..80 {
                    let wanted = usize::from(inside(&rect, x, y) && !inside(&hole, x, y));
                    prop_assert_eq!(parts.iter().filter(|part| inside(part, x, y)).count(), wanted);
                }
            }
        }

        #[test]
        fn every_damaged_pixel_is_in_exactly_one_piece_inside_the_screen(rects in disjoint()) {
            let pieces = few(rects.clone(), SCREEN);

            for r in &rects {
                for (x, y) in [(r.x, r.y), (right(r) - 1, bottom(r) - 1)] {
                    prop_assert_eq!(pieces.iter().filter(|p| holds(p, x, y)).count(), 1);
                }
            }
            for (i, a) in pieces.iter().enumerate() {
                prop_assert_eq!(clip(*a, SCREEN), Some(*a));
                for b in &pieces[i + 1..] {
                    let apart = right(a) <= b.x || right(b) <= a.x || bottom(a) <= b.y || bottom(b) <= a.y;
                    prop_assert!(apart, "{:?} {:?}", a, b);
                }
            }
            prop_assert!(pieces.len() <= FEW.max(4));
        }
    }

    #[test]
    fn changes_in_neighbouring_tiles_are_one_cluster_and_others_are_their_own() {
        let rect = |x, y, width, height| Rect { x, y, width, height };
        let across_a_border = [rect(60, 10, 4, 18), rect(64, 10, 4, 18)];
        let far = rect(200, 150, 3, 3);

        let clusters = clusters(&[across_a_border[0], far, across_a_border[1]]);

        assert_eq!(clusters, [rect(60, 10, 8, 18), far]);
    }

    #[test]
    fn damage_outside_the_screen_is_dropped() {
        let outside = Rect { x: 300, y: 0, width: 5, height: 5 };
        let across = Rect { x: -5, y: -5, width: 10, height: 10 };

        assert_eq!(few([outside], SCREEN), []);
        assert_eq!(few([across], SCREEN), [Rect { x: 0, y: 0, width: 5, height: 5 }]);
    }
}
