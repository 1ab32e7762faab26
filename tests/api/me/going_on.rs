//! Which of several viewings one goes on with: what was watched last, however it was opened.

use diesel::connection::SimpleConnection as _;
use serde_json::{Value, json};

use super::{Rows, Show, texts, titles};
use crate::support::{app::App, stores::TestDb};

/// What the one entry says: the episode, where it goes on, and the episode after it.
fn place(listed: &[Value]) -> (&Value, &Value, &Value) {
    assert_eq!(listed.len(), 1, "{listed:?}");
    (&listed[0]["title"]["id"], &listed[0]["position_seconds"], &listed[0]["next"]["episode_id"])
}

#[actix_web::test]
async fn an_episode_that_was_just_opened_hides_nothing_of_its_series() {
    let db = TestDb::create();
    let app = App::start(&db);
    app.register().await;
    let mut rows = Rows::of(&db);
    let show = Show::make(&mut rows);
    for (left, expected) in [
        (950.0, (&json!(show.one), &json!(0.0), &json!(show.two))),
        (400.0, (&json!(show.one), &json!(400.0), &Value::Null)),
    ] {
        let person = app.register().await;
        rows.stream(&person, ("episode_id", &show.four), 500.0, 60);
        rows.stream(&person, ("episode_id", &show.one), left, 30);
        let opened = app.post("/streams", &person, json!({"episode_id": show.two})).await.data(201);
        assert_eq!((&opened["state"], &opened["position_seconds"]), (&json!("playing"), &json!(0.0)));
        assert_eq!(place(&titles(&app, &person, "").await), expected, "left at {left}");
        let next = app.post("/streams", &person, json!({"episode_id": show.two})).await.data(201);
        assert_eq!(place(&titles(&app, &person, "?limit=1").await), expected, "left at {left}");
        // The row learns of it some seconds later.
        let path = format!("/streams/{}", next["id"].as_str().unwrap());
        app.patch(&path, &person, json!({"position_seconds": 300})).await.data(200);
        assert_eq!(place(&titles(&app, &person, "").await), (&json!(show.two), &json!(300.0), &Value::Null));
    }
}

#[actix_web::test]
async fn what_was_watched_last_decides_and_not_what_was_opened_last() {
    let db = TestDb::create();
    let app = App::start(&db);
    let (_, person) = (app.register().await, app.register().await);
    let mut rows = Rows::of(&db);
    let show = Show::make(&mut rows);
    let season = another_season(&mut rows);
    let elsewhere = rows.episode(&season, "Elsewhere", 1);
    let reopened = rows.stream(&person, ("episode_id", &show.one), 800.0, 1);
    let of_two = rows.stream(&person, ("episode_id", &show.two), 500.0, 30);
    let later = rows.stream(&person, ("episode_id", &show.one), 100.0, 60);
    let other = rows.stream(&person, ("episode_id", &elsewhere), 600.0, 20);
    let opened = format!("UPDATE streams SET created_at = created_at - interval '1 day' WHERE id = '{reopened}'");
    rows.conn.batch_execute(&opened).unwrap();

    let listed = titles(&app, &person, "").await;
    assert_eq!(texts(&listed, "stream_id"), [reopened, other], "neither {of_two} nor {later}");
    assert_eq!(listed[0]["position_seconds"], 800.0);
    let opened = app.post("/streams", &person, json!({"episode_id": show.one})).await.data(201);
    assert_eq!(opened["position_seconds"], 800.0);
}

/// A season of a series of its own.
fn another_season(rows: &mut Rows) -> String {
    let series = rows.add("series", "name", "'Another show'");
    rows.season(&series, 1)
}
