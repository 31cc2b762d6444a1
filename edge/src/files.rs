//! The web app: the files of one folder, and its one page for every other address.

use std::{
    path::{Path, PathBuf},
    time::UNIX_EPOCH,
};

use bytes::Bytes;
use http::StatusCode;

use crate::hygiene;

/// Bundles are a few megabytes; anything larger got there by mistake.
const MAX_FILE: u64 = 64 << 20;
const PAGE: &str = "index.html";

/// What is answered for a path.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) content_type: &'static str,
    pub(crate) cache_control: &'static str,
    pub(crate) etag: Option<String>,
    pub(crate) body: Bytes,
}

/// The folder of the built web app.
#[derive(Debug, Clone)]
pub(crate) struct WebApp {
    folder: PathBuf,
}

impl WebApp {
    pub(crate) fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// `path` has passed [`hygiene::check_path`]. `None` is a 404.
    pub(crate) async fn answer(&self, path: &str, known_etag: Option<&str>) -> Option<Answer> {
        let Ok(root) = tokio::fs::canonicalize(&self.folder).await else { return Some(not_built()) };
        if let Some(answer) = file(&root, path, known_etag).await {
            return Some(answer);
        }
        if path.starts_with("/assets/") {
            // A bundle that is gone: HTML in its place would only hide that.
            return None;
        }
        Some(file(&root, "/index.html", known_etag).await.unwrap_or_else(not_built))
    }
}

async fn file(root: &Path, path: &str, known_etag: Option<&str>) -> Option<Answer> {
    let mut wanted = root.to_owned();
    for segment in path.split('/').filter(|segment| !segment.is_empty()) {
        let name = String::from_utf8(hygiene::decode(segment.as_bytes())?).ok()?;
        if name.starts_with('.') || name.contains(['/', '\\', '\0']) {
            return None;
        }
        wanted.push(name);
    }
    // Follows links, so what lies outside shows.
    let real = tokio::fs::canonicalize(&wanted).await.ok()?;
    if !real.starts_with(root) {
        return None;
    }
    let metadata = tokio::fs::metadata(&real).await.ok()?;
    if !metadata.is_file() || metadata.len() > MAX_FILE {
        return None;
    }
    let changed = metadata.modified().ok()?.duration_since(UNIX_EPOCH).ok()?.as_nanos();
    let etag = format!("\"{:x}-{changed:x}\"", metadata.len());
    let is_page = real == root.join(PAGE);
    let unchanged = known_etag.is_some_and(|known| known.split(',').any(|one| one.trim() == etag));
    let (status, body) = if unchanged {
        (StatusCode::NOT_MODIFIED, Bytes::new())
    } else {
        (StatusCode::OK, tokio::fs::read(&real).await.ok()?.into())
    };
    Some(Answer {
        status,
        content_type: content_type(&real),
        // Bundles carry their hash in their name.
        cache_control: if path.starts_with("/assets/") && !is_page {
            "public, max-age=31536000, immutable"
        } else {
            "no-cache"
        },
        etag: Some(etag),
        body,
    })
}

fn not_built() -> Answer {
    const HTML: &str = "<!doctype html><html lang=en><meta charset=utf-8><title>CloudBot</title>\
        <h1>The web app is not built</h1><p>Run <code>make web</code>, or set <code>CLOUDBOT_WEB</code> to the folder of a \
        built one, and load this page again. The API works without it.</p></html>\n";
    Answer {
        status: StatusCode::SERVICE_UNAVAILABLE,
        content_type: "text/html; charset=utf-8",
        cache_control: "no-store",
        etag: None,
        body: Bytes::from_static(HTML.as_bytes()),
    }
}

fn content_type(path: &Path) -> &'static str {
    match path.extension().and_then(|extension| extension.to_str()).unwrap_or_default() {
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "json" | "map" => "application/json",
        "webmanifest" => "application/manifest+json",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "webp" => "image/webp",
        "gif" => "image/gif",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        "woff" => "font/woff",
        "ttf" => "font/ttf",
        "wasm" => "application/wasm",
        "txt" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn built() -> (tempfile::TempDir, WebApp) {
        let outside = tempfile::tempdir().unwrap();
        let folder = outside.path().join("dist");
        std::fs::create_dir_all(folder.join("assets")).unwrap();
        std::fs::write(outside.path().join("secret.txt"), "secret").unwrap();
        std::fs::write(folder.join("index.html"), "<p>page</p>").unwrap();
        std::fs::write(folder.join(".hidden"), "hidden").unwrap();
        std::fs::write(folder.join("favicon.svg"), "<svg/>").unwrap();
        std::fs::write(folder.join("assets/app-1a2b.js"), "app()").unwrap();
        std::os::unix::fs::symlink(outside.path().join("secret.txt"), folder.join("link.txt")).unwrap();
        std::os::unix::fs::symlink(outside.path(), folder.join("up")).unwrap();
        (outside, WebApp::new(folder))
    }

    #[tokio::test]
    async fn a_bundle_may_be_kept_for_ever_and_the_page_may_not() {
        let (_folder, app) = built();

        let bundle = app.answer("/assets/app-1a2b.js", None).await.unwrap();
        let page = app.answer("/", None).await.unwrap();

        assert_eq!((bundle.content_type, &bundle.body[..]), ("text/javascript; charset=utf-8", b"app()".as_slice()));
        assert!(bundle.cache_control.contains("immutable"));
        assert_eq!((page.cache_control, &page.body[..]), ("no-cache", b"<p>page</p>".as_slice()));
    }

    #[tokio::test]
    async fn any_other_address_gets_the_page_but_a_missing_bundle_does_not() {
        let (_folder, app) = built();

        assert_eq!(&app.answer("/desktops/dsk-1", None).await.unwrap().body[..], b"<p>page</p>");
        assert!(app.answer("/assets/app-0000.js", None).await.is_none());
    }

    #[tokio::test]
    async fn a_known_etag_costs_no_body() {
        let (_folder, app) = built();
        let etag = app.answer("/favicon.svg", None).await.unwrap().etag.unwrap();

        let again = app.answer("/favicon.svg", Some(&etag)).await.unwrap();

        assert_eq!((again.status, again.body.len()), (StatusCode::NOT_MODIFIED, 0));
    }

    #[tokio::test]
    async fn links_out_and_hidden_files_are_not_served() {
        let (_folder, app) = built();

        for path in ["/link.txt", "/up/secret.txt", "/.hidden", "/%2ehidden"] {
            let answer = app.answer(path, None).await.unwrap();
            assert_eq!(&answer.body[..], b"<p>page</p>", "{path}");
        }
    }

    #[tokio::test]
    async fn without_a_built_app_it_says_how_to_build_it() {
        let nowhere = tempfile::tempdir().unwrap();

        for folder in [nowhere.path().join("dist"), nowhere.path().to_owned()] {
            let answer = WebApp::new(folder).answer("/", None).await.unwrap();
            assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
            assert!(String::from_utf8_lossy(&answer.body).contains("make web"));
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]
        #[test]
        fn no_path_reads_outside_the_folder(path in "/(up/|assets/|\\.\\./|%2e%2e/|%2f|//|\\\\){0,5}(secret.txt|index.html|.hidden|)") {
            let (_folder, app) = built();
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();

            let answer = runtime.block_on(app.answer(&path, None));

            let body = answer.map(|answer| answer.body).unwrap_or_default();
            prop_assert!(!body.starts_with(b"secret") && !body.starts_with(b"hidden"));
        }
    }
}
