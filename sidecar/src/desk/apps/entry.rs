//! Desktop entries: which applications there are, and with what command each is started.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

use protocol::window::Application;

/// Bounds on what somebody may have put in the folders: entries, folders below one another, bytes of an entry.
const MAX_ENTRIES: usize = 2_000;
const MAX_DEPTH: usize = 4;
const MAX_BYTES: u64 = 256 << 10;

/// What an entry says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) application: Application,
    /// Program and arguments.
    pub(super) command: Vec<String>,
    /// The class that its windows have, if it says so.
    pub(super) class: Option<String>,
    /// Is it started in a terminal?
    terminal: bool,
    hidden: bool,
}

/// All applications that a person would find in a menu, by name.
pub(super) fn all() -> Vec<Entry> {
    let mut entries: Vec<Entry> = find(&folders()).into_values().filter(|entry| !entry.hidden).collect();
    entries.sort_by_cached_key(|entry| (entry.application.name.to_lowercase(), entry.application.id.clone()));
    entries
}

/// The folders of desktop entries; what stands in an earlier one goes before the same in a later one.
fn folders() -> Vec<PathBuf> {
    let var = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    let home = var("XDG_DATA_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(PathBuf::from(var("HOME")?).join(".local/share")));
    let system = var("XDG_DATA_DIRS").unwrap_or_else(|| "/usr/local/share:/usr/share".into());
    home.into_iter().chain(std::env::split_paths(&system)).map(|folder| folder.join("applications")).collect()
}

fn find(folders: &[PathBuf]) -> HashMap<String, Entry> {
    let mut found = HashMap::new();
    for folder in folders {
        let mut files = Vec::new();
        walk(folder, MAX_DEPTH, &mut files);
        for file in files {
            // A file in a folder of its own has the folder's name in its id: `kde/x.desktop` is `kde-x`.
            let Ok(id) = file.strip_prefix(folder) else { continue };
            let id = id.with_extension("").to_string_lossy().replace('/', "-");
            if found.len() >= MAX_ENTRIES {
                return found;
            }
            if !found.contains_key(&id)
                && let Some(entry) = read(&file).and_then(|text| parse(&id, &text))
            {
                found.insert(id, entry);
            }
        }
    }
    found
}

fn walk(folder: &Path, depth: usize, files: &mut Vec<PathBuf>) {
    let Ok(entries) = folder.read_dir() else { return };
    for path in entries.flatten().map(|entry| entry.path()) {
        if files.len() >= MAX_ENTRIES {
            return;
        }
        if path.extension().is_some_and(|extension| extension == "desktop") {
            files.push(path);
        } else if depth > 0 && path.is_dir() {
            walk(&path, depth - 1, files);
        }
    }
}

fn read(file: &Path) -> Option<String> {
    let kind = file.metadata().ok()?;
    if !kind.is_file() || kind.len() > MAX_BYTES {
        return None;
    }
    std::fs::read_to_string(file).ok()
}

/// `None` for what is no application, or has no command. A hidden entry is one: it hides the same in a later folder.
fn parse(id: &str, text: &str) -> Option<Entry> {
    let lines = text.lines().map(str::trim).skip_while(|line| *line != "[Desktop Entry]").skip(1);
    let values: HashMap<&str, &str> = lines
        .take_while(|line| !line.starts_with('['))
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once('='))
        .map(|(key, value)| (key.trim(), value.trim()))
        .collect();
    let is = |key| values.get(key) == Some(&"true");
    let command = command(values.get("Exec").copied().unwrap_or_default());
    let hidden = is("Hidden") || is("NoDisplay") || command.is_empty();
    if values.get("Type") != Some(&"Application") {
        return None;
    }
    let name = values.get("Name").copied().unwrap_or(id);
    let name = name.chars().filter(|c| !c.is_control()).take(200).collect();
    let application = Application { id: id.to_owned(), name };
    let class = values.get("StartupWMClass").map(|class| (*class).to_owned());
    Some(Entry { application, command, class, terminal: is("Terminal"), hidden })
}

impl Entry {
    /// Program and arguments as they are started, in a terminal where the entry wants one.
    pub(super) fn started(&self, has: impl Fn(&str) -> bool) -> Vec<String> {
        const TERMINALS: &[&str] = &["x-terminal-emulator", "xfce4-terminal", "xterm"];
        if !self.terminal {
            return self.command.clone();
        }
        let terminal = TERMINALS.iter().find(|name| has(name)).unwrap_or(&"xterm");
        [*terminal, "-e"].into_iter().map(str::to_owned).chain(self.command.clone()).collect()
    }
}

/// The words of `Exec`: quoted ones as one, without the field codes, which stand for files that are not given.
fn command(exec: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let (mut quoted, mut chars) = (false, exec.chars());
    while let Some(c) = chars.next() {
        match c {
            '"' => {
                quoted = !quoted;
                word.get_or_insert_default();
            }
            // Text has been escaped twice: once as a value of the file, once as a word.
            '\\' => word.get_or_insert_default().extend(chars.next().map(|c| if c == 's' { ' ' } else { c })),
            '%' if !quoted => {
                if chars.next() == Some('%') {
                    word.get_or_insert_default().push('%');
                }
            }
            ' ' | '\t' if !quoted => words.extend(word.take()),
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_has_its_quotes_undone_and_no_field_codes() {
        assert_eq!(command("xterm"), ["xterm"]);
        assert_eq!(command("/usr/bin/chromium %U"), ["/usr/bin/chromium"]);
        assert_eq!(
            command(r#"env A=1 "/opt/my app/run" --x="%f" --rate=50%% -- %F"#),
            ["env", "A=1", "/opt/my app/run", "--x=%f", "--rate=50%", "--"]
        );
        assert_eq!(command(r#"sh -c "a \"b\"" """#), ["sh", "-c", "a \"b\"", ""]);
    }

    #[test]
    fn only_the_entrys_own_group_counts() {
        let text = "# x\n[Desktop Entry]\nType=Application\nName=Editor\nName[de]=Schreiber\nExec=edit %f\n\
            StartupWMClass=Edit\n[Desktop Action new]\nName=New\nExec=edit --new\n";

        let entry = parse("edit", text).unwrap();

        assert_eq!((entry.application.name.as_str(), entry.command), ("Editor", vec!["edit".to_owned()]));
        assert_eq!(entry.class.as_deref(), Some("Edit"));
        assert_eq!(parse("x", "[Desktop Entry]\nType=Link\nName=x\nURL=https://x\n"), None);
        assert_eq!(parse("x", "no entry at all"), None);
    }

    #[test]
    fn an_entry_of_the_user_goes_before_the_systems_and_may_hide_it() {
        let (home, system) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let put = |folder: &Path, name: &str, more: &str| {
            let path = folder.join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            let text = format!("[Desktop Entry]\nType=Application\nName={name}\nExec=x\n{more}\n");
            std::fs::write(path, text).unwrap();
        };
        put(system.path(), "a.desktop", "");
        put(system.path(), "kde/b.desktop", "Terminal=true");
        put(system.path(), "c.desktop", "");
        put(home.path(), "a.desktop", "Comment=mine\nStartupWMClass=mine");
        put(home.path(), "c.desktop", "NoDisplay=true");

        let found = find(&[home.path().to_owned(), system.path().to_owned()]);

        assert_eq!(found["a"].class.as_deref(), Some("mine"));
        assert_eq!(found["kde-b"].started(|_| false), ["xterm", "-e", "x"]);
        assert!(found["c"].hidden);
    }

    proptest::proptest! {
        #[test]
        fn no_entry_makes_it_panic(text in "(\\[Desktop Entry\\]\nType=Application\nExec=)?[ -~\n\\\\\"%]{0,200}") {
            let _ = parse("x", &text);
        }
    }
}
