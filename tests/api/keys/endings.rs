//! How a key ends: revoked, over, with its account; and what is no key at all. On every node, whatever is away.

use std::time::Duration;

use diesel::connection::SimpleConnection as _;
use futures_util::future::join_all;
use serde_json::json;

use super::{bearing, quiet, refused};
use crate::{
    accounts::patient,
    lists::statements,
    support::{
        app::{Answer, App, Plan, eventually},
        media::mp4,
        people::Person,
        stores::{Stores, TestDb},
    },
};

/// What one node does, another has heard of by then. It takes milliseconds; machines may be busy.
const HEARD: Duration = Duration::from_secs(5);
const UNKNOWN: &str = "The API key is unknown, or was revoked.";

#[actix_web::test]
async fn a_revoked_key_opens_nothing_any_more_on_any_node() {
    let db = TestDb::create();
    let plan = Plan::over(&db);
    let nodes = [plan.start(), plan.start()];
    let owner = nodes[0].register().await;
    let (_, kept) = nodes[0].key_of(&owner, &["view:catalogue"]).await;
    for round in 0..10 {
        let (id, key) = nodes[0].key_of(&owner, &["view:catalogue"]).await;
        for node in &nodes {
            node.get("/genres", &key).await.data(200);
        }
        assert_eq!(nodes[round % 2].delete(&format!("/keys/{id}"), &owner).await.status, 200);
        // The answer to the revocation comes after the other nodes were told.
        for node in &nodes {
            let gone = || async { node.get("/genres", &key).await.status == 401 };
            assert!(eventually(HEARD, gone).await, "round {round}");
            assert_eq!(refused(&node.get("/genres", &key).await, 401), UNKNOWN);
        }
    }
    for node in &nodes {
        node.get("/genres", &kept).await.data(200);
    }
}

#[actix_web::test]
async fn a_key_is_revoked_at_once_while_redis_is_away() {
    let mut stores = Stores::own();
    let plan = Plan::over_own(&stores);
    let nodes = [plan.start(), plan.start()];
    let owner = nodes[0].register().await;
    let (id, key) = nodes[0].key_of(&owner, &["view:catalogue"]).await;
    for node in &nodes {
        node.get("/genres", &key).await.data(200);
    }
    stores.stop_redis();
    for node in &nodes {
        let away = || async { node.get("/readyz", &key).await.json()["redis"] == "away" };
        assert!(eventually(HEARD, away).await);
        // A node that cannot hear the others asks the database, each time.
        node.get("/genres", &key).await.data(200);
    }
    assert_eq!(nodes[0].delete(&format!("/keys/{id}"), &owner).await.status, 200);
    for node in &nodes {
        refused(&node.get("/genres", &key).await, 401);
    }
    stores.start_redis();
    for node in &nodes {
        let back = || async { node.get("/readyz", &key).await.json()["redis"] == "ok" };
        assert!(eventually(HEARD, back).await);
        refused(&node.get("/genres", &key).await, 401);
    }
}

#[actix_web::test]
async fn a_key_shrinks_and_grows_with_its_maker_on_every_node() {
    let db = TestDb::create();
    let plan = patient(&db);
    let nodes = [plan.start(), plan.start()];
    let owner = nodes[0].register().await;
    let maker = nodes[0].register_as(&owner, &["editor"]).await;
    let (_, key) = nodes[0].key_of(&maker, &["view:catalogue", "edit:catalogue"]).await;
    let path = format!("/users/{}", maker.id);
    let edits = async |status: u16| {
        for node in &nodes {
            let name = uuid::Uuid::new_v4().simple().to_string();
            let holds = || async { node.post("/genres", &key, json!({"name": name})).await.status == status };
            assert!(eventually(HEARD, holds).await, "{status}");
        }
    };
    edits(201).await;
    for round in 0..3 {
        nodes[round % 2].patch(&path, &owner, json!({"roles": ["viewer"]})).await.data(200);
        edits(403).await;
        // Roles and passwords end tokens; a key goes on, as far as its account may.
        for node in &nodes {
            refused(&node.get("/genres", &maker).await, 401);
            node.get("/genres", &key).await.data(200);
        }
        nodes[round % 2].patch(&path, &owner, json!({"roles": ["editor"]})).await.data(200);
        edits(201).await;
    }
    nodes[0].patch(&path, &owner, json!({"password": "another horse"})).await.data(200);
    edits(201).await;
    nodes[0].patch(&path, &owner, json!({"roles": []})).await.data(200);
    edits(403).await;
    refused(&nodes[1].get("/genres", &key).await, 403);
    assert_eq!(nodes[1].delete(&path, &owner).await.status, 200);
    edits(401).await;
}

#[actix_web::test]
async fn the_links_that_a_player_was_given_for_a_key_end_with_it() {
    let db = TestDb::create();
    let plan = Plan::over(&db);
    let nodes = [plan.start(), plan.start()];
    let owner = nodes[0].register().await;
    let film = nodes[0].upload(&owner, "a.mp4", mp4().to_vec()).await.id();
    let (id, key) = nodes[0].key_of(&owner, &["use:streams"]).await;
    let (_, kept) = nodes[0].key_of(&owner, &["use:streams"]).await;
    let link = async |person: &Person| {
        let answer = nodes[0].watch(person, json!({"file_id": film})).await;
        format!("/play/{}/file", answer.token())
    };
    let (ended, others, persons) = (link(&key).await, link(&kept).await, link(&owner).await);
    let status = async |node: &App, path: &str| Answer::of(node.request(reqwest::Method::GET, path, None)).await.status;
    for node in &nodes {
        assert_eq!(status(node, &ended).await, 200);
    }
    assert_eq!(nodes[0].delete(&format!("/keys/{id}"), &owner).await.status, 200);
    for node in &nodes {
        let gone = || async { status(node, &ended).await == 403 };
        assert!(eventually(HEARD, gone).await);
        assert_eq!((status(node, &others).await, status(node, &persons).await), (200, 200));
    }
}

#[actix_web::test]
async fn a_key_ends_with_its_time() {
    let db = TestDb::create();
    let app = App::start(&db);
    let owner = app.register().await;
    let body = json!({"name": "short", "permissions": ["view:catalogue"], "expires_in": 2});
    let made = app.post("/keys", &owner, body).await.data(201);
    let key = made["key"].as_str().unwrap();
    assert_eq!(bearing(&app, key, "/genres").await.status, 200);
    let over = || async { bearing(&app, key, "/genres").await.status == 401 };
    assert!(eventually(Duration::from_secs(20), over).await);
    let end = chrono::DateTime::parse_from_rfc3339(made["expiresAt"].as_str().unwrap()).unwrap();
    assert!(chrono::Utc::now() >= end, "it ended before its time");
    assert_eq!(refused(&bearing(&app, key, "/genres").await, 401), "The token has expired.");
    // It still stands in the list, so that its maker sees why their program fails.
    assert_eq!(app.get("/keys", &owner).await.data(200)[0]["id"], made["id"]);
}

#[actix_web::test]
async fn what_is_no_key_is_401_and_costs_the_database_next_to_nothing() {
    let db = TestDb::create();
    let app = quiet(&db).start();
    let owner = app.register().await;
    let (_, key) = app.key_of(&owner, &[]).await;
    app.get("/me", &key).await.data(200);
    let zeros = format!("phk_{}", "A".repeat(43));
    let malformed = [
        "phk_".to_owned(),
        key.token[..46].to_owned(),
        format!("{}A", key.token),
        format!("{}=", &key.token[..46]),
        format!("phk_{}", "'; DROP TABLE api_keys; --".repeat(10)),
        format!("phk_{}", "x".repeat(5_000)),
        format!("PHK_{}", &key.token[4..]),
        format!("phk_{}B", "A".repeat(42)),
    ];
    let before = statements(&app, &owner).await;
    for text in &malformed {
        assert_eq!(refused(&bearing(&app, text, "/stats").await, 401), "Invalid token.", "{text:.60}");
    }
    for _ in 0..50 {
        assert_eq!(refused(&bearing(&app, &zeros, "/stats").await, 401), UNKNOWN);
    }
    // One for the key that nobody has; a new connection is tested by another, and something goes on by itself.
    let spent = statements(&app, &owner).await - before;
    assert!((1..=10).contains(&spent), "{spent} statements");
    // The right one, as often as one likes, costs none.
    let before = statements(&app, &owner).await;
    for _ in 0..50 {
        assert_eq!(bearing(&app, &key.token, "/stats").await.status, 200);
    }
    let spent = statements(&app, &owner).await - before;
    assert!(spent <= 10, "{spent} statements");
}

#[actix_web::test]
async fn made_up_keys_never_shut_out_one_that_the_node_has_seen() {
    let db = TestDb::create();
    let plan = patient(&db).with("PLAYHOUSE_CACHE__TTL_SECONDS", "1");
    let key = {
        let app = plan.start();
        let owner = app.register().await;
        app.key_of(&owner, &[]).await.1
    };
    // Every look at the keys takes a while, so that few made-up ones are a flood.
    db.connect()
        .batch_execute(
            "ALTER TABLE api_keys RENAME TO all_keys; \
             CREATE FUNCTION slow() RETURNS SETOF all_keys LANGUAGE plpgsql VOLATILE AS \
             $$ BEGIN PERFORM pg_sleep(0.3); RETURN; END $$; \
             CREATE VIEW api_keys AS SELECT * FROM all_keys UNION ALL SELECT * FROM slow();",
        )
        .unwrap();
    let app = plan.start();
    app.get("/stats", &key).await.data(200);
    let made_up = |number: usize| format!("phk_{number:0>42}A");
    let status = async |number| bearing(&app, &made_up(number), "/stats").await.status;
    // Twenty wait for one of two turns all the time, for longer than what is known of the key is kept.
    let end = std::time::Instant::now() + Duration::from_millis(2500);
    let is_on = || std::time::Instant::now() < end;
    let flood = join_all((0..20).map(async |one| {
        let (mut sent, mut refused) = (0_usize, 0_usize);
        while is_on() {
            sent += 1;
            refused += usize::from(status(one * 1000 + sent).await == 503);
        }
        refused
    }));
    let real = async {
        while is_on() {
            assert_eq!(app.get("/stats", &key).await.status, 200, "the real key was shut out");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let (refused, ()) = futures_util::future::join(flood, real).await;
    assert!(refused.iter().sum::<usize>() > 0, "it was no flood");
}

#[actix_web::test]
async fn with_postgres_away_known_keys_go_on_and_new_ones_are_503() {
    let mut stores = Stores::own();
    // A Redis that is busy for a moment would be taken for one that is away, and what is in memory be forgotten.
    let app = Plan::over_own(&stores).with("PLAYHOUSE_REDIS__TIMEOUT_MS", "10000").start();
    let owner = app.register().await;
    let (_, key) = app.key_of(&owner, &[]).await;
    let (_, unseen) = app.key_of(&owner, &[]).await;
    let unknown = format!("phk_{}", "A".repeat(43));
    assert_eq!(app.get("/stats", &key).await.status, 200);
    refused(&bearing(&app, &unknown, "/stats").await, 401);
    stores.stop_postgres();
    assert_eq!(app.get("/stats", &key).await.status, 200);
    refused(&bearing(&app, &unknown, "/stats").await, 401);
    refused(&bearing(&app, &unknown[..46], "/stats").await, 401);
    let answer = app.get("/stats", &unseen).await;
    assert!(answer.status == 503 && answer.header("retry-after").is_some(), "{}", answer.status);
    stores.start_postgres();
    let back = || async { app.get("/stats", &unseen).await.status == 200 };
    assert!(eventually(Duration::from_secs(20), back).await);
}
