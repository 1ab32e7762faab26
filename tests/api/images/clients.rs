//! Names on their way through real clients: as they are sent, so they are kept, and so they come back.

use std::{
    collections::BTreeSet,
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use percent_encoding::percent_decode_str;
use serde::Deserialize;
use serde_json::{Value, json};

use super::House;
use crate::support::{
    home::{Home, on_both_stores},
    media::{png, temporary},
};

on_both_stores! {
    every_name_goes_through_requests_and_back,
    every_name_goes_through_curl_and_back,
    curl_keeps_what_it_gets_under_its_name_and_nowhere_else,
}

fn names() -> Vec<String> {
    let long = "写".repeat(300);
    let mixed = "\"é;".repeat(100);
    let names = [
        "plain.png",
        "two  words.png",
        "no ending",
        ".hidden",
        "Ein Lächeln.png",
        "写真 🎬.jpg",
        "e\u{301}tude.png",
        "\u{202e}gnp.exe",
        r#"say "hi".png"#,
        r"back\slash.png",
        r"C:\films\a.png",
        r#"both\"of"\them.png"#,
        "line\nbreak.png",
        "carriage\r\nreturn.png",
        "semi;colon; filename=evil.html",
        "comma, equals = and 'quotes'.png",
        "100% %41 %2e.png",
        "../../etc/passwd",
        "/etc/passwd",
        r"..\..\boot.ini",
        "a.png\"\r\nX-Evil: 1\r\n\r\n<script>alert(1)</script>",
        "a\nSet-Cookie: a=b\nContent-Length: 0\n\n",
        "a\r\n\tfolded",
        "UTF-8''a.png",
        "=?utf-8?q?a?=.png",
        "<script>alert(1)</script>.png",
        &long,
        &mixed,
    ];
    // As a control character of its own, only a line's end goes through forms.
    names.into_iter().filter(|name| !name.contains('\t')).map(str::to_owned).collect()
}

#[allow(clippy::disallowed_methods, reason = "a test runs the clients that people use")]
fn client(program: &str) -> Command {
    Command::new(program)
}

/// What came of a name.
#[derive(Debug, Deserialize)]
struct Told {
    kept: String,
    given: String,
    headers: BTreeSet<String>,
    same: bool,
}

/// A picture on the disk, and a folder for what comes back; removed when dropped.
struct Desk {
    folder: PathBuf,
    image: String,
}

impl Desk {
    fn new() -> Self {
        let folder = temporary("desk");
        fs::create_dir(&folder).expect("a folder");
        let image = folder.join("image");
        fs::write(&image, png()).expect("a picture");
        Self { image: image.to_str().expect("a path").to_owned(), folder }
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.folder));
    }
}

/// The headers of an image that is called nothing in particular.
async fn plain_headers(house: &House) -> BTreeSet<String> {
    let id = house.app.keep_image(&house.people.viewer, png()).await;
    let answer = house.image(&house.people.viewer, &id).await;
    let headers: BTreeSet<String> = answer.headers.keys().map(|name| name.as_str().to_owned()).collect();
    assert!(headers.contains("content-disposition") && !headers.contains("set-cookie"), "{headers:?}");
    headers
}

async fn every_name_goes_through_requests_and_back(home: Home) {
    let house = House::new(home).await;
    let headers = plain_headers(&house).await;
    let desk = Desk::new();
    // What curl could not say: a quote or a line's end would follow the backslash.
    let names = [names(), [r"ends with\", r"\", "a\\\"b"].map(str::to_owned).to_vec()].concat();
    let job = json!({
        "base": house.app.base, "token": house.people.viewer.token, "image": desk.image, "names": names,
    });
    let mut python = client("/usr/bin/python3")
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/clients.py"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python3 starts");
    python.stdin.take().expect("a pipe").write_all(format!("{job}\n").as_bytes()).expect("the job");
    let output = python.wait_with_output().expect("it ends");
    assert!(output.status.success(), "`make test` installs requests");
    let told: Vec<Told> = serde_json::from_slice(&output.stdout).expect("what came of each");
    assert_eq!(told.len(), names.len());
    for (name, mut told) in names.iter().zip(told) {
        // It asks for that, each time.
        assert!(told.headers.remove("connection"), "{name:?}");
        assert_eq!((&told.kept, &told.given), (name, name));
        assert!(told.same, "{name:?}: other bytes");
        assert_eq!(told.headers, headers, "{name:?}");
    }
}

/// Runs curl, which must succeed, and gives what it writes.
fn curl(house: &House, arguments: &[&str]) -> Vec<u8> {
    let token = format!("Authorization: Bearer {}", house.people.viewer.token);
    let curl = client("curl").args(["-sS", "--max-time", "30", "-H", &token]).args(arguments).output();
    let output = curl.expect("curl starts");
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// Sends the picture under this name, and gives the answer.
fn curled(house: &House, desk: &Desk, name: &str) -> Value {
    let escaped = name.replace('\\', r"\\").replace('"', "\\\"");
    let form = format!("file=@{};filename=\"{escaped}\"", desk.image);
    let answer = curl(house, &["-F", &form, &house.app.url("/images")]);
    serde_json::from_slice(&answer).unwrap_or_else(|_| panic!("{name:?}: {}", String::from_utf8_lossy(&answer)))
}

async fn every_name_goes_through_curl_and_back(home: Home) {
    let house = House::new(home).await;
    let headers = plain_headers(&house).await;
    let desk = Desk::new();
    let came = desk.folder.join("came");
    for name in names() {
        let told = curled(&house, &desk, &name);
        assert_eq!(told["name"], *name);
        let url = house.app.url(&format!("/images/{}", told["id"].as_str().expect("an id")));
        let head = curl(&house, &["-D", "-", "-o", came.to_str().expect("a path"), &url]);
        assert!(fs::read(&came).expect("what came") == png(), "{name:?}: other bytes");
        let head = String::from_utf8(head).expect("text");
        let lines: Vec<(&str, &str)> = head.lines().filter_map(|line| line.split_once(": ")).collect();
        let names: BTreeSet<String> = lines.iter().map(|(name, _)| name.to_lowercase()).collect();
        assert_eq!(names, headers, "{name:?}");
        assert_eq!(lines.len(), headers.len(), "{name:?}: {head}");
        let disposition = lines.iter().find(|(name, _)| name.eq_ignore_ascii_case("content-disposition"));
        let (_, value) = disposition.expect("a disposition");
        let (_, extended) = value.split_once("; filename*=UTF-8''").expect("a whole name");
        assert_eq!(percent_decode_str(extended).decode_utf8().expect("UTF-8"), *name);
    }
}

async fn curl_keeps_what_it_gets_under_its_name_and_nowhere_else(home: Home) {
    let house = House::new(home).await;
    for (name, kept) in [
        ("plain.png", "plain.png"),
        ("two words.png", "two words.png"),
        ("semi;colon.png", "semi;colon.png"),
        ("it's 100%, a=b.png", "it's 100%, a=b.png"),
        ("no ending", "no ending"),
        ("../../evil.png", ".._.._evil.png"),
        ("/tmp/evil.png", "_tmp_evil.png"),
        (r"..\..\evil.png", ".._.._evil.png"),
        ("写真.png", "__.png"),
    ] {
        let desk = Desk::new();
        let told = curled(&house, &desk, name);
        let url = house.app.url(&format!("/images/{}", told["id"].as_str().expect("an id")));
        let target = desk.folder.join("a").join("b");
        fs::create_dir_all(&target).expect("a folder");
        curl(&house, &["-OJ", "--output-dir", target.to_str().expect("a path"), &url]);
        assert_eq!(below(&desk.folder), BTreeSet::from(["image".to_owned(), format!("a/b/{kept}")]), "{name}");
        assert!(fs::read(target.join(kept)).expect("what came") == png(), "{name}: other bytes");
    }
}

/// The files below, by their paths from here.
fn below(folder: &Path) -> BTreeSet<String> {
    let mut files = BTreeSet::new();
    for entry in fs::read_dir(folder).expect("a folder").flatten() {
        let name = entry.file_name().into_string().expect("a name");
        if entry.path().is_dir() {
            files.extend(below(&entry.path()).into_iter().map(|file| format!("{name}/{file}")));
        } else {
            files.insert(name);
        }
    }
    files
}
