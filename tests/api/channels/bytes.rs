//! The bytes of videos and thumbnails, for anyone. What every range and condition answers is told by
//! the tests of ranges; here, that these paths answer so too.

use reqwest::Method;

use crate::support::{
    app::{Answer, App},
    channels::tiny,
    home::{Home, on_both_stores},
    media::sha256,
    stores::TestDb,
};

const PUBLIC: &str = "public, max-age=31536000, immutable";

async fn ask(app: &App, method: Method, path: &str, headers: &[(&str, &str)]) -> Answer {
    let request = app.request(method, path, None);
    Answer::of(headers.iter().fold(request, |request, (name, value)| request.header(*name, *value))).await
}

on_both_stores! {
    a_video_comes_whole_in_part_and_not_again,
    a_thumbnail_is_public_and_comes_not_again,
}

async fn a_video_comes_whole_in_part_and_not_again(home: Home) {
    let db = TestDb::create();
    let app = home.plan(&db).start();
    let ilsa = app.member("ilsa").await;
    let path = format!("/video/d/{}", app.share(&ilsa, "A walk", "").await);
    let (film, length) = (tiny(), tiny().len());
    let etag = format!("\"{}\"", sha256(film));
    let whole = app.see(&path).await;
    assert!(whole.status == 200 && whole.bytes == film);
    for (name, value) in [
        ("content-type", "video/mp4"),
        ("accept-ranges", "bytes"),
        ("cache-control", PUBLIC),
        ("etag", &etag),
        ("x-content-type-options", "nosniff"),
        ("content-length", &length.to_string()),
    ] {
        assert_eq!(whole.header(name), Some(value), "{name}");
    }
    let modified = whole.header("last-modified").expect("Last-Modified").to_owned();
    let end = length - 10;
    for (range, from, to) in [
        ("bytes=0-0".to_owned(), 0, 0),
        ("bytes=5-99".to_owned(), 5, 99),
        (format!("bytes={end}-"), end, length - 1),
        ("bytes=-10".to_owned(), end, length - 1),
        ("bytes=0-99999999".to_owned(), 0, length - 1),
    ] {
        let part = ask(&app, Method::GET, &path, &[("range", &range)]).await;
        assert!(part.status == 206 && part.bytes == film[from..=to], "{range}");
        assert_eq!(part.header("content-range"), Some(format!("bytes {from}-{to}/{length}").as_str()));
        assert_eq!(part.header("cache-control"), Some(PUBLIC));
    }
    let beyond = ask(&app, Method::GET, &path, &[("range", &format!("bytes={length}-"))]).await;
    assert_eq!((beyond.status, beyond.header("content-range")), (416, Some(format!("bytes */{length}").as_str())));
    for condition in [("if-none-match", etag.as_str()), ("if-modified-since", &modified)] {
        let again = ask(&app, Method::GET, &path, &[condition]).await;
        assert_eq!((again.status, again.bytes.len()), (304, 0), "{condition:?}");
    }
    let changed = ask(&app, Method::GET, &path, &[("range", "bytes=0-9"), ("if-range", "\"another\"")]).await;
    assert!(changed.status == 200 && changed.bytes == film);
    let unmatched = ask(&app, Method::GET, &path, &[("if-match", "\"another\"")]).await;
    assert_eq!(unmatched.status, 412);
    let head = ask(&app, Method::HEAD, &path, &[]).await;
    assert_eq!((head.status, head.bytes.len()), (200, 0));
    assert_eq!(head.header("content-length"), Some(length.to_string().as_str()));
}

async fn a_thumbnail_is_public_and_comes_not_again(home: Home) {
    let db = TestDb::create();
    let app = home.plan(&db).start();
    let ilsa = app.member("ilsa").await;
    let path = format!("/thumbnails/{}", app.share(&ilsa, "A walk", "").await);
    let whole = app.see(&path).await;
    assert_eq!((whole.status, whole.header("cache-control")), (200, Some(PUBLIC)));
    let etag = whole.header("etag").expect("an ETag").to_owned();
    assert_eq!(etag, format!("\"{}\"", sha256(&whole.bytes)));
    assert_eq!(ask(&app, Method::GET, &path, &[("if-none-match", &etag)]).await.status, 304);
    assert!(app.see(&path).await.bytes == whole.bytes, "another frame each time");
}

#[actix_web::test]
async fn what_is_not_there_is_told_by_each_in_its_words() {
    let db = TestDb::create();
    let app = App::start(&db);
    app.member("ilsa").await;
    for hash in ["zzzzzzz", "ABCDEFG", "abc", "abcdefgh", "abc%00de", "%2e%2e%2fetc", "'", "%FF%FE"] {
        assert_eq!(app.see(&format!("/v/{hash}")).await.response(404), "video", "{hash}");
        assert_eq!(app.see(&format!("/video/d/{hash}")).await.response(400), "no-video", "{hash}");
        assert_eq!(app.see(&format!("/thumbnails/{hash}")).await.response(404), "no-thumbnails", "{hash}");
    }
}
