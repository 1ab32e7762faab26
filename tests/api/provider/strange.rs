//! A provider that answers, but not with a page.

use serde_json::json;
use wiremock::{Request, ResponseTemplate};

use super::{house, page};
use crate::support::{
    app::Answer,
    load::memory,
    provider::{LIST, asked, change, good, provider},
};

/// A 502 that says nothing of the provider's words.
#[track_caller]
fn is_nonsense(answer: &Answer, what: &str) {
    let expected = json!({"detail": "The provider of movies gave an answer that cannot be used"});
    assert_eq!((answer.status, answer.json()), (502, expected), "{what}");
}

#[actix_web::test]
async fn an_answer_that_is_no_page_is_502_and_not_asked_for_again() {
    let html = "<html><body>Sorry, maintenance</body></html>";
    let ok = |body: &str| ResponseTemplate::new(200).set_body_raw(body.as_bytes(), "application/json");
    let server = provider(good).await;
    let (_db, app, person) = house(&server, |plan| plan).await;
    for (what, template) in [
        ("HTML", ResponseTemplate::new(200).set_body_raw(html, "text/html")),
        ("nothing", ResponseTemplate::new(200)),
        ("no content", ResponseTemplate::new(204)),
        ("a list", ok("[1, null, null, [], []]")),
        ("half of it", ok(r#"{"count": 1, "data": ["#)),
        ("no movies", ok(r#"{"count": 1, "next": null, "previous": null}"#)),
        ("an object of movies", ok(r#"{"count": 1, "next": null, "previous": null, "data": {}}"#)),
        ("no count", ok(r#"{"next": null, "previous": null, "data": []}"#)),
        ("a count in words", ok(r#"{"count": "many", "next": null, "previous": null, "data": []}"#)),
        ("a link without a page", ok(r#"{"count": 1, "next": "/movies", "previous": null, "data": []}"#)),
        ("no UTF-8", ResponseTemplate::new(200).set_body_bytes(b"{\"count\":1,\"data\":[\"\xff\"]}".to_vec())),
        ("deep", ok(&format!("{{\"count\": 1, \"data\": {}", "[".repeat(50_000)))),
        ("wrong credentials", ResponseTemplate::new(401).insert_header("www-authenticate", "Basic")),
        ("forbidden", ResponseTemplate::new(403)),
        ("the first page is not there", ResponseTemplate::new(404).set_body_json(json!({"detail": "nope"}))),
        ("a bad request", ResponseTemplate::new(400)),
        ("a redirect to nowhere", ResponseTemplate::new(302)),
        ("a redirect to no address", ResponseTemplate::new(302).insert_header("location", "http://[")),
    ] {
        change(&server, template).await;
        // More often than the breaker would bear, were this a failure.
        for _ in 0..4 {
            is_nonsense(&app.movies(&person, 1).await, what);
        }
        assert_eq!(asked(&server).await, 4, "{what}");
    }
    change(&server, good).await;
    page(&app.movies(&person, 1).await);
}

#[actix_web::test]
async fn a_page_that_the_provider_does_not_have_is_404() {
    let server = provider(ResponseTemplate::new(404).set_body_json(json!({"detail": "Invalid page."}))).await;
    let (_db, app, person) = house(&server, |plan| plan).await;
    let answer = app.movies(&person, 2).await;
    assert_eq!((answer.status, answer.json()), (404, json!({"detail": "Page not found"})));
    assert_eq!(asked(&server).await, 1);
}

#[actix_web::test]
async fn an_answer_of_fifty_megabytes_is_not_read_to_its_end() {
    let movies = format!(r#"{{"count": 1, "next": null, "previous": null, "data": ["{}"]}}"#, "x".repeat(50_000_000));
    let server = provider(ResponseTemplate::new(200).set_body_raw(movies, "application/json")).await;
    let (_db, app, person) = house(&server, |plan| plan).await;
    let before = memory(app.pid(), "VmHWM");
    for _ in 0..3 {
        is_nonsense(&app.movies(&person, 1).await, "50 MB");
    }
    let grown = memory(app.pid(), "VmHWM").saturating_sub(before);
    assert!(grown < 20_000_000, "{grown} bytes more");
    // One that just fits is passed on.
    let room = 1_048_576 - r#"{"count":1,"data":[""]}"#.len();
    let movies = format!(r#"{{"count":1,"data":["{}"]}}"#, "x".repeat(room));
    change(&server, ResponseTemplate::new(200).set_body_raw(movies.clone(), "application/json")).await;
    assert_eq!(page(&app.movies(&person, 1).await)["data"][0].as_str().map(str::len), Some(room));
    change(&server, ResponseTemplate::new(200).set_body_raw(format!("{movies} "), "application/json")).await;
    is_nonsense(&app.movies(&person, 1).await, "a byte too many");
}

#[actix_web::test]
async fn redirects_are_followed_on_the_same_server_only_and_not_for_ever() {
    let elsewhere = provider(good).await;
    let away = format!("{}{LIST}?page=1", elsewhere.uri());
    let server = provider(good).await;
    let (_db, app, person) = house(&server, |plan| plan).await;
    // Also another port of this host, another name of it, and no address of HTTP.
    let renamed = away.replace("127.0.0.1", "localhost");
    for location in [&*away, &*renamed, "//provider.example/", "https://127.0.0.1/", "file:///etc/passwd"] {
        for status in [301, 302, 303, 307, 308] {
            change(&server, ResponseTemplate::new(status).insert_header("location", location)).await;
            is_nonsense(&app.movies(&person, 1).await, location);
            assert_eq!(asked(&server).await, 1, "{location}");
        }
    }
    assert_eq!(asked(&elsewhere).await, 0, "credentials were shown to another server");

    // Round in circles: the first, and three more.
    change(&server, ResponseTemplate::new(302).insert_header("location", LIST)).await;
    is_nonsense(&app.movies(&person, 1).await, "a circle");
    assert_eq!(asked(&server).await, 4);

    let moved = |request: &Request| {
        if request.url.query_pairs().any(|(name, _)| name == "moved") {
            good(request)
        } else {
            ResponseTemplate::new(301).insert_header("location", format!("{LIST}?moved&page=1").as_str())
        }
    };
    change(&server, moved).await;
    page(&app.movies(&person, 1).await);
    let requests = server.received_requests().await.unwrap();
    assert_eq!(requests.len(), 2);
    assert!(requests.iter().all(|request| request.headers.get("authorization").is_some()), "it forgot who asks");
}
