//! Between the pixels of a picture that somebody saw and those of the screen.

use protocol::{
    action::{Point, Rect},
    desktop::Size,
};

use crate::link::{Fit, Refusal};

/// X's own coordinates end here.
const LARGEST: u32 = i16::MAX as u32;
/// The edge of the squares that providers count a picture in.
const PATCH: u32 = 28;

/// Translates coordinates. A pixel of the picture stands for the screen's pixel under its centre, so
/// every pixel of a picture that is not larger than the screen comes back as itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scale {
    picture: Size,
    screen: Size,
}

impl Scale {
    /// `picture` is the size of what the caller saw; the screen's own unless told.
    pub fn new(picture: Option<Size>, screen: Size) -> Result<Scale, Refusal> {
        let picture = picture.unwrap_or(screen);
        let sane = 1..=LARGEST;
        if !sane.contains(&picture.width) || !sane.contains(&picture.height) {
            let message = format!(
                "a picture of {}x{} pixels cannot be; say the size of the screenshot that the coordinates are of",
                picture.width, picture.height
            );
            return Err(Refusal::invalid(message));
        }
        Ok(Scale { picture, screen })
    }

    /// The pixel of the screen that a pixel of the picture stands for. One outside the picture is refused.
    pub fn point(&self, p: Point) -> Result<Point, Refusal> {
        let Size { width, height } = self.picture;
        let inside = |v: i32, edge: u32| u32::try_from(v).is_ok_and(|v| v < edge);
        if !inside(p.x, width) || !inside(p.y, height) {
            return Err(Refusal::invalid(format!(
                "the point ({}, {}) is outside the picture of {width}x{height}; x goes from 0 to {}, y from 0 to {}",
                p.x,
                p.y,
                width - 1,
                height - 1
            )));
        }
        Ok(Point { x: centre(p.x as u32, width, self.screen.width), y: centre(p.y as u32, height, self.screen.height) })
    }

    /// The part of the screen that a part of the picture shows, to the last pixel it touches.
    pub fn rect(&self, r: Rect) -> Result<Rect, Refusal> {
        let Size { width, height } = self.picture;
        let end = |at: i32, length: u32, edge: u32| {
            let at = u32::try_from(at).ok()?;
            at.checked_add(length).filter(|end| length > 0 && *end <= edge)
        };
        let (Some(right), Some(bottom)) = (end(r.x, r.width, width), end(r.y, r.height, height)) else {
            return Err(Refusal::invalid(format!(
                "the region at ({}, {}) of {}x{} pixels is not inside the picture of {width}x{height}",
                r.x, r.y, r.width, r.height
            )));
        };
        let (x0, x1) = stretch(r.x as u32, right, width, self.screen.width);
        let (y0, y1) = stretch(r.y as u32, bottom, height, self.screen.height);
        Ok(Rect { x: x0 as i32, y: y0 as i32, width: x1 - x0, height: y1 - y0 })
    }

    /// The pixel of the picture that shows a pixel of the screen.
    pub fn point_back(&self, p: Point) -> Point {
        let on = |v: i32, edge: u32| (v.max(0) as u32).min(edge - 1);
        Point {
            x: centre(on(p.x, self.screen.width), self.screen.width, self.picture.width),
            y: centre(on(p.y, self.screen.height), self.screen.height, self.picture.height),
        }
    }

    /// The part of the picture that shows a part of the screen.
    pub fn rect_back(&self, r: Rect) -> Rect {
        let (x, y) = (r.x.max(0) as u32, r.y.max(0) as u32);
        let (x0, x1) = stretch(x, x + r.width, self.screen.width, self.picture.width);
        let (y0, y1) = stretch(y, y + r.height, self.screen.height, self.picture.height);
        Rect { x: x0 as i32, y: y0 as i32, width: x1 - x0, height: y1 - y0 }
    }
}

/// The largest size of the same shape that is neither larger than `size` nor over the bounds of `fit`.
pub fn fit(size: Size, fit: Fit) -> Size {
    let (long, short) = (size.width.max(size.height).max(1), size.width.min(size.height).max(1));
    let shortened = |edge: u32| {
        let other = (u64::from(short) * u64::from(edge) + u64::from(long) / 2) / u64::from(long);
        (other as u32).max(1)
    };
    let fits = |edge: &u32| edge.div_ceil(PATCH) * shortened(*edge).div_ceil(PATCH) <= fit.max_patches;
    let long = (1..=long.min(fit.max_edge.max(1))).rev().find(fits).unwrap_or(1);
    let short = shortened(long);
    if size.width >= size.height { Size { width: long, height: short } } else { Size { width: short, height: long } }
}

fn centre(at: u32, from: u32, to: u32) -> i32 {
    ((2 * u64::from(at) + 1) * u64::from(to) / (2 * u64::from(from))) as i32
}

fn stretch(start: u32, end: u32, from: u32, to: u32) -> (u32, u32) {
    let (start, end, from, to) = (u64::from(start), u64::from(end), u64::from(from), u64::from(to));
    ((start * to / from) as u32, (end * to).div_ceil(from).min(to) as u32)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn size(max: u32) -> impl Strategy<Value = Size> {
        (1..max, 1..max).prop_map(|(width, height)| Size { width, height })
    }

    proptest! {
        #[test]
        fn a_pixel_of_a_fitted_picture_comes_back_from_the_screen_as_itself(
            screen in size(4000), edge in 1..4000u32, patches in 1..20_000u32, u in 0.0..1.0f64, v in 0.0..1.0f64,
        ) {
            let picture = fit(screen, Fit { max_edge: edge, max_patches: patches });
            let scale = Scale::new(Some(picture), screen).unwrap();
            let p = Point { x: (u * f64::from(picture.width)) as i32, y: (v * f64::from(picture.height)) as i32 };

            let on_screen = scale.point(p).unwrap();

            prop_assert!(on_screen.x >= 0 && (on_screen.x as u32) < screen.width);
            prop_assert!(on_screen.y >= 0 && (on_screen.y as u32) < screen.height);
            prop_assert_eq!(scale.point_back(on_screen), p);
        }

        #[test]
        fn a_point_outside_is_refused_whatever_the_sizes(picture in size(3000), screen in size(3000), x: i32, y: i32) {
            let scale = Scale::new(Some(picture), screen).unwrap();
            let inside = (0..picture.width as i32).contains(&x) && (0..picture.height as i32).contains(&y);

            prop_assert_eq!(scale.point(Point { x, y }).is_ok(), inside);
        }

        #[test]
        fn a_region_of_the_picture_stays_inside_the_screen_and_is_never_empty(
            picture in size(3000), screen in size(3000), r in (any::<i32>(), any::<i32>(), any::<u32>(), any::<u32>()),
        ) {
            let scale = Scale::new(Some(picture), screen).unwrap();
            let near = Rect { x: r.0 % 3000, y: r.1 % 3000, width: r.2 % 3000, height: r.3 % 3000 };
            for rect in [Rect { x: r.0, y: r.1, width: r.2, height: r.3 }, near] {
                let Ok(on) = scale.rect(rect) else { continue };

                prop_assert!(on.width > 0 && on.height > 0 && on.x >= 0 && on.y >= 0);
                prop_assert!(on.x as u32 + on.width <= screen.width && on.y as u32 + on.height <= screen.height);
            }
        }

        #[test]
        fn a_fitted_picture_keeps_the_bounds_and_the_shape(screen in size(8000), edge in 28..4000u32, patches in 400..4000u32) {
            let to = fit(screen, Fit { max_edge: edge, max_patches: patches });

            prop_assert!(to.width <= edge && to.height <= edge && to.width <= screen.width && to.height <= screen.height);
            prop_assert!(to.width.div_ceil(PATCH) * to.height.div_ceil(PATCH) <= patches);
            let (wide, high) = (f64::from(to.width) / f64::from(screen.width), f64::from(to.height) / f64::from(screen.height));
            prop_assert!((wide - high).abs() <= 0.5 / f64::from(screen.width.min(screen.height)) + 1e-9 || to.width == 1 || to.height == 1);
        }
    }

    #[test]
    fn a_screen_that_fits_is_not_scaled() {
        for size in [Size::DEFAULT, Size { width: 1366, height: 768 }, Size { width: 1024, height: 768 }] {
            assert_eq!(fit(size, Fit::MODEL), size);
        }
    }

    #[test]
    fn a_full_hd_screen_becomes_the_largest_picture_no_model_rescales() {
        let to = fit(Size { width: 1920, height: 1080 }, Fit::MODEL);

        insta::assert_debug_snapshot!(to, @r"
        Size {
            width: 1456,
            height: 819,
        }
        ");
    }
}
