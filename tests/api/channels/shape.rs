//! The contract's own shape, for everything below its paths and nothing else.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{
    app::{Answer, App, Plan, eventually},
    channels::signing_up,
    stores::TestDb,
};

#[actix_web::test]
async fn what_is_not_there_is_told_in_the_shape_of_the_paths_around_it() {
    let db = TestDb::create();
    let app = App::start(&db);
    for path in [
        "/v",
        "/v/",
        "/v/abc1234/x",
        "/v/plays",
        "/v/abc1234/playsx",
        "/v/abc1234/reaction/plays",
        "/upload/v",
        "/upload/x/y/z",
        "/video/d",
        "/video/x",
        "/videos",
        "/videos/none",
        "/videos/channel",
        "/thumbnails",
        "/search",
        "/channel",
        "/channel/picture/a/b",
        "/sign_up/x",
        "/sign_in/x/",
    ] {
        let answer = app.see(path).await;
        assert!(answer.response(404).as_str().is_some_and(|text| !text.is_empty()), "{path}");
    }
    let plays = ["/v/abc1234/plays/x/y", "/v/abc1234/pl%61ys/x/y", "/v/x/plays/y/z/plays"];
    for path in ["/", "/nothing", "/genres/a/b/c", "/vv/abc1234", "/signup"].into_iter().chain(plays) {
        let answer = app.see(path).await;
        let json = answer.json();
        assert_eq!(
            (answer.status, &json["status"], &json["response"]),
            (404, &json!(404), &json!("Not Found")),
            "{path}"
        );
    }
}

#[actix_web::test]
async fn a_wrong_method_is_told_which_are_right() {
    let db = TestDb::create();
    let app = App::start(&db);
    for (path, allowed) in [
        ("/sign_up", "POST"),
        ("/sign_in", "POST"),
        ("/upload", "POST"),
        ("/upload/v/abc1234", "POST"),
        ("/v/abc1234", "DELETE, GET, HEAD, PATCH"),
        ("/v/abc1234/reaction", "PUT"),
        ("/video/d/abc1234", "GET, HEAD"),
        ("/videos/all", "GET, HEAD"),
        ("/videos/channel/ilsa", "GET, HEAD"),
        ("/thumbnails/abc1234", "GET, HEAD"),
        ("/search/all/x", "GET, HEAD"),
        ("/channel/picture/ilsa", "GET, HEAD"),
    ] {
        for slash in ["", "/"] {
            let method = Method::from_bytes(b"PROPFIND").unwrap();
            let answer = Answer::of(app.request(method, &format!("{path}{slash}"), None)).await;
            assert!(answer.response(405).is_string(), "{path}");
            let mut methods: Vec<_> = answer.header("allow").expect("Allow").split(", ").collect();
            methods.sort_unstable();
            assert_eq!(methods.join(", "), allowed, "{path}");
        }
    }
    for path in ["/genres", "/v/abc1234/plays", "/v/abc1234/plays/", "/v/abc1234/plays/x", "/v/abc1234/pl%61ys"] {
        let other = Answer::of(app.request(Method::PUT, path, None)).await;
        assert_eq!((other.status, &other.json()["status"]), (405, &json!(405)), "{path}");
        assert!(other.header("allow").is_some(), "{path}");
    }
}

#[actix_web::test]
async fn a_body_that_is_too_large_is_413_in_each_shape() {
    let db = TestDb::create();
    let app = App::start(&db);
    let ilsa = app.member("ilsa").await;
    let large = "x".repeat(300_000);
    let mut body = signing_up("victor");
    body["mname"] = json!(large);
    assert!(app.post_open("/sign_up", body).await.response(413).is_string());
    let body = json!({"title": "A walk", "description": large});
    assert!(app.post("/upload", &ilsa, body).await.response(413).is_string());
    let other = app.post("/genres", &ilsa, json!({"name": large})).await;
    assert_eq!((other.status, &other.json()["status"]), (413, &json!(413)));
    let play = format!("/v/abc1234/plays/{}", uuid::Uuid::nil());
    let other = app.patch(&play, &ilsa, json!({"position_seconds": large})).await;
    assert_eq!((other.status, &other.json()["status"]), (413, &json!(413)));
}

#[actix_web::test]
async fn maintenance_is_told_in_each_shape() {
    let db = TestDb::create();
    let app = App::start(&db);
    let ilsa = app.member("ilsa").await;
    let message = "Back at noon";
    app.put("/maintenance", &ilsa, json!({"on": true, "message": message})).await.data(200);
    for path in ["/videos/all", "/v/abc1234", "/search/all/x", "/upload/nothing", "/channel/picture/ilsa"] {
        let answer = app.see(path).await;
        assert_eq!(answer.response(503), message, "{path}");
        assert!(answer.header("retry-after").is_some(), "{path}");
    }
    assert_eq!(app.sign_up("victor").await.response(503), message);
    for other in [app.see("/genres").await, app.post_open("/v/abc1234/plays", json!({})).await] {
        assert_eq!((other.status, &other.json()["message"]), (503, &json!(message)), "{}", other.path);
    }
    app.put("/maintenance", &ilsa, json!({"on": false})).await.data(200);
    let open = async || app.see("/videos/all").await.status == 200;
    assert!(eventually(std::time::Duration::from_secs(10), open).await);
}

#[actix_web::test]
async fn a_trailing_slash_changes_nothing() {
    let db = TestDb::create();
    let app = App::start(&db);
    let ilsa = app.member("ilsa").await;
    let hash = app.share(&ilsa, "A walk", "in the park").await;
    for path in [
        format!("/v/{hash}"),
        format!("/video/d/{hash}"),
        format!("/thumbnails/{hash}"),
        "/videos/all".to_owned(),
        "/videos/channel/ilsa".to_owned(),
        "/search/all/walk".to_owned(),
        "/channel/picture/ilsa".to_owned(),
    ] {
        let (without, with) = (app.see(&path).await, app.see(&format!("{path}/")).await);
        assert_eq!((without.status, with.status), (200, 200), "{path}");
        assert!(without.bytes == with.bytes, "{path}");
    }
    assert_eq!(app.post_open("/sign_up/", signing_up("victor")).await.response(200), "");
    let hash = app.post("/upload/", &ilsa, json!({"title": "x", "description": ""})).await.response(200);
    let sent = app.send(&ilsa, &format!("{}/", hash.as_str().unwrap()), crate::support::channels::tiny()).await;
    assert_eq!(sent.response(200), "");
}

#[actix_web::test]
async fn every_origin_may_call() {
    let db = TestDb::create();
    let app = App::start(&db);
    let from_page = app.request(Method::GET, "/videos/all", None).header("origin", "https://example.org");
    assert_eq!(Answer::of(from_page).await.header("access-control-allow-origin"), Some("*"));
    for (method, path) in [("PUT", "/v/abc1234/reaction"), ("PATCH", "/v/abc1234"), ("DELETE", "/channel/ilsa")] {
        let ask = app.request(Method::OPTIONS, path, None).header("origin", "https://example.org");
        let ask = ask.header("access-control-request-method", method);
        let answer = Answer::of(ask.header("access-control-request-headers", "authorization,content-type")).await;
        assert!(answer.status < 300, "{path}: {}", answer.status);
        let methods = answer.header("access-control-allow-methods").unwrap_or_default();
        assert!(methods.contains(method), "{path}: {methods}");
    }
}

#[actix_web::test]
async fn a_store_that_is_away_is_told_without_its_words() {
    let mut stores = crate::support::stores::Stores::own();
    let app = Plan::over_own(&stores).start();
    let ilsa = app.member("ilsa").await;
    stores.stop_postgres();
    for answer in [
        app.see("/search/all/walk").await,
        app.see("/v/abc1234").await,
        app.post("/upload", &ilsa, json!({"title": "x", "description": ""})).await,
        app.channel_sign_in("ilsa", "x").await,
    ] {
        let response: Value = answer.response(503);
        let text = response.as_str().expect("a text");
        for word in ["SELECT", "postgres", "connection", "/", "diesel"] {
            assert!(!text.contains(word), "{text}");
        }
    }
}
