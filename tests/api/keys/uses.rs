//! When a key was used last; and that its secret shows nowhere.

use std::time::Duration;

use chrono::{DateTime, Utc};
use diesel::{Connection as _, PgConnection, RunQueryDsl as _, sql_query};
use playhouse::db::queries::api_keys::note_uses;
use rustix::process::Signal;
use serde_json::Value;
use uuid::Uuid;

use crate::{
    lists::statements,
    support::{
        app::{App, Plan, eventually},
        people::Person,
        stores::{Stores, TestDb},
    },
};

const LONG: Duration = Duration::from_secs(30);

async fn last_use(app: &App, person: &Person, id: &str) -> Option<DateTime<Utc>> {
    let shown = app.get(&format!("/keys/{id}"), person).await.data(200);
    match &shown["lastUsedAt"] {
        Value::String(time) => Some(time.parse().expect("a time")),
        other => {
            assert_eq!(other, &Value::Null);
            None
        }
    }
}

#[actix_web::test]
async fn the_last_use_is_shown_and_moves_on() {
    let db = TestDb::create();
    let app = Plan::over(&db).with("PLAYHOUSE_AUTH__KEY_USE_SECONDS", "1").start();
    let owner = app.register().await;
    let (id, key) = app.key_of(&owner, &[]).await;
    let (idle, _) = app.key_of(&owner, &[]).await;
    assert_eq!(last_use(&app, &owner, &id).await, None);
    let began = Utc::now();
    app.get("/me", &key).await.data(200);
    let used = || async { last_use(&app, &owner, &id).await.is_some_and(|at| at >= began && at <= Utc::now()) };
    assert!(eventually(LONG, used).await);
    assert_eq!(last_use(&app, &owner, &idle).await, None);
    let first = last_use(&app, &owner, &id).await;
    let later = || async {
        app.get("/me", &key).await.data(200);
        last_use(&app, &owner, &id).await > first
    };
    assert!(eventually(LONG, later).await);
}

#[actix_web::test]
async fn uses_of_many_keys_are_stored_by_one_statement_and_not_one_a_request() {
    let db = TestDb::create();
    let app = super::quiet(&db).with("PLAYHOUSE_AUTH__KEY_USE_SECONDS", "3").start();
    let owner = app.register().await;
    let mut keys = Vec::new();
    for _ in 0..40 {
        keys.push(app.key_of(&owner, &[]).await);
    }
    // In memory from here on.
    for (_, key) in &keys {
        app.get("/stats", key).await.data(200);
    }
    let before = statements(&app, &owner).await;
    for _ in 0..5 {
        for (_, key) in &keys {
            app.get("/stats", key).await.data(200);
        }
    }
    let stored = || async {
        let shown = app.get("/keys?limit=100", &owner).await.data(200);
        shown.as_array().unwrap().iter().all(|key| key["lastUsedAt"].is_string())
    };
    let mut asked = 0;
    let mut all = false;
    while !all && asked < 60 {
        asked += 1;
        all = stored().await;
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    assert!(all);
    let spent = statements(&app, &owner).await - before;
    // A list takes two; the rest are the batches, and tests of connections.
    assert!(spent <= 2 * asked + 15, "{spent} statements, {asked} lists");
}

#[actix_web::test]
async fn uses_while_postgres_is_away_are_stored_when_it_is_back() {
    let mut stores = Stores::own();
    // A Redis that is busy for a moment would be taken for one that is away, and what is in memory be forgotten.
    let plan = Plan::over_own(&stores).with("PLAYHOUSE_REDIS__TIMEOUT_MS", "10000");
    let app = plan.with("PLAYHOUSE_AUTH__KEY_USE_SECONDS", "1").start();
    let owner = app.register().await;
    let (id, key) = app.key_of(&owner, &[]).await;
    assert_eq!(app.get("/stats", &key).await.status, 200);
    let noted = || async { last_use(&app, &owner, &id).await.is_some() };
    assert!(eventually(LONG, noted).await);
    let known = last_use(&app, &owner, &id).await;
    stores.stop_postgres();
    // Longer than a use is worth noting anew, and than a batch waits.
    let began = Utc::now();
    while Utc::now() - began < chrono::TimeDelta::seconds(7) {
        assert_eq!(app.get("/stats", &key).await.status, 200, "the request does not wait for the note");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let ended = Utc::now();
    stores.start_postgres();
    let shown = || async {
        let answer = app.get(&format!("/keys/{id}"), &owner).await;
        answer.status == 200 && {
            let at = answer.json()["data"]["lastUsedAt"].as_str().and_then(|at| at.parse::<DateTime<Utc>>().ok());
            at > known && at <= Some(ended)
        }
    };
    assert!(eventually(LONG, shown).await);
}

#[actix_web::test]
async fn what_was_noted_is_stored_at_the_stop() {
    let db = TestDb::create();
    let plan = Plan::over(&db).with("PLAYHOUSE_AUTH__KEY_USE_SECONDS", "60");
    let mut app = plan.start();
    let owner = app.register().await;
    let (id, key) = app.key_of(&owner, &[]).await;
    app.get("/me", &key).await.data(200);
    assert_eq!(last_use(&app, &owner, &id).await, None);
    app.signal(Signal::TERM);
    assert!(app.ended(LONG).is_some_and(|status| status.success()));
    let app = plan.start();
    assert!(last_use(&app, &owner, &id).await.is_some());
}

#[actix_web::test]
async fn a_note_waits_for_nobody_and_never_goes_back() {
    let db = TestDb::create();
    let app = App::start(&db);
    let owner = app.register().await;
    let id = |key: (String, Person)| -> Uuid { key.0.parse().expect("a UUID") };
    let (held, free) = (id(app.key_of(&owner, &[]).await), id(app.key_of(&owner, &[]).await));
    let at = |seconds| DateTime::from_timestamp(seconds, 0).unwrap();
    let mut other = db.connect();
    let mut conn = db.connect();
    other
        .transaction(|other| -> diesel::QueryResult<()> {
            sql_query(format!("SELECT 1 FROM api_keys WHERE id = '{held}' FOR UPDATE")).execute(other)?;
            sql_query("SET statement_timeout = '5s'").execute(&mut conn)?;
            let noted = note_uses(&mut conn, &[held, free, Uuid::now_v7()], &[at(2_000); 3])?;
            assert_eq!(noted, 1, "the key that nobody holds");
            Ok(())
        })
        .unwrap();
    let seconds = |conn: &mut PgConnection| {
        playhouse::db::queries::api_keys::find(conn, free.into())
            .unwrap()
            .and_then(|key| key.last_used_at)
            .map(|at| at.timestamp())
    };
    assert_eq!(seconds(&mut conn), Some(2_000));
    assert_eq!(note_uses(&mut conn, &[held, free], &[at(1_000); 2]).unwrap(), 2);
    assert_eq!(seconds(&mut conn), Some(2_000), "an earlier use changes nothing");
}

#[actix_web::test]
async fn the_secret_of_a_key_stands_in_no_log_and_no_error() {
    let db = TestDb::create();
    let plan =
        Plan::over(&db).with("PLAYHOUSE_LOG__FILTER", "trace,h2=off").with("PLAYHOUSE_AUTH__KEY_USE_SECONDS", "1");
    let (mut app, log) = plan.start_logging();
    let owner = app.register().await;
    let (id, key) = app.key_of(&owner, &["view:catalogue"]).await;
    app.get("/genres", &key).await.data(200);
    let noted = || async { last_use(&app, &owner, &id).await.is_some() };
    assert!(eventually(LONG, noted).await);
    let wrong = format!("{}A", key.token);
    for (token, path, status) in [
        (&key.token, "/users/logout", 405),
        (&key.token, "/keys", 403),
        (&wrong, "/genres", 401),
        (&key.token, "/nothing", 404),
    ] {
        let answer = super::bearing(&app, token, path).await;
        assert_eq!(answer.status, status, "{path}");
        assert!(!String::from_utf8_lossy(&answer.bytes).contains(&key.token[4..]), "{path}");
    }
    assert_eq!(app.delete(&format!("/keys/{id}"), &owner).await.status, 200);
    assert_eq!(app.get("/genres", &key).await.status, 401);
    app.signal(Signal::TERM);
    assert!(app.ended(LONG).is_some());
    let text = std::fs::read_to_string(&log).unwrap();
    assert!(text.contains("/keys"), "it does log: {} bytes", text.len());
    assert!(!text.contains(&key.token[4..]), "the log has the secret");
}
