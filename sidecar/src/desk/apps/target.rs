//! Which program opens a web address, a file or a folder.

use std::path::{Path, PathBuf};

use url::Url;

use crate::link::Refusal;

const MAX_TARGET: usize = 8 << 10;
/// Browsers, where the desktop has no opener of its own.
const BROWSERS: &[&str] = &["x-www-browser", "firefox", "firefox-esr", "chromium", "google-chrome"];
/// Files that belong into a browser, whatever else an office program claims.
const PAGES: &[&str] = &["html", "htm", "xhtml"];
const FOLDERS: &[&str] = &["pcmanfm", "thunar", "nautilus"];
const OPENERS: &[&str] = &["xdg-open", "gio"];

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Target {
    Web(Url),
    File(PathBuf),
    Folder(PathBuf),
}

impl Target {
    pub(super) fn parse(target: &str) -> Result<Target, Refusal> {
        let target = target.trim();
        if target.is_empty() || target.len() > MAX_TARGET || target.contains(char::is_control) {
            return Err(Refusal::invalid("what is to be opened is empty, too long or holds control characters"));
        }
        if target.starts_with('/') {
            return Target::on_disk(Path::new(target));
        }
        match Url::parse(target) {
            Ok(url) if matches!(url.scheme(), "http" | "https") => Ok(Target::Web(url)),
            Ok(url) if url.scheme() == "file" => match url.to_file_path() {
                Ok(path) => Target::on_disk(&path),
                Err(()) => Err(Refusal::invalid(format!("{target:?} names no file of this machine"))),
            },
            // "localhost:8080" and "example.com:80" read like a scheme; what follows the colon is a port.
            Ok(url) if url.path().split('/').next().is_none_or(|port| port.parse::<u16>().is_err()) => {
                let message = format!("only http, https and file are opened, not {:?}", url.scheme());
                Err(Refusal::invalid(message))
            }
            _ => match Url::parse(&format!("https://{target}")) {
                Ok(url) if target.contains('.') && !target.contains(' ') => Ok(Target::Web(url)),
                _ => Err(Refusal::invalid(format!("{target:?} is neither a web address nor an absolute path"))),
            },
        }
    }

    /// A path of this machine, and nothing else.
    pub(super) fn file(path: &str) -> Result<Target, Refusal> {
        match path.starts_with('/') || path.starts_with("file://") {
            true => Target::parse(path),
            false => Err(Refusal::invalid(format!("{path:?} is not an absolute path"))),
        }
    }

    /// An address of the web, and nothing else.
    pub(super) fn web(url: &str) -> Result<Target, Refusal> {
        match Target::parse(url)? {
            web @ Target::Web(_) => Ok(web),
            _ => Err(Refusal::invalid(format!("{url:?} is not a web address"))),
        }
    }

    fn on_disk(path: &Path) -> Result<Target, Refusal> {
        let kind = path.metadata().map_err(|e| Refusal::invalid(format!("open {}: {e}", path.display())))?;
        let is_page = path.extension().is_some_and(|kind| PAGES.iter().any(|page| kind.eq_ignore_ascii_case(page)));
        match Url::from_file_path(path) {
            Ok(url) if is_page && !kind.is_dir() => Ok(Target::Web(url)),
            _ if kind.is_dir() => Ok(Target::Folder(path.into())),
            _ => Ok(Target::File(path.into())),
        }
    }
}

/// Which program opens it, and with what arguments; `has` says which programs there are.
pub(super) fn opener(target: &Target, has: impl Fn(&str) -> bool) -> Result<Vec<String>, Refusal> {
    let (what, own) = match target {
        Target::Web(url) => (url.to_string(), BROWSERS),
        Target::Folder(path) => (path.display().to_string(), FOLDERS),
        Target::File(path) => (path.display().to_string(), [].as_slice()),
    };
    let opener = own.iter().chain(OPENERS).find(|name| has(name)).ok_or_else(|| {
        let wanted: Vec<&str> = own.iter().chain(OPENERS).copied().collect();
        Refusal::unavailable(format!("no program to open {what} with: the desktop has none of {}", wanted.join(", ")))
    })?;
    let verb = (*opener == "gio").then(|| "open".to_owned());
    Ok(std::iter::once((*opener).to_owned()).chain(verb).chain([what]).collect())
}

/// A program in `$PATH`.
pub(super) fn find(name: &str) -> Option<PathBuf> {
    std::env::split_paths(&std::env::var_os("PATH")?).map(|folder| folder.join(name)).find(|path| path.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn web(text: &str) -> String {
        match Target::parse(text) {
            Ok(Target::Web(url)) => url.into(),
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn web_addresses_are_opened_with_or_without_their_scheme() {
        assert_eq!(web("https://example.com/a?b=c d"), "https://example.com/a?b=c%20d");
        assert_eq!(web(" http://127.0.0.1:8080 "), "http://127.0.0.1:8080/");
        assert_eq!(web("example.com/path"), "https://example.com/path");
    }

    #[test]
    fn other_schemes_options_and_nonsense_are_refused() {
        for text in
            ["javascript:alert(1)", "data:text/html,x", "ssh://host", "--help", "", "two words", "a\nb", "smb://h/x"]
        {
            assert!(Target::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_file_must_be_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a file.txt");
        std::fs::write(&path, "x").unwrap();

        let url = Url::from_file_path(&path).unwrap();
        assert_eq!(Target::parse(url.as_str()), Ok(Target::File(path.clone())));
        assert_eq!(Target::parse(path.to_str().unwrap()), Ok(Target::File(path)));
        assert_eq!(Target::parse(folder.path().to_str().unwrap()), Ok(Target::Folder(folder.path().into())));
        assert!(Target::parse("/no/such/file").is_err());
    }

    #[test]
    fn a_page_on_disk_belongs_into_the_browser() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("Page.HTML");
        std::fs::write(&path, "x").unwrap();

        assert!(matches!(Target::parse(path.to_str().unwrap()), Ok(Target::Web(url)) if url.scheme() == "file"));
    }

    #[test]
    fn the_first_program_there_is_opens_it_and_none_is_told() {
        let url = Target::Web(Url::parse("https://example.com").unwrap());

        let found = opener(&url, |name| name == "chromium" || name == "xdg-open").unwrap();
        let none = opener(&url, |_| false).unwrap_err();

        assert_eq!(found, ["chromium", "https://example.com/"]);
        assert!(none.message.contains("xdg-open"));
    }
}
