//! Reading: what is asked of the bucket, and what a reader gets where it fails before or amid the bytes.

use std::time::Duration;

use diesel::{RunQueryDsl as _, sql_query};
use reqwest::Method;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpSocket, TcpStream},
};

use super::{House, IMPATIENT, TRIES, house, is_away, ways_to_be_away};
use crate::support::{
    app::{Answer, eventually},
    channels::tiny,
    load::{memory, my_turn, timed, unread},
    media::{mp4, noise, png, sha256},
    s3::{
        Fault,
        faults::{parts, reads},
    },
};

const MEGABYTE: u64 = 1024 * 1024;

#[actix_web::test]
async fn one_range_is_one_request_and_what_needs_no_bytes_is_none() {
    let house = house(&[]).await;
    let bytes = noise(1_000_000);
    let id = house.put(&bytes).await;
    let tag = format!("\"{}\"", sha256(&bytes));
    let get = Method::GET;
    for (method, header, status, requests) in [
        (&get, ("accept", "*/*"), 200, 1),
        (&get, ("range", "bytes=0-0"), 206, 1),
        (&get, ("range", "bytes=100000-900000"), 206, 1),
        (&get, ("range", "bytes=-500"), 206, 1),
        (&get, ("range", "bytes=0-1,5-9"), 200, 1),
        (&get, ("range", "bytes=1000000-"), 416, 0),
        (&get, ("if-none-match", &tag), 304, 0),
        (&get, ("if-match", "\"another\""), 412, 0),
        (&Method::HEAD, ("accept", "*/*"), 200, 0),
    ] {
        house.bucket().reset();
        let answer = house.ask(method.clone(), &id, &[header]).await;
        assert_eq!(answer.status, status, "{method} {header:?}");
        assert_eq!(house.bucket().requests_of(&get), requests, "{method} {header:?}");
        assert_eq!(house.bucket().requests(), requests, "{method} {header:?}");
    }
}

async fn asks(house: &House, id: &str) -> TcpStream {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(4096).expect("a small buffer");
    let mut stream = socket.connect(house.app.address().parse().expect("an address")).await.expect("a connection");
    let token = &house.owner.token;
    let request = format!("GET /media/{id} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.expect("the request");
    stream
}

#[actix_web::test]
async fn a_large_object_takes_little_memory_however_slowly_it_is_read() {
    const LENGTH: u64 = 300 * MEGABYTE;
    let _turn = my_turn().await;
    let house = house(&[]).await;
    let id = house.put(mp4()).await;
    house.bucket().stretch(&id, LENGTH);
    sql_query(format!("UPDATE files SET size = {LENGTH}")).execute(&mut house.db.connect()).expect("a row");
    let before = memory(house.app.pid(), "VmRSS");
    let mut stream = asks(&house, &id).await;
    let mut piece = vec![0; 64 * 1024];
    let mut read = 0;
    for _ in 0..40 {
        tokio::time::sleep(Duration::from_millis(50)).await;
        read += stream.read(&mut piece).await.expect("bytes");
    }
    assert!(read < 8 * 1024 * 1024, "{read} bytes are no slow reader's");
    let slow = memory(house.app.pid(), "VmHWM").saturating_sub(before) / MEGABYTE;
    // Who goes away lets go of the bucket, which has hundreds of megabytes left.
    let connections = || unread(house.bucket().endpoint().trim_start_matches("http://"));
    assert_eq!(connections().len(), 1);
    drop(stream);
    assert!(eventually(Duration::from_secs(20), async || connections().is_empty()).await, "{:?}", connections());

    let mut whole = house.app.request(Method::GET, &format!("/media/{id}"), Some(&house.owner)).send().await.unwrap();
    assert_eq!(whole.content_length(), Some(LENGTH));
    let mut given = 0;
    while let Some(chunk) = whole.chunk().await.expect("bytes") {
        given += u64::try_from(chunk.len()).expect("a length");
    }
    assert_eq!(given, LENGTH);
    let fast = memory(house.app.pid(), "VmHWM").saturating_sub(before) / MEGABYTE;
    eprintln!("300 MB out of a bucket took {slow} MB more for a slow reader, {fast} MB for a fast one");
    assert!(fast < 64, "{fast} MB more");
}

/// What came before the connection ended, and whether it ended too early.
async fn read_to_the_end(house: &House, id: &str, range: Option<&str>) -> (Option<u64>, Vec<u8>, bool) {
    let request = house.app.request(Method::GET, &format!("/media/{id}"), Some(&house.owner));
    let request = range.into_iter().fold(request, |request, range| request.header("range", range));
    // A head whose body has broken off already does not come at all.
    let Ok(mut answer) = request.send().await else { return (None, Vec::new(), true) };
    assert_eq!(answer.status(), if range.is_some() { 206 } else { 200 });
    let (length, mut bytes) = (answer.content_length(), Vec::new());
    loop {
        match answer.chunk().await {
            Ok(Some(chunk)) => bytes.extend_from_slice(&chunk),
            Ok(None) => return (length, bytes, false),
            Err(_) => return (length, bytes, true),
        }
    }
}

#[actix_web::test]
async fn a_body_that_comes_short_ends_the_connection_and_is_never_taken_for_whole() {
    let house = house(&[IMPATIENT]).await;
    let bytes = noise(3_000_000);
    let (large, small) = (house.put(&bytes).await, house.put(&bytes[..1000]).await);
    for fault in [Fault::HalfBody, Fault::ShortBody, Fault::Stall] {
        house.bucket().fail_where(reads, fault.clone());
        for (id, range, part) in [
            (&large, None, 0..3_000_000),
            (&large, Some("bytes=1000000-2999999"), 1_000_000..3_000_000),
            (&small, None, 0..1000),
            (&small, Some("bytes=100-299"), 100..300),
        ] {
            house.bucket().reset();
            let (length, came, broke) = read_to_the_end(&house, id, range).await;
            let whole = u64::try_from(part.len()).unwrap();
            assert!(length.is_none_or(|length| length == whole), "{fault:?} {range:?}: {length:?}");
            assert!(broke && came.len() < part.len(), "{fault:?} {range:?}: {} bytes, {broke}", came.len());
            assert!(*id == small || !came.is_empty(), "{fault:?} {range:?}: nothing of much comes");
            assert!(bytes[part].starts_with(&came), "{fault:?} {range:?}: other bytes");
            assert_eq!(house.bucket().requests(), 1, "{fault:?}: nothing is asked for again once bytes went out");
        }
        // A single byte has no half: nothing went out, so it is asked for again.
        house.bucket().fail_where(reads, Fault::FirstOnly(2, Box::new(fault.clone())));
        let one = house.ask(Method::GET, &small, &[("range", "bytes=5-5")]).await;
        assert_eq!((one.status, one.bytes.as_slice()), (206, &bytes[5..6]), "{fault:?}");
        assert_eq!(house.bucket().requests(), 3, "{fault:?}");
    }
    house.bucket().heal();
    assert!(house.ask(Method::GET, &large, &[]).await.bytes == bytes);
}

#[actix_web::test]
async fn what_fails_before_the_first_byte_is_tried_again_and_not_for_ever() {
    let house = house(&[IMPATIENT]).await;
    let bytes = noise(100_000);
    let id = house.put(&bytes).await;
    let form = reqwest::multipart::Form::new().part("file", reqwest::multipart::Part::bytes(png()).file_name("a.png"));
    let image = Answer::of(house.app.request(Method::POST, "/images", Some(&house.owner)).multipart(form)).await;
    assert_eq!(image.status, 201, "{}", String::from_utf8_lossy(&image.bytes));
    let image = format!("/images/{}", image.json()["id"].as_str().expect("an id"));
    let film = format!("/video/d/{}", house.app.share(&house.owner, "A walk", "").await);
    for fault in ways_to_be_away() {
        house.bucket().fail_where(reads, Fault::FirstOnly(TRIES - 1, Box::new(fault.clone())));
        let answer = house.ask(Method::GET, &id, &[("range", "bytes=5-99")]).await;
        assert!(answer.status == 206 && answer.bytes == bytes[5..100], "{fault:?}: {}", answer.status);
        assert_eq!(house.bucket().requests(), TRIES, "{fault:?}");

        house.bucket().fail_where(reads, fault.clone());
        is_away(&house.ask(Method::GET, &id, &[]).await);
        assert_eq!(house.bucket().requests(), TRIES, "{fault:?}");
        let refused = house.app.get(&image, &house.owner).await;
        assert_eq!(refused.status, 500, "{fault:?}");
        assert_eq!(refused.json(), serde_json::json!({"error": "The service is temporarily unavailable"}), "{fault:?}");
        let refused = house.see(&film).await;
        assert_eq!(refused.response(503), "The service is temporarily unavailable", "{fault:?}");
        // The bucket is not asked for what needs no bytes.
        assert_eq!(house.ask(Method::HEAD, &id, &[]).await.status, 200, "{fault:?}");
    }
    house.bucket().heal();
    assert!(house.app.get(&image, &house.owner).await.bytes == png());
    assert!(house.see(&film).await.bytes == tiny());
}

#[actix_web::test]
async fn an_object_that_is_gone_or_shorter_than_its_row_is_our_fault_and_never_half_a_file() {
    let house = house(&[]).await;
    let bytes = noise(10_000);
    let (gone, cut) = (house.put(&bytes).await, house.put(&bytes).await);
    house.bucket().remove(&gone);
    house.bucket().write(&cut, &bytes[..5000]);
    house.bucket().reset();
    assert_eq!(house.ask(Method::GET, &gone, &[]).await.status, 500);
    assert_eq!(house.bucket().requests(), 1, "what is not there is not asked for again");
    let answer = house.ask(Method::GET, &cut, &[]).await;
    assert!(answer.status >= 500, "{}", answer.status);
    let answer = house.ask(Method::GET, &cut, &[("range", "bytes=4000-5999")]).await;
    assert!(answer.status >= 500, "{}", answer.status);
    let answer = house.ask(Method::GET, &cut, &[("range", "bytes=4000-4999")]).await;
    assert!(answer.status == 206 && answer.bytes == bytes[4000..5000], "what is there is given");
}

#[actix_web::test]
async fn what_was_removed_while_it_was_held_open_is_not_there() {
    let house = house(&[]).await;
    let bytes = noise(1000);
    let id = house.put(&bytes).await;
    assert!(house.ask(Method::GET, &id, &[]).await.bytes == bytes);
    // By another node, of which this one has not heard yet.
    let removed = diesel::sql_query(format!("DELETE FROM files WHERE id = '{id}'"));
    diesel::RunQueryDsl::execute(removed, &mut house.db.connect()).expect("its row goes");
    house.bucket().remove(&id);
    assert_eq!(house.ask(Method::GET, &id, &[]).await.status, 404);
}

#[actix_web::test]
async fn a_bucket_that_is_slow_but_not_silent_is_waited_for() {
    let house = house(&[IMPATIENT]).await;
    let bytes = noise(1_000_000);
    let id = house.put(&bytes).await;
    // In pieces of 4096 bytes, so one comes every few milliseconds; all of them take far longer than one may.
    house.bucket().fail_where(|request| !parts(request), Fault::Slow(1_000_000));
    let (answer, took) = timed(house.ask(Method::GET, &id, &[])).await;
    assert!(answer.status == 200 && answer.bytes == bytes);
    assert!(took > Duration::from_millis(900), "{took:?}");
    assert_eq!(house.bucket().requests(), 1);
}
