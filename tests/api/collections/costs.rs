//! What collections cost: statements, however many movies; bodies, however large.

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;

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
        assert!(made <= 8 && put <= 10 && shown == 1 && removed <= 8, "{made}, {put}, {shown}, {removed}");
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
fn body_of(length: usize) -> String {
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

#[actix_web::test]
async fn large_bodies_beyond_their_number_wait_and_small_ones_go_on() {
    let db = TestDb::create();
    let app = Plan::over(&db).with("PLAYHOUSE_COLLECTIONS__LARGE_BODIES", "1").start();
    let ann = app.register().await;
    // It has sent more than a small one has, and says no more.
    let mut slow = tokio::net::TcpStream::connect(app.address()).await.unwrap();
    let head = format!(
        "POST /collection HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\n\
         Content-Length: 1000000\r\n\r\n",
        ann.token
    );
    slow.write_all(head.as_bytes()).await.unwrap();
    slow.write_all(&vec![b' '; 300_000]).await.unwrap();
    let send = async || {
        let request = app.request(reqwest::Method::POST, "/collection", Some(&ann));
        crate::support::app::Answer::of(request.header("content-type", "application/json").body(body_of(270_000))).await
    };
    let refused = async || {
        let answer = send().await;
        answer.status == 503 && answer.header("retry-after").is_some()
    };
    let wait = std::time::Duration::from_secs(8);
    assert!(crate::support::app::eventually(wait, refused).await, "the first is not counted");
    app.collect(&ann, "Small", &movies([1])).await;
    drop(slow);
    let taken = async || send().await.status == 201;
    assert!(
        crate::support::app::eventually(std::time::Duration::from_secs(30), taken).await,
        "its room is not given back"
    );
}
