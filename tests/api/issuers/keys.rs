//! An issuer's keys: that they change, that it goes away, and that it answers strangely.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::json;
use wiremock::{Request, ResponseTemplate};

use super::house;
use crate::support::{
    app::{Answer, Plan, eventually},
    issuer::{Issuer, Key, keys, publishing},
    stores::TestDb,
};

/// Generous: the background asks within a second where the settings say so.
const SOON: Duration = Duration::from_secs(20);

#[actix_web::test]
async fn a_new_key_is_taken_at_once_and_one_that_is_withdrawn_no_more() {
    let [_, old, new] = keys();
    let issuer = Issuer::start("acme", &[old]).await;
    let (_db, app) = house(&issuer);
    let before = issuer.person(old, "ann", &[]).token;
    assert_eq!(app.taken(&before).await, 200);
    issuer.answer(publishing(&[new])).await;
    assert_eq!(app.taken(&before).await, 200, "nothing was asked for yet");
    assert_eq!(app.taken(&issuer.person(new, "ann", &[]).token).await, 200, "an unknown key is asked for");
    assert_eq!(issuer.asked().await, 1);
    // Also the token that was verified before.
    assert_eq!(app.taken(&before).await, 401);
    assert_eq!(app.taken(&issuer.person(old, "ann", &[]).token).await, 401);
}

#[actix_web::test]
async fn the_background_hears_of_a_withdrawn_key_without_being_asked() {
    let [_, old, new] = keys();
    let issuer = Issuer::start("acme", &[old, new]).await;
    let db = TestDb::create();
    let app = Plan::over(&db).with_issuer(&issuer).with_of(&issuer, "REFRESH_SECONDS", "1").start();
    let token = issuer.person(old, "ann", &[]).token;
    assert_eq!(app.taken(&token).await, 200);
    issuer.answer(publishing(&[new])).await;
    assert!(eventually(SOON, async || app.taken(&token).await == 401).await);
    assert_eq!(app.taken(&issuer.person(new, "ann", &[]).token).await, 200);
}

#[actix_web::test]
async fn unknown_keys_are_asked_for_once_in_the_time_however_many_ask() {
    let issuer = Issuer::start("acme", &[&keys()[2]]).await;
    let (_db, app) = house(&issuer);
    assert_eq!(app.taken(&issuer.person(&keys()[2], "ann", &[]).token).await, 200);
    let slow = publishing(&[&keys()[2]]).set_delay(Duration::from_millis(300));
    issuer.answer(slow).await;
    for _ in 0..2 {
        let strangers: Vec<Key> = (0..100).map(|number| Key::ed25519(&format!("stranger {number}"))).collect();
        let tokens: Vec<String> = strangers.iter().map(|key| issuer.person(key, "ann", &[]).token).collect();
        let statuses = join_all(tokens.iter().map(|token| app.taken(token))).await;
        assert_eq!(statuses, vec![401; 100]);
        assert_eq!(issuer.asked().await, 1);
    }
}

#[actix_web::test]
async fn unknown_keys_are_asked_for_again_when_the_time_is_over() {
    let issuer = Issuer::start("acme", &[&keys()[2]]).await;
    let db = TestDb::create();
    let app = Plan::over(&db).with_issuer(&issuer).with_of(&issuer, "UNKNOWN_KID_SECONDS", "1").start();
    let stranger = issuer.person(&keys()[1], "ann", &[]).token;
    assert_eq!(app.taken(&stranger).await, 401);
    issuer.answer(publishing(&[&keys()[1]])).await;
    assert!(eventually(SOON, async || app.taken(&stranger).await == 200).await);
}

#[actix_web::test]
async fn without_keys_yet_a_token_is_503_and_taken_once_the_issuer_comes() {
    let issuer = Issuer::away("acme");
    let (_db, app) = house(&issuer);
    let person = issuer.person(&keys()[2], "ann", &[]);
    let answer = app.get("/me", &person).await;
    assert_eq!(answer.status, 503, "{answer:?}");
    assert!(answer.header("retry-after").is_some());
    issuer.come(publishing(&[&keys()[2]])).await;
    // Requests may not ask for an hour; the background does.
    assert!(eventually(SOON, async || app.taken(&person.token).await == 200).await);
}

#[actix_web::test]
async fn known_keys_stay_while_the_issuer_is_away() {
    let [_, old, new] = keys();
    let issuer = Issuer::start("acme", &[old]).await;
    let db = TestDb::create();
    let plan = Plan::over(&db).with_issuer(&issuer);
    let app = plan.with_of(&issuer, "REFRESH_SECONDS", "1").with_of(&issuer, "UNKNOWN_KID_SECONDS", "1").start();
    assert_eq!(app.taken(&issuer.person(old, "ann", &[]).token).await, 200);
    issuer.go().await;
    let end = Instant::now() + Duration::from_secs(3);
    while Instant::now() < end {
        assert_eq!(app.taken(&issuer.person(old, "ann", &[]).token).await, 200);
        assert_eq!(app.taken(&issuer.person(new, "ann", &[]).token).await, 401);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    issuer.come(publishing(&[new])).await;
    let (before, after) = (issuer.person(old, "ann", &[]).token, issuer.person(new, "ann", &[]).token);
    assert!(eventually(SOON, async || app.taken(&after).await == 200).await);
    assert_eq!(app.taken(&before).await, 401);
}

#[actix_web::test]
async fn an_answer_that_is_no_set_of_keys_changes_nothing() {
    let key = &keys()[2];
    let issuer = Issuer::start("acme", &[key]).await;
    let elsewhere = Issuer::start("elsewhere", &[]).await;
    let db = TestDb::create();
    let app = Plan::over(&db).with_issuer(&issuer).with_of(&issuer, "REFRESH_SECONDS", "1").start();
    assert_eq!(app.taken(&issuer.person(key, "ann", &[]).token).await, 200);
    let set = |number: usize| json!({"keys": vec![Key::ed25519("x").jwk(); number]});
    let far = format!("{}{}", elsewhere.url(), crate::support::issuer::KEYS);
    for (what, answer) in [
        ("HTML", ResponseTemplate::new(200).set_body_string("<html>Sign in</html>")),
        ("an error", ResponseTemplate::new(500).set_body_json(set(1))),
        ("not found", ResponseTemplate::new(404).set_body_json(set(1))),
        ("50 MB", ResponseTemplate::new(200).set_body_bytes(vec![b' '; 50_000_000])),
        ("65 KiB of JSON", ResponseTemplate::new(200).set_body_json(json!({"keys": [], "x": "x".repeat(65 * 1024)}))),
        ("101 keys", ResponseTemplate::new(200).set_body_json(set(101))),
        ("another server", ResponseTemplate::new(302).insert_header("location", far.as_str())),
        ("a circle", ResponseTemplate::new(302).insert_header("location", crate::support::issuer::KEYS)),
        ("nothing", ResponseTemplate::new(204)),
    ] {
        issuer.answer(answer).await;
        assert!(eventually(SOON, async || issuer.asked().await >= 1).await, "{what}: it was not asked");
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert_eq!(app.taken(&issuer.person(key, "ann", &[]).token).await, 200, "{what}");
        issuer.answer(publishing(&[key])).await;
        assert!(eventually(SOON, async || issuer.asked().await >= 1).await, "{what}: it is not asked again");
    }
    assert_eq!(elsewhere.asked().await, 0, "a redirect led to another server");
}

#[actix_web::test]
async fn a_wrong_key_under_the_right_name_ends_its_tokens_and_the_right_one_brings_them_back() {
    let right = &keys()[1];
    let wrong = Key::p256(&right.kid);
    let issuer = Issuer::start("acme", &[right]).await;
    let db = TestDb::create();
    let app = Plan::over(&db).with_issuer(&issuer).with_of(&issuer, "REFRESH_SECONDS", "1").start();
    let token = issuer.person(right, "ann", &[]).token;
    assert_eq!(app.taken(&token).await, 200);
    issuer.answer(publishing(&[&wrong])).await;
    assert!(eventually(SOON, async || app.taken(&token).await == 401).await);
    issuer.answer(publishing(&[right])).await;
    assert!(eventually(SOON, async || app.taken(&token).await == 200).await);
}

#[actix_web::test]
async fn a_slow_issuer_holds_up_neither_the_start_nor_anyone_else_and_its_own_for_a_bounded_time() {
    let issuer = Issuer::away("acme");
    issuer.come(|_: &Request| publishing(&[]).set_delay(Duration::from_mins(10))).await;
    let db = TestDb::create();
    let begun = Instant::now();
    let app = Plan::over(&db).with_issuer(&issuer).with_of(&issuer, "DEADLINE_MS", "2000").start();
    let owner = app.register().await;
    assert_eq!(app.get("/genres", &owner).await.status, 200);
    assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
    let begun = Instant::now();
    let person = issuer.person(&keys()[2], "ann", &[]);
    let answers = join_all((0..50).map(|_| app.get("/me", &person))).await;
    assert!(answers.iter().all(|answer: &Answer| answer.status == 503));
    assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
}

#[actix_web::test]
async fn what_was_asked_is_counted_and_what_failed_is_logged_without_its_path() {
    let issuer = Issuer::away("acme");
    let db = TestDb::create();
    let (app, log) = Plan::over(&db).with_issuer(&issuer).with("PLAYHOUSE_LOG__FILTER", "info").start_logging();
    let counted = async |outcome: &str| {
        let text = Answer::of(app.client.get(app.url("/metrics"))).await.bytes;
        let line = format!("playhouse_issuer_fetches_total{{issuer=\"acme\",outcome=\"{outcome}\"}}");
        String::from_utf8_lossy(&text).contains(&line)
    };
    assert!(eventually(SOON, async || counted("failed").await).await);
    issuer.come(publishing(&[&keys()[2]])).await;
    assert!(eventually(SOON, async || counted("fetched").await).await);
    let log = std::fs::read_to_string(log).unwrap();
    assert!(log.contains("no keys from the issuer of tokens") && log.contains("the issuer of tokens is back"), "{log}");
    assert!(!log.contains(crate::support::issuer::KEYS), "{log}");
}
