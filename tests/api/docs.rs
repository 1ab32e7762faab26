//! What the documents name is there: paths of the API, settings, files.

use std::{collections::BTreeSet, fs, path::Path};

use crate::support::{
    app::{Answer, App},
    stores::TestDb,
};

const DOCUMENTS: [(&str, &str); 5] = [
    ("README.md", include_str!("../../README.md")),
    ("docs/API.md", include_str!("../../docs/API.md")),
    ("docs/ARCHITECTURE.md", include_str!("../../docs/ARCHITECTURE.md")),
    ("docs/OPERATIONS.md", include_str!("../../docs/OPERATIONS.md")),
    ("migrations/README.md", include_str!("../../migrations/README.md")),
];
const METHODS: [&str; 5] = ["GET", "POST", "PUT", "PATCH", "DELETE"];

/// The texts between backticks, outside of fenced blocks.
fn spans(text: &str) -> Vec<&str> {
    text.split("\n```").step_by(2).flat_map(|prose| prose.split('`').skip(1).step_by(2)).collect()
}

/// `GET /series?limit=1` → `GET /series`.
fn operation(span: &str) -> Option<String> {
    let (method, path) = span.split_once(' ')?;
    let path = path.split(['?', ' ']).next()?;
    (METHODS.contains(&method) && path.starts_with('/')).then(|| format!("{method} {path}"))
}

#[actix_web::test]
async fn the_api_document_names_every_operation_and_no_other() {
    let db = TestDb::create();
    let app = App::start(&db);
    let described = Answer::of(app.client.get(app.url("/api-docs/openapi.json"))).await.json();
    let paths = described["paths"].as_object().expect("paths");
    let there: BTreeSet<String> = paths
        .iter()
        .flat_map(|(path, item)| {
            let methods = item.as_object().expect("methods").keys();
            methods.map(move |method| format!("{} {path}", method.to_uppercase()))
        })
        .collect();
    assert!(there.len() > 40, "{there:?}");
    for (name, text) in DOCUMENTS {
        let named: BTreeSet<String> = spans(text).into_iter().filter_map(operation).collect();
        let wrong: Vec<_> = named.difference(&there).collect();
        assert!(wrong.is_empty(), "{name} names what is not there: {wrong:?}");
        if name == "docs/API.md" {
            let missing: Vec<_> = there.difference(&named).collect();
            assert!(missing.is_empty(), "{name} does not name {missing:?}");
        }
    }
}

/// `http.bind` and so on, from the file that has them all.
fn settings() -> BTreeSet<String> {
    let mut section = String::new();
    let mut settings = BTreeSet::new();
    for line in include_str!("../../config/default.toml").lines() {
        // A section whose name is the operator's stands there as an example, in comments.
        let example =
            line.strip_prefix("# ").filter(|line| line.starts_with("[auth.") || section.contains(".issuers."));
        let line = example.unwrap_or(line);
        if let Some(name) = line.strip_prefix('[') {
            section = format!("{}.", name.trim_end_matches(']'));
        } else if let Some((key, _)) = line.split_once(" = ").filter(|(key, _)| !key.starts_with('#')) {
            settings.insert(format!("{section}{key}"));
        }
    }
    settings
}

/// Words that begin with `prefix`, without it.
fn words<'a>(text: &'a str, prefix: &str) -> Vec<&'a str> {
    let ends = |c: char| !(c.is_ascii_alphanumeric() || c == '_');
    text.split(prefix).skip(1).map(|rest| rest.split(ends).next().unwrap_or_default()).collect()
}

#[test]
fn the_documents_name_settings_that_exist() {
    let settings = settings();
    assert!(settings.len() > 40, "{settings:?}");
    let sections: BTreeSet<&str> = settings.iter().filter_map(|name| Some(name.split_once('.')?.0)).collect();
    for (name, text) in DOCUMENTS {
        // `PLAYHOUSE_<SECTION>__<KEY>` stands for all.
        for word in words(text, "PLAYHOUSE_").into_iter().filter(|word| !word.is_empty()) {
            let setting = word.to_lowercase().replace("__", ".");
            let known = ["env", "config_dir"].contains(&setting.as_str()) || settings.contains(&setting);
            assert!(known, "{name}: PLAYHOUSE_{word}");
        }
        for span in spans(text) {
            let is_setting = |(section, key): &(&str, &str)| {
                sections.contains(section) && key.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
            };
            let is_file = Path::new(span).extension().is_some_and(|ending| ending == "rs" || ending == "log");
            if !is_file && span.split_once('.').as_ref().is_some_and(is_setting) {
                assert!(settings.contains(span), "{name}: {span}");
            }
        }
    }
}

/// What the headings are called in links.
fn anchors(text: &str) -> Vec<String> {
    let headings = text.lines().filter_map(|line| line.strip_prefix("## "));
    let kept = |c: &char| c.is_alphanumeric() || matches!(c, ' ' | '-');
    headings.map(|heading| heading.to_lowercase().chars().filter(kept).collect::<String>().replace(' ', "-")).collect()
}

/// Empty where it is no text.
fn read_text(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

#[test]
fn the_documents_name_files_that_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = 0;
    for (name, text) in DOCUMENTS {
        let folder = root.join(name);
        let folder = folder.parent().expect("a folder");
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let there = link.starts_with("https://") || folder.join(file).exists();
            let linked = if file.is_empty() { text.to_owned() } else { read_text(&folder.join(file)) };
            let heads = anchor.is_empty() || anchors(&linked).iter().any(|known| known == anchor);
            assert!(there && heads, "{name} links to {link}");
        }
        for span in spans(text) {
            let of_ours = ["src/", "config/", "migrations/", "tests/", "scripts/", "benches/"];
            if of_ours.iter().any(|start| span.starts_with(start)) && !span.contains(['<', '{', '*']) {
                assert!(root.join(span).exists(), "{name} names {span}");
                files += 1;
            }
        }
    }
    assert!(files > 20, "{files} files are named");
}
