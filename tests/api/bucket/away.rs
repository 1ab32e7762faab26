//! What needs no bytes goes on while the bucket is away, and operation tells of it.

use std::time::Duration;

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::json;
use uuid::Uuid;

use super::{House, house, is_away, ways_to_be_away};
use crate::support::{
    app::{Answer, eventually},
    load::timed,
    media::{mp4, noise},
    people::PASSWORD,
    s3::Fault,
};

/// Asks for what needs no bytes; each answer comes soon.
async fn the_rest_goes_on(house: &House, what: &str) {
    let within = |(answer, took): (Answer, Duration), status: u16| {
        assert_eq!(answer.status, status, "{what}: {}", answer.path);
        assert!(took < Duration::from_secs(2), "{what}: {took:?} for {}", answer.path);
    };
    let (app, owner) = (&house.app, &house.owner);
    within(timed(house.see("/healthz")).await, 200);
    within(timed(app.get(&format!("/series?name={}", Uuid::new_v4().simple()), owner)).await, 200);
    within(timed(app.get("/files", owner)).await, 200);
    within(timed(house.see("/videos/all")).await, 200);
    within(timed(app.login(&owner.email, PASSWORD)).await, 200);
    let name = Uuid::new_v4().simple().to_string();
    within(timed(app.post("/genres", owner, json!({"name": name}))).await, 201);
}

async fn media_is(house: &House, word: &str) -> bool {
    let code = if word == "ok" { 200 } else { 503 };
    eventually(Duration::from_secs(20), async || {
        let answer = house.see("/readyz").await;
        assert_eq!((&answer.json()["postgres"], &answer.json()["redis"]), (&json!("ok"), &json!("ok")));
        answer.status == code && answer.json()["media"] == word
    })
    .await
}

#[actix_web::test]
async fn while_the_bucket_is_away_what_needs_no_bytes_goes_on_and_readiness_names_it() {
    let house = house(&[&[("PLAYHOUSE_STORAGE__READ_TIMEOUT_MS", "1000")]]).await;
    let id = house.app.upload(&house.owner, "a.mp4", mp4().to_vec()).await.id();
    assert!(media_is(&house, "ok").await);
    for fault in ways_to_be_away() {
        house.bucket().fail(fault.clone());
        // They wait for the bucket together, and keep nobody waiting.
        let readers = join_all((0..64).map(|_| house.ask(Method::GET, &id, &[])));
        let rest = async {
            tokio::time::sleep(Duration::from_millis(100)).await;
            the_rest_goes_on(&house, &format!("{fault:?}")).await;
        };
        let (answers, ()) = futures_util::join!(readers, rest);
        answers.iter().for_each(is_away);
        assert!(media_is(&house, "away").await, "{fault:?}");
        house.bucket().heal();
        assert!(media_is(&house, "ok").await, "{fault:?}");
        assert!(house.ask(Method::GET, &id, &[]).await.bytes == mp4(), "{fault:?}");
    }
}

#[actix_web::test]
async fn a_server_starts_without_its_bucket_and_uses_it_once_it_is_there() {
    let mut house = house(&[]).await;
    let bytes = noise(10_000);
    let id = house.put(&bytes).await;
    for fault in [Fault::Refuse, Fault::Hang] {
        house.app.kill();
        house.bucket().fail(fault.clone());
        let (app, took) = timed(async { house.plan.start() }).await;
        house.app = app;
        assert!(took < Duration::from_secs(5), "{fault:?}: {took:?} to start");
        the_rest_goes_on(&house, &format!("{fault:?}")).await;
        assert!(media_is(&house, "away").await, "{fault:?}");
        house.bucket().heal();
        assert!(house.ask(Method::GET, &id, &[]).await.bytes == bytes, "{fault:?}");
    }
}
