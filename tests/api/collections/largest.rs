//! The most of everything: collections of an account, bodies, answers, writers at a time.

use std::time::Duration;

use diesel::{RunQueryDsl as _, connection::SimpleConnection as _};
use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::{
    io::AsyncWriteExt as _,
    net::{TcpSocket, TcpStream},
};

use super::{costs::body_of, movies, patient, plain, uuid};
use crate::support::{
    app::{Answer, App, Plan, eventually},
    people::Person,
    stores::{TestDb, count},
};

const LONG: Duration = Duration::from_secs(30);

async fn post(app: &App, person: &Person, body: String) -> Answer {
    let request = app.request(reqwest::Method::POST, "/collection", Some(person));
    Answer::of(request.header("content-type", "application/json").body(body)).await
}

fn is_busy(answer: &Answer) -> bool {
    answer.status == 503 && answer.header("retry-after").is_some()
}

#[actix_web::test]
async fn the_largest_collection_is_taken_shown_and_changed_at_the_default_settings() {
    let db = TestDb::create();
    let app = App::start(&db);
    let ann = app.register().await;
    let letters = |count: usize| "\\u0436".repeat(count);
    let (title, description, genres) = (letters(255), letters(10_000), letters(1000));
    let many: Vec<String> = (0..1000)
        .map(|at| {
            let uuid = uuid(at);
            format!(r#"{{"title":"{title}","description":"{description}","genres":"{genres}","uuid":"{uuid}"}}"#)
        })
        .collect();
    let body = format!(r#"{{"title":"{title}","description":"{description}","movies":[{}]}}"#, many.join(","));
    let made = plain(&post(&app, &ann, body.clone()).await, 201);
    let path = format!("/collection/{}", made["collection_uuid"].as_str().unwrap());
    let is_whole = |shown: Value| {
        let movies = shown["movies"].as_array().unwrap();
        let are_whole = movies.iter().all(|movie| {
            [("title", 255), ("description", 10_000), ("genres", 1000)]
                .iter()
                .all(|(field, count)| movie[field].as_str().unwrap().chars().count() == *count)
        });
        movies.len() == 1000 && are_whole
    };
    assert!(is_whole(plain(&app.get(&path, &ann).await, 200)));
    let request = app.request(reqwest::Method::PUT, &path, Some(&ann));
    let changed = Answer::of(request.header("content-type", "application/json").body(body)).await;
    assert!(is_whole(plain(&changed, 200)));
}

#[actix_web::test]
async fn racing_posts_make_no_more_collections_than_an_account_may_have() {
    let db = TestDb::create();
    let plan = patient(&db).with("PLAYHOUSE_COLLECTIONS__PER_ACCOUNT", "3");
    let nodes = [plan.start(), plan.start()];
    let (ann, bob) = (nodes[0].register().await, nodes[0].register().await);
    let posts = join_all((0..12).map(|at| nodes[at % 2].try_collect(&ann, "Nights", &[]))).await;
    let (made, refused): (Vec<_>, Vec<_>) = posts.iter().partition(|answer| answer.status == 201);
    assert_eq!(made.len(), 3);
    for answer in refused {
        assert_eq!(plain(answer, 409), json!({"detail": "An account may have 3 collections"}));
    }
    assert_eq!(count(&mut db.connect(), "collections"), 3);
    nodes[0].collect(&bob, "Bob's", &[]).await;
}

#[actix_web::test]
async fn writers_that_wait_for_one_collection_leave_threads_to_everyone_else() {
    let db = TestDb::create();
    let plan = Plan::over(&db).with("PLAYHOUSE_DATABASE__POOL_SIZE", "4");
    let app = plan.with("PLAYHOUSE_COLLECTIONS__WRITE_DEADLINE_MS", "8000").start();
    let (ann, bob) = (app.register().await, app.register().await);
    let path = app.collect(&ann, "Nights", &movies([1])).await;
    let conn = &mut db.connect();
    conn.batch_execute("BEGIN").unwrap();
    diesel::sql_query("SELECT id FROM collections FOR UPDATE").execute(conn).unwrap();
    let puts = join_all((0..30).map(|_| app.put(&path, &ann, json!({"title": "Evenings"}))));
    let others = async {
        let waits = async || {
            let waiting = "pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()";
            count(&mut db.connect(), waiting) > 0
        };
        assert!(eventually(LONG, waits).await, "nobody waits");
        for _ in 0..10 {
            assert_eq!(app.get("/series?q=x", &bob).await.status, 200);
            assert_eq!(app.get(&path, &ann).await.status, 200);
            assert_eq!(app.get("/collection", &bob).await.status, 200);
        }
    };
    let (puts, ()) = futures_util::join!(puts, others);
    for answer in &puts {
        assert!(is_busy(answer), "{}", answer.status);
    }
    conn.batch_execute("ROLLBACK").unwrap();
    let put = async || app.put(&path, &ann, json!({"title": "Evenings"})).await.status == 200;
    assert!(eventually(LONG, put).await);
}

/// A large body that has begun to come, and does not go on.
async fn trickling(app: &App, person: &Person) -> TcpStream {
    let mut slow = TcpStream::connect(app.address()).await.unwrap();
    let head = format!(
        "POST /collection HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\n\
         Content-Length: 1000000\r\n\r\n",
        person.token
    );
    slow.write_all(head.as_bytes()).await.unwrap();
    slow.write_all(&vec![b' '; 300_000]).await.unwrap();
    slow
}

#[actix_web::test]
async fn large_bodies_beyond_their_number_wait_and_small_ones_go_on() {
    let db = TestDb::create();
    let app = Plan::over(&db).with("PLAYHOUSE_COLLECTIONS__LARGE_BODIES", "1").start();
    let (ann, bob) = (app.register().await, app.register().await);
    let slow = trickling(&app, &ann).await;
    let refused = async || is_busy(&post(&app, &bob, body_of(270_000)).await);
    assert!(eventually(Duration::from_secs(8), refused).await, "the first is not counted");
    app.collect(&bob, "Small", &movies([1])).await;
    drop(slow);
    let taken = async || post(&app, &bob, body_of(270_000)).await.status == 201;
    assert!(eventually(LONG, taken).await, "its place is not given back");
}

#[actix_web::test]
async fn an_account_works_on_one_large_body_at_a_time() {
    let db = TestDb::create();
    let app = Plan::over(&db).with("PLAYHOUSE_HTTP__BODY_TIMEOUT_MS", "60000").start();
    let (ann, bob) = (app.register().await, app.register().await);
    let slow = trickling(&app, &ann).await;
    let refused = async || is_busy(&post(&app, &ann, body_of(270_000)).await);
    assert!(eventually(LONG, refused).await, "the first is not counted");
    assert_eq!(post(&app, &bob, body_of(270_000)).await.status, 201);
    drop(slow);
}

#[actix_web::test]
async fn large_answers_have_places_until_they_are_sent() {
    let db = TestDb::create();
    let app = patient(&db).with("PLAYHOUSE_COLLECTIONS__LARGE_ANSWERS", "1").start();
    let (ann, bob) = (app.register().await, app.register().await);
    let (large, small) = (app.collect(&ann, "Large", &[]).await, app.collect(&ann, "Small", &movies([1])).await);
    let also_large = app.collect(&bob, "Large", &[]).await;
    let fill = |path: &str| {
        let id = path.split('/').nth(2).unwrap();
        format!(
            "INSERT INTO movies (uuid, title, description, genres)
                SELECT ('00000000-0000-0000-0000-' || lpad(i::text, 12, '0'))::uuid, 'X', repeat('x', 10000), ''
                FROM generate_series(1, 1000) i ON CONFLICT DO NOTHING;
            INSERT INTO collection_movies (collection_id, movie_uuid, position)
                SELECT '{id}', uuid, row_number() OVER () FROM movies WHERE title = 'X';"
        )
    };
    db.connect().batch_execute(&(fill(&large) + &fill(&also_large))).unwrap();
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let mut slow = socket.connect(app.address().parse().unwrap()).await.unwrap();
    let head = format!("GET {large} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\n\r\n", ann.token);
    slow.write_all(head.as_bytes()).await.unwrap();
    let refused = async || is_busy(&app.get(&also_large, &bob).await);
    assert!(eventually(LONG, refused).await, "the first is not counted");
    assert!(is_busy(&app.get(&large, &ann).await));
    assert!(is_busy(&app.put(&large, &ann, json!({"title": "Y"})).await));
    assert_eq!(app.get(&small, &ann).await.status, 200);
    assert_eq!(app.get("/collection", &ann).await.status, 200);
    drop(slow);
    let shown = async || app.get(&also_large, &bob).await.status == 200;
    assert!(eventually(LONG, shown).await, "its place is not given back");
    assert_eq!(plain(&app.get(&large, &ann).await, 200)["movies"].as_array().unwrap().len(), 1000);
}
