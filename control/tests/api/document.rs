//! The OpenAPI document: the file that the web app's types come from, and the page that shows it.

use std::path::Path;

use serde_json::Value;

use crate::support::Control;

/// `CLOUDBOT_UPDATE_OPENAPI=1 cargo test -p control` writes the file anew.
#[test]
fn the_file_is_what_control_describes() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("openapi.json");
    let now = format!("{}\n", control::http::openapi().to_pretty_json().unwrap());
    if std::env::var_os("CLOUDBOT_UPDATE_OPENAPI").is_some() {
        std::fs::write(&file, &now).unwrap();
    }

    let kept = std::fs::read_to_string(&file).unwrap_or_default();

    let told =
        "control/openapi.json is not what control describes: `cargo run -p control openapi > control/openapi.json`";
    assert!(kept == now, "{told}");
}

#[tokio::test]
async fn the_document_and_its_page_are_served_without_the_internet() {
    let control = Control::on_sqlite().await;
    let nobody = control.anonymous();

    let document: Value = nobody.get("openapi.json").await.expect_status(200).json();
    let page = nobody.get("docs/").await.expect_status(200);

    assert_eq!(document, serde_json::to_value(control::http::openapi()).unwrap());
    assert!(!page.text().contains("https://"), "{}", page.text());
    for script in ["swagger-initializer.js", "swagger-ui-bundle.js", "swagger-ui.css"] {
        nobody.get(&format!("docs/{script}")).await.expect_status(200);
    }
}
