//! How the desktop looks: the settings of its programs, written anew at every start where they are the
//! system's, so that what a user changes in the home always wins.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

pub(super) struct Look {
    pub(super) folder: PathBuf,
    pub(super) xorg: PathBuf,
    pub(super) openbox: PathBuf,
    pub(super) tint2: PathBuf,
    pub(super) xresources: PathBuf,
    /// The command of the browser.
    pub(super) browser: String,
}

/// Browsers that run inside of a fence, the preferred one first: a command and its desktop entry.
/// A snap is not among them, since it needs its own daemon and its own fence.
const BROWSERS: &[(&str, &str, &str)] = &[
    ("chromium", "chromium.desktop", "chromium"),
    ("firefox-esr", "firefox-esr.desktop", "firefox-esr"),
    ("falkon", "org.kde.falkon.desktop", "falkon"),
];
const TERMINALS: &[&str] = &["xfce4-terminal", "xterm"];

impl Look {
    pub(super) fn write(folder: &Path) -> io::Result<Self> {
        let present = |command: &str| Path::new("/usr/bin").join(command).exists();
        let terminal = TERMINALS.iter().find(|name| present(name)).unwrap_or(&"xterm");
        let browser = BROWSERS.iter().find(|(command, ..)| present(command));
        let put = |name: &str, text: &str| -> io::Result<PathBuf> {
            let path = folder.join(name);
            fs::create_dir_all(path.parent().unwrap_or(folder))?;
            fs::write(&path, text)?;
            Ok(path)
        };

        let wallpaper = folder.join("wallpaper.ppm");
        fs::create_dir_all(folder)?;
        fs::write(&wallpaper, picture())?;
        let mut entries =
            vec![("Terminal", *terminal, "utilities-terminal"), ("Files", "pcmanfm", "system-file-manager")];
        entries.extend(browser.map(|(command, _, icon)| ("Browser", *command, *icon)));
        let (mut launchers, mut menu) = (String::new(), String::new());
        for (label, command, icon) in &entries {
            let entry = put(&format!("launchers/{command}.desktop"), &launcher(label, command, icon))?;
            launchers.push_str(&format!("launcher_item_app = {}\n", entry.display()));
            menu.push_str(&format!(
                "    <item label=\"{label}\"><action name=\"Execute\"><command>{command}</command></action></item>\n"
            ));
        }
        if let Some((_, entry, _)) = browser {
            put("xdg/mimeapps.list", &default_browser(entry))?;
        }
        put(
            "xdg/pcmanfm/cloudbot/pcmanfm.conf",
            &fill(include_str!("files/pcmanfm.conf"), "WALLPAPER", &wallpaper.display().to_string()),
        )?;
        put("xdg/libfm/libfm.conf", &fill(include_str!("files/libfm.conf"), "TERMINAL", terminal))?;
        put("xdg/xfce4/terminal/terminalrc", include_str!("files/terminalrc"))?;
        put("share/themes/CloudBot/openbox-3/themerc", include_str!("files/openbox-themerc"))?;
        let menu = put("openbox-menu.xml", &fill(include_str!("files/openbox-menu.xml"), "ITEMS", menu.trim_end()))?;
        let openbox = fill(include_str!("files/openbox-rc.xml"), "MENU", &menu.display().to_string());
        Ok(Self {
            folder: folder.to_owned(),
            xorg: put("xorg.conf", include_str!("../../../../packer/files/xorg-dummy.conf"))?,
            openbox: put("openbox-rc.xml", &fill(&openbox, "TERMINAL", terminal))?,
            tint2: put("tint2rc", &fill(include_str!("files/tint2rc"), "LAUNCHERS", launchers.trim_end()))?,
            xresources: put("Xresources", include_str!("files/Xresources"))?,
            browser: browser.map_or("xdg-open", |(command, ..)| command).to_owned(),
        })
    }
}

fn fill(text: &str, name: &str, value: &str) -> String {
    text.replace(&format!("@{name}@"), value)
}

fn launcher(label: &str, command: &str, icon: &str) -> String {
    format!("[Desktop Entry]\nType=Application\nName={label}\nExec={command}\nIcon={icon}\nTerminal=false\n")
}

fn default_browser(entry: &str) -> String {
    let mut text = "[Default Applications]\n".to_owned();
    let types = [
        "text/html",
        "application/xhtml+xml",
        "x-scheme-handler/http",
        "x-scheme-handler/https",
        "x-scheme-handler/about",
    ];
    for kind in types {
        text.push_str(&format!("{kind}={entry}\n"));
    }
    text
}

/// A calm gradient, as PPM. It is stretched to the screen, whichever size that has, and each of its
/// rows has one colour: that costs next to nothing in a screenshot or on a viewer's line.
fn picture() -> Vec<u8> {
    const WIDTH: usize = 64;
    const HEIGHT: usize = 1080;
    const TOP: [f32; 3] = [24.0, 42.0, 72.0];
    const BOTTOM: [f32; 3] = [38.0, 132.0, 134.0];
    let mut bytes = format!("P6\n{WIDTH} {HEIGHT}\n255\n").into_bytes();
    for y in 0..HEIGHT {
        let down = y as f32 / (HEIGHT - 1) as f32;
        let shade: Vec<u8> =
            TOP.iter().zip(BOTTOM).map(|(top, bottom)| (top + (bottom - top) * down).round() as u8).collect();
        bytes.extend(shade.repeat(WIDTH));
    }
    bytes
}
