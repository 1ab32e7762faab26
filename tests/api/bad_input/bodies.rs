//! Bodies: no JSON, no object, of another type, too large; uploads that are none.

use reqwest::Method;
use serde_json::json;

use super::{House, clear, digest};
use crate::support::{
    app::Answer,
    channels::tiny,
    media::{VTT, mp4, png},
};

#[actix_web::test]
async fn a_body_that_is_no_json_object_is_400_on_every_route() {
    let house = House::new().await;
    let before = digest(&house.db);
    let deep = |open: &str, close: &str| format!("{}{}", open.repeat(10_000), close.repeat(10_000));
    let mut bodies: Vec<Vec<u8>> = [
        "",
        " ",
        "{",
        "}",
        "[]",
        "[{}]",
        "null",
        "true",
        "0",
        "-1",
        "\"x\"",
        "NaN",
        "{}{}",
        "{} x",
        "{a:1}",
        "{'a':1}",
        "{\"a\":}",
        "{\"a\" 1}",
        "{\"a\":1,}",
        "<xml/>",
        "a=b&c=d",
        "// x\n{}",
        "{\"name\":1e400}",
        "{\"name\":-1e400}",
        "{\"name\":\"\\ud800\"}",
        "{\"name\":\"\\udc00\\ud800\"}",
        "{\"name\":\"\\x\"}",
        "{\"name\":\"\\u12\"}",
        "{\"name\":01}",
        "{\"name\":+1}",
        "{\"name\":.5}",
        "{\"name\":Infinity}",
        "{\"name\":\"a\nb\"}",
    ]
    .iter()
    .map(|text| text.as_bytes().to_vec())
    .collect();
    bodies.extend([
        deep("[", "]").into_bytes(),
        deep("{\"a\":", "}").into_bytes(),
        format!("{{\"name\":{}}}", deep("[", "]")).into_bytes(),
        b"{\"name\":\"\xff\xfe\"}".to_vec(),
        b"{\"name\":\"\xed\xa0\x80\"}".to_vec(),
        b"{\"\xff\":1}".to_vec(),
        b"\xef\xbb\xbf{}".to_vec(),
        b"{\"name\":\"a\0b\"}".to_vec(),
        b"\x1f\x8b\x08\0\0\0\0\0".to_vec(),
    ]);
    for (method, path, _) in house.json_routes().await {
        for body in &bodies {
            let shown: String = String::from_utf8_lossy(body).chars().take(40).collect();
            let what = format!("{method} {path} {shown:?}");
            let answer = house.send(&method, &path, body.clone()).await;
            clear(&answer, &what);
            assert_eq!(answer.status, 400, "{what}");
        }
    }
    assert_eq!(digest(&house.db), before);
}

#[actix_web::test]
async fn a_body_of_another_type_is_415_on_every_route() {
    let house = House::new().await;
    let before = digest(&house.db);
    let types: [&[u8]; 11] = [
        b"text/plain",
        b"text/html",
        b"application/x-www-form-urlencoded",
        b"multipart/form-data; boundary=x",
        b"application/xml",
        b"application/jsonx",
        b"application",
        b"json",
        b"application/json\xff",
        b";",
        b"*/*",
    ];
    for (method, path, _) in house.json_routes().await {
        let body = house.good_body(&method, &path).to_string();
        let ask = || house.app.request(method.clone(), &path, Some(&house.owner)).body(body.clone());
        // What is not said to be JSON is, to the casting contract, none.
        let status = if path.starts_with("/casting") { 400 } else { 415 };
        for kind in types {
            let value = reqwest::header::HeaderValue::from_bytes(kind).expect("a header");
            let what = format!("{method} {path} {}", String::from_utf8_lossy(kind));
            let answer = Answer::of(ask().header("content-type", value)).await;
            clear(&answer, &what);
            assert_eq!(answer.status, status, "{what}");
        }
        let answer = Answer::of(ask()).await;
        assert_eq!(answer.status, status, "{method} {path} without a type");
        let compressed = ask().header("content-type", "application/json").header("content-encoding", "gzip");
        let answer = Answer::of(compressed).await;
        clear(&answer, &format!("{method} {path} compressed"));
        assert_eq!(answer.status, status, "{method} {path} compressed");
    }
    assert_eq!(digest(&house.db), before);
    for kind in
        ["application/json", "APPLICATION/JSON", "application/json; charset=utf-8", "application/json;charset=UTF-8"]
    {
        let body = json!({"name": kind}).to_string();
        let request = house.app.request(Method::POST, "/genres", Some(&house.owner)).body(body);
        let answer = Answer::of(request.header("content-type", kind)).await;
        // The names differ in case alone where the types do.
        assert!(answer.status == 201 || answer.wrong_fields() == ["name"], "{kind}: {}", answer.status);
    }
}

#[actix_web::test]
async fn a_large_body_is_413_before_it_is_read() {
    let house = House::new().await;
    let before = digest(&house.db);
    for (method, path, _) in house.json_routes().await {
        // Nothing of the gigabyte is ever sent: the answer comes all the same.
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\n\
             Content-Length: 1073741824\r\n\r\n",
            house.owner.token
        );
        let raw = house.raw(head).await;
        clear(&raw.answer(), &path);
        assert_eq!(raw.status, 413, "{method} {path}");
        assert!(raw.head.contains("connection: close"), "{method} {path}: {}", raw.head);
    }
    // Without a length, it is counted.
    let head = format!(
        "POST /genres HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\n\
         Transfer-Encoding: chunked\r\n\r\n",
        house.owner.token
    );
    let chunk = format!("8000\r\n{}\r\n", "x".repeat(0x8000));
    let raw = house.raw(format!("{head}{}", chunk.repeat(9))).await;
    clear(&raw.answer(), "chunks");
    assert_eq!(raw.status, 413);
    // Who may not call learns that first.
    let raw = house.raw("POST /genres HTTP/1.1\r\nHost: x\r\nContent-Length: 10485760\r\n\r\n").await;
    assert_eq!(raw.status, 401);
    assert_eq!(digest(&house.db), before);
    let answer = house.send(&Method::POST, "/genres", format!("{{\"name\":\"X\"}}{}", " ".repeat(262_132))).await;
    assert_eq!(answer.status, 201, "the limit itself is allowed");
    let answer = house.send(&Method::POST, "/genres", format!("{{\"name\":\"Y\"}}{}", " ".repeat(262_133))).await;
    assert_eq!(answer.status, 413);
}

#[actix_web::test]
async fn uploads_that_are_no_upload_are_4xx_and_leave_nothing() {
    let house = House::new().await;
    let before = digest(&house.db);
    let part = |disposition: &str| {
        format!(
            "--b\r\nContent-Disposition: form-data; {disposition}\r\n\r\nWEBVTT\n\n00:00.000 --> 00:01.000\nX\n\r\n--b--\r\n"
        )
    };
    let form = "multipart/form-data; boundary=b";
    for (kind, body, status) in [
        ("application/json", "{}".to_owned(), 415),
        ("text/vtt", "WEBVTT".to_owned(), 415),
        ("multipart/form-data", part("name=\"file\"; filename=\"a\""), 415),
        ("multipart/form-data; boundary=", part("name=\"file\"; filename=\"a\""), 415),
        (form, String::new(), 400),
        (form, "--b--\r\n".to_owned(), 400),
        (form, "garbage".to_owned(), 400),
        (form, "--b\r\n\r\n".to_owned(), 400),
        (form, part("name=\"file\"; filename=\"a\"").replace("--b--\r\n", ""), 400),
        (form, part("name=\"owner_id\""), 400),
        (form, part("name=\"id\""), 400),
        (form, part("name=\"\""), 400),
        (form, part("filename=\"a\""), 400),
        (
            form,
            part("name=\"file\"; filename=\"a\"")
                .replace("--b--", "--b\r\nContent-Disposition: form-data; name=\"type\"\r\n\r\nking\r\n--b--"),
            400,
        ),
        (form, part("name=\"file\"; filename=\"a\"").replace("WEBVTT", "#EXTM3U"), 415),
    ] {
        let request = house.app.request(Method::POST, "/files", Some(&house.owner));
        let answer = Answer::of(request.header("content-type", kind).body(body.clone())).await;
        let what = format!("{kind}: {body:?}");
        clear(&answer, &what);
        assert_eq!(answer.status, status, "{what}: {}", String::from_utf8_lossy(&answer.bytes));
    }
    assert_eq!(digest(&house.db), before);
}

#[actix_web::test]
async fn bytes_that_are_no_film_and_no_picture_are_4xx_and_leave_nothing() {
    let house = House::new().await;
    let before = digest(&house.db);
    let film = format!("/upload/v/{}", house.shared.announced);
    let done = format!("/upload/v/{}", house.shared.hash);
    let page = b"<html><script>alert(1)</script>".to_vec();
    let cut = mp4()[..mp4().len() / 2].to_vec();
    for (method, path, body, status, word) in [
        (Method::POST, film.as_str(), Vec::new(), 400, "no-data"),
        (Method::POST, &film, b"no video".to_vec(), 400, "not-a-video"),
        (Method::POST, &film, page.clone(), 400, "not-a-video"),
        (Method::POST, &film, VTT.to_vec(), 400, "not-a-video"),
        (Method::POST, &film, png().to_vec(), 400, "not-a-video"),
        (Method::POST, &film, b"{\"title\":\"x\"}".to_vec(), 400, "not-a-video"),
        (Method::POST, &done, mp4().to_vec(), 409, "already-uploaded"),
        (Method::POST, &done, Vec::new(), 409, "already-uploaded"),
        (Method::PUT, "/channel/picture", Vec::new(), 400, "not-an-image"),
        (Method::PUT, "/channel/picture", page, 400, "not-an-image"),
        (Method::PUT, "/channel/picture", VTT.to_vec(), 400, "not-an-image"),
        (Method::PUT, "/channel/picture", mp4().to_vec(), 400, "not-an-image"),
        (Method::PUT, "/channel/picture", png()[..40].to_vec(), 400, "not-an-image"),
    ] {
        // What a body says it is makes no difference.
        for kind in ["video/mp4", "image/png", "application/json", "multipart/form-data", ""] {
            let what = format!("{method} {path} {kind} {:?}", String::from_utf8_lossy(&body[..body.len().min(20)]));
            let request = house.app.request(method.clone(), path, Some(&house.owner));
            let answer = Answer::of(request.header("content-type", kind).body(body.clone())).await;
            clear(&answer, &what);
            assert_eq!((answer.status, answer.refusal()), (status, json!(word)), "{what}");
        }
    }
    // Half a film may have frames to show, or it may not: it is never half a video.
    let answer = Answer::of(house.app.request(Method::POST, &film, Some(&house.owner)).body(cut)).await;
    assert_eq!((answer.status, answer.refusal()), (400, json!("not-a-video")));
    // More than a picture may have is refused unread.
    let head = format!(
        "PUT /channel/picture HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nContent-Length: 1000000000\r\n\r\n",
        house.owner.token
    );
    let raw = house.raw(head).await;
    clear(&raw.answer(), "a large picture");
    assert_eq!(raw.status, 413);
    assert_eq!(digest(&house.db), before);
    house.app.send(&house.owner, &house.shared.announced, tiny()).await.response(200);
}
