//! How many roles there can be: a thousand of a movie, and of an actor.

use diesel::connection::SimpleConnection as _;
use serde_json::json;

use crate::support::{
    app::App,
    people::Person,
    stores::{TestDb, count},
};

/// 1,001 actors, numbered from 1.
async fn crowd() -> (TestDb, App, Person, Vec<i64>) {
    let db = TestDb::create();
    let app = App::start(&db);
    let owner = app.register().await;
    let actors = "INSERT INTO casting_actors (id, name, age, gender) \
        SELECT gen_random_uuid(), 'Extra', 20, 'F' FROM generate_series(1, 1001)";
    db.connect().batch_execute(actors).expect("the actors are made");
    (db, app, owner, (1..=1001).collect())
}

#[actix_web::test]
async fn a_thousand_actors_play_in_one_movie_and_no_more() {
    let (_db, app, owner, all) = crowd().await;
    let movie = app.movie(&owner, "Crowd", &all[1..]).await;
    let path = format!("/casting/movies/{movie}");
    let shown = async || app.get(&path, &owner).await.casting(200)["movie"]["actors_id"].clone();
    assert_eq!(shown().await, json!(&all[1..]));
    app.patch(&path, &owner, json!({"actors_id": &all[..1000]})).await.casting(200);
    assert_eq!(shown().await, json!(&all[..1000]));
    app.patch(&path, &owner, json!({"actors_id": all})).await.refused(422);
}

#[actix_web::test]
async fn an_actor_comes_into_no_movie_that_has_a_thousand() {
    let (db, app, owner, all) = crowd().await;
    let movie = app.movie(&owner, "Crowd", &all[..1000]).await;
    let new = json!({"name": "New", "age": 20, "gender": "F", "movies_id": [movie]});
    app.post("/casting/actors", &owner, new.clone()).await.refused(422);
    app.patch("/casting/actors/1001", &owner, json!({"movies_id": [movie]})).await.refused(422);
    assert_eq!([count(&mut db.connect(), "casting_actors"), count(&mut db.connect(), "casting_roles")], [1001, 1000]);
    // One who is in it stays, and makes room.
    app.patch("/casting/actors/1", &owner, json!({"movies_id": [movie], "age": 21})).await.number();
    app.patch("/casting/actors/1", &owner, json!({"movies_id": []})).await.number();
    // One place, and eight who want it.
    let asked = futures_util::future::join_all((0..8).map(|_| app.post("/casting/actors", &owner, new.clone()))).await;
    assert_eq!(asked.iter().filter(|answer| answer.status == 200).count(), 1);
    assert!(asked.iter().all(|answer| [200, 422].contains(&answer.status)));
}

#[actix_web::test]
async fn a_movie_takes_no_actor_who_plays_in_a_thousand() {
    let db = TestDb::create();
    let app = App::start(&db);
    let owner = app.register().await;
    let (busy, free) = (app.actor(&owner, "Busy").await, app.actor(&owner, "Free").await);
    let movies = format!(
        "WITH made AS (INSERT INTO casting_movies (id, title, date_release) \
        SELECT gen_random_uuid(), 'M', '2020-03-30' FROM generate_series(1, 999) RETURNING number) \
        INSERT INTO casting_roles (movie_number, actor_number) SELECT number, {busy} FROM made"
    );
    db.connect().batch_execute(&movies).expect("the movies are made");
    // One place, and eight who want it.
    let new = json!({"title": "New", "date_release": "20200330", "actors_id": [busy, free]});
    let asked = futures_util::future::join_all((0..8).map(|_| app.post("/casting/movies", &owner, new.clone()))).await;
    assert_eq!(asked.iter().filter(|answer| answer.status == 200).count(), 1);
    assert!(asked.iter().all(|answer| [200, 422].contains(&answer.status)));
    assert_eq!(count(&mut db.connect(), "casting_movies"), 1000);
    let other = format!("/casting/movies/{}", app.movie(&owner, "Other", &[free]).await);
    app.patch(&other, &owner, json!({"actors_id": [free, busy]})).await.refused(422);
    // A movie that has the actor may be changed.
    app.patch("/casting/movies/1", &owner, json!({"actors_id": [busy], "title": "N"})).await.number();
}
