//! The house rules that a compiler does not hold: who may import whom, how long a file may grow, what it begins with.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use harness::repository;

/// DESIGN's table: a crate of ours, and the crates of ours that it may import, for its tests too.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("protocol", &[]),
    ("telemetry", &[]),
    ("provisioning", &["protocol"]),
    ("control", &["protocol", "provisioning", "telemetry"]),
    ("edge", &["protocol", "telemetry"]),
    ("sidecar", &["protocol", "telemetry"]),
    ("system-tests", &["protocol", "telemetry", "provisioning", "control", "edge", "sidecar"]),
];

/// Lines that a file may have before its tests.
const LONGEST: usize = 500;

#[test]
fn a_crate_imports_only_what_the_design_allows() {
    let allowed: BTreeMap<&str, &[&str]> = MAY_IMPORT.iter().copied().collect();

    let mut broken = Vec::new();
    for (name, imports) in imports_of_our_crates() {
        let Some(allowed) = allowed.get(name.as_str()) else {
            broken.push(format!("{name}: a new crate; give it a row in DESIGN's table and in this test"));
            continue;
        };
        broken.extend(
            imports
                .iter()
                .filter(|import| !allowed.contains(&import.as_str()))
                .map(|import| format!("{name} imports {import}")),
        );
    }

    assert!(broken.is_empty(), "the import rule is broken:\n{}", broken.join("\n"));
}

#[test]
fn no_source_file_outgrows_500_lines_before_its_tests() {
    let too_long: Vec<String> = sources(&["rs", "ts", "tsx", "mjs"])
        .into_iter()
        .filter_map(|file| {
            let lines = lines_before_tests(&read(&file));
            (lines > LONGEST).then(|| format!("{}: {lines} lines", shown(&file)))
        })
        .collect();

    assert!(too_long.is_empty(), "split these by idea (STYLE rule 1):\n{}", too_long.join("\n"));
}

#[test]
fn every_rust_file_begins_by_saying_what_it_is_for() {
    let silent: Vec<String> =
        sources(&["rs"]).into_iter().filter(|file| !read(file).starts_with("//! ")).map(|file| shown(&file)).collect();

    assert!(silent.is_empty(), "these do not begin with a `//!` line (STYLE rule 1):\n{}", silent.join("\n"));
}

#[test]
fn http_sees_no_sql_and_the_database_sees_no_http() {
    let control = repository().join("control/src");
    let trespassers: Vec<String> = [("http", "sqlx"), ("db", "axum")]
        .into_iter()
        .flat_map(|(room, foreign)| {
            walk(&control.join(room), &["rs"])
                .into_iter()
                .filter(move |file| read(file).contains(&format!("{foreign}::")))
                .map(move |file| format!("{} uses {foreign}", shown(&file)))
        })
        .collect();

    assert!(trespassers.is_empty(), "{}", trespassers.join("\n"));
}

#[test]
fn lines_are_counted_up_to_the_tests_only() {
    assert_eq!(lines_before_tests("a\nb\n#[cfg(test)]\nmod tests {}\n"), 2);
    assert_eq!(lines_before_tests("a\nb\n"), 2);
}

/// Each crate of ours with the crates of ours that it imports, dev-dependencies included.
fn imports_of_our_crates() -> BTreeMap<String, Vec<String>> {
    let out = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--format-version", "1", "--offline"])
        .current_dir(repository())
        .output()
        .expect("run cargo metadata");
    assert!(out.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&out.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&out.stdout).expect("cargo metadata answers JSON");

    metadata["packages"]
        .as_array()
        .expect("packages")
        .iter()
        .map(|package| {
            let imports = package["dependencies"]
                .as_array()
                .expect("dependencies")
                .iter()
                .filter(|dependency| dependency["path"].is_string())
                .map(|dependency| text(&dependency["name"]))
                .collect();
            (text(&package["name"]), imports)
        })
        .collect()
}

fn text(value: &serde_json::Value) -> String {
    value.as_str().expect("a text").to_owned()
}

fn lines_before_tests(source: &str) -> usize {
    source.lines().take_while(|line| line.trim_end() != "#[cfg(test)]").count()
}

/// Every source file that a person wrote, in all houses.
fn sources(extensions: &[&str]) -> Vec<PathBuf> {
    let files = walk(&repository(), extensions);
    assert!(files.len() > 20, "only {} source files found: is this the repository?", files.len());
    files
}

fn walk(folder: &Path, extensions: &[&str]) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut found = Vec::new();
    for entry in entries.map(|entry| entry.expect("read a folder's entry")) {
        let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
        let kind = entry.file_type().expect("read a file's type");
        if kind.is_dir() {
            if !name.starts_with('.') && !["target", "node_modules", "dist"].contains(&name.as_str()) {
                found.extend(walk(&path, extensions));
            }
        } else if kind.is_file()
            && path.extension().is_some_and(|extension| extensions.iter().any(|wanted| extension == *wanted))
            // Generated from control's OpenAPI document, and not in the repository.
            && !path.ends_with("web/src/api/schema.d.ts")
        {
            found.push(path);
        }
    }
    found
}

fn read(file: &Path) -> String {
    fs::read_to_string(file).unwrap_or_else(|error| panic!("read {}: {error}", file.display()))
}

fn shown(file: &Path) -> String {
    file.strip_prefix(repository()).unwrap_or(file).display().to_string()
}
