//! Signing in, and its lockout, which is that of every sign-in.

use chrono::Utc;
use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    accounts::patient,
    support::{
        app::{Answer, App, eventually},
        people::PASSWORD,
        stores::TestDb,
        tokens::claims,
    },
};

const WRONG: &str = "a wrong password";

async fn wrong(app: &App, name: &str) -> Answer {
    app.channel_sign_in(name, WRONG).await
}

async fn from(app: &App, address: &str, name: &str, password: &str) -> Answer {
    let request = app.request(Method::POST, "/sign_in", None).header("x-forwarded-for", address);
    Answer::of(request.json(&json!({"username": name, "password": password}))).await
}

#[track_caller]
fn tries_left(answer: &Answer, left: u64) {
    assert_eq!(answer.response(402), json!({"try-left": left}));
}

#[track_caller]
fn blocked(answer: &Answer) {
    let response = answer.response(403);
    assert_eq!(response.as_object().map(serde_json::Map::len), Some(2), "{response}");
    let (until, left) = (response["blocked-until"].as_i64().unwrap(), response["seconds-left"].as_i64().unwrap());
    assert!((600..=900).contains(&left), "{left}");
    let ahead = until - Utc::now().timestamp();
    assert!((left - 60..=left + 2).contains(&ahead), "{ahead} seconds ahead, {left} left");
}

#[actix_web::test]
async fn a_token_is_valid_for_three_hours() {
    let db = TestDb::create();
    let app = App::start(&db);
    let ilsa = app.member("Ilsa").await;
    for name in ["Ilsa", "ilsa", "ILSA", &ilsa.email, &ilsa.email.to_uppercase()] {
        let response = app.channel_sign_in(name, PASSWORD).await.response(200);
        assert_eq!(response.as_object().map(serde_json::Map::len), Some(1), "{name}");
        let claims = claims(response["vtoken"].as_str().expect("a token"));
        assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 10_800);
        assert_eq!(claims["sub"], ilsa.id.as_str());
    }
}

#[actix_web::test]
async fn each_field_must_be_there_and_right() {
    let db = TestDb::create();
    let app = App::start(&db);
    app.member("ilsa").await;
    for (body, response) in [
        (json!({}), json!({"missing-field": "username"})),
        (json!({"password": PASSWORD}), json!({"missing-field": "username"})),
        (json!({"username": "ilsa"}), json!({"missing-field": "password"})),
        (json!({"username": 5}), json!({"missing-field": "password"})),
        (json!({"username": 5, "password": PASSWORD}), json!({"invalid-field": "username"})),
        (json!({"username": "ilsa", "password": null}), json!({"invalid-field": "password"})),
        (json!({"username": "ilsa", "password": PASSWORD, "role": "x"}), json!({"invalid-field": "role"})),
    ] {
        assert_eq!(app.post_open("/sign_in", body.clone()).await.response(400), response, "{body}");
    }
    // None of these was a try.
    tries_left(&wrong(&app, "ilsa").await, 4);
}

#[actix_web::test]
async fn five_wrong_tries_count_down_and_block() {
    let db = TestDb::create();
    let app = patient(&db).start();
    app.member("ilsa").await;
    for left in (0..5).rev() {
        // Nothing tells a name that is somebody's from one that is nobody's.
        for name in ["ilsa", "nobody"] {
            tries_left(&wrong(&app, name).await, left);
        }
    }
    for name in ["ilsa", "ILSA", "ilsa@example.org", "nobody"] {
        blocked(&app.channel_sign_in(name, PASSWORD).await);
    }
    let victor = app.member("victor").await;
    assert_eq!(app.post("/upload", &victor, json!({"title": "x", "description": ""})).await.status, 200);
}

#[actix_web::test]
async fn a_block_ends_after_its_time_and_a_right_password_clears_the_count() {
    let db = TestDb::create();
    let app = patient(&db).with("PLAYHOUSE_AUTH__LOCKOUT_BLOCK_SECONDS", "1").start();
    app.member("ilsa").await;
    for _ in 0..2 {
        for left in (1..5).rev() {
            tries_left(&wrong(&app, "ilsa").await, left);
        }
        assert_eq!(app.channel_sign_in("ilsa", PASSWORD).await.status, 200);
    }
    for _ in 0..5 {
        assert_eq!(wrong(&app, "ilsa").await.status, 402);
    }
    let freed = async || app.channel_sign_in("ilsa", PASSWORD).await.status == 200;
    assert!(eventually(std::time::Duration::from_secs(20), freed).await);
}

#[actix_web::test]
async fn every_sign_in_of_an_account_has_the_same_count() {
    let db = TestDb::create();
    let app = patient(&db).start();
    let ilsa = app.member("ilsa").await;
    tries_left(&wrong(&app, "ilsa").await, 4);
    let other = app.login(&ilsa.email, WRONG).await;
    let message = |answer: &Answer| answer.json()["message"].as_str().unwrap().to_owned();
    assert_eq!((other.status, message(&other).contains("Tries left: 3.")), (401, true), "{}", message(&other));
    tries_left(&wrong(&app, &ilsa.email).await, 2);
    // The right password at one clears it for the other.
    assert_eq!(app.login(&ilsa.email, PASSWORD).await.status, 200);
    for left in (0..5).rev() {
        tries_left(&wrong(&app, "Ilsa").await, left);
    }
    let other = app.login(&ilsa.email, PASSWORD).await;
    assert_eq!(other.status, 429);
    assert!(other.header("retry-after").is_some_and(|seconds| seconds.parse::<u64>().is_ok()));
    blocked(&app.channel_sign_in("ilsa", PASSWORD).await);
}

#[actix_web::test]
async fn another_address_is_never_blocked() {
    let db = TestDb::create();
    let app = patient(&db).with("PLAYHOUSE_HTTP__TRUSTED_PROXIES", "127.0.0.1").start();
    app.member("house").await;
    for at in 0..50 {
        let status = from(&app, "203.0.113.5", "house", WRONG).await.status;
        assert_eq!(status, if at < 5 { 402 } else { 403 }, "try {at}");
    }
    blocked(&from(&app, "203.0.113.5", "house", PASSWORD).await);
    for address in ["198.51.100.7", "2001:db8::7"] {
        tries_left(&from(&app, address, "house", WRONG).await, 4);
        assert_eq!(from(&app, address, "house", PASSWORD).await.status, 200);
    }
}

#[actix_web::test]
async fn the_count_and_the_block_hold_over_nodes_and_a_restart() {
    let db = TestDb::create();
    let plan = patient(&db);
    let (mut one, two) = (plan.start(), plan.start());
    one.member("ilsa").await;
    for (left, node) in [(4, &one), (3, &two), (2, &one), (1, &two)] {
        tries_left(&wrong(node, "ilsa").await, left);
    }
    one.kill();
    let one = plan.start();
    tries_left(&wrong(&one, "ilsa").await, 0);
    for node in [&one, &two, &plan.start()] {
        blocked(&node.channel_sign_in("ilsa", PASSWORD).await);
    }
}

#[actix_web::test]
async fn names_that_no_database_takes_are_wrong_like_others() {
    let db = TestDb::create();
    let app = App::start(&db);
    app.member("ilsa").await;
    for name in ["", "%", "_lsa", "il'sa", "' OR 1=1 --"] {
        tries_left(&app.channel_sign_in(name, PASSWORD).await, 4);
    }
    let with_nul: Value = app.channel_sign_in("il\0sa", PASSWORD).await.response(400);
    assert_eq!(with_nul, json!({"invalid-field": "username"}));
}
