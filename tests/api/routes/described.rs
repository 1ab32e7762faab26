//! What is answered is described: each status of the table, and those of what is wrong with a request whoever sends it.

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::{Value, json};

use super::{Row, Sent, TABLE, Things, described_as};
use crate::support::{
    app::{Answer, App},
    people::{PASSWORD, Person},
    shape::Shape,
    stores::TestDb,
};

async fn document(app: &App) -> Value {
    Answer::of(app.request(Method::GET, "/api-docs/openapi.json", None)).await.json()
}

/// The name of what a refusal below `path` is.
fn error_of(path: &str) -> &'static str {
    match Shape::of(path) {
        Shape::Envelope => "Error",
        Shape::Response => "ResponseError",
        Shape::Detail => "DetailError",
        Shape::Error => "PlainError",
        Shape::Success => "SuccessError",
    }
}

/// What the description says of the answers of an operation; `path` is written as in the table.
fn responses<'a>(document: &'a Value, method: &str, path: &str) -> &'a Value {
    &document["paths"][described_as(path)][method.to_lowercase()]["responses"]
}

/// What is wrong with how an answer of this status is described.
fn undescribed(document: &Value, (method, path): (&str, &str), status: u16) -> Option<String> {
    let described = &responses(document, method, path)[status.to_string()];
    if !described["description"].is_string() {
        return Some(format!("{method} {path}: {status} is not described"));
    }
    let schema = &described["content"]["application/json"]["schema"]["$ref"];
    let is_ours = status < 400 || *schema == format!("#/components/schemas/{}", error_of(path));
    (!is_ours).then(|| format!("{method} {path}: {status} is described as {schema}"))
}

#[actix_web::test]
async fn every_status_that_the_table_has_is_described() {
    let db = TestDb::create();
    let app = App::start(&db);
    let document = document(&app).await;
    let statuses = TABLE.iter().flat_map(|(method, path, _, statuses)| statuses.map(|status| (*method, *path, status)));
    let wrong: BTreeSet<String> =
        statuses.filter_map(|(method, path, status)| undescribed(&document, (method, path), status)).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// The path with something in place of its id that is none, where it has one.
fn without_id(path: &str) -> Option<String> {
    let wrong = |segment: &str| {
        let is_id = matches!(&*described_as(segment), "{id}" | "{session}");
        if is_id { "none".to_owned() } else { segment.to_owned() }
    };
    let spoilt = path.split('/').map(wrong).collect::<Vec<_>>().join("/");
    (spoilt != path).then_some(spoilt)
}

/// The request of a row in each way in which its form alone is wrong, by the owner.
async fn spoilt(app: &App, things: &Things, owner: &Person, row: &Row) -> Vec<u16> {
    let (method, path, sent, _) = row;
    let ask = |path: &str| app.request(method.parse().unwrap(), &things.fill(path), Some(owner));
    let mut statuses = Vec::new();
    if let Some(path) = without_id(path) {
        statuses.push(Answer::of(things.with_body(ask(&path), *sent)).await.status);
    }
    if !matches!(sent, Sent::Nothing) {
        statuses.push(Answer::of(ask(path).header("content-type", "text/plain").body("{}")).await.status);
    }
    if matches!(sent, Sent::Json(_)) {
        statuses.push(Answer::of(ask(path).json(&json!({"unknown": 1}))).await.status);
        statuses.push(Answer::of(ask(path).json(&json!({"unknown": "x".repeat(300_000)}))).await.status);
    }
    statuses
}

#[actix_web::test]
async fn every_status_of_a_request_whose_form_is_wrong_is_described() {
    let db = TestDb::create();
    let app = App::start(&db);
    let document = document(&app).await;
    let owner = app.register().await;
    let things = Things::make_all(&app, &owner).await;
    let (mut wrong, mut seen) = (BTreeSet::new(), BTreeSet::new());
    for row in TABLE {
        let (method, path, sent, _) = row;
        for status in spoilt(&app, &things, &owner, row).await {
            assert!((400..500).contains(&status), "{method} {path}: {status}");
            wrong.extend(undescribed(&document, (method, path), status));
            seen.insert(status);
        }
        if !matches!(sent, Sent::Nothing) {
            // What takes long to see: a body that drips, and a file that is too large.
            wrong.extend([408, 413].into_iter().filter_map(|status| undescribed(&document, (method, path), status)));
        }
        // Two contracts say of a wrong type what they say of all that is wrong.
        if matches!(Shape::of(path), Shape::Success | Shape::Error)
            && responses(&document, method, path)["415"] != json!(null)
        {
            wrong.insert(format!("{method} {path}: 415 is described, and never said"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(seen.is_superset(&[400, 404, 413, 415].into()), "{seen:?}");
}

#[actix_web::test]
async fn what_an_account_is_refused_for_its_secrets_and_for_being_the_last_owner_is_described() {
    let db = TestDb::create();
    let app = App::start(&db);
    let document = document(&app).await;
    let owner = app.register().await;
    let viewer = app.register().await;
    let other = app.register().await;
    let (mine, last) = (format!("/users/{}", viewer.id), format!("/users/{}", owner.id));
    let guess = json!({"password": "another horse", "current_password": "a wrong one"});
    let mut answers = vec![
        (("POST", "/users/refresh"), 401, app.post_open("/users/refresh", json!({"refresh_token": "none"})).await),
        (("GET", "/users/<user>"), 403, app.get(&last, &viewer).await),
        (("DELETE", "/users/<user>"), 400, app.delete(&last, &owner).await),
        (("PATCH", "/users/<user>"), 400, app.patch(&last, &owner, json!({"roles": []})).await),
        (("POST", "/users/login"), 401, app.login(&other.email, "a wrong one").await),
        (("PATCH", "/users/<user>"), 400, app.patch(&mine, &viewer, guess.clone()).await),
    ];
    for _ in 1..5 {
        app.login(&other.email, "a wrong one").await;
        app.patch(&mine, &viewer, guess.clone()).await;
    }
    answers.push((("POST", "/users/login"), 429, app.login(&other.email, PASSWORD).await));
    answers.push((("PATCH", "/users/<user>"), 429, app.patch(&mine, &viewer, guess).await));
    for (operation, status, answer) in answers {
        assert_eq!(answer.status, status, "{operation:?}: {}", String::from_utf8_lossy(&answer.bytes));
        assert_eq!(undescribed(&document, operation, status), None);
    }
}
