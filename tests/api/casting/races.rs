//! Writers that race: no movie without an actor, no fault, nobody waits for ever.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{
    app::{Answer, App},
    people::Person,
    stores::{TestDb, count},
};

const ROUNDS: usize = 200;
const LONELY: &str =
    "casting_movies m WHERE NOT EXISTS (SELECT 1 FROM casting_roles r WHERE r.movie_number = m.number)";

/// What 16 connections do at once to four actors who all play in three movies.
fn requests(actors: &[i64; 4], movies: &[i64; 3]) -> Vec<(Method, String, Value)> {
    let actor = |at: usize| format!("/casting/actors/{}", actors[at]);
    let movie = |at: usize| format!("/casting/movies/{}", movies[at]);
    let mut all: Vec<(Method, String, Value)> = (0..4).map(|at| (Method::DELETE, actor(at), json!(null))).collect();
    all.extend((0..4).map(|at| (Method::PATCH, actor(at), json!({"movies_id": []}))));
    all.extend([
        (Method::PATCH, movie(0), json!({"actors_id": [actors[0]]})),
        (Method::PATCH, movie(0), json!({"actors_id": [actors[3], actors[2]]})),
        (Method::PATCH, movie(1), json!({"actors_id": [actors[2], actors[1]]})),
        (Method::PATCH, movie(1), json!({"actors_id": [actors[1], actors[0], actors[3]]})),
        (Method::PATCH, actor(1), json!({"movies_id": [movies[2], movies[0]]})),
        (Method::PATCH, actor(2), json!({"movies_id": [movies[1], movies[2]], "age": 30})),
        (Method::DELETE, movie(2), json!(null)),
        (
            Method::POST,
            "/casting/movies".to_owned(),
            json!({"title": "New", "date_release": "20200330", "actors_id": actors}),
        ),
    ]);
    all
}

async fn send(app: &App, owner: &Person, (method, path, body): (Method, String, Value)) -> Answer {
    let request = app.request(method, &path, Some(owner));
    Answer::of(if body.is_null() { request } else { request.json(&body) }).await
}

#[actix_web::test]
async fn two_hundred_rounds_of_racing_writers_leave_no_movie_without_an_actor() {
    let db = TestDb::create();
    let app = App::start(&db);
    let owner = app.register().await;
    let mut conn = db.connect();
    let mut answers: BTreeMap<(String, u16), usize> = BTreeMap::new();
    for round in 0..ROUNDS {
        let mut actors = [0; 4];
        for actor in &mut actors {
            *actor = app.actor(&owner, "Actor").await;
        }
        let mut movies = [0; 3];
        for movie in &mut movies {
            *movie = app.movie(&owner, "Movie", &actors).await;
        }
        let mut racing = requests(&actors, &movies);
        assert_eq!(racing.len(), 16);
        let turn = round % racing.len();
        racing.rotate_left(turn);
        let kinds: Vec<Method> = racing.iter().map(|(method, ..)| method.clone()).collect();
        let answered = join_all(racing.into_iter().map(|request| send(&app, &owner, request))).await;
        for (method, answer) in kinds.into_iter().zip(answered) {
            match answer.status {
                200 => drop(answer.number()),
                404 | 422 => answer.refused(answer.status),
                other => panic!("round {round}: {method} {} {other}", answer.path),
            }
            *answers.entry((method.to_string(), answer.status)).or_default() += 1;
        }
        assert_eq!(count(&mut conn, LONELY), 0, "round {round}");
    }
    // They did race: each kind was carried out, refused for a movie's sake, and too late.
    for (method, status) in [("DELETE", 200), ("DELETE", 422), ("PATCH", 200), ("PATCH", 422), ("PATCH", 404)] {
        let seen = answers.get(&(method.to_owned(), status)).copied().unwrap_or_default();
        assert!(seen > 0, "{method} {status}: {answers:?}");
    }
    let shown = app.get("/casting/movies?limit=100", &owner).await.casting(200);
    let movies = shown["movies"].as_array().expect("a list");
    assert!(movies.iter().all(|movie| !movie["actors_id"].as_array().expect("a list").is_empty()), "{shown}");
}
