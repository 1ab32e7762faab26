//! The README's tour, run as it is written: every `sh` block in order, in one shell, and each output
//! that stands behind one compared with what came.

use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
};

use serde_json::Value;

use crate::support::{
    app::{App, Plan},
    stores::TestDb,
};

const README: &str = include_str!("../../README.md");
const ADDRESS: &str = "http://127.0.0.1:8080";
/// The tour makes at least so many steps; fewer means that it was not found as it is written.
const FEWEST_STEPS: usize = 10;

/// A fenced block of a text.
#[derive(Debug, Clone)]
struct Block {
    language: String,
    text: String,
}

/// A block of commands, and the output that is shown behind it.
#[derive(Debug)]
struct Step {
    commands: String,
    shown: Option<Block>,
}

fn blocks(text: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut open: Option<Block> = None;
    for line in text.lines() {
        match (line.strip_prefix("```"), open.take()) {
            (Some(language), None) => open = Some(Block { language: language.to_owned(), text: String::new() }),
            (Some(_), Some(block)) => blocks.push(block),
            (None, Some(mut block)) => {
                block.text.push_str(line);
                block.text.push('\n');
                open = Some(block);
            }
            (None, None) => {}
        }
    }
    blocks
}

fn steps() -> Vec<Step> {
    let (_, rest) = README.split_once("\n## A five-minute tour\n").expect("the README has a tour");
    let section = rest.split("\n## ").next().unwrap_or_default();
    let mut steps: Vec<Step> = Vec::new();
    for block in blocks(section) {
        match block.language.as_str() {
            "sh" => steps.push(Step { commands: block.text, shown: None }),
            "json" | "text" => {
                let step = steps.last_mut().expect("output stands behind a command");
                assert!(step.shown.is_none(), "two outputs of one command: {}", block.text);
                step.shown = Some(block);
            }
            // Shown to people only: it needs a screen.
            "console" => {}
            other => panic!("a block of an unknown kind in the tour: {other:?}"),
        }
    }
    steps
}

/// One script of all steps; the output of step `n` goes to the file `n`.
fn script(steps: &[Step], app: &App, folder: &Path) -> String {
    let mut script = String::from("set -eu\n");
    for (at, step) in steps.iter().enumerate() {
        let output = folder.join(at.to_string());
        writeln!(script, "echo 'step {at}' >&2\n{{\n{}}} >'{}'", step.commands, output.display()).expect("a string");
    }
    assert_eq!(script.matches(ADDRESS).count(), 1, "the tour says in one place where the server is");
    script.replace(ADDRESS, &app.base)
}

/// Whether `came` is what is shown: `…` stands for anything, also at the end of a text; times are
/// compared by their form.
fn is_shown(shown: &Value, came: &Value) -> bool {
    match (shown, came) {
        (Value::String(shown), _) if shown == "…" => !came.is_null(),
        (Value::String(shown), Value::String(came)) => text_is_shown(shown, came),
        (Value::Array(shown), Value::Array(came)) => {
            shown.len() == came.len() && shown.iter().zip(came).all(|(shown, came)| is_shown(shown, came))
        }
        (Value::Object(shown), Value::Object(came)) => {
            shown.len() == came.len()
                && shown.iter().all(|(name, shown)| came.get(name).is_some_and(|came| is_shown(shown, came)))
        }
        _ => shown == came,
    }
}

fn text_is_shown(shown: &str, came: &str) -> bool {
    let time = chrono::DateTime::parse_from_rfc3339;
    if time(shown).is_ok() {
        return shown.len() == came.len() && time(came).is_ok();
    }
    match shown.strip_suffix('…') {
        Some(beginning) => came.len() > beginning.len() && came.starts_with(beginning),
        None => shown == came,
    }
}

fn compare(at: usize, shown: &Block, came: &str) {
    if shown.language == "json" {
        let read = |text: &str| serde_json::from_str::<Value>(text).unwrap_or_else(|_| panic!("step {at}: {text}"));
        let (shown, came) = (read(&shown.text), read(came));
        assert!(is_shown(&shown, &came), "step {at} shows\n{shown:#}\nbut this came:\n{came:#}");
    } else {
        let lines = |text: &str| text.lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>();
        let (expected, got) = (lines(&shown.text), lines(came));
        let same = expected.len() == got.len() && expected.iter().zip(&got).all(|(a, b)| text_is_shown(a, b));
        assert!(same, "step {at} shows\n{expected:#?}\nbut this came:\n{got:#?}");
    }
}

/// A folder for what the tour makes, gone with the test.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("tour-{}", uuid::Uuid::new_v4().simple()));
        std::fs::create_dir_all(&folder).expect("a folder");
        Self(folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

#[test]
#[allow(clippy::disallowed_methods, reason = "a reader's shell")]
fn the_tour_of_the_readme_does_what_it_shows() {
    let steps = steps();
    assert!(steps.len() >= FEWEST_STEPS, "the tour has {} steps", steps.len());
    assert!(steps.iter().filter(|step| step.shown.is_some()).count() >= FEWEST_STEPS, "the tour shows its outputs");
    let (db, folder) = (TestDb::create(), Folder::new());
    let app = Plan::over(&db).start();
    let ran = std::process::Command::new("timeout")
        .args(["120", "sh", "-c", &script(&steps, &app, &folder.0)])
        .env("TMPDIR", &folder.0)
        .stdin(std::process::Stdio::null())
        .output()
        .expect("a shell");
    let said = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "the tour ended with {}: {said}", ran.status);
    for (at, step) in steps.iter().enumerate() {
        let came = std::fs::read_to_string(folder.0.join(at.to_string())).expect("the output of a step");
        assert!(!came.contains("\"status\":4"), "step {at} was refused: {came}");
        if let Some(shown) = &step.shown {
            compare(at, shown, &came);
        }
    }
}

#[test]
fn what_differs_from_what_is_shown_is_noticed() {
    let shown = serde_json::json!({"id": "…", "at": "2026-11-21T09:30:00.000000Z", "url": "/media/…", "n": [1]});
    let good = serde_json::json!({"id": 7, "at": "2027-01-01T00:00:00.123456Z", "url": "/media/x", "n": [1]});
    assert!(is_shown(&shown, &good));
    for (name, value) in [
        ("id", Value::Null),
        ("at", Value::from("soon")),
        ("url", Value::from("/file/x")),
        ("n", serde_json::json!([1, 2])),
        ("more", Value::from(1)),
    ] {
        let mut bad = good.clone();
        bad[name] = value;
        assert!(!is_shown(&shown, &bad), "{bad}");
    }
}
