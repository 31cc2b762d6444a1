//! How near two pictures are: peak signal-to-noise ratio over red, green and blue.

/// Infinite for equal ones.
pub(crate) fn decibels(one: &[u32], two: &[u32]) -> f64 {
    assert_eq!(one.len(), two.len(), "pictures of one size");
    let squares: u64 = one.iter().zip(two).map(|(one, two)| distance(*one, *two)).sum();
    let mean = squares as f64 / (3 * one.len()) as f64;
    10.0 * (255.0 * 255.0 / mean).log10()
}

fn distance(one: u32, two: u32) -> u64 {
    let channel = |shift: u32| u64::from((one >> shift & 255).abs_diff(two >> shift & 255)).pow(2);
    channel(0) + channel(8) + channel(16)
}
