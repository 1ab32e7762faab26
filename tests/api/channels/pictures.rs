//! Pictures of channels: generated ones, and those that were set.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::json;

use crate::support::{
    app::{App, Plan, eventually},
    channels::{picture_facts, tiny},
    home::{Home, on_both_stores},
    media::{VTT, ffmpeg, noise, png},
    media_folder::agreed,
    stores::{TestDb, count},
};

#[actix_web::test]
async fn a_channel_without_a_picture_has_one_made_of_its_name() {
    let db = TestDb::create();
    let app = App::start(&db);
    app.members().await;
    let ann = app.see("/channel/picture/ann").await;
    assert_eq!((ann.status, ann.header("content-type")), (200, Some("image/png")));
    assert_eq!(picture_facts(&ann.bytes), "png,256,256");
    for name in ["ann", "ANN"] {
        assert!(app.see(&format!("/channel/picture/{name}")).await.bytes == ann.bytes, "{name}");
    }
    assert!(app.see("/channel/picture/bob").await.bytes != ann.bytes);
    assert_eq!(app.see("/channel/picture/nobody").await.response(404), "channel");
}

/// A JPEG with a comment in it.
fn commented(size: &str) -> Vec<u8> {
    let plain = ffmpeg(&["-f", "lavfi", "-i", &format!("testsrc2=size={size}"), "-frames:v", "1"], "jpg");
    let comment = [b"\xff\xfe\0\x08secret".as_slice()].concat();
    [&plain[..2], &comment, &plain[2..]].concat()
}

fn image(size: &str, extension: &str) -> Vec<u8> {
    ffmpeg(&["-f", "lavfi", "-i", &format!("testsrc2=size={size}"), "-frames:v", "1"], extension)
}

on_both_stores! {
    a_picture_that_is_set_comes_back_small_and_without_its_metadata,
    an_account_without_a_channel_gets_one_with_its_picture,
}

async fn a_picture_that_is_set_comes_back_small_and_without_its_metadata(home: Home) {
    let db = TestDb::create();
    let app = home.plan(&db).start();
    let members = app.members().await;
    let conn = &mut db.connect();
    let with_text = |bytes: &[u8]| bytes.windows(6).any(|word| word == b"secret");
    assert!(with_text(&commented("64x64")));
    for (bytes, sides) in [
        (commented("1000x600"), "512,307"),
        (image("800x1600", "png"), "256,512"),
        (image("700x700", "webp"), "512,512"),
        (image("80x40", "png"), "80,40"),
    ] {
        assert_eq!(app.set_picture(&members.ann, &bytes).await.response(200), "");
        let picture = app.see("/channel/picture/ANN").await;
        assert_eq!(picture.status, 200);
        let kind = picture.header("content-type").expect("a type").to_owned();
        assert!(kind.starts_with("image/"), "{kind}");
        let facts = picture_facts(&picture.bytes);
        assert!(facts.ends_with(sides), "{facts}");
        assert!(!with_text(&picture.bytes), "the comment is still in it");
        // Only the newest is kept.
        let alone = async || count(&mut db.connect(), "files") == 1;
        assert!(eventually(Duration::from_mins(1), alone).await);
        assert_eq!(home.agreed(app.media_dir(), conn).len(), 1);
    }
    // It is ann's alone.
    assert_eq!(picture_facts(&app.see("/channel/picture/bob").await.bytes), "png,256,256");
}

async fn an_account_without_a_channel_gets_one_with_its_picture(home: Home) {
    let db = TestDb::create();
    let app = home.plan(&db).start();
    app.member("house").await;
    let person = app.register().await;
    // Many at once make one channel, and the last of them is its picture.
    let answers = join_all((0..6).map(|_| app.set_picture(&person, png()))).await;
    for answer in answers {
        assert_eq!(answer.response(200), "");
    }
    let user = app.get(&format!("/users/{}", person.id), &person).await.data(200);
    let path = format!("/channel/picture/{}", user["username"].as_str().unwrap());
    assert_eq!(picture_facts(&app.see(&path).await.bytes), "webp,64,48");
    let only = async || home.look(app.media_dir()).stored.len() == 1;
    assert!(eventually(Duration::from_mins(1), only).await, "{:?}", home.look(app.media_dir()));
}

#[actix_web::test]
async fn what_is_no_image_is_refused_and_the_picture_stays() {
    let db = TestDb::create();
    let app = App::start(&db);
    let ann = app.member("ann").await;
    assert_eq!(app.set_picture(&ann, png()).await.response(200), "");
    let before = app.see("/channel/picture/ann").await.bytes;
    let torn = &png()[..png().len() / 4];
    let svg = b"<svg xmlns=\"http://www.w3.org/2000/svg\"><script>alert(1)</script></svg>";
    let sine = ffmpeg(&["-f", "lavfi", "-i", "sine=duration=1"], "wav");
    for (what, bytes) in [
        ("nothing", b"".as_slice()),
        ("text", b"Not an image."),
        ("subtitles", VTT),
        ("a video", tiny()),
        ("sound", &sine),
        ("SVG", svg),
        ("the head of an image", &torn[..40]),
    ] {
        let answer = app.set_picture(&ann, bytes).await;
        assert_eq!((answer.status, answer.response(400)), (400, json!("not-an-image")), "{what}");
        assert_eq!(agreed(app.media_dir(), &mut db.connect()).len(), 1, "{what}");
    }
    assert!(app.see("/channel/picture/ann").await.bytes == before);
}

#[actix_web::test]
async fn a_picture_over_the_limit_is_413() {
    let db = TestDb::create();
    let app = Plan::over(&db).with("PLAYHOUSE_CHANNELS__PICTURE_LIMIT_BYTES", "65536").start();
    let ann = app.member("ann").await;
    for length in [70_000, 1_000_000] {
        let bytes = [png(), &noise(length)].concat();
        assert!(app.set_picture(&ann, &bytes).await.response(413).is_string(), "{length}");
    }
    assert!(agreed(app.media_dir(), &mut db.connect()).is_empty());
    assert_eq!(app.set_picture(&ann, png()).await.response(200), "");
}
