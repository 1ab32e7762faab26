//! Paths and headers.

use serde_json::json;

use super::{House, clear, digest};

/// What climbs, is no text, or names nothing, at the end of a path.
const ENDS: [&str; 26] = [
    "/..%2f",
    "/..%2f..%2f..%2fetc%2fpasswd",
    "/%2e%2e/%2e%2e/etc/passwd",
    "/%2e%2e%2f",
    "/../../etc/passwd",
    "/..%5c..%5cetc",
    "/..%252f",
    "/%00",
    "/%FF",
    "/%C3%28",
    "/%ED%A0%80",
    "/%",
    "/%2",
    "/%zz",
    "/a%00b",
    "/%0d%0aX-Injected:%201",
    "/;x",
    "/*",
    "/'",
    "/%7Bid%7D",
    "/%E2%80%AE",
    "/null",
    "/undefined",
    "/00000000-0000-0000-0000-00000000000g",
    "/-1",
    "/9223372036854775808",
];

#[actix_web::test]
async fn paths_that_climb_or_are_no_text_are_4xx() {
    let house = House::new().await;
    let before = digest(&house.db);
    let (file, hash) = (house.file.clone(), house.shared.hash.clone());
    let mut targets: Vec<Vec<u8>> = Vec::new();
    let roots = [
        "/genres",
        "/series",
        "/users",
        "/streams",
        "/files",
        "/media",
        "/api-docs",
        "",
        "/v",
        "/video/d",
        "/videos/channel",
        "/thumbnails",
        "/channel/picture",
        "/search",
        "/casting/actors",
        "/casting/movies",
        "/images",
    ];
    for root in roots {
        for end in ENDS {
            targets.push(format!("{root}{end}").into_bytes());
        }
    }
    for path in [
        format!("/media/{file}%00"),
        format!("/media/{file}.mp4"),
        format!("/media/{file}%2f.."),
        format!("/media/./{file}/.."),
        format!("/media/..%2fmedia%2f{file}"),
        format!("/files/{file}/../../x"),
        format!("/media//{file}"),
        format!("//media/{file}"),
        format!("/files/{{{file}}}"),
        format!("/files/urn:uuid:{file}"),
        format!("/x{}", "/a".repeat(4000)),
        format!("/genres/{}", "a".repeat(20_000)),
        format!("/v/{hash}%00"),
        format!("/v/{hash}.json"),
        format!("/v/./{hash}"),
        format!("/v/%2e%2e/v/{hash}"),
        format!("/v//{hash}"),
        format!("//v/{hash}"),
        format!("/video/d/{hash}.mp4"),
        format!("/video/d/..%2fd%2f{hash}"),
        format!("/thumbnails/{hash}.jpg"),
        format!("/videos/channel/{}", "a".repeat(20_000)),
        "/search/nothing/walk".to_owned(),
        "/search/ALL/walk".to_owned(),
        "/search/all/%FF".to_owned(),
        "/search/all/a%00b".to_owned(),
        "/search/all/%ED%A0%80".to_owned(),
    ] {
        targets.push(path.into_bytes());
    }
    for target in &targets {
        let raw = house.target(target).await;
        let what: String = String::from_utf8_lossy(target).chars().take(80).collect();
        clear(&raw.answer(), &what);
        assert!(matches!(raw.status, 400 | 404), "{what}: {}", raw.status);
        assert!(!raw.head.contains("x-injected"), "{what}: {}", raw.head);
    }
    // The same where a GET is not what is asked for.
    for (method, root) in [
        ("DELETE", "/v"),
        ("DELETE", "/channel"),
        ("POST", "/upload/v"),
        ("DELETE", "/users"),
        ("DELETE", "/casting/actors"),
        ("DELETE", "/images"),
    ] {
        for end in ENDS {
            let what = format!("{method} {root}{end}");
            let raw = house.asks(method, format!("{root}{end}")).await;
            clear(&raw.answer(), &what);
            assert!(matches!(raw.status, 400 | 404), "{what}: {}", raw.status);
        }
    }
    // Whatever a search is for, it is text: it finds nothing here, or it is no text.
    for end in ENDS {
        let raw = house.target(format!("/search/all{end}")).await;
        match raw.status {
            200 => assert_eq!(raw.answer().response(200), json!([]), "{end}"),
            status => {
                clear(&raw.answer(), end);
                assert!(matches!(status, 400 | 404), "{end}: {status}");
            }
        }
    }
    // Not even HTTP: no envelope, but a 4xx.
    for target in
        [&b"/genres/\xff"[..], b"/genres?q=\xff\xfe", b"/v/\xff", b"/gen res", b"", b"genres", b"/a\0b", b"/a\x7fb"]
    {
        let raw = house.target(target).await;
        assert!((400..500).contains(&raw.status), "{:?}: {}", String::from_utf8_lossy(target), raw.status);
    }
    assert_eq!(digest(&house.db), before);
}

#[actix_web::test]
async fn odd_heads_are_refused_or_ignored_and_never_faults() {
    let house = House::new().await;
    let before = digest(&house.db);
    let token = house.owner.token.clone();
    let ask = |method: &str, headers: &str| {
        format!(
            "{method} /genres HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n{headers}\r\n"
        )
    };
    for headers in [
        "Content-Length: -1\r\n",
        "Content-Length: x\r\n",
        "Content-Length: 1, 2\r\n",
        "Content-Length: 18446744073709551616\r\n",
        "Content-Length: 1\r\nContent-Length: 2\r\n",
        "Transfer-Encoding: x\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
        "A b: c\r\n",
        ": x\r\n",
        "X: a\0b\r\n",
        "X\r\n",
    ] {
        let raw = house.raw(ask("POST", headers)).await;
        assert!((400..500).contains(&raw.status), "{headers:?}: {}", raw.status);
    }
    for headers in [
        "Range: bytes=0-\r\n",
        "Range: x\r\n",
        "If-None-Match: \"\r\n",
        "If-Modified-Since: yesterday\r\n",
        "Accept: application/xml\r\n",
        "Accept-Encoding: gzip, \u{fffd}\r\n",
        "X-Forwarded-For: not an address\r\n",
        "X-Request-Id: \u{fffd}\r\n",
        "Cookie: a=b\r\n",
        "Origin: null\r\n",
        "Content-Length: 0\r\n",
        "Content-Length: 00\r\n",
        "X-HTTP-Method-Override: DELETE\r\n",
        "Forwarded: for=x\r\n",
        "Expect: x\r\n",
    ] {
        let raw = house.raw(ask("GET", headers)).await;
        assert_eq!(raw.status, 200, "{headers:?}");
    }
    for method in ["FOO", "TRACE", "PROPFIND", "get", "OPTIONS", "PUT", "DELETE"] {
        let raw = house.raw(ask(method, "")).await;
        assert_eq!(raw.status, 405, "{method}");
        clear(&raw.answer(), method);
        assert!(raw.head.contains("allow: "), "{method}: {}", raw.head);
    }
    let many = "X: y\r\n".repeat(200);
    let long = format!("X: {}\r\n", "y".repeat(200_000));
    for headers in [many, long] {
        let raw = house.raw(ask("GET", &headers)).await;
        assert!(matches!(raw.status, 200 | 400..=499), "{}", raw.status);
    }
    assert_eq!(digest(&house.db), before);
}
