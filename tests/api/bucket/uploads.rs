//! Uploads: what becomes of them where the bucket fails or the client goes, and what an object is told to be.

use std::time::Duration;

use bytes::Bytes;
use futures_util::{future::join_all, stream};
use hyper::http::request::Parts;
use reqwest::{
    Body, Method,
    multipart::{Form, Part},
};
use socket2::SockRef;
use tokio::io::AsyncWriteExt as _;

use super::{House, IMPATIENT, SMALL_PARTS, Settings, TRIES, house, is_away, two_parts, ways_to_be_away};
use crate::support::{
    app::{Answer, eventually},
    load::{memory, my_turn},
    media::{VTT, mp4, padded, png, sha256},
    raw::{multipart, upload_head},
    s3::{
        Bucket, Fault,
        faults::{parts, writes},
    },
};

const MEGABYTE: usize = 1024 * 1024;

async fn upload(house: &House, bytes: &[u8]) -> Answer {
    house.app.upload(&house.owner, "a.mp4", bytes.to_vec()).await
}

#[actix_web::test]
async fn an_object_is_told_its_hash_its_type_and_its_name_and_no_key_is_anybodys_word() {
    let house = house(&[SMALL_PARTS, &[("PLAYHOUSE_STORAGE__PREFIX", "media/of-")]]).await;
    let long = format!("{}.vtt", "ф".repeat(251));
    for (name, bytes, kind, told) in [
        ("../Ein Lächeln.png", png().to_vec(), "image/png", "Ein%20L%C3%A4cheln%2Epng".to_owned()),
        ("a b.mp4", two_parts(), "video/mp4", "a%20b%2Emp4".to_owned()),
        // S3 takes no more than 2 KB of what is told.
        (&*long, VTT.to_vec(), "text/vtt; charset=utf-8", "%D1%84".repeat(250)),
    ] {
        let file = house.app.upload(&house.owner, name, bytes.clone()).await.data(201);
        let key = format!("media/of-{}", file["id"].as_str().expect("an id"));
        assert_eq!(house.bucket().content_type(&key).as_deref(), Some(kind));
        let told = [("name".to_owned(), told), ("sha256".to_owned(), sha256(&bytes))];
        assert_eq!(house.bucket().metadata(&key), told.into());
        assert!(house.bucket().read(&key) == bytes);
        let path = format!("/media/{}", file["id"].as_str().expect("an id"));
        let answer = house.app.get(&path, &house.owner).await;
        assert!(answer.bytes == bytes && answer.header("content-type") == Some(kind));
    }
    let keys = house.bucket().objects();
    assert_eq!(keys.len(), 3);
    for key in keys.keys() {
        assert!(key.strip_prefix("media/of-").is_some_and(|id| uuid::Uuid::parse_str(id).is_ok()), "{key}");
    }
}

/// What was sent to a bucket that failed is nowhere, once the bucket is back.
async fn leaves_nothing(house: &House, what: &str) {
    assert_eq!(house.app.get("/files", &house.owner).await.json()["pagination"]["total"], 0, "{what}");
    house.bucket().heal();
    assert_eq!(house.agreed(), 0, "{what}");
}

#[actix_web::test]
async fn an_upload_while_the_bucket_fails_is_503_and_leaves_nothing() {
    let house = house(&[IMPATIENT, SMALL_PARTS]).await;
    for fault in ways_to_be_away() {
        for bytes in [mp4().to_vec(), two_parts()] {
            let what = format!("{} bytes, {fault:?}", bytes.len());
            house.bucket().fail(fault.clone());
            is_away(&upload(&house, &bytes).await);
            let sent = house.bucket().requests_of(&Method::PUT) + house.bucket().requests_of(&Method::POST);
            assert!(sent <= TRIES, "{what}: {sent} tries");
            leaves_nothing(&house, &what).await;
        }
    }
    // What comes after the beginning: the parts, and their end.
    for fault in [Fault::Status(500), Fault::Hang] {
        for amid in [parts, is_completion] {
            house.bucket().fail_where(amid, fault.clone());
            is_away(&upload(&house, &two_parts()).await);
            leaves_nothing(&house, &format!("amid the parts, {fault:?}")).await;
        }
    }
    upload(&house, &two_parts()).await.id();
    assert_eq!(house.agreed(), 1);
}

fn is_completion(request: &Parts) -> bool {
    request.method == Method::POST && request.uri.query().is_some_and(|query| query.contains("uploadId="))
}

#[actix_web::test]
async fn an_upload_whose_answers_are_lost_is_there_as_told_or_not_at_all() {
    let house = house(&[SMALL_PARTS]).await;
    for bytes in [mp4().to_vec(), two_parts()] {
        house.bucket().fail_where(writes, Fault::FirstOnly(1, Box::new(Fault::Lost)));
        assert_eq!(upload(&house, &bytes).await.status, 201, "it is sent again");
        house
            .bucket()
            .fail_where(|request| parts(request) || !writes(request), Fault::FirstOnly(1, Box::new(Fault::Lost)));
        assert_eq!(upload(&house, &bytes).await.status, 201, "it is sent again");
    }
    let before = house.home.agreed(house.app.media_dir(), &mut house.db.connect());
    // The object is made, and nobody says so.
    for bytes in [mp4().to_vec(), two_parts()] {
        house.bucket().fail_where(|request| !parts(request) && !is_beginning(request), Fault::Lost);
        is_away(&upload(&house, &bytes).await);
        house.bucket().heal();
        assert_eq!(house.home.agreed(house.app.media_dir(), &mut house.db.connect()), before);
    }
}

fn is_beginning(request: &Parts) -> bool {
    request.method == Method::POST && !is_completion(request)
}

#[actix_web::test]
async fn with_wrong_keys_there_is_one_try_and_nothing_is_kept() {
    let house = house(&[SMALL_PARTS]).await;
    let kept = upload(&house, mp4()).await.id();
    let stranger = house.plan.clone().with("PLAYHOUSE_STORAGE__SECRET_ACCESS_KEY", "play it again, Sam").start();
    for bytes in [mp4().to_vec(), two_parts()] {
        house.bucket().reset();
        is_away(&stranger.upload(&house.owner, "a.mp4", bytes).await);
        assert_eq!(house.bucket().requests_of(&Method::PUT) + house.bucket().requests_of(&Method::POST), 1);
    }
    house.bucket().reset();
    is_away(&stranger.get(&format!("/media/{kept}"), &house.owner).await);
    assert_eq!(house.bucket().requests_of(&Method::GET), 1);
    assert_eq!(stranger.request(Method::GET, "/readyz", None).send().await.unwrap().status(), 503);
    assert_eq!(house.bucket().objects().keys().collect::<Vec<_>>(), [&kept]);
    // What it could not take back, the next one does.
    drop(stranger);
    let _next = house.plan.start();
    assert_eq!(house.agreed(), 1);
}

#[actix_web::test]
async fn whoever_waits_for_others_parts_waits_as_long_as_they_arrive() {
    let one_at_a_time: Settings =
        &[("PLAYHOUSE_STORAGE__PARALLEL_PARTS", "1"), ("PLAYHOUSE_STORAGE__TIMEOUT_MS", "5000")];
    let house = house(&[one_at_a_time]).await;
    house.bucket().fail_where(writes, Fault::After(Duration::from_millis(800)));
    // The last one waits for nine others, far longer than one request may take.
    let sent = futures_util::future::join_all((0..10).map(|_| upload(&house, VTT))).await;
    let statuses: Vec<u16> = sent.iter().map(|answer| answer.status).collect();
    assert_eq!(statuses, [201; 10]);
    house.bucket().heal();
    assert_eq!(house.agreed(), 10);
}

type Matches = fn(&Parts) -> bool;

/// How a client goes.
#[derive(Debug, Clone, Copy)]
enum Going {
    /// It says goodbye.
    Politely,
    /// Its machine says that there is no such connection.
    Abruptly,
}

/// Uploads `bytes` and goes when the bucket has been asked for so much.
async fn go_away_amid(house: &House, bytes: &[u8], going: Going, is_time: impl Fn(&Bucket) -> bool) {
    let body = multipart(&[("file", Some("a.mp4"), bytes)]);
    let mut stream = house.app.connect().await;
    let head = upload_head(&house.owner, u64::try_from(body.len()).expect("a length"));
    stream.write_all(head.as_bytes()).await.expect("the head");
    stream.write_all(&body).await.expect("the body");
    let amid = eventually(Duration::from_secs(20), async || is_time(house.bucket())).await;
    assert!(amid, "{going:?}: the bucket is not asked");
    if matches!(going, Going::Abruptly) {
        SockRef::from(&stream).set_linger(Some(Duration::ZERO)).expect("an option");
    }
    drop(stream);
}

#[actix_web::test]
async fn of_a_client_that_goes_amid_the_transfer_nothing_is_kept_by_halves_once_the_bucket_is_well() {
    let house = house(&[SMALL_PARTS]).await;
    let film = two_parts();
    for going in [Going::Politely, Going::Abruptly] {
        // The whole of a small film, the beginning, a part, the end.
        let moments: [(&[u8], Matches, usize); 4] =
            [(mp4(), writes, 1), (&film, is_beginning, 1), (&film, parts, 2), (&film, is_completion, 4)];
        let both = |moment| [(moment, Fault::Hang), (moment, Fault::Late)];
        for ((bytes, matches, asked), fault) in moments.into_iter().flat_map(both) {
            let what = format!("{going:?} at the request {asked} of {} bytes, {fault:?}", bytes.len());
            house.bucket().fail_where(matches, fault);
            go_away_amid(&house, bytes, going, |bucket| bucket.requests() >= asked).await;
            tokio::time::sleep(Duration::from_millis(200)).await;
            house.bucket().heal();
            match going {
                // It sends no more, but may be listening.
                Going::Politely => is_kept_whole_and_goes(&house, bytes, &what).await,
                Going::Abruptly => assert_eq!(house.agreed(), 0, "{what}"),
            }
        }
    }
    upload(&house, &film).await.id();
    assert_eq!(house.agreed(), 1);
}

async fn is_kept_whole_and_goes(house: &House, bytes: &[u8], what: &str) {
    let kept = async || house.bucket().objects().len() == 1 && house.agreed() == 1;
    assert!(eventually(Duration::from_secs(20), kept).await, "{what}");
    let id = house.bucket().objects().into_keys().next().expect("an object");
    assert!(house.ask(Method::GET, &id, &[]).await.bytes == bytes, "{what}");
    house.app.delete(&format!("/files/{id}"), &house.owner).await.data(200);
    assert_eq!(house.agreed(), 0, "{what}");
}

#[actix_web::test]
async fn sixteen_uploads_in_parts_at_once_take_little_memory() {
    const LENGTH: usize = 30 * MEGABYTE;
    let _turn = my_turn().await;
    let house = house(&[]).await;
    // Whatever the first upload makes once and for all.
    upload(&house, &two_parts()).await.id();
    let before = memory(house.app.pid(), "VmRSS");
    let client = reqwest::Client::builder().timeout(Duration::from_mins(5)).build().expect("a client");
    let film = Bytes::from(padded(mp4(), LENGTH));
    let uploads = (0..16).map(|_| {
        let pieces: Vec<_> = (0..LENGTH).step_by(65536).map(|at| film.slice(at..LENGTH.min(at + 65536))).collect();
        let body = Body::wrap_stream(stream::iter(pieces.into_iter().map(Ok::<_, std::io::Error>)));
        let part = Part::stream_with_length(body, u64::try_from(LENGTH).expect("a length")).file_name("long.mp4");
        let request = client.post(house.app.url("/files")).bearer_auth(&house.owner.token);
        Answer::of(request.multipart(Form::new().part("file", part)))
    });
    let sizes: Vec<_> = join_all(uploads).await.iter().map(|answer| answer.data(201)["size"].clone()).collect();
    assert!(sizes.iter().all(|size| *size == LENGTH), "{sizes:?}");
    let more = memory(house.app.pid(), "VmHWM").saturating_sub(before) / 1024 / 1024;
    eprintln!("16 uploads of 30 MB into a bucket took {more} MB more");
    // Four parts of 8 MiB, and what is given back a little later than it could be; not thirty-two.
    assert!(more < 96, "{more} MB more");
    assert_eq!(house.agreed(), 17);
}
