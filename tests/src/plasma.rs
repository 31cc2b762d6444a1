//! A film whose every picture is known: moving plasma with noise, and its own number in black and white blocks.

pub const WIDTH: usize = 640;
pub const HEIGHT: usize = 480;
pub const FRAMES_PER_SECOND: u32 = 30;

/// Blocks that spell the number, in the first and in the last rows, large enough to outlive JPEG.
const BLOCK: usize = 16;
const BITS: usize = 16;
const NOISE: u32 = 12;

/// Paints picture `number`, `0x00RRGGBB` a pixel.
pub fn paint(number: u32, pixels: &mut [u32]) {
    let waves = Waves::of(number);
    let mut noise = number.wrapping_mul(0x9e37_79b9) | 1;
    for (y, row) in pixels.chunks_exact_mut(WIDTH).enumerate() {
        for (x, pixel) in row.iter_mut().enumerate() {
            noise ^= noise << 13;
            noise ^= noise >> 17;
            noise ^= noise << 5;
            let level = waves.at(x, y) + noise % NOISE;
            let channel = |phase: u32| triangle(level + phase);
            *pixel = channel(0) << 16 | channel(85) << 8 | channel(170);
        }
    }
    for bit in 0..BITS {
        let colour = if number >> bit & 1 == 1 { 0x00ff_ffff } else { 0 };
        for y in (0..BLOCK).chain(HEIGHT - BLOCK..HEIGHT) {
            pixels[y * WIDTH + bit * BLOCK..][..BLOCK].fill(colour);
        }
    }
}

/// Which picture this is, when both ends of it are of the same one.
pub fn number(pixels: &[u32]) -> Option<u32> {
    let spelt = |top: usize| -> u32 {
        (0..BITS)
            .map(|bit| {
                let centre = pixels[(top + BLOCK / 2) * WIDTH + bit * BLOCK + BLOCK / 2];
                u32::from(centre >> 8 & 255 > 127) << bit
            })
            .sum()
    };
    let (first, last) = (spelt(0), spelt(HEIGHT - BLOCK));
    (first == last).then_some(first)
}

struct Waves {
    across: Vec<u32>,
    down: Vec<u32>,
    slanted: Vec<u32>,
}

impl Waves {
    fn of(number: u32) -> Self {
        let time = f64::from(number) / f64::from(FRAMES_PER_SECOND);
        let wave = |count: usize, length: f64, speed: f64, height: f64| {
            let at = |i: usize| ((i as f64 / length + time * speed).sin() * height + height) as u32;
            (0..count).map(at).collect()
        };
        Self {
            across: wave(WIDTH, 47.0, 2.1, 90.0),
            down: wave(HEIGHT, 31.0, -1.7, 70.0),
            slanted: wave(WIDTH + HEIGHT, 23.0, 3.3, 50.0),
        }
    }

    fn at(&self, x: usize, y: usize) -> u32 {
        self.across[x] + self.down[y] + self.slanted[x + y]
    }
}

fn triangle(level: u32) -> u32 {
    let level = level & 511;
    level.min(511 - level)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_says_which_one_it_is() {
        let mut pixels = vec![0; WIDTH * HEIGHT];

        for n in [0, 1, 29, 1_000, 65_535] {
            paint(n, &mut pixels);
            assert_eq!(number(&pixels), Some(n));
        }
    }

    #[test]
    fn a_picture_torn_between_two_says_nothing() {
        let (mut one, mut two) = (vec![0; WIDTH * HEIGHT], vec![0; WIDTH * HEIGHT]);
        paint(7, &mut one);
        paint(8, &mut two);

        one[WIDTH * HEIGHT / 2..].copy_from_slice(&two[WIDTH * HEIGHT / 2..]);

        assert_eq!(number(&one), None);
    }
}
