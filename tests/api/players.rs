//! Real programs read the stored bytes over HTTP: ffprobe, ffmpeg, curl.

use std::process::Output;

use reqwest::Method;

use crate::support::{
    app::{Answer, App},
    media::{mp4, noise, padding, temporary},
    media_folder::put,
    stores::TestDb,
};

#[allow(clippy::disallowed_methods, reason = "a test starts a player")]
async fn run(program: &str, arguments: &[&str]) -> Output {
    let output = tokio::process::Command::new(program).args(arguments).output().await.expect("it starts");
    assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
    output
}

/// The film of the tests with 60 MB that nobody needs before its index, which is at the end.
fn index_far_away() -> Vec<u8> {
    const GAP: usize = 60_000_000;
    let moov = mp4().windows(4).position(|window| window == b"moov").expect("an index") - 4;
    let (before, index) = mp4().split_at(moov);
    let mut gap = padding(GAP);
    gap.resize(GAP, 0);
    [before, &gap, index].concat()
}

#[actix_web::test]
async fn a_player_reads_and_seeks_without_loading_all() {
    let db = TestDb::create();
    let app = App::start(&db);
    let owner = app.register().await;
    let bytes = index_far_away();
    let id = put(app.media_dir(), &mut db.connect(), "video/mp4", &bytes);
    let url = app.url(&format!("/media/{id}"));
    let token = format!("Authorization: Bearer {}\r\n", owner.token);
    let facts = ["-v", "error", "-headers", &token, "-count_frames", "-print_format", "json", "-show_streams", &url];
    let said: serde_json::Value = serde_json::from_slice(&run("ffprobe", &facts).await.stdout).expect("JSON");
    let video = &said["streams"][0];
    assert_eq!((&video["codec_name"], &video["nb_read_frames"]), (&"h264".into(), &"50".into()));
    let seek = ["-v", "error", "-headers", &token, "-ss", "1.5", "-i", &url, "-frames:v", "1", "-f", "framemd5", "-"];
    let frame = String::from_utf8(run("ffmpeg", &seek).await.stdout).expect("text");
    assert_eq!(frame.lines().filter(|line| line.starts_with("0,")).count(), 1, "{frame}");
    let metrics = Answer::of(app.request(Method::GET, "/metrics", None)).await;
    let metrics = String::from_utf8(metrics.bytes).expect("text");
    let served = metrics.lines().find_map(|line| line.strip_prefix("playhouse_bytes_served ")).expect("a count");
    // Two readings of the whole would be 120 MB; what lies in sockets when a player turns away is less.
    assert!(served.parse::<f64>().expect("a number") < 40e6, "{served} bytes were served");
}

#[actix_web::test]
async fn curl_reads_ranges_and_resumes() {
    let db = TestDb::create();
    let app = App::start(&db);
    let owner = app.register().await;
    let bytes = noise(3_000_000);
    let id = put(app.media_dir(), &mut db.connect(), "video/mp4", &bytes);
    let url = app.url(&format!("/media/{id}"));
    let token = format!("Authorization: Bearer {}", owner.token);
    let part = run("curl", &["-sf", "-H", &token, "--range", "1000-1999", &url]).await.stdout;
    assert!(part == bytes[1000..2000]);
    let path = temporary("part");
    std::fs::write(&path, &bytes[..1_234_567]).expect("the first part");
    run("curl", &["-sf", "-H", &token, "-C", "-", "-o", path.to_str().expect("a path"), &url]).await;
    let whole = std::fs::read(&path).expect("the file");
    std::fs::remove_file(&path).expect("the file");
    assert!(whole == bytes, "a resumed download is the file");
}
