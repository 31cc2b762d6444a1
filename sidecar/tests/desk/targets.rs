//! Text, typed into each kind of program that people write in, and read back from it.

use std::{
    fs,
    path::PathBuf,
    time::{Duration, Instant},
};

use serde_json::json;
use sidecar::desk::clipboard::Clipboard;
use x11rb::protocol::xproto::{AtomEnum, ConnectionExt as _};

use crate::display::{DEADLINE, Desk, Display, eventually, read, whole};

const GTK: &str = include_str!("targets/gtk.py");
const QT: &str = include_str!("targets/qt.py");
const OFFICE: &str = include_str!("targets/office.xcu");
const PAGE: &str = include_str!("targets/page.py");

/// What a person may paste: every kind of letter, signs, combined emoji, both directions, lines and tabs.
const SAMPLE: &str = "The quick brown fox JUMPS, \u{22}0123456789\u{22} !#$%&'()*+,-./:;<=>?@[\\]^_`{|}~\n\
    é ñ ü ç ô å ß Æ Ø ý ^ ¨ ´ ` ~ — “quoted” … €£¥ ½ ™ →\n\
    Привет, мир! Γειά σου Κόσμε\t你好，世界。 日本語のテキスト 한국어 문장\n\
    🎉😀👍🏽❤️ 👨‍👩‍👧‍👦 🇩🇪🇯🇵 🏴󠁧󠁢󠁥󠁮󠁧󠁿 1️⃣\tעברית שלום العربية مرحبا فارسی हिन्दी ไทย e\u{301}\n\
    the end";

/// Many times what is lent at once, and too little to be pasted.
const LONG: usize = 250;

/// A program with a place to write in that has the focus.
struct Target {
    display: Display,
    desk: Desk,
    name: &'static str,
    /// It keeps what was typed when it is told to.
    saves: bool,
}

impl Target {
    async fn xterm() -> Target {
        let arguments = [
            "-u8",
            "-fa",
            "DejaVu Sans Mono",
            "-fs",
            "10",
            "-geometry",
            "140x40+0+0",
            "-e",
            "stty -icanon -echo; exec tee typed",
        ];
        Target::start("xterm", "xterm", &arguments, |_| {}).await
    }

    async fn script(name: &'static str, source: &'static str, kind: &str) -> Target {
        let put = |display: &mut Display| fs::write(display.path("target.py"), source).unwrap();
        Target::start(name, "/usr/bin/python3", &["target.py", kind], put).await
    }

    async fn chromium() -> Target {
        let mut display = managed().await;
        fs::write(display.path("page.py"), PAGE).unwrap();
        display.run("/usr/bin/python3", &["page.py"]);
        eventually("the page is served", async || display.path("port").exists()).await;
        let (page, profile) = (format!("http://127.0.0.1:{}/", read(&display.path("port"))), display.path("profile"));
        let profile = format!("--user-data-dir={}", profile.display());
        // The sandbox wants a user that is not root.
        let own = ["--no-sandbox", "--no-first-run", "--disable-gpu", "--password-store=basic", "--disable-sync"];
        display.run("chromium", &[&own[..], &["--window-size=1000,700", &profile, &page]].concat());
        Target::ready(display, "chromium").await
    }

    async fn office() -> Target {
        let mut display = managed().await;
        let user = display.path("office/user");
        fs::create_dir_all(&user).unwrap();
        fs::write(user.join("registrymodifications.xcu"), OFFICE).unwrap();
        fs::write(display.path("typed"), "").unwrap();
        let profile = format!("-env:UserInstallation=file://{}", display.path("office").display());
        let own = ["--norestore", "--nologo", "--nofirststartwizard", "--writer", "--infilter=Text (encoded):UTF8,LF"];
        display.run("soffice", &[&[&*profile], &own[..], &["typed"]].concat());
        eventually("the document is there", async || active_title(&display).contains("typed")).await;
        let target = Target { saves: true, ..Target::ready(display, "libreoffice").await };
        // Its window is there long before it takes keys.
        let press = async |keys: &str| {
            target.desk.act(json!({"action": "key", "keys": keys})).await.unwrap();
        };
        eventually("the document takes keys", async || {
            press("x ctrl+s").await;
            read(&target.display.path("typed")).contains('x')
        })
        .await;
        eventually("the document is empty", async || {
            press("ctrl+a Delete ctrl+s").await;
            !read(&target.display.path("typed")).contains('x')
        })
        .await;
        target
    }

    async fn start(name: &'static str, program: &str, arguments: &[&str], prepare: impl Fn(&mut Display)) -> Target {
        let mut display = managed().await;
        prepare(&mut display);
        display.run(program, arguments);
        Target::ready(display, name).await
    }

    async fn ready(display: Display, name: &'static str) -> Target {
        eventually("the program waits for text", async || display.path("typed").exists()).await;
        eventually("its window has the focus", async || !active_title(&display).is_empty()).await;
        let desk = display.desk().await;
        Target { display, desk, name, saves: false }
    }

    /// Types a text, and holds that it is what arrived; says how many milliseconds that took.
    async fn types(&self, text: &str) -> u128 {
        // A text editor ends a file with a line's end, and may begin it with a mark.
        let typed =
            || read(&self.display.path("typed")).trim_start_matches('\u{feff}').trim_end_matches('\n').to_owned();
        let wanted = typed() + text;
        let started = Instant::now();
        let act = async {
            self.desk.act(json!({"action": "type", "text": text})).await.unwrap();
            if self.saves {
                self.desk.act(json!({"action": "key", "keys": "ctrl+s"})).await.unwrap();
            }
        };
        let arrive = async {
            while typed() != wanted && started.elapsed() < DEADLINE {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            started.elapsed().as_millis()
        };
        let ((), took) = tokio::join!(act, arrive);
        self.keep_picture().await;
        assert_eq!(typed(), wanted, "{}", self.name);
        took
    }

    /// For who wants to see what it looked like.
    async fn keep_picture(&self) {
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("typing");
        fs::create_dir_all(&folder).unwrap();
        let (_, png) = self.desk.screenshot(whole()).await.unwrap();
        fs::write(folder.join(format!("{}.png", self.name)), png).unwrap();
    }

    /// The sample, and longer texts: most of it on the keyboard, and nothing of it, many times what is lent at once.
    async fn takes_every_script(self, sample: &str, long: usize) {
        let sample = self.types(sample).await;
        let small: String = ('a'..='z').cycle().take(100).collect();
        let small = self.types(&small).await;
        let mixed = self.types(&mixed(long)).await;
        let chinese: String = (0..long as u32).filter_map(|i| char::from_u32(0x4e00 + i * 7)).collect();
        let chinese = self.types(&chinese).await;
        eprintln!(
            "{}: sample {sample} ms, 100 small letters {small} ms, {long} mixed {mixed} ms, {long} Chinese {chinese} ms",
            self.name
        );
    }
}

fn mixed(count: usize) -> String {
    let foreign: Vec<char> = SAMPLE.chars().filter(|c| !c.is_ascii() && c.is_alphabetic()).collect();
    let words = "Lorem ipsum Dolor (sit) amet; 42 & more! ";
    let text = words.chars().cycle().zip(foreign.iter().cycle());
    text.enumerate().map(|(i, (ascii, other))| if i % 5 == 4 { *other } else { ascii }).take(count).collect()
}

/// A display with a window manager, which gives a new window the focus.
async fn managed() -> Display {
    let mut display = Display::fixed();
    display.run("openbox", &[]);
    eventually("windows are managed", async || {
        let (x, number) = display.connect();
        let atom = x.intern_atom(false, b"_NET_SUPPORTING_WM_CHECK").unwrap().reply().unwrap().atom;
        let root = x11rb::connection::Connection::setup(&x).roots[number].root;
        x.get_property(false, root, atom, AtomEnum::WINDOW, 0, 1).unwrap().reply().unwrap().value_len == 1
    })
    .await;
    display
}

fn active_title(display: &Display) -> String {
    let (x, number) = display.connect();
    let root = x11rb::connection::Connection::setup(&x).roots[number].root;
    let property = |window: u32, name: &str| {
        let atom = x.intern_atom(false, name.as_bytes()).unwrap().reply().unwrap().atom;
        x.get_property(false, window, atom, AtomEnum::ANY, 0, 256).unwrap().reply().ok()
    };
    let active = property(root, "_NET_ACTIVE_WINDOW").and_then(|p| p.value32().and_then(|mut v| v.next()));
    let title = active.filter(|w| *w != 0).and_then(|window| property(window, "WM_NAME"));
    title.map(|title| String::from_utf8_lossy(&title.value).into_owned()).unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_terminal_takes_every_script() {
    Target::xterm().await.takes_every_script(SAMPLE, 1000).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gtk_text_takes_every_script() {
    Target::script("gtk", GTK, "area").await.takes_every_script(SAMPLE, LONG).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_qt_text_takes_every_script() {
    Target::script("qt", QT, "area").await.takes_every_script(SAMPLE, LONG).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_in_libreoffice_takes_every_script() {
    let target = Target::office().await;

    // It is slow with emoji: each line is an action of its own.
    let ends = SAMPLE.match_indices('\n').map(|(at, _)| at).chain([SAMPLE.len()]);
    let mut from = 0;
    for end in ends {
        target.types(&SAMPLE[from..end]).await;
        from = end;
    }
    target.types(&mixed(100)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn entries_of_one_line_take_every_script() {
    for (name, source) in [("gtk-entry", GTK), ("qt-entry", QT)] {
        let target = Target::script(name, source, "entry").await;

        target.types(&SAMPLE.replace(['\n', '\t'], " ")).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_in_chromium_takes_every_script() {
    // A tab moves on to the next field there.
    Target::chromium().await.takes_every_script(&SAMPLE.replace('\t', " "), LONG).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn long_text_is_pasted_and_nobody_else_sees_it_on_the_clipboard() {
    let page = Target::chromium().await;
    let editor = Target::script("gtk-editor", GTK, "editor").await;
    for mut target in [page, editor] {
        target.display.run("xclip", &["-quiet", "-selection", "clipboard", "-i", "/etc/hostname"]);
        let hostname = fs::read_to_string("/etc/hostname").unwrap();
        let watcher = Clipboard::open(Some(&target.display.name)).await.unwrap();
        let mut seen = watcher.watch();
        seen.wait_for(|text| **text == *hostname).await.unwrap();
        seen.mark_unchanged();
        let chinese: String = (0..4_000).filter_map(|i| char::from_u32(0x4e00 + i * 3)).collect();

        let before = clipboard_owner(&target.display);

        let took = target.types(&format!("{chinese}\nand a short line")).await;

        eprintln!("{}: 4,000 Chinese characters {took} ms", target.name);
        assert_ne!(clipboard_owner(&target.display), before, "{}: it was typed", target.name);
        assert!(!seen.has_changed().unwrap(), "{}: another program was told of the text", target.name);
        let mut after = Clipboard::open(Some(&target.display.name)).await.unwrap().watch();
        let is_back = tokio::time::timeout(DEADLINE, after.wait_for(|text| **text == *hostname)).await;
        assert!(is_back.is_ok(), "{}: the clipboard was not given back", target.name);
    }
}

fn clipboard_owner(display: &Display) -> u32 {
    let (x, _) = display.connect();
    let clipboard = x.intern_atom(false, b"CLIPBOARD").unwrap().reply().unwrap().atom;
    x.get_selection_owner(clipboard).unwrap().reply().unwrap().owner
}

#[tokio::test(flavor = "multi_thread")]
async fn a_picture_on_the_clipboard_is_not_given_up_for_a_paste() {
    let mut target = Target::script("gtk-picture", GTK, "editor").await;
    let (_, png) = target.desk.screenshot(whole()).await.unwrap();
    fs::write(target.display.path("copied.png"), &png).unwrap();
    target.display.run("xclip", &["-quiet", "-selection", "clipboard", "-t", "image/png", "-i", "copied.png"]);
    let clipboard = Clipboard::open(Some(&target.display.name)).await.unwrap();
    eventually("the picture is copied", async || clipboard.picture().await.unwrap().is_some()).await;

    target.types(&"你好，世界".repeat(40)).await;

    assert_eq!(clipboard.picture().await.unwrap().as_deref(), Some(&*png));
}
