//! Uploads that are refused, break off, stand still or come in masses.

use std::{pin::pin, time::Duration};

use bytes::Bytes;
use futures_util::{
    future::{Either, join_all, select},
    stream::{self, StreamExt as _},
};
use reqwest::{
    Body, Method,
    multipart::{Form, Part},
};
use tokio::io::AsyncWriteExt as _;

use crate::support::{
    app::{Answer, App, Plan},
    home::{Home, on_both_stores},
    load::{memory, my_turn, timed},
    media::{VTT, mp4, padded, padding, png},
    media_folder::{agreed, arriving},
    people::Person,
    raw::{BOUNDARY, multipart, status, upload_head},
    stores::TestDb,
};

async fn send(app: &App, person: &Person, kind: &str, body: Vec<u8>) -> Answer {
    let request = app.request(Method::POST, "/files", Some(person));
    Answer::of(request.header("content-type", kind).body(body)).await
}

fn kind() -> String {
    format!("multipart/form-data; boundary={BOUNDARY}")
}

#[actix_web::test]
async fn a_body_of_the_wrong_parts_is_refused_by_name() {
    let db = TestDb::create();
    let app = App::start(&db);
    let owner = app.register().await;
    let file: (&str, Option<&str>, &[u8]) = ("file", Some("a.png"), png());
    let long = "x".repeat(300);
    let (id, text): (&[u8], &[u8]) = (b"0190c0de-0000-7000-8000-000000000000", b"video");
    for (parts, field) in [
        (vec![("type", None, text)], "file"),
        (vec![], "file"),
        (vec![file, file], "file"),
        (vec![("type", None, text), ("type", None, text), file], "type"),
        (vec![file, ("owner_id", None, id)], "owner_id"),
        (vec![("id", None, id), file], "id"),
        (vec![("type", None, b"film".as_slice()), file], "type"),
        (vec![("type", None, long.as_bytes()), file], "type"),
    ] {
        let answer = send(&app, &owner, &kind(), multipart(&parts)).await;
        assert_eq!(answer.wrong_fields(), [field]);
    }
    assert_eq!(send(&app, &owner, &kind(), multipart(&[("file", Some("a"), b"")])).await.status, 415, "empty");
    assert!(agreed(app.media_dir(), &mut db.connect()).is_empty());
    let taken = send(&app, &owner, &kind(), multipart(&[("type", None, b"image"), file])).await;
    assert_eq!(taken.data(201)["type"], "image");
}

#[actix_web::test]
async fn a_body_that_is_no_whole_multipart_body_is_refused() {
    let db = TestDb::create();
    let app = App::start(&db);
    let owner = app.register().await;
    let whole = multipart(&[("file", Some("a.png"), png())]);
    let cut = whole[..whole.len() / 2].to_vec();
    let unended = whole[..whole.len() - BOUNDARY.len() - 6].to_vec();
    for (kind, body, expected) in [
        (kind(), cut, 400),
        (kind(), unended, 400),
        (kind(), b"no boundary in it".to_vec(), 400),
        (kind(), Vec::new(), 400),
        ("application/json".to_owned(), b"{}".to_vec(), 415),
        ("image/png".to_owned(), png().to_vec(), 415),
        ("application/x-www-form-urlencoded".to_owned(), b"file=x".to_vec(), 415),
        ("multipart/form-data".to_owned(), whole.clone(), 415),
    ] {
        let answer = send(&app, &owner, &kind, body).await;
        assert_eq!(answer.status, expected, "{kind}: {}", String::from_utf8_lossy(&answer.bytes));
    }
    assert!(agreed(app.media_dir(), &mut db.connect()).is_empty());
    assert_eq!(send(&app, &owner, &kind(), whole).await.status, 201);
}

on_both_stores! {
    a_length_over_the_limit_is_refused_before_a_byte_is_read,
    subtitles_have_a_limit_of_their_own,
    an_account_owns_no_more_than_its_quota,
    a_name_is_for_people_and_never_a_path,
    an_upload_that_breaks_off_leaves_nothing,
}

async fn a_length_over_the_limit_is_refused_before_a_byte_is_read(home: Home) {
    let db = TestDb::create();
    let app = home.plan(&db).with("PLAYHOUSE_MEDIA__MAX_UPLOAD_BYTES", "100000").start();
    let owner = app.register().await;
    for length in [200_000, u64::MAX] {
        let mut stream = app.connect().await;
        // Nothing follows the head: an answer is there before any of the body.
        stream.write_all(upload_head(&owner, length).as_bytes()).await.expect("the head");
        assert_eq!(status(&mut stream).await, Some(413), "{length}");
    }
    // Lengths that are no number of 64 bits.
    for length in ["18446744073709551616", "-1", "12x"] {
        let head = upload_head(&owner, 7).replace("Content-Length: 7", &format!("Content-Length: {length}"));
        let mut stream = app.connect().await;
        stream.write_all(head.as_bytes()).await.expect("the head");
        assert_eq!(status(&mut stream).await, Some(400), "{length}");
    }
    let exact = app.upload(&owner, "a.mp4", padded(mp4(), 100_000)).await;
    assert_eq!(exact.data(201)["size"], 100_000);
    assert_eq!(app.upload(&owner, "a.mp4", padded(mp4(), 100_001)).await.status, 413);
    // Without a length, the bytes are counted.
    let pieces = stream::iter([padded(mp4(), 90_000), vec![0; 90_000]].map(Ok::<_, std::io::Error>));
    let form = Form::new().part("file", Part::stream(Body::wrap_stream(pieces)).file_name("a.mp4"));
    let counted = Answer::of(app.request(Method::POST, "/files", Some(&owner)).multipart(form)).await;
    assert_eq!(counted.status, 413);
    assert_eq!(home.agreed(app.media_dir(), &mut db.connect()).len(), 1);
}

async fn subtitles_have_a_limit_of_their_own(home: Home) {
    let db = TestDb::create();
    let app = home.plan(&db).with("PLAYHOUSE_MEDIA__MAX_SUBTITLE_BYTES", "200000").start();
    let owner = app.register().await;
    let text = |length: usize| [b"WEBVTT\n\n", "é".repeat(length / 2).as_bytes()].concat();
    assert_eq!(app.upload(&owner, "a.vtt", text(199_990)).await.data(201)["type"], "subtitle");
    assert_eq!(app.upload(&owner, "a.vtt", text(200_000)).await.status, 413);
    let cut_off = [text(150_000), vec![0xc3]].concat();
    assert_eq!(app.upload(&owner, "a.vtt", cut_off).await.status, 415, "text that ends within a character");
    assert_eq!(home.agreed(app.media_dir(), &mut db.connect()).len(), 1);
}

async fn an_account_owns_no_more_than_its_quota(home: Home) {
    let db = TestDb::create();
    let quota = 2 * mp4().len() + 10;
    let app = home.plan(&db).with("PLAYHOUSE_MEDIA__ACCOUNT_QUOTA_BYTES", &quota.to_string()).start();
    let people = app.people().await;
    let first = app.upload(&people.editor, "a.mp4", mp4().to_vec()).await.id();
    // All at once: one of them fits.
    let racing = join_all((0..4).map(|_| app.upload(&people.editor, "b.mp4", mp4().to_vec()))).await;
    let mut statuses: Vec<u16> = racing.iter().map(|answer| answer.status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 413, 413, 413]);
    // Nothing follows the head: an answer is there before any of the body.
    let mut stream = app.connect().await;
    let larger = u64::try_from(quota).expect("a length") + 70_000;
    stream.write_all(upload_head(&people.owner, larger).as_bytes()).await.expect("the head");
    assert_eq!(status(&mut stream).await, Some(413));
    assert_eq!(app.upload(&people.owner, "c.mp4", mp4().to_vec()).await.status, 201, "another account has its own");
    app.delete(&format!("/files/{first}"), &people.editor).await.data(200).as_null();
    assert_eq!(app.upload(&people.editor, "d.mp4", mp4().to_vec()).await.status, 201, "what goes makes room");
    assert_eq!(home.agreed(app.media_dir(), &mut db.connect()).len(), 3);
}

async fn a_name_is_for_people_and_never_a_path(home: Home) {
    let db = TestDb::create();
    let app = home.plan(&db).start();
    let owner = app.register().await;
    let long = format!("{}.vtt", "n".repeat(400));
    for (sent, kept) in [
        ("../../../etc/passwd", "passwd"),
        ("/etc/passwd", "passwd"),
        // In quotes, a backslash is written twice.
        (r"..\\..\\boot.ini", "boot.ini"),
        ("C:/films/a b.vtt", "a b.vtt"),
        ("tab\tnext\u{85}line.vtt", "tabnextline.vtt"),
        ("фильм – 映画 🎬.vtt", "фильм – 映画 🎬.vtt"),
        ("..", ".."),
        ("a/", "unnamed"),
        ("", "unnamed"),
        (&long, &long[..255]),
    ] {
        let answer = send(&app, &owner, &kind(), multipart(&[("file", Some(sent), VTT)])).await;
        assert_eq!(answer.data(201)["original_name"], kept, "{sent:?}");
    }
    for control in ["bell\u{7}.vtt", "nul\0.vtt", "line\nbreak.vtt"] {
        let refused = send(&app, &owner, &kind(), multipart(&[("file", Some(control), VTT)])).await;
        assert_eq!(refused.status, 400, "{control:?} cannot stand in a header");
    }
    let unnamed = send(&app, &owner, &kind(), multipart(&[("file", None, VTT)])).await;
    assert_eq!(unnamed.data(201)["original_name"], "unnamed");
    home.agreed(app.media_dir(), &mut db.connect());
}

async fn an_upload_that_breaks_off_leaves_nothing(home: Home) {
    let db = TestDb::create();
    let app = home.plan(&db).start();
    let owner = app.register().await;
    let (stream, _rest) = app.half_upload(&owner, &padded(mp4(), 3_000_000)).await;
    arriving(app.media_dir()).await;
    drop(stream);
    assert!(home.agreed(app.media_dir(), &mut db.connect()).is_empty());
    // One side only: the server may still answer, and keeps nothing either.
    let (mut stream, _rest) = app.half_upload(&owner, &padded(mp4(), 3_000_000)).await;
    arriving(app.media_dir()).await;
    stream.shutdown().await.expect("the end");
    assert_ne!(status(&mut stream).await, Some(201));
    assert!(home.agreed(app.media_dir(), &mut db.connect()).is_empty());
}

#[actix_web::test]
async fn a_sender_that_pauses_too_long_gets_408() {
    let db = TestDb::create();
    let app = Plan::over(&db).with("PLAYHOUSE_HTTP__UPLOAD_IDLE_TIMEOUT_MS", "400").start();
    let owner = app.register().await;
    let (mut stream, _rest) = app.half_upload(&owner, &padded(mp4(), 1_000_000)).await;
    let (answer, took) = timed(status(&mut stream)).await;
    assert_eq!(answer, Some(408));
    assert!(took >= Duration::from_millis(300), "{took:?}: not before its time");
    assert!(agreed(app.media_dir(), &mut db.connect()).is_empty());
    // Who goes on in time is served, however long it takes in all.
    let (mut stream, rest) = app.half_upload(&owner, &padded(mp4(), 1_000_000)).await;
    for piece in rest.chunks(rest.len() / 6 + 1) {
        tokio::time::sleep(Duration::from_millis(100)).await;
        stream.write_all(piece).await.expect("a piece");
    }
    assert_eq!(status(&mut stream).await, Some(201));
}

#[actix_web::test]
async fn a_sender_that_drips_gets_408() {
    let db = TestDb::create();
    let app = Plan::over(&db).with("PLAYHOUSE_HTTP__UPLOAD_IDLE_TIMEOUT_MS", "1000").start();
    let owner = app.register().await;
    let (stream, rest) = app.half_upload(&owner, &padded(mp4(), 1_000_000)).await;
    let (mut answer, mut body) = stream.into_split();
    // Each byte comes long before its time is over; all together are too few.
    let dripping = async {
        for byte in rest.chunks(1).take(200) {
            tokio::time::sleep(Duration::from_millis(50)).await;
            body.write_all(byte).await.expect("a byte");
        }
    };
    let answered = pin!(status(&mut answer));
    match select(answered, pin!(dripping)).await {
        Either::Left((status, _)) => assert_eq!(status, Some(408)),
        Either::Right(_) => panic!("it drips for ever"),
    }
    assert!(agreed(app.media_dir(), &mut db.connect()).is_empty());
}

#[actix_web::test]
async fn sixteen_large_uploads_at_once_take_little_memory() {
    const LENGTH: usize = 100 * 1024 * 1024;
    let _turn = my_turn().await;
    let db = TestDb::create();
    let app = App::start(&db);
    let owner = app.register().await;
    // Whatever the first upload makes once and for all.
    app.upload(&owner, "first.mp4", mp4().to_vec()).await.id();
    let before = memory(app.pid(), "VmRSS");
    let client = reqwest::Client::builder().timeout(Duration::from_mins(5)).build().expect("a client");
    let uploads = (0..16).map(|_| {
        let part =
            Part::stream_with_length(Body::wrap_stream(long_film(LENGTH)), u64::try_from(LENGTH).expect("a length"))
                .file_name("long.mp4");
        let request = client.post(app.url("/files")).bearer_auth(&owner.token);
        Answer::of(request.multipart(Form::new().part("file", part)))
    });
    let sizes: Vec<_> = join_all(uploads).await.iter().map(|answer| answer.data(201)["size"].clone()).collect();
    assert!(sizes.iter().all(|size| *size == LENGTH), "{sizes:?}");
    let more = memory(app.pid(), "VmHWM").saturating_sub(before) / 1024 / 1024;
    eprintln!("16 uploads of 100 MB took {more} MB more");
    assert!(more < 64, "{more} MB more");
    assert_eq!(agreed(app.media_dir(), &mut db.connect()).len(), 17);
}

/// A film of so many bytes, made as it is sent.
fn long_film(length: usize) -> impl stream::Stream<Item = std::io::Result<Bytes>> {
    let rest = length - mp4().len();
    let zeros = Bytes::from(vec![0; 65536]);
    let left = rest - 8;
    let pieces = (0..left.div_ceil(zeros.len())).map(move |n| zeros.slice(..zeros.len().min(left - n * zeros.len())));
    stream::iter([Bytes::from_static(mp4()), padding(rest).into()]).chain(stream::iter(pieces)).map(Ok)
}
