//! The screen's size, keyboard and first colour, once the X server runs.

use std::collections::BTreeMap;

use protocol::desktop::Size;

use super::{look::Look, path, run_tool};

/// The dummy driver's first output.
const OUTPUT: &str = "DUMMY0";

pub(super) fn set_up(size: Size, look: &Look, environment: &BTreeMap<String, String>) -> anyhow::Result<()> {
    let mode = format!("cloudbot-{}x{}", size.width, size.height);
    let line = mode_line(size);
    let mut new_mode = vec!["xrandr", "--newmode", &mode];
    new_mode.extend(line.iter().map(String::as_str));
    run_tool(environment, &new_mode)?;
    run_tool(environment, &["xrandr", "--addmode", OUTPUT, &mode])?;
    run_tool(environment, &["xrandr", "--output", OUTPUT, "--mode", &mode])?;
    run_tool(environment, &["xsetroot", "-solid", "#1f3a4d", "-cursor_name", "left_ptr"])?;
    run_tool(environment, &["setxkbmap", "-model", "pc105", "-layout", "us"])?;
    run_tool(environment, &["xset", "r", "on", "s", "off", "s", "noblank"])?;
    run_tool(environment, &["xrdb", "-nocpp", "-merge", path(&look.xresources)])
}

/// A mode that refreshes 60 times a second, for a display without timings: blanking only has to exist.
fn mode_line(size: Size) -> Vec<String> {
    let (width, height) = (u64::from(size.width), u64::from(size.height));
    let (total_width, total_height) = (width + 80, height + 20);
    let clock_hz = total_width * total_height * 60;
    let mut line = vec![format!("{}.{:02}", clock_hz / 1_000_000, clock_hz / 10_000 % 100)];
    let horizontal = [width, width + 16, width + 48, total_width];
    let vertical = [height, height + 3, height + 9, total_height];
    line.extend(horizontal.iter().chain(&vertical).map(u64::to_string));
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mode_has_the_size_and_a_rate_of_60_hertz() {
        let line = mode_line(Size { width: 1280, height: 800 });

        assert_eq!(line.join(" "), "66.91 1280 1296 1328 1360 800 803 809 820");
    }
}
