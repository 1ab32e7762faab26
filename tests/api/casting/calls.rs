//! Every call and its exact answer; who plays in which movie.

use serde_json::{Value, json};

use crate::support::{
    app::{App, Plan, eventually},
    people::Person,
    stores::{TestDb, count},
};

async fn shown(app: &App, person: &Person, path: &str) -> Value {
    app.get(path, person).await.casting(200)
}

fn done(kind: &str, id: i64) -> Value {
    json!({"success": true, kind: id})
}

fn peter() -> Value {
    json!({"id": 1, "name": "Peter", "age": 23, "gender": "M", "movies_id": [1]})
}

/// Peter and Ingrid, who play in Genesis; the answers are the exact ones.
async fn genesis() -> (TestDb, App, Person) {
    let db = TestDb::create();
    let app = App::start(&db);
    let owner = app.register().await;
    let body = json!({"name": "  Peter ", "age": 23, "gender": "M"});
    assert_eq!(app.post("/casting/actors", &owner, body).await.casting(200), done("actor_id", 1));
    let body = json!({"title": "Genesis", "date_release": "20200330", "actors_id": [1]});
    assert_eq!(app.post("/casting/movies", &owner, body).await.casting(200), done("movie_id", 1));
    let body = json!({"name": "Ingrid", "age": 0, "gender": "F", "movies_id": [1, 1]});
    assert_eq!(app.post("/casting/actors", &owner, body).await.casting(200), done("actor_id", 2));
    (db, app, owner)
}

#[actix_web::test]
async fn lists_are_empty_first() {
    let db = TestDb::create();
    let app = App::start(&db);
    let owner = app.register().await;
    let nothing = json!({"success": true, "actors": [], "total_actors": 0});
    assert_eq!(shown(&app, &owner, "/casting/actors").await, nothing);
    let nothing = json!({"success": true, "movies": [], "total_movies": 0});
    assert_eq!(shown(&app, &owner, "/casting/movies").await, nothing);
}

#[actix_web::test]
async fn actors_and_movies_are_made_and_shown() {
    let (_db, app, owner) = genesis().await;
    let ingrid = json!({"id": 2, "name": "Ingrid", "age": 0, "gender": "F", "movies_id": [1]});
    let genesis = json!({
        "id": 1, "title": "Genesis", "date_release": "20200330", "actors_id": [1, 2], "file_id": null, "uuid": null,
    });
    let actors = json!({"success": true, "actors": [peter(), ingrid], "total_actors": 2});
    assert_eq!(shown(&app, &owner, "/casting/actors").await, actors);
    let movies = json!({"success": true, "movies": [genesis], "total_movies": 1});
    assert_eq!(shown(&app, &owner, "/casting/movies").await, movies);
    assert_eq!(shown(&app, &owner, "/casting/actors/1").await, json!({"success": true, "actor": peter()}));
    assert_eq!(shown(&app, &owner, "/casting/movies/1").await, json!({"success": true, "movie": genesis}));
}

#[actix_web::test]
async fn actors_and_movies_are_changed() {
    let (_db, app, owner) = genesis().await;
    let change = json!({"name": "Petra", "age": 150, "gender": "F"});
    let changed = app.patch("/casting/actors/1", &owner, change).await.casting(200);
    assert_eq!(changed, done("actor_id", 1));
    let petra = json!({"id": 1, "name": "Petra", "age": 150, "gender": "F", "movies_id": [1]});
    assert_eq!(shown(&app, &owner, "/casting/actors/1").await["actor"], petra);
    let change = json!({"title": "Exodus", "date_release": "20000229", "actors_id": [2, 1, 2]});
    let changed = app.patch("/casting/movies/1", &owner, change).await.casting(200);
    assert_eq!(changed, done("movie_id", 1));
    let movie = shown(&app, &owner, "/casting/movies/1").await["movie"].clone();
    assert_eq!((&movie["title"], &movie["date_release"]), (&json!("Exodus"), &json!("20000229")));
    assert_eq!(movie["actors_id"], json!([1, 2]));
    // Nothing to change changes nothing.
    assert_eq!(app.patch("/casting/actors/1", &owner, json!({})).await.number(), 1);
    assert_eq!(shown(&app, &owner, "/casting/actors/1").await["actor"], petra);
}

#[actix_web::test]
async fn actors_and_movies_are_removed() {
    let (_db, app, owner) = genesis().await;
    assert_eq!(app.delete("/casting/actors/2", &owner).await.casting(200), done("actor_id", 2));
    app.get("/casting/actors/2", &owner).await.refused(404);
    assert_eq!(shown(&app, &owner, "/casting/movies/1").await["movie"]["actors_id"], json!([1]));
    assert_eq!(app.delete("/casting/movies/1", &owner).await.casting(200), done("movie_id", 1));
    app.get("/casting/movies/1", &owner).await.refused(404);
    assert_eq!(shown(&app, &owner, "/casting/actors/1").await["actor"]["movies_id"], json!([]));
    // An id is never given twice.
    assert_eq!(app.actor(&owner, "Victor").await, 3);
}

#[actix_web::test]
async fn a_movie_is_never_without_an_actor() {
    let db = TestDb::create();
    let app = App::start(&db);
    let owner = app.register().await;
    let (a, b) = (app.actor(&owner, "A").await, app.actor(&owner, "B").await);
    let (alone, both) = (app.movie(&owner, "Alone", &[a]).await, app.movie(&owner, "Both", &[a, b]).await);
    let before = [shown(&app, &owner, "/casting/actors").await, shown(&app, &owner, "/casting/movies").await];
    let actor = format!("/casting/actors/{a}");
    let movie = |number: i64| format!("/casting/movies/{number}");
    let body = json!({"title": "X", "date_release": "20200330", "actors_id": []});
    app.post("/casting/movies", &owner, body).await.refused(422);
    app.patch(&movie(alone), &owner, json!({"actors_id": []})).await.refused(422);
    app.patch(&actor, &owner, json!({"movies_id": []})).await.refused(422);
    app.patch(&actor, &owner, json!({"name": "Other", "movies_id": [both]})).await.refused(422);
    app.delete(&actor, &owner).await.refused(422);
    assert_eq!([shown(&app, &owner, "/casting/actors").await, shown(&app, &owner, "/casting/movies").await], before);

    app.patch(&actor, &owner, json!({"movies_id": [alone]})).await.casting(200);
    assert_eq!(shown(&app, &owner, &movie(both)).await["movie"]["actors_id"], json!([b]));
    app.patch(&movie(alone), &owner, json!({"actors_id": [b]})).await.casting(200);
    assert_eq!(shown(&app, &owner, &actor).await["actor"]["movies_id"], json!([]));
    app.delete(&actor, &owner).await.casting(200);
    app.delete(&format!("/casting/actors/{b}"), &owner).await.refused(422);
    for number in [alone, both] {
        app.delete(&movie(number), &owner).await.casting(200);
    }
    app.delete(&format!("/casting/actors/{b}"), &owner).await.casting(200);
    assert_eq!(count(&mut db.connect(), "casting_roles"), 0);
}

#[actix_web::test]
async fn what_is_not_there_is_404_in_the_path_and_422_in_a_body() {
    let db = TestDb::create();
    let app = App::start(&db);
    let owner = app.register().await;
    let actor = app.actor(&owner, "A").await;
    let movie = app.movie(&owner, "M", &[actor]).await;
    for id in
        ["0", "-1", "99", "2147483647", "2147483648", "99999999999999999999", "01", "+1", "1.0", "1e0", "x", "%31x"]
    {
        let (actors, movies) = (format!("/casting/actors/{id}"), format!("/casting/movies/{id}"));
        for path in [&actors, &movies] {
            app.get(path, &owner).await.refused(404);
            app.delete(path, &owner).await.refused(404);
        }
        app.patch(&actors, &owner, json!({"name": "X"})).await.refused(404);
        app.patch(&movies, &owner, json!({"actors_id": [actor]})).await.refused(404);
        app.patch(&movies, &owner, json!({"actors_id": []})).await.refused(404);
    }
    let before = [shown(&app, &owner, "/casting/actors").await, shown(&app, &owner, "/casting/movies").await];
    for absent in [99, 0, -1, i64::from(i32::MAX), i64::MAX] {
        let body = json!({"name": "X", "age": 1, "gender": "M", "movies_id": [movie, absent]});
        app.post("/casting/actors", &owner, body).await.refused(422);
        let body = json!({"title": "X", "date_release": "20200330", "actors_id": [actor, absent]});
        app.post("/casting/movies", &owner, body).await.refused(422);
        let (actors, movies) = (format!("/casting/actors/{actor}"), format!("/casting/movies/{movie}"));
        app.patch(&actors, &owner, json!({"name": "X", "movies_id": [movie, absent]})).await.refused(422);
        app.patch(&movies, &owner, json!({"title": "X", "actors_id": [actor, absent]})).await.refused(422);
    }
    assert_eq!([shown(&app, &owner, "/casting/actors").await, shown(&app, &owner, "/casting/movies").await], before);
}

#[actix_web::test]
async fn a_write_on_one_node_is_seen_on_the_other() {
    let db = TestDb::create();
    let plan = Plan::over(&db);
    let nodes = [plan.start(), plan.start()];
    let owner = nodes[0].register().await;
    let cast = nodes[0].cast(&owner).await;
    let (actor, movie) = (format!("/casting/actors/{}", cast.actor), format!("/casting/movies/{}", cast.movie));
    let mut delays = Vec::new();
    for round in 0..30_usize {
        let (writer, reader) = (&nodes[round % 2], &nodes[1 - round % 2]);
        for path in [&actor, &movie, "/casting/actors", "/casting/movies"] {
            shown(reader, &owner, path).await;
        }
        // What the actor plays in is shown by the movie as well.
        let (movies, actors) = if round % 2 == 0 {
            (json!([]), json!([cast.lead]))
        } else {
            (json!([cast.movie]), json!([cast.actor, cast.lead]))
        };
        writer.patch(&actor, &owner, json!({"name": format!("Name {round}"), "movies_id": movies})).await.number();
        let written = std::time::Instant::now();
        let seen = async || {
            shown(reader, &owner, &actor).await["actor"]["name"] == format!("Name {round}")
                && shown(reader, &owner, "/casting/actors").await["actors"][0]["movies_id"] == movies
                && shown(reader, &owner, &movie).await["movie"]["actors_id"] == actors
                && shown(reader, &owner, "/casting/movies").await["movies"][0]["actors_id"] == actors
        };
        assert!(eventually(std::time::Duration::from_secs(5), seen).await, "the write is never seen");
        delays.push(written.elapsed());
    }
    // A pause of the machine is not the server's doing.
    delays.sort();
    assert!(delays[delays.len() / 2].as_millis() <= 200, "{delays:?}");
}
