//! The count of requests: each answer once, whatever it says; its reset; what becomes of it where nodes or Redis go.

mod floods;
mod redis_trips;
mod stores;

use std::{path::Path, time::Duration};

use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;

use crate::{
    statistics::ask,
    support::{
        app::{Answer, App, Plan},
        people::Person,
        raw,
        stores::TestDb,
    },
};

/// For what happens by itself; other tests run on the same processors.
const SOON: Duration = Duration::from_secs(20);

/// The count, which must be there.
async fn count(app: &App, person: &Person) -> u64 {
    let answer = app.get("/request-count/", person).await;
    assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.bytes));
    let json = answer.json();
    let requests = json["requests"].as_u64().expect("a number");
    assert_eq!(json, json!({"requests": requests}));
    requests
}

async fn reset(app: &App, owner: &Person) -> Answer {
    Answer::of(app.request(Method::POST, "/request-count/reset/", Some(owner))).await
}

async fn reset_well(app: &App, owner: &Person) {
    let answer = reset(app, owner).await;
    assert_eq!((answer.status, answer.json()), (200, json!({"message": "request count reset successfully"})));
}

/// A server that waits for Redis, however busy the machine is.
fn patient(db: &TestDb) -> Plan {
    Plan::over(db).with("PLAYHOUSE_REDIS__TIMEOUT_MS", "10000")
}

/// As [`patient`], with a log that tells what each reset has taken.
fn logging(db: &TestDb) -> Plan {
    patient(db).with("PLAYHOUSE_LOG__FILTER", "info").with("PLAYHOUSE_LOG__FORMAT", "json")
}

/// What was counted until each reset, by the log, in its order; and by whom it was reset.
fn taken(log: &Path) -> Vec<(u64, String)> {
    let text = std::fs::read_to_string(log).expect("a log");
    let lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines
        .filter(|line| line["message"] == "the count of requests begins anew")
        .map(|line| (line["requests"].as_u64().expect("a count"), line["by"].as_str().expect("an account").to_owned()))
        .collect()
}

#[actix_web::test]
async fn every_answer_is_counted_once_whatever_it_says() {
    let db = TestDb::create();
    let app = patient(&db).with("PLAYHOUSE_HTTP__BODY_TIMEOUT_MS", "300").start();
    let (owner, viewer) = (app.register().await, app.register().await);
    let mut before = count(&app, &owner).await;
    // To register and to sign in, twice; and the read itself.
    assert_eq!(before, 5);
    let long = json!({"email": "x".repeat(300_000)});
    let preflight = app
        .request(Method::OPTIONS, "/genres", None)
        .header("Origin", "http://x")
        .header("Access-Control-Request-Method", "POST");
    for (status, request) in [
        (200, app.request(Method::GET, "/healthz", None)),
        (200, app.request(Method::HEAD, "/healthz", None)),
        (200, app.request(Method::HEAD, "/request-count", Some(&viewer))),
        (200, app.request(Method::GET, "/genres", Some(&owner))),
        (200, app.request(Method::GET, "/videos/all", None)),
        (200, app.request(Method::GET, "/metrics", None)),
        (200, app.request(Method::GET, "/api-docs/", None)),
        (200, app.request(Method::GET, "/stats", Some(&viewer))),
        (200, preflight),
        (303, app.request(Method::GET, "/api-docs", None)),
        (400, app.request(Method::GET, "/genres?limit=0", Some(&owner))),
        (401, app.request(Method::GET, "/request-count", None)),
        (401, app.request(Method::POST, "/request-count/reset", None)),
        (403, app.request(Method::POST, "/request-count/reset", Some(&viewer))),
        (404, app.request(Method::GET, "/nowhere", None)),
        (404, app.request(Method::GET, "/", None)),
        (404, app.request(Method::GET, "/request-count/x", Some(&owner))),
        (405, app.request(Method::DELETE, "/request-count", Some(&owner))),
        (413, app.request(Method::POST, "/users/login", None).json(&long)),
        (415, app.request(Method::POST, "/users/login", None).body("x")),
        (503, app.request(Method::GET, "/movies", Some(&owner))),
    ] {
        let what = format!("{request:?}");
        assert_eq!(Answer::of(request).await.status, status, "{what}");
        let now = count(&app, &owner).await;
        assert_eq!(now - before, 2, "{what}");
        before = now;
    }
    // A body that does not come.
    let mut slow = app.connect().await;
    let head = "POST /users/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{";
    slow.write_all(head.as_bytes()).await.unwrap();
    assert_eq!(raw::status(&mut slow).await, Some(408));
    assert_eq!(count(&app, &owner).await - before, 2);
}

#[actix_web::test]
async fn what_is_no_http_request_is_refused_and_not_counted() {
    let db = TestDb::create();
    let app = patient(&db).start();
    let owner = app.register().await;
    let before = count(&app, &owner).await;
    let mut stream = app.connect().await;
    stream.write_all(b"no request at all\r\n\r\n").await.unwrap();
    assert_eq!(raw::status(&mut stream).await, Some(400));
    assert_eq!(count(&app, &owner).await - before, 1);
}

#[actix_web::test]
async fn what_is_refused_in_maintenance_is_counted() {
    let db = TestDb::create();
    let app = patient(&db).start();
    let owner = app.register().await;
    let before = count(&app, &owner).await;
    let switch = async |on: bool| {
        Answer::of(app.request(Method::PUT, "/maintenance", Some(&owner)).json(&json!({"on": on}))).await.data(200)
    };
    switch(true).await;
    for path in ["/request-count", "/genres", "/nowhere"] {
        assert_eq!(app.get(path, &owner).await.status, 503, "{path}");
    }
    assert_eq!(reset(&app, &owner).await.status, 503);
    switch(false).await;
    assert_eq!(count(&app, &owner).await - before, 7);
}

#[actix_web::test]
async fn a_reset_is_the_last_request_of_the_old_count_and_moves_no_other_number() {
    let db = TestDb::create();
    let (app, log) = logging(&db).start_logging();
    let (owner, viewer) = (app.register().await, app.register().await);
    let served = async || app.get("/stats", &owner).await.data(200)["requests"].as_u64().unwrap();
    let all = served().await;
    assert_eq!(count(&app, &viewer).await, 6);
    // Who may not reset does not.
    assert_eq!(reset(&app, &viewer).await.status, 403);
    assert_eq!(count(&app, &viewer).await, 8);
    reset_well(&app, &owner).await;
    assert_eq!(taken(&log), [(9, owner.id.clone())]);
    assert_eq!(count(&app, &viewer).await, 1);
    assert_eq!(count(&app, &viewer).await, 2);
    reset_well(&app, &owner).await;
    reset_well(&app, &owner).await;
    assert_eq!(taken(&log).iter().map(|(requests, _)| *requests).collect::<Vec<_>>(), [9, 3, 1]);
    assert_eq!(count(&app, &viewer).await, 1);
    // The two reads of the totals, of which each is counted once it was answered, are 10 requests apart.
    assert_eq!(served().await - all, 10);
}

#[actix_web::test]
async fn a_reset_that_reaches_redis_too_late_is_not_done() {
    let db = TestDb::create();
    let app = patient(&db).start();
    let owner = app.register().await;
    assert_eq!(count(&app, &owner).await, 3);
    let script = include_str!("../../src/cache/scripts/reset.lua");
    let send = |until: u64| -> Option<u64> {
        let mut command = redis::cmd("EVAL");
        command.arg(script).arg(1).arg(format!("{}:stats:total", db.prefix())).arg(until);
        ask(&db.redis_url(), &command)
    };
    let (now, _): (u64, u64) = ask(&db.redis_url(), &redis::cmd("TIME"));
    assert_eq!(send((now - 1) * 1_000_000), None);
    assert_eq!(count(&app, &owner).await, 4);
    assert_eq!(send((now + 60) * 1_000_000), Some(4));
    assert_eq!(count(&app, &owner).await, 1);
}
