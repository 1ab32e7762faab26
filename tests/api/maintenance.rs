//! Maintenance on several nodes: who hears of a switch, when, and what holds while a store is away.

use std::time::Duration;

use diesel::{Connection as _, connection::SimpleConnection as _};
use reqwest::Method;
use secrecy::ExposeSecret as _;
use serde_json::json;

use crate::support::{
    app::{Answer, App, Plan, eventually},
    load::timed,
    people::Person,
    stores::{Stores, TestDb},
};

/// Far above the 200 ms in which a switch is announced, and below the second after which a node asks by itself.
const ANNOUNCED: Duration = Duration::from_millis(600);

async fn switch(node: &App, owner: &Person, on: bool) {
    let body = json!({"on": on, "message": "Back at noon"});
    Answer::of(node.request(Method::PUT, "/maintenance", Some(owner)).json(&body)).await.data(200);
}

#[actix_web::test]
async fn the_first_request_on_every_node_keeps_to_a_switch_on_any() {
    let db = TestDb::create();
    let plan = Plan::over(&db);
    let nodes = [plan.start(), plan.start(), plan.start()];
    let owner = nodes[0].register().await;
    let write = async |node: &App| node.post("/genres", &owner, json!({"name": "A"})).await.status;
    for (round, on) in [true, false, true, false].into_iter().enumerate() {
        // A node that has switched itself a moment ago hears the next one's switch too.
        let by = &nodes[round % 2];
        switch(by, &owner, on).await;
        let expected = |status: u16| if on { status == 503 } else { status != 503 };
        let own = write(by).await;
        assert!(expected(own), "round {round}: the node itself answers {own}");
        tokio::time::sleep(ANNOUNCED).await;
        for (index, node) in nodes.iter().enumerate() {
            let status = write(node).await;
            assert!(expected(status), "round {round}: node {index} answers {status} first");
        }
    }
}

#[actix_web::test]
async fn a_switch_that_cannot_be_asked_about_leaves_the_last_known_state_and_no_one_waiting() {
    let mut stores = Stores::own();
    let app = Plan::over_own(&stores).start();
    let owner = app.register().await;
    switch(&app, &owner, true).await;
    let closed = async || {
        let (answer, took) = timed(Answer::of(app.request(Method::GET, "/nowhere", None))).await;
        assert_eq!(answer.status, 503);
        assert_eq!(answer.json()["message"], "Back at noon");
        took
    };
    closed().await;
    stores.stop_postgres();
    let client = redis::Client::open(stores.redis_url().expose_secret()).unwrap();
    let mut link = client.get_multiplexed_async_connection().await.unwrap();
    redis::cmd("PUBLISH").arg("playhouse:invalidate").arg("installation").exec_async(&mut link).await.unwrap();
    tokio::time::sleep(ANNOUNCED).await;
    // The first may wait for the database's deadline; those after it do not.
    closed().await;
    let mut waits = Vec::new();
    for _ in 0..10 {
        waits.push(closed().await);
    }
    waits.sort();
    assert!(waits[5] < Duration::from_millis(200), "{waits:?}");
    stores.start_postgres();
    let mut conn = diesel::PgConnection::establish(stores.database_url().expose_secret()).unwrap();
    conn.batch_execute("UPDATE installation SET maintenance = false").unwrap();
    // Also what was missed is found, without another announcement.
    let open = async || Answer::of(app.request(Method::GET, "/nowhere", None)).await.status == 404;
    assert!(eventually(Duration::from_secs(10), open).await);
}
