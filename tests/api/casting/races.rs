//! Writers that race: no movie without an actor, no fault, nobody waits for ever.

use std::collections::BTreeMap;

use diesel::{PgConnection, connection::SimpleConnection as _};
use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{
    app::{Answer, App, Plan},
    people::Person,
    stores::{TestDb, count},
};

const ROUNDS: usize = 200;
pub(super) const LONELY: &str =
    "casting_movies m WHERE NOT EXISTS (SELECT 1 FROM casting_roles r WHERE r.movie_number = m.number)";

/// Films that nobody owns and nothing refers to.
const FORGOTTEN: &str = "files f WHERE owner_id IS NULL AND NOT EXISTS (SELECT 1 FROM casting_movies m \
    WHERE m.file_id = f.id) AND NOT EXISTS (SELECT 1 FROM videos v WHERE f.id IN (v.file_id, v.thumbnail_id))";

/// What they race for: four actors who all play in three movies, and an account with a video of two files.
struct Round {
    actors: [i64; 4],
    movies: [i64; 3],
    account: Uuid,
    /// The hash path of the video.
    hash: String,
    films: [Uuid; 2],
}

impl Round {
    async fn of(number: usize, app: &App, owner: &Person, conn: &mut PgConnection) -> Self {
        let mut actors = [0; 4];
        for actor in &mut actors {
            *actor = app.actor(owner, "Actor").await;
        }
        let mut movies = [0; 3];
        for movie in &mut movies {
            *movie = app.movie(owner, "Movie", &actors).await;
        }
        let (account, films, hash) = (Uuid::now_v7(), [Uuid::now_v7(), Uuid::now_v7()], format!("{number:07}"));
        // Bytes that are not there are no hindrance.
        let [film, other] = films;
        let account_rows = format!(
            "INSERT INTO users (id, username, password_hash, roles) VALUES ('{account}', 'guest{number}', '', '{{viewer}}'); \
            INSERT INTO channels (user_id, name) VALUES ('{account}', 'guest{number}'); \
            INSERT INTO files (id, original_name, kind, mime_type, size, sha256, owner_id, state) \
            SELECT id, 'film', 'video', 'video/mp4', 1, repeat('0', 64), '{account}', 'ready' \
            FROM unnest('{{{film},{other}}}'::uuid[]) id; \
            INSERT INTO videos (id, hash, channel_id, title, description, file_id, thumbnail_id, uploaded_at) \
            VALUES (gen_random_uuid(), '{hash}', '{account}', 'Walk', '', '{film}', '{other}', now())"
        );
        conn.batch_execute(&account_rows).expect("the account is made");
        Self { actors, movies, account, hash, films }
    }
}

/// What 20 connections do at once.
fn requests(round: &Round) -> Vec<(Method, String, Value)> {
    let Round { actors, movies, account, hash, films } = round;
    let actor = |at: usize| format!("/casting/actors/{}", actors[at]);
    let movie = |at: usize| format!("/casting/movies/{}", movies[at]);
    let mut all: Vec<(Method, String, Value)> = (0..4).map(|at| (Method::DELETE, actor(at), json!(null))).collect();
    all.extend((0..4).map(|at| (Method::PATCH, actor(at), json!({"movies_id": []}))));
    all.extend([
        (Method::DELETE, format!("/users/{account}"), json!(null)),
        (Method::DELETE, format!("/v/{hash}"), json!(null)),
        (Method::PATCH, movie(0), json!({"actors_id": [actors[0]], "file_id": films[0]})),
        (Method::PATCH, movie(0), json!({"actors_id": [actors[1], actors[0]], "file_id": films[1]})),
        (Method::PATCH, movie(0), json!({"actors_id": [actors[3], actors[2]]})),
        (Method::PATCH, movie(1), json!({"actors_id": [actors[2], actors[1]], "file_id": films[1]})),
        (Method::PATCH, movie(1), json!({"actors_id": [actors[2], actors[3]], "file_id": null})),
        (Method::PATCH, movie(1), json!({"actors_id": [actors[1], actors[0], actors[3]]})),
        (Method::PATCH, actor(1), json!({"movies_id": [movies[2], movies[0]]})),
        (Method::PATCH, actor(2), json!({"movies_id": [movies[1], movies[2]], "age": 30})),
        (Method::DELETE, movie(2), json!(null)),
        (
            Method::POST,
            "/casting/movies".to_owned(),
            json!({"title": "New", "date_release": "20200330", "actors_id": actors, "file_id": films[0]}),
        ),
    ]);
    all
}

async fn send(app: &App, owner: &Person, (method, path, body): (Method, String, Value)) -> Answer {
    let request = app.request(method, &path, Some(owner));
    Answer::of(if body.is_null() { request } else { request.json(&body) }).await
}

/// How often each kind of request was answered with each status.
type Answers = BTreeMap<(String, u16), usize>;

async fn race(nodes: &[App; 2], owner: &Person, round: &Round, turn: usize, answers: &mut Answers) {
    let mut racing = requests(round);
    let turn = turn % racing.len();
    racing.rotate_left(turn);
    let kinds: Vec<Method> = racing.iter().map(|(method, ..)| method.clone()).collect();
    let sent = racing.into_iter().enumerate().map(|(at, request)| send(&nodes[at % 2], owner, request));
    for (method, answer) in kinds.into_iter().zip(join_all(sent).await) {
        if !answer.path.starts_with("/casting") {
            // Removals may give way to those who name their film, and are to be tried again.
            assert!([200, 404, 503].contains(&answer.status), "{method} {} {}", answer.path, answer.status);
            continue;
        }
        match answer.status {
            200 => drop(answer.number()),
            404 | 422 => answer.refused(answer.status),
            other => panic!("round {turn}: {method} {} {other}", answer.path),
        }
        *answers.entry((method.to_string(), answer.status)).or_default() += 1;
    }
}

#[actix_web::test]
async fn two_hundred_rounds_of_racing_writers_leave_no_movie_without_an_actor_and_no_film_without_a_use() {
    let db = TestDb::create();
    let plan = Plan::over(&db);
    let nodes = [plan.start(), plan.start()];
    let app = &nodes[0];
    let owner = app.register().await;
    let mut conn = db.connect();
    let mut answers = Answers::new();
    for number in 0..ROUNDS {
        let round = Round::of(number, app, &owner, &mut conn).await;
        race(&nodes, &owner, &round, number, &mut answers).await;
        assert_eq!(count(&mut conn, LONELY), 0, "round {number}");
        assert_eq!(count(&mut conn, FORGOTTEN), 0, "round {number}");
    }
    // They did race: each kind was carried out, refused for a movie's sake, and too late.
    for (method, status) in [("DELETE", 200), ("DELETE", 422), ("PATCH", 200), ("PATCH", 422), ("PATCH", 404)] {
        let seen = answers.get(&(method.to_owned(), status)).copied().unwrap_or_default();
        assert!(seen > 0, "{method} {status}: {answers:?}");
    }
    assert!(count(&mut conn, "casting_movies WHERE file_id IS NOT NULL") > 0);
    let shown = app.get("/casting/movies?limit=100", &owner).await.casting(200);
    let movies = shown["movies"].as_array().expect("a list");
    assert!(movies.iter().all(|movie| !movie["actors_id"].as_array().expect("a list").is_empty()), "{shown}");
}
