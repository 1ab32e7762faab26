//! What collections cost: statements, however many movies; bodies, however large.

use serde_json::{Value, json};

use super::{movie, movies, patient, plain, uuid};
use crate::{
    lists::statements,
    support::{
        app::{App, Plan},
        people::Person,
        stores::TestDb,
    },
};

/// Statements that `work` sends; the least of three, because a connection that is opened meanwhile is tested by one.
async fn cost(app: &App, person: &Person, mut work: impl AsyncFnMut(u128)) -> u64 {
    let mut least = u64::MAX;
    for turn in 0..3 {
        let before = statements(app, person).await;
        work(turn).await;
        least = least.min(statements(app, person).await - before);
    }
    least
}

#[actix_web::test]
async fn a_thousand_movies_cost_as_many_statements_as_two() {
    let db = TestDb::create();
    // Nothing else sends statements meanwhile.
    let app = patient(&db).with("PLAYHOUSE_STATISTICS__FOLLOW_MS", "600000").start();
    let (ann, bob) = (app.register().await, app.register().await);
    let mut costs = Vec::new();
    for count in [2, 1000] {
        let list = |turn: u128| movies(turn * 100..turn * 100 + count);
        let made = cost(&app, &ann, async |turn| drop(app.collect(&ann, "Made", &list(turn)).await)).await;
        let path = app.collect(&bob, "Bob's", &list(0)).await;
        // Each drops movies, changes some, and brings others.
        let put = cost(&app, &bob, async |turn| {
            let list: Vec<Value> = list(turn * 20 + 1)
                .into_iter()
                .map(|mut movie| {
                    movie["genres"] = json!(turn.to_string());
                    movie
                })
                .collect();
            plain(&app.put(&path, &bob, json!({"title": "Bob's", "movies": list})).await, 200);
        })
        .await;
        let shown = cost(&app, &bob, async |_| drop(plain(&app.get(&path, &bob).await, 200))).await;
        let removed = statements(&app, &bob).await;
        plain(&app.delete(&path, &bob).await, 200);
        let removed = statements(&app, &bob).await - removed;
        assert!(made <= 11 && put <= 12 && shown == 2 && removed <= 9, "{made}, {put}, {shown}, {removed}");
        costs.push((made, put, shown));
    }
    assert_eq!(costs[0], costs[1]);
}

#[actix_web::test]
async fn a_thousand_movies_with_long_descriptions_are_taken() {
    let db = TestDb::create();
    let app = patient(&db).start();
    let ann = app.register().await;
    let mut many = movies(0..1000);
    for (at, movie) in many.iter_mut().enumerate() {
        movie["description"] = json!(format!("{at} ").repeat(2000));
    }
    let path = app.collect(&ann, "Many", &many).await;
    assert_eq!(plain(&app.get(&path, &ann).await, 200)["movies"], json!(many));
    many.reverse();
    assert_eq!(plain(&app.put(&path, &ann, json!({"movies": many})).await, 200)["movies"], json!(many));
}

/// A body of this many bytes that makes a collection.
pub(super) fn body_of(length: usize) -> String {
    let body = json!({"title": "X", "description": "", "movies": [movie(1, "")]}).to_string();
    let space = " ".repeat(length - body.len());
    body + &space
}

#[actix_web::test]
async fn bodies_have_a_limit_of_their_own_and_registering_the_ordinary_one() {
    let db = TestDb::create();
    let app = Plan::over(&db).with("PLAYHOUSE_COLLECTIONS__JSON_LIMIT_BYTES", "1000000").start();
    let ann = app.register().await;
    let send = async |path: &str, body: String| {
        let request = app.request(reqwest::Method::POST, path, Some(&ann)).header("content-type", "application/json");
        crate::support::app::Answer::of(request.body(body)).await
    };
    assert_eq!(send("/collection/", body_of(1_000_000)).await.status, 201);
    let refused = json!({"detail": "The body is larger than 1000000 bytes"});
    assert_eq!(plain(&send("/collection/", body_of(1_000_001)).await, 413), refused);
    assert_eq!(send("/register/", body_of(262_145)).await.status, 413);
}

#[actix_web::test]
async fn a_body_of_very_many_values_is_refused_before_they_take_memory() {
    let db = TestDb::create();
    let app = App::start(&db);
    let ann = app.register().await;
    let before = crate::support::load::memory(app.pid(), "VmHWM");
    for piece in ["0,", "[],", "{\"\":0},", "\"\","] {
        let body = format!("{{\"title\":[{}0]}}", piece.repeat(16_000_000 / piece.len()));
        let request = app.request(reqwest::Method::POST, "/collection/", Some(&ann)).body(body);
        let answer = crate::support::app::Answer::of(request.header("content-type", "application/json")).await;
        assert_eq!(plain(&answer, 400), json!({"detail": "The body holds more than 200000 values"}));
    }
    let grown = crate::support::load::memory(app.pid(), "VmHWM").saturating_sub(before);
    assert!(grown < 120_000_000, "it grew by {grown} bytes");
    // Commas in texts are none.
    let mut many = movies(0..1000);
    for movie in &mut many {
        movie["description"] = json!(",[{".repeat(100));
    }
    let path = app.collect(&ann, "Commas", &many).await;
    assert_eq!(plain(&app.get(&path, &ann).await, 200)["movies"][999]["uuid"], uuid(999));
}
