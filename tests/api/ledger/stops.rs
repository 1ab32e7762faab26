//! A server that stops while Postgres is away.

use reqwest::Method;
use rustix::process::Signal;
use serde_json::json;

use super::*;
use crate::support::app::{Answer, App, Plan};

async fn open(app: &App, plays: &str) -> Answer {
    Answer::of(app.request(Method::POST, plays, None)).await
}

#[actix_web::test]
async fn a_stop_while_postgres_hangs_for_a_moment_keeps_the_positions() {
    let stores = Stores::own();
    let plan = Plan::over_own(&stores)
        .with("PLAYHOUSE_PLAYBACK__SAVE_SECONDS", "8")
        .with("PLAYHOUSE_LOG__FILTER", "info,playhouse::actors::playback::ledger=debug");
    let (mut app, log) = plan.start_logging();
    let owner = app.register().await;
    let plays = format!("/v/{}/plays", app.share(&owner, "A walk", "").await);
    let mut sessions = Vec::new();
    for _ in 0..5 {
        sessions.push(open(&app, &plays).await.data(201)["session"].as_str().unwrap().to_owned());
    }
    for session in &sessions {
        let beat = json!({"position_seconds": 0.1});
        let sent = app.request(Method::PATCH, &format!("{plays}/{session}"), None).json(&beat);
        assert_eq!(Answer::of(sent).await.status, 200);
    }
    let mut conn = PgConnection::establish(stores.database_url().expose_secret()).unwrap();
    assert_eq!(count(&mut conn, "streams WHERE position_seconds = 0"), 5, "they wait to be stored");
    stores.pause_postgres();
    app.signal(Signal::TERM);
    let said = async || std::fs::read_to_string(&log).unwrap().contains("its notes are kept");
    assert!(eventually(LONG, said).await, "{}", std::fs::read_to_string(&log).unwrap());
    stores.resume_postgres();
    let ended = app.ended(LONG).expect("it ends");
    assert!(ended.success(), "{ended}");
    assert_eq!(count(&mut conn, "streams WHERE position_seconds = 0.1"), 5);
}
