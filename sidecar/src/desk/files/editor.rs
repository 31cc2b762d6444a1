//! The editor tool: view, create, str_replace and insert, on text files of a bounded size.

use std::{
    fs,
    io::{self, Read, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use nix::libc::O_NONBLOCK;
use serde::Deserialize;

use crate::link::Refusal;

/// The largest file that is read or written.
const MAX_FILE: u64 = 2 << 20;
/// More of a file than this says nothing to a model that it could not ask for by range.
const MAX_VIEW: usize = 128 << 10;
const MAX_LISTED: usize = 1_000;
const MAX_NAMED_LINES: usize = 20;
/// Lines around a change that are shown back.
const CONTEXT: usize = 4;

#[derive(Debug, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case", deny_unknown_fields)]
enum Edit {
    View {
        path: PathBuf,
        #[serde(default)]
        view_range: Option<(i64, i64)>,
    },
    Create {
        path: PathBuf,
        file_text: String,
    },
    StrReplace {
        path: PathBuf,
        old_str: String,
        #[serde(default)]
        new_str: String,
    },
    Insert {
        path: PathBuf,
        insert_line: i64,
        #[serde(alias = "new_str")]
        insert_text: String,
    },
}

/// Does one command, given as the model gave it, and answers what the model reads.
pub(crate) fn edit(input: serde_json::Value) -> Result<String, Refusal> {
    let edit: Edit = serde_json::from_value(input).map_err(|e| {
        Refusal::invalid(format!(
            "the editor knows view, create, str_replace and insert, each with its own fields: {e}"
        ))
    })?;
    match edit {
        Edit::View { path, view_range } => view(&path, view_range),
        Edit::Create { path, file_text } => create(&path, &file_text),
        Edit::StrReplace { path, old_str, new_str } => str_replace(&path, &old_str, &new_str),
        Edit::Insert { path, insert_line, insert_text } => insert(&path, insert_line, &insert_text),
    }
}

fn view(path: &Path, range: Option<(i64, i64)>) -> Result<String, Refusal> {
    absolute(path)?;
    let kind = fs::metadata(path).map_err(|e| told("view", path, &e))?;
    if kind.is_dir() {
        if range.is_some() {
            return Err(Refusal::invalid(format!("{} is a directory; view_range is for files", path.display())));
        }
        return list(path);
    }
    let text = read_text(path)?;
    let lines = lines(&text);
    let (first, last) = match range {
        None => (1, lines.len()),
        Some(range) => within(range, lines.len())?,
    };
    let mut shown = String::new();
    for (number, line) in (1..).zip(&lines).skip(first - 1).take(last + 1 - first) {
        if shown.len() + line.len() > MAX_VIEW {
            if shown.is_empty() {
                let start: String = line.chars().take(MAX_VIEW / 4).collect();
                shown.push_str(&numbered(number, &start));
            }
            shown
                .push_str(&format!("[cut here, in line {number} of {}; view the rest with view_range]\n", lines.len()));
            break;
        }
        shown.push_str(&numbered(number, line));
    }
    if shown.is_empty() { Ok(format!("{} is empty.\n", path.display())) } else { Ok(shown) }
}

fn create(path: &Path, text: &str) -> Result<String, Refusal> {
    absolute(path)?;
    bounded(path, text.len() as u64)?;
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(|e| told("create the folder of", path, &e))?;
    }
    let made = fs::OpenOptions::new().write(true).create_new(true).open(path);
    let mut file = match made {
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
            let message =
                format!("{} exists already and was not changed; edit it with str_replace or insert", path.display());
            return Err(Refusal::invalid(message));
        }
        made => made.map_err(|e| told("create", path, &e))?,
    };
    if let Err(error) = file.write_all(text.as_bytes()) {
        let _ = fs::remove_file(path);
        return Err(told("write", path, &error));
    }
    Ok(format!("Created {} ({} lines).", path.display(), lines(text).len()))
}

fn str_replace(path: &Path, old: &str, new: &str) -> Result<String, Refusal> {
    absolute(path)?;
    if old.is_empty() {
        return Err(Refusal::invalid(
            "old_str is empty; give the text to be replaced, with enough around it to be unique",
        ));
    }
    let text = read_text(path)?;
    let found: Vec<usize> = text.match_indices(old).map(|(at, _)| at).collect();
    let line_of = |at: &usize| text[..*at].matches('\n').count() + 1;
    let &[at] = found.as_slice() else {
        let mut numbers: Vec<String> = found.iter().take(MAX_NAMED_LINES).map(|at| line_of(at).to_string()).collect();
        if found.len() > MAX_NAMED_LINES {
            numbers.push("…".into());
        }
        return Err(Refusal::invalid(if found.is_empty() {
            format!(
                "old_str does not occur in {}; nothing was changed. Spaces, tabs and line ends must match exactly",
                path.display()
            )
        } else {
            format!(
                "old_str occurs {} times in {}, in lines {}; nothing was changed. Take in more of the text around it",
                found.len(),
                path.display(),
                numbers.join(", ")
            )
        }));
    };
    let changed = [&text[..at], new, &text[at + old.len()..]].concat();
    replace(path, &changed)?;
    let first = line_of(&at);
    Ok(around(path, &changed, first, first + new.matches('\n').count()))
}

fn insert(path: &Path, after: i64, new: &str) -> Result<String, Refusal> {
    absolute(path)?;
    let text = read_text(path)?;
    let count = lines(&text).len();
    let Some(after) = usize::try_from(after).ok().filter(|after| *after <= count) else {
        let message =
            format!("insert_line is {after}, but {} has {count} lines; 0 to {count} is possible", path.display());
        return Err(Refusal::invalid(message));
    };
    let at = text.split_inclusive('\n').take(after).map(str::len).sum::<usize>();
    let (head, tail) = text.split_at(at);
    // What is inserted are whole lines, whether or not the last one before it was ended.
    let lead = if head.is_empty() || head.ends_with('\n') { "" } else { "\n" };
    let end = if tail.is_empty() || new.is_empty() || new.ends_with('\n') { "" } else { "\n" };
    let changed = [head, lead, new, end, tail].concat();
    replace(path, &changed)?;
    Ok(around(path, &changed, after + 1, after + lines(new).len()))
}

/// Two levels of a directory, without what is hidden.
fn list(path: &Path) -> Result<String, Refusal> {
    let mut listed = Vec::new();
    list_into(path, 2, &mut listed).map_err(|e| told("list", path, &e))?;
    let cut = listed.len() >= MAX_LISTED;
    listed.sort();
    let mut shown = format!("{}, two levels deep, without hidden files:\n", path.display());
    listed.iter().for_each(|line| {
        shown.push_str(line);
        shown.push('\n');
    });
    if cut {
        shown.push_str(&format!("[more than {MAX_LISTED} entries; view a folder of it]\n"));
    }
    Ok(shown)
}

fn list_into(folder: &Path, depth: usize, listed: &mut Vec<String>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let Ok(entry) = entry else { continue };
        if entry.file_name().as_encoded_bytes().starts_with(b".") {
            continue;
        }
        if listed.len() >= MAX_LISTED {
            break;
        }
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        listed.push(format!("{}{}", entry.path().display(), if is_folder { "/" } else { "" }));
        if is_folder && depth > 1 {
            // A folder that may not be read is still listed itself.
            let _ = list_into(&entry.path(), depth - 1, listed);
        }
    }
    Ok(())
}

fn read_text(path: &Path) -> Result<String, Refusal> {
    // Without O_NONBLOCK, opening a pipe would wait for a writer.
    let file = fs::OpenOptions::new().read(true).custom_flags(O_NONBLOCK).open(path);
    let file = file.map_err(|e| told("open", path, &e))?;
    let kind = file.metadata().map_err(|e| told("open", path, &e))?;
    if !kind.is_file() {
        return Err(Refusal::invalid(format!("{} is not a plain file; the editor opens only those", path.display())));
    }
    bounded(path, kind.len())?;
    let mut bytes = Vec::new();
    file.take(MAX_FILE + 1).read_to_end(&mut bytes).map_err(|e| told("read", path, &e))?;
    bounded(path, bytes.len() as u64)?;
    let text = String::from_utf8(bytes).ok().filter(|text| !text.contains('\0'));
    text.ok_or_else(|| {
        let message = format!("{} is not UTF-8 text; look at it with a command such as file or xxd", path.display());
        Refusal::invalid(message)
    })
}

/// Puts a whole new text in place of a file's, or leaves the old one as it was.
fn replace(path: &Path, text: &str) -> Result<(), Refusal> {
    bounded(path, text.len() as u64)?;
    let change = || -> io::Result<()> {
        // A link is followed, so that it stays one.
        let real = fs::canonicalize(path)?;
        let name = real.file_name().ok_or(io::ErrorKind::InvalidInput)?.to_string_lossy().into_owned();
        let permissions = fs::metadata(&real)?.permissions();
        // A file that may not be written must not be changed by renaming another over it.
        drop(fs::OpenOptions::new().write(true).open(&real)?);
        let beside = real.with_file_name(format!(".{name}.{:08x}", rand::random::<u32>()));
        let written =
            fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside).and_then(|mut file| {
                file.write_all(text.as_bytes())?;
                file.set_permissions(permissions)?;
                fs::rename(&beside, &real)
            });
        if written.is_err() {
            let _ = fs::remove_file(&beside);
        }
        written
    };
    change().map_err(|e| told("change", path, &e))
}

/// The lines a change touched and some around them, as the file now has them.
fn around(path: &Path, text: &str, first: usize, last: usize) -> String {
    let lines = lines(text);
    let from = first.saturating_sub(CONTEXT).max(1);
    let mut shown = format!("Changed {}. It now reads:\n", path.display());
    for (number, line) in (1..).zip(&lines).skip(from - 1).take((last + CONTEXT + 1).saturating_sub(from)) {
        if shown.len() + line.len() > MAX_VIEW / 4 {
            shown.push_str("[cut here]\n");
            break;
        }
        shown.push_str(&numbered(number, line));
    }
    shown
}

fn numbered(number: usize, line: &str) -> String {
    format!("{number:>6}\t{line}\n")
}

/// Lines as an editor counts them: the newline ends a line, it does not begin another.
fn lines(text: &str) -> Vec<&str> {
    text.split_inclusive('\n').map(|line| line.strip_suffix('\n').unwrap_or(line)).collect()
}

fn within((first, last): (i64, i64), count: usize) -> Result<(usize, usize), Refusal> {
    let end = if last == -1 { Some(count) } else { usize::try_from(last).ok().filter(|last| *last <= count) };
    match (usize::try_from(first), end) {
        (Ok(first), Some(end)) if first >= 1 && first <= end => Ok((first, end)),
        _ => Err(Refusal::invalid(format!(
            "view_range is [{first}, {last}], but the file has {count} lines; \
             the first counts from 1, the last is not before it, and -1 stands for the end"
        ))),
    }
}

fn absolute(path: &Path) -> Result<(), Refusal> {
    if path.is_absolute() {
        return Ok(());
    }
    Err(Refusal::invalid(format!(
        "{:?} is not an absolute path; it must begin with a slash",
        path.display().to_string()
    )))
}

fn bounded(path: &Path, bytes: u64) -> Result<(), Refusal> {
    if bytes <= MAX_FILE {
        return Ok(());
    }
    let message = format!("{} would have {bytes} bytes; the editor takes {MAX_FILE}: use a command", path.display());
    Err(Refusal::invalid(message))
}

fn told(what: &str, path: &Path, error: &io::Error) -> Refusal {
    Refusal::invalid(format!("{what} {}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use serde_json::json;

    use super::*;

    struct Folder(tempfile::TempDir);

    impl Folder {
        fn new() -> Self {
            Self(tempfile::tempdir().unwrap())
        }

        fn file(&self, text: &str) -> String {
            let path = self.0.path().join("file.txt");
            fs::write(&path, text).unwrap();
            path.to_str().unwrap().into()
        }
    }

    fn refused(input: serde_json::Value) -> String {
        edit(input).unwrap_err().message
    }

    #[test]
    fn view_numbers_lines_and_leaves_tabs_alone() {
        let folder = Folder::new();
        let path = folder.file("a\n\tb\nc");

        assert_eq!(edit(json!({"command": "view", "path": path})).unwrap(), "     1\ta\n     2\t\tb\n     3\tc\n");
        assert_eq!(
            edit(json!({"command": "view", "path": path, "view_range": [2, -1]})).unwrap(),
            "     2\t\tb\n     3\tc\n"
        );
    }

    #[test]
    fn a_range_outside_the_file_is_refused_and_told() {
        let folder = Folder::new();
        let path = folder.file("a\nb\n");

        for range in [[0, 1], [1, 3], [2, 1], [-5, 1], [3, -1]] {
            assert!(refused(json!({"command": "view", "path": path, "view_range": range})).contains("2 lines"));
        }
    }

    #[test]
    fn a_directory_is_listed_two_levels_deep_without_hidden_files() {
        let folder = Folder::new();
        let root = folder.0.path();
        fs::create_dir_all(root.join("a/b/c")).unwrap();
        fs::write(root.join(".hidden"), "").unwrap();
        fs::write(root.join("a/file"), "").unwrap();

        let listed = edit(json!({"command": "view", "path": root})).unwrap();

        let root = root.display();
        assert!(listed.ends_with(&format!("\n{root}/a/\n{root}/a/b/\n{root}/a/file\n")), "{listed}");
    }

    #[test]
    fn create_makes_folders_and_refuses_an_existing_file() {
        let folder = Folder::new();
        let path = folder.0.path().join("new/deep/file");

        edit(json!({"command": "create", "path": path, "file_text": "one\n"})).unwrap();
        let again = refused(json!({"command": "create", "path": path, "file_text": "two\n"}));

        assert!(again.contains("exists already"));
        assert_eq!(fs::read_to_string(&path).unwrap(), "one\n");
    }

    #[test]
    fn str_replace_changes_the_one_place_and_shows_it() {
        let folder = Folder::new();
        let path = folder.file("one\ntwo\nthree\n");

        let shown =
            edit(json!({"command": "str_replace", "path": path, "old_str": "two", "new_str": "2\n2½"})).unwrap();

        assert_eq!(fs::read_to_string(&path).unwrap(), "one\n2\n2½\nthree\n");
        assert!(shown.contains("     2\t2\n     3\t2½\n"), "{shown}");
    }

    #[test]
    fn str_replace_names_how_often_and_where_when_it_is_not_once() {
        let folder = Folder::new();
        let path = folder.file("x\ny\nx\n");

        let twice = refused(json!({"command": "str_replace", "path": path, "old_str": "x", "new_str": "z"}));
        let never = refused(json!({"command": "str_replace", "path": path, "old_str": "q", "new_str": "z"}));

        assert!(twice.contains("2 times") && twice.contains("lines 1, 3"), "{twice}");
        assert!(never.contains("does not occur"), "{never}");
        assert_eq!(fs::read_to_string(&path).unwrap(), "x\ny\nx\n");
    }

    #[test]
    fn insert_puts_whole_lines_after_the_line_it_names() {
        let folder = Folder::new();
        for (before, line, text, after) in [
            ("a\nb\n", 1, "new", "a\nnew\nb\n"),
            ("a\nb\n", 0, "new\n", "new\na\nb\n"),
            ("a\nb", 2, "new", "a\nb\nnew"),
            ("", 0, "new\n", "new\n"),
        ] {
            let path = folder.file(before);

            edit(json!({"command": "insert", "path": path, "insert_line": line, "insert_text": text})).unwrap();

            assert_eq!(fs::read_to_string(&path).unwrap(), after);
        }
        let path = folder.file("a\n");
        for line in [-1, 2] {
            let told = refused(json!({"command": "insert", "path": path, "insert_line": line, "insert_text": "x"}));
            assert!(told.contains("1 lines"), "{told}");
        }
    }

    #[test]
    fn a_change_keeps_links_and_permissions() {
        let folder = Folder::new();
        let path = folder.file("old");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o750)).unwrap();
        let link = folder.0.path().join("link");
        symlink(&path, &link).unwrap();

        edit(json!({"command": "str_replace", "path": link, "old_str": "old", "new_str": "new"})).unwrap();

        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o750);
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
        assert_eq!(fs::read_dir(folder.0.path()).unwrap().count(), 2);
    }

    #[test]
    fn what_is_no_plain_text_of_a_bounded_size_is_refused() {
        let folder = Folder::new();
        let root = folder.0.path();
        fs::write(root.join("binary"), [0, 159, 146, 150]).unwrap();
        fs::File::create(root.join("large")).unwrap().set_len(MAX_FILE + 1).unwrap();
        nix::unistd::mkfifo(&root.join("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();

        for name in ["binary", "large", "pipe", "missing"] {
            assert!(edit(json!({"command": "view", "path": root.join(name)})).is_err(), "{name}");
        }
    }

    #[test]
    fn a_relative_path_an_unknown_command_and_a_missing_field_are_refused() {
        for input in [
            json!({"command": "view", "path": "etc/passwd"}),
            json!({"command": "undo_edit", "path": "/etc/passwd"}),
            json!({"command": "create", "path": "/tmp/x"}),
            json!({"command": "view"}),
            json!("view"),
        ] {
            assert_eq!(edit(input.clone()).unwrap_err().kind, crate::link::RefusalKind::Invalid, "{input}");
        }
    }

    #[test]
    fn a_file_larger_than_a_view_is_cut_and_says_where() {
        let folder = Folder::new();
        let path = folder.file(&"line of text\n".repeat(20_000));

        let shown = edit(json!({"command": "view", "path": path})).unwrap();

        assert!(shown.len() < 2 * MAX_VIEW && shown.contains("view_range"));
    }
}
