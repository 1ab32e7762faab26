//! Uploads in two steps: announced, then sent.

use std::collections::BTreeSet;

use chrono::Utc;
use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;

use crate::{
    accounts::patient,
    support::{
        app::App,
        channels::{picture_facts, tiny, video},
        home::{Home, on_both_stores},
        media::{VTT, ffmpeg, padded, png, sha256, temporary},
        media_folder::agreed,
        people::Person,
        raw::{status, upload_head},
        stores::{TestDb, count},
    },
};

#[actix_web::test]
async fn a_hash_path_is_seven_random_characters() {
    let db = TestDb::create();
    let app = App::start(&db);
    let ilsa = app.member("ilsa").await;
    let mut hashes = BTreeSet::new();
    for at in 0..40 {
        let hash = app.announce(&ilsa, &format!("Video {at}"), "").await;
        assert!(hash.len() == 7 && hash.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit()), "{hash}");
        hashes.insert(hash);
    }
    assert_eq!(hashes.len(), 40);
    // Neighbours have no beginning in common, as a counter's would.
    let beginnings: BTreeSet<&str> = hashes.iter().map(|hash| &hash[..4]).collect();
    assert!(beginnings.len() > 35, "{hashes:?}");
}

#[actix_web::test]
async fn an_announcement_has_its_rules() {
    let db = TestDb::create();
    let app = App::start(&db);
    let ilsa = app.member("ilsa").await;
    for (body, response) in [
        (json!({}), json!({"missing-key": "title"})),
        (json!({"description": "x"}), json!({"missing-key": "title"})),
        (json!({"title": "x"}), json!({"missing-key": "description"})),
        (json!({"title": "", "description": ""}), json!({"invalid-field": "title"})),
        (json!({"title": " \t", "description": ""}), json!({"invalid-field": "title"})),
        (json!({"title": "x".repeat(201), "description": ""}), json!({"invalid-field": "title"})),
        (json!({"title": 5, "description": ""}), json!({"invalid-field": "title"})),
        (json!({"title": "a\0b", "description": ""}), json!({"invalid-field": "title"})),
        (json!({"title": "x", "description": null}), json!({"invalid-field": "description"})),
        (json!({"title": "x", "description": "x".repeat(10_001)}), json!({"invalid-field": "description"})),
        (json!({"title": "x", "description": "", "hash": "abc1234"}), json!({"invalid-field": "hash"})),
    ] {
        assert_eq!(app.post("/upload", &ilsa, body.clone()).await.response(400), response, "{body}");
    }
    assert_eq!(count(&mut db.connect(), "videos"), 0);
}

on_both_stores! {
    an_upload_is_shown_at_once_with_its_thumbnail,
    of_eight_uploads_of_one_video_at_once_one_is_kept,
    an_upload_over_the_limit_is_413_and_leaves_nothing,
    an_upload_over_the_quota_is_413_and_leaves_nothing,
}

async fn an_upload_is_shown_at_once_with_its_thumbnail(home: Home) {
    let db = TestDb::create();
    let app = home.plan(&db).start();
    let ilsa = app.member("Ilsa").await;
    let before = Utc::now().date_naive();
    let hash = app.share(&ilsa, "  A walk ", "In the \"park\" – 100%\n").await;
    let thumbnail = app.see(&format!("/thumbnails/{hash}")).await;
    assert_eq!((thumbnail.status, thumbnail.header("content-type")), (200, Some("image/jpeg")));
    assert_eq!(picture_facts(&thumbnail.bytes), "mjpeg,640,360");
    let after = Utc::now().date_naive();
    let item = app.see(&format!("/v/{hash}")).await.response(200);
    let day = item["upload"].as_str().expect("a day").to_owned();
    assert!([before, after].iter().any(|today| today.to_string() == day), "{day}");
    let expected = json!({
        "type": "video", "channel": "Ilsa", "title": "A walk", "thumbnail": hash, "nb_count": "",
        "description": "In the \"park\" – 100%\n", "upload": day,
    });
    assert_eq!(item, expected);
    assert_eq!(app.see("/videos/all").await.response(200), json!([expected]));
    let film = app.see(&format!("/video/d/{hash}")).await;
    assert!(film.status == 200 && film.bytes == tiny());
    assert_eq!(home.agreed(app.media_dir(), &mut db.connect()).len(), 2);
}

/// The video, of 160 by 90 pixels, a quarter turn clockwise, as phones write it: in the matrix of the
/// track's header.
fn turned(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let matrix = bytes.windows(4).position(|word| word == b"tkhd").unwrap() + 44;
    let turned = [0, 0x1_0000, 0, -0x1_0000, 0, 0, 90 << 16, 0, 0x4000_0000_i32];
    bytes[matrix..matrix + 36].copy_from_slice(&turned.map(i32::to_be_bytes).concat());
    bytes
}

#[actix_web::test]
async fn a_thumbnail_is_640_wide_and_upright() {
    let db = TestDb::create();
    let app = App::start(&db);
    let ilsa = app.member("ilsa").await;
    for (bytes, expected) in [
        (turned(tiny()), "mjpeg,640,1138"),
        (video("testsrc2=duration=0.4:size=64x128:rate=10", &[]), "mjpeg,640,1280"),
        (video("testsrc2=duration=0.4:size=720x576:rate=10,setsar=64/45", &[]), "mjpeg,640,360"),
    ] {
        let hash = app.announce(&ilsa, "Of some shape", "").await;
        assert_eq!(app.send(&ilsa, &hash, &bytes).await.response(200), "");
        assert_eq!(picture_facts(&app.see(&format!("/thumbnails/{hash}")).await.bytes), expected);
    }
}

/// What is no video, by names.
fn no_videos() -> Vec<(&'static str, Vec<u8>)> {
    let picture = temporary("png");
    std::fs::write(&picture, png()).unwrap();
    let sine = ["-f", "lavfi", "-i", "sine=duration=1"];
    let cover = ["-i", picture.to_str().unwrap(), "-map", "0", "-map", "1", "-c:v", "png", "-disposition:v:0"];
    let covered = ffmpeg(&[&sine[..], &cover, &["attached_pic"]].concat(), "mp3");
    std::fs::remove_file(picture).unwrap();
    let plain = video("testsrc2=duration=1:size=160x90:rate=10", &[]);
    let sent = vec![
        ("text", b"Not a video at all.\n".to_vec()),
        ("one byte", b"x".to_vec()),
        ("subtitles", VTT.to_vec()),
        ("a playlist", b"#EXTM3U\n#EXTINF:1.0,\nhttp://127.0.0.1:1/x.ts\n#EXT-X-ENDLIST\n".to_vec()),
        ("sound", ffmpeg(&sine, "wav")),
        ("sound in an MP4", ffmpeg(&sine, "m4a")),
        ("sound with a cover", covered),
        ("an image", png().to_vec()),
        ("a moving image", ffmpeg(&["-f", "lavfi", "-i", "testsrc2=duration=0.4:size=32x32"], "gif")),
        ("half of a video", plain[..plain.len() / 2].to_vec()),
        ("the head of a video", tiny()[..1000].to_vec()),
    ];
    assert!(tiny().len() > 3000);
    sent
}

#[actix_web::test]
async fn what_is_no_video_is_refused_and_leaves_nothing() {
    let db = TestDb::create();
    let app = App::start(&db);
    let ilsa = app.member("ilsa").await;
    let hash = app.announce(&ilsa, "At last", "").await;
    let conn = &mut db.connect();
    assert_eq!(app.send(&ilsa, &hash, b"").await.response(400), "no-data");
    for (what, bytes) in no_videos() {
        let answer = app.send(&ilsa, &hash, &bytes).await;
        assert_eq!((answer.status, answer.response(400)), (400, json!("not-a-video")), "{what}");
        assert!(agreed(app.media_dir(), conn).is_empty(), "{what} is kept");
        unseen(&app, &ilsa, &hash).await;
    }
    assert_eq!(app.send(&ilsa, &hash, tiny()).await.response(200), "");
    assert_eq!(agreed(app.media_dir(), conn).len(), 2);
    assert_eq!(app.see(&format!("/v/{hash}")).await.status, 200);
}

/// The video is nowhere.
async fn unseen(app: &App, person: &Person, hash: &str) {
    assert_eq!(app.see(&format!("/v/{hash}")).await.response(404), "video");
    assert_eq!(app.see(&format!("/video/d/{hash}")).await.response(400), "no-video");
    assert_eq!(app.see(&format!("/thumbnails/{hash}")).await.response(404), "no-thumbnails");
    assert_eq!(app.see("/videos/all").await.response(200), json!([]));
    assert_eq!(app.react(person, hash, "like").await.response(404), "video");
    let change = json!({"title": "Another"});
    assert_eq!(app.patch(&format!("/v/{hash}"), person, change).await.response(404), "video");
}

#[actix_web::test]
async fn what_was_announced_and_not_sent_is_nowhere() {
    let db = TestDb::create();
    let app = App::start(&db);
    let ilsa = app.member("ilsa").await;
    let hash = app.announce(&ilsa, "Unseen", "wonderful").await;
    unseen(&app, &ilsa, &hash).await;
    assert_eq!(app.see("/videos/channel/ilsa").await.response(200), json!([]));
    for query in ["unseen", "wonderful"] {
        assert_eq!(app.see(&format!("/search/all/{query}")).await.response(200), json!([]));
    }
    assert_eq!(app.see("/search/channel/ilsa").await.response(200)[0]["nb_count"], 0);
}

#[actix_web::test]
async fn bytes_are_taken_from_who_announced_them_once() {
    let db = TestDb::create();
    let app = App::start(&db);
    let members = app.members().await;
    let hash = app.announce(&members.ann, "A walk", "").await;
    for stranger in [&members.bob, &members.house] {
        assert!(app.send(stranger, &hash, tiny()).await.response(403).is_string());
    }
    for unknown in ["zzzzzzz", "ABCDEFG", "abc", "abcdefgh", "abc%00efg"] {
        assert_eq!(app.send(&members.ann, unknown, tiny()).await.response(404), "video", "{unknown}");
    }
    assert_eq!(app.send(&members.ann, &hash, tiny()).await.response(200), "");
    for bytes in [tiny(), b"", b"text"] {
        assert_eq!(app.send(&members.ann, &hash, bytes).await.response(409), "already-uploaded");
    }
    assert_eq!(agreed(app.media_dir(), &mut db.connect()).len(), 2);
}

async fn of_eight_uploads_of_one_video_at_once_one_is_kept(home: Home) {
    let db = TestDb::create();
    let app = home.apply(patient(&db)).with("PLAYHOUSE_MEDIA__TOOL_DEADLINE_MS", "60000").start();
    let ilsa = app.member("ilsa").await;
    for _ in 0..2 {
        let hash = app.announce(&ilsa, "A walk", "").await;
        let films: Vec<Vec<u8>> = (0..8).map(|at| padded(tiny(), tiny().len() + 100 + at)).collect();
        let answers = join_all(films.iter().map(|film| app.send(&ilsa, &hash, film))).await;
        let kept: Vec<usize> = (0..8).filter(|at| answers[*at].status == 200).collect();
        assert_eq!(kept.len(), 1, "{kept:?}");
        for answer in answers.iter().filter(|answer| answer.status != 200) {
            assert_eq!(answer.response(409), "already-uploaded");
        }
        assert!(app.see(&format!("/video/d/{hash}")).await.bytes == films[kept[0]]);
    }
    assert_eq!(home.agreed(app.media_dir(), &mut db.connect()).len(), 4);
}

#[actix_web::test]
async fn an_upload_is_a_file_of_the_account_and_stays_while_the_video_does() {
    let db = TestDb::create();
    let app = App::start(&db);
    let members = app.members().await;
    app.share(&members.ann, "A walk", "").await;
    let files = app.get("/files", &members.ann).await.data(200);
    let films: Vec<&Value> = files.as_array().unwrap().iter().filter(|file| file["type"] == "video").collect();
    assert_eq!(films.len(), 1, "{files}");
    assert_eq!(films[0]["sha256"], sha256(tiny()));
    assert_eq!(films[0]["owner_id"], members.ann.id.as_str());
    assert_eq!(app.get("/files", &members.bob).await.data(200), json!([]), "another's files");
    for file in files.as_array().unwrap() {
        let path = format!("/files/{}", file["id"].as_str().unwrap());
        assert_eq!(app.delete(&path, &members.ann).await.status, 403);
        let refused = app.delete(&path, &members.house).await;
        assert_eq!(refused.status, 400);
        assert!(refused.json()["message"].as_str().unwrap().contains("video"), "{}", refused.json());
    }
    assert_eq!(agreed(app.media_dir(), &mut db.connect()).len(), 2);
}

async fn an_upload_over_the_limit_is_413_and_leaves_nothing(home: Home) {
    let db = TestDb::create();
    let limit = (tiny().len() + 50_000).to_string();
    let limited = home.plan(&db).with("PLAYHOUSE_MEDIA__MAX_UPLOAD_BYTES", &limit).start();
    let ilsa = limited.member("ilsa").await;
    let conn = &mut db.connect();
    let hash = limited.announce(&ilsa, "Too long", "").await;
    for larger in [60_000, 300_000] {
        let film = padded(tiny(), tiny().len() + larger);
        assert!(limited.send(&ilsa, &hash, &film).await.response(413).is_string());
        assert!(home.agreed(limited.media_dir(), conn).is_empty());
    }
    assert_eq!(limited.send(&ilsa, &hash, tiny()).await.response(200), "");
}

async fn an_upload_over_the_quota_is_413_and_leaves_nothing(home: Home) {
    let db = TestDb::create();
    let app = home.plan(&db).with("PLAYHOUSE_MEDIA__ACCOUNT_QUOTA_BYTES", "150000").start();
    let (ilsa, victor) = (app.member("ilsa").await, app.member("victor").await);
    let conn = &mut db.connect();
    let film = padded(tiny(), 100_000);
    let hash = app.announce(&ilsa, "It fits", "").await;
    assert_eq!(app.send(&ilsa, &hash, &film).await.response(200), "");
    let hash = app.announce(&ilsa, "It does not", "").await;
    assert!(app.send(&ilsa, &hash, &film).await.response(413).is_string());
    assert_eq!(home.agreed(app.media_dir(), conn).len(), 2);
    // Nothing follows the head: an answer is there before any of the body.
    for route in [format!("POST /upload/v/{hash} "), "PUT /channel/picture ".to_owned()] {
        let head = upload_head(&ilsa, 150_000 + 70_000).replace("POST /files ", &route);
        let mut stream = app.connect().await;
        stream.write_all(head.as_bytes()).await.expect("the head");
        assert_eq!(status(&mut stream).await, Some(413), "{route}");
    }
    // Each account has its own.
    let hash = app.announce(&victor, "It fits", "").await;
    assert_eq!(app.send(&victor, &hash, &film).await.response(200), "");
}
