//! Headers: HEAD, request ids, security, other origins.

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::json;
use uuid::Uuid;

use super::{TABLE, Things};
use crate::support::{
    app::{Answer, App},
    channels::tiny,
    media::png,
    people::People,
    stores::TestDb,
};

#[actix_web::test]
async fn bytes_of_users_can_do_nothing_in_a_browser_wherever_they_are_served() {
    let db = TestDb::create();
    let app = App::start(&db);
    let owner = app.register().await;
    let film = app.upload(&owner, "a.mp4", tiny().to_vec()).await.id();
    let session = app.watch(&owner, json!({"file_id": film})).await;
    let image = app.send_image(&owner, "a.png", png()).await.json()["id"].as_str().expect("an id").to_owned();
    let shared = app.sharing(&owner, "A walk").await;
    let picture = format!("/channel/picture/{}", shared.channel);
    let mut paths = vec![
        format!("/media/{film}"),
        format!("/images/{image}"),
        format!("/images/{image}?width=64"),
        format!("/video/d/{}", shared.hash),
        format!("/thumbnails/{}", shared.hash),
        picture.clone(),
        session.file().to_owned(),
        session.poster(),
    ];
    for generated in [true, false] {
        for path in &paths {
            let answer = app.get(path, &owner).await;
            assert_eq!(answer.status, 200, "{path}");
            assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{path}");
            let policy = answer.header("content-security-policy");
            assert_eq!(policy, Some("default-src 'none'; sandbox"), "{path}, generated: {generated}");
        }
        app.set_picture(&owner, png()).await.response(200);
        paths = vec![picture.clone()];
    }
}

#[actix_web::test]
async fn head_is_get_without_the_body() {
    let db = TestDb::create();
    let app = App::start(&db);
    let people = app.people().await;
    let things = Things::make_all(&app, &people.owner).await;
    let rows = TABLE.iter().filter(|(method, ..)| *method == "GET");
    for (_, path, _, _) in rows {
        for caller in [Some(&people.owner), Some(&people.other), None] {
            let path = things.fill(path);
            let get = Answer::of(app.request(Method::GET, &path, caller)).await;
            let head = Answer::of(app.request(Method::HEAD, &path, caller)).await;
            assert_eq!((head.status, head.bytes.len()), (get.status, 0), "{path}");
            for name in ["content-type", "link", "etag", "last-modified", "accept-ranges", "cache-control"] {
                assert_eq!(head.header(name), get.header(name), "{name} of {path}");
            }
            // What was counted meanwhile, and what goes on, has another length.
            if !matches!(&*path, "/metrics" | "/request-count" | "/stats" | "/stats/events") {
                assert_eq!(head.header("content-length"), Some(&*get.bytes.len().to_string()), "{path}");
                assert_eq!(head.header("content-length"), get.header("content-length"), "{path}");
            }
        }
    }
}

/// An answer of each kind: good, list, bytes, page, 400, 401, 402, 403, 404, 405, 409, 413, 415; of all shapes.
async fn one_of_each(app: &App, people: &People, things: &Things) -> Vec<(u16, Answer)> {
    let viewer = Some(&things.viewer);
    let (file, bad) = (format!("/media/{}", things.shown), things.fill("/genres/<genre>?x"));
    let ask = async |method: Method, path: &str, person| Answer::of(app.request(method, path, person)).await;
    let long = app.request(Method::POST, "/users/login", None).json(&json!({"email": "x".repeat(300_000)}));
    vec![
        (200, ask(Method::GET, &bad, viewer).await),
        (200, ask(Method::GET, "/series", viewer).await),
        (200, ask(Method::GET, &file, viewer).await),
        (200, ask(Method::GET, "/api-docs/", None).await),
        (303, ask(Method::GET, "/api-docs", None).await),
        (201, app.post("/genres", &people.editor, json!({"name": Uuid::new_v4()})).await),
        (400, ask(Method::GET, "/genres?limit=0", viewer).await),
        (401, ask(Method::GET, "/genres", None).await),
        (403, ask(Method::DELETE, &things.fill("/genres/<genre>"), viewer).await),
        (404, ask(Method::GET, "/nothing", viewer).await),
        (405, ask(Method::PUT, "/genres", viewer).await),
        (413, Answer::of(long).await),
        (415, Answer::of(app.request(Method::POST, "/users/login", None).body("x")).await),
        (200, ask(Method::GET, &things.fill("/v/<hash>"), None).await),
        (200, ask(Method::GET, "/videos/all", None).await),
        (200, ask(Method::GET, &things.fill("/video/d/<hash>"), None).await),
        (200, ask(Method::GET, &things.fill("/thumbnails/<hash>"), None).await),
        (200, ask(Method::GET, &things.fill("/channel/picture/<channel name>"), None).await),
        (400, ask(Method::POST, "/upload", None).await),
        (400, ask(Method::GET, "/videos/all?limit=0", None).await),
        (402, app.post_open("/sign_in", json!({"username": "nobody", "password": "wrong"})).await),
        (403, ask(Method::DELETE, &things.fill("/v/<hash>"), Some(&people.other)).await),
        (404, ask(Method::GET, "/v/nothing", None).await),
        (405, ask(Method::PUT, "/videos/all", None).await),
        (409, app.send(&things.viewer, &things.fill("<hash>"), tiny()).await),
        (415, Answer::of(app.request(Method::POST, "/sign_in", None).body("x")).await),
        (200, ask(Method::GET, "/casting/movies", Some(&people.owner)).await),
        (401, ask(Method::GET, "/casting/movies", viewer).await),
        (404, ask(Method::GET, "/casting/movies/0", Some(&people.owner)).await),
        (200, ask(Method::GET, "/images", viewer).await),
        (200, ask(Method::GET, &things.fill("/images/<image>"), viewer).await),
        (400, ask(Method::GET, "/images/x", viewer).await),
        (403, ask(Method::DELETE, &things.fill("/images/<image>"), Some(&people.other)).await),
        (404, ask(Method::GET, "/images/x/y", viewer).await),
        (422, app.post("/casting/actors", &people.owner, json!({"name": "", "age": 1, "gender": "M"})).await),
    ]
}

#[actix_web::test]
async fn every_answer_has_a_request_id_of_its_own_and_the_security_headers() {
    let db = TestDb::create();
    let app = App::start(&db);
    let people = app.people().await;
    let things = Things::make_all(&app, &people.owner).await;
    let mut ids = BTreeSet::new();
    let answers = one_of_each(&app, &people, &things).await;
    let count = answers.len();
    for (status, answer) in answers {
        assert_eq!(answer.status, status, "{answer:?}");
        let id = answer.header("x-request-id").unwrap_or_else(|| panic!("{status}: no id"));
        assert!(Uuid::parse_str(id).is_ok(), "{id}");
        ids.insert(id.to_owned());
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{status}");
        assert_eq!(answer.header("x-frame-options"), Some("DENY"), "{status}");
        assert_eq!(answer.header("referrer-policy"), Some("no-referrer"), "{status}");
        let policy = answer.header("content-security-policy").unwrap_or_default();
        assert!(policy.starts_with("default-src 'none'") || policy.starts_with("default-src 'self'"), "{policy}");
        assert!(!policy.contains("http"), "{policy}");
        assert!(answer.header("set-cookie").is_none());
        assert!(answer.header("server").is_none());
        if status != 200 {
            assert_eq!(answer.header("cache-control"), Some("no-store"), "{status}");
        }
    }
    assert_eq!(ids.len(), count, "an id was used twice");
}

#[actix_web::test]
async fn every_origin_may_call_and_reads_the_headers_it_needs() {
    let db = TestDb::create();
    let app = App::start(&db);
    let people = app.people().await;
    let things = Things::make_all(&app, &people.owner).await;
    let origin = "https://player.example";
    let (film, item) = (things.fill("/video/d/<hash>"), things.fill("/v/<hash>"));
    for path in ["/series", &things.fill("/media/<shown>"), "/nothing", "/series?limit=0", &film, &item, "/v/nothing"] {
        for caller in [Some(&people.other), None] {
            let answer = Answer::of(app.request(Method::GET, path, caller).header("origin", origin)).await;
            assert_eq!(answer.header("access-control-allow-origin"), Some("*"), "{path} {}", answer.status);
            assert!(answer.header("access-control-allow-credentials").is_none(), "{path}");
            let exposed = answer.header("access-control-expose-headers").unwrap_or_default().to_lowercase();
            let exposed: BTreeSet<&str> = exposed.split(',').map(str::trim).collect();
            let names = [
                "content-disposition",
                "content-length",
                "content-range",
                "etag",
                "link",
                "location",
                "retry-after",
                "x-request-id",
            ];
            assert_eq!(exposed, BTreeSet::from(names), "{path}");
        }
    }
    for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"] {
        let asked = ["authorization", "content-type", "range"];
        let preflight = app
            .request(Method::OPTIONS, "/series", None)
            .header("origin", origin)
            .header("access-control-request-method", method)
            .header("access-control-request-headers", asked.join(", "));
        let answer = Answer::of(preflight).await;
        assert!(matches!(answer.status, 200 | 204), "{method}: {}", answer.status);
        assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
        let list = |name: &str| answer.header(name).unwrap_or_default().to_lowercase();
        assert!(list("access-control-allow-methods").contains(&method.to_lowercase()), "{method}");
        for name in asked {
            assert!(list("access-control-allow-headers").contains(name), "{name}");
        }
        assert!(answer.header("x-request-id").is_some());
    }
    // What a browser may keep, it may have got for an element of a page: a script's page gets the same copy.
    for (path, may_be_kept) in [(things.fill("/media/<shown>"), true), (film, true), ("/series".to_owned(), false)] {
        let answer = Answer::of(app.request(Method::GET, &path, Some(&people.other))).await;
        assert_eq!(answer.status, 200, "{path}");
        assert_eq!(answer.header("access-control-allow-origin"), may_be_kept.then_some("*"), "{path}");
        assert_eq!(answer.header("access-control-expose-headers").is_some(), may_be_kept, "{path}");
    }
    // What a `<video>` asks for; and what is asked for again.
    let shown = things.fill("/media/<shown>");
    let tag = app.get(&shown, &people.other).await.header("etag").unwrap().to_owned();
    for (name, value, status) in [("range", "bytes=0-0", 206), ("if-none-match", &tag, 304)] {
        let answer = Answer::of(app.request(Method::GET, &shown, Some(&people.other)).header(name, value)).await;
        assert_eq!((answer.status, answer.header("access-control-allow-origin")), (status, Some("*")), "{name}");
    }
    for path in ["/series", "/images", "/collection", "/nowhere"] {
        for method in ["TRACE", "get"] {
            let preflight = app.request(Method::OPTIONS, path, None).header("origin", origin);
            let answer = Answer::of(preflight.header("access-control-request-method", method)).await;
            assert_eq!(answer.status, 400, "{method} {path}");
            // In the shape of its contract.
            let refusal = answer.refusal();
            assert!(refusal.to_string().contains("Access-Control-Request-Method"), "{method} {path}: {refusal}");
        }
    }
}
