//! The film of a movie: a file that can be played, open to those who may see movies.

use serde_json::{Value, json};

use crate::support::{
    app::{Answer, App, Plan, eventually},
    media::mp4,
    people::Person,
    stores::TestDb,
};

async fn statuses(app: &App, person: &Person, file: &str) -> [u16; 2] {
    [app.get(&format!("/media/{file}"), person).await.status, app.get(&format!("/files/{file}"), person).await.status]
}

#[actix_web::test]
async fn who_may_see_movies_reads_their_films_and_no_other_file() {
    let db = TestDb::create();
    let plan = Plan::over(&db);
    let nodes = [plan.start(), plan.start()];
    let app = &nodes[0];
    let owner = app.register().await;
    let agency = app.agency(&owner).await;
    let viewer = app.register().await;
    let actor = app.actor(&owner, "A").await;
    let file = app.upload(&owner, "film.mp4", mp4().to_vec()).await.id();
    let uuid = "01a1fc61-837e-7598-b9ad-3f8b4d62e590";
    assert_eq!(statuses(app, &agency.assistant, &file).await, [403, 403]);

    let body = json!({
        "title": "Genesis", "date_release": "20200330", "actors_id": [actor], "file_id": file, "uuid": uuid,
    });
    let movie = format!("/casting/movies/{}", app.post("/casting/movies", &agency.producer, body).await.number());
    let shown = app.get(&movie, &agency.assistant).await.casting(200)["movie"].clone();
    assert_eq!((&shown["file_id"], &shown["uuid"]), (&json!(file), &json!(uuid)));
    let found = app.get(&format!("/casting/movies?uuid={uuid}&file_id={file}"), &agency.assistant).await.casting(200);
    assert_eq!(found["movies"], json!([shown]));
    for person in [&agency.assistant, &agency.director, &agency.producer, &owner] {
        assert_eq!(statuses(app, person, &file).await, [200, 200]);
    }
    let part = app.request(reqwest::Method::GET, &format!("/media/{file}"), Some(&agency.assistant));
    let part = Answer::of(part.header("range", "bytes=10-19")).await;
    assert_eq!((part.status, &part.bytes[..]), (206, &mp4()[10..20]));
    // The catalogue does not show it.
    assert_eq!(statuses(app, &viewer, &file).await, [403, 403]);
    assert_eq!(app.get("/files", &viewer).await.data(200), json!([]));
    let both = app.register_as(&owner, &["viewer", "casting_assistant"]).await;
    let listed: Value = app.get("/files", &both).await.data(200);
    assert_eq!(listed[0]["id"], json!(file));
    app.post("/streams", &both, json!({"file_id": file})).await.data(201);
    assert_eq!(app.post("/streams", &viewer, json!({"file_id": file})).await.status, 403);

    let refused = app.delete(&format!("/files/{file}"), &owner).await;
    let message = "The file cannot be deleted: it is referred to by a movie of the casting agency (as its file)";
    assert_eq!((refused.status, &refused.json()["message"]), (400, &json!(message)));
    // What is left alone stays, what is null goes; on every node it is closed at once.
    app.patch(&movie, &agency.director, json!({"actors_id": [actor], "title": "Exodus"})).await.number();
    for node in &nodes {
        assert_eq!(statuses(node, &agency.assistant, &file).await, [200, 200]);
    }
    app.patch(&movie, &agency.director, json!({"actors_id": [actor], "file_id": null, "uuid": null})).await.number();
    let shown = app.get(&movie, &agency.assistant).await.casting(200)["movie"].clone();
    assert_eq!((&shown["title"], &shown["file_id"], &shown["uuid"]), (&json!("Exodus"), &json!(null), &json!(null)));
    // Both held it open a moment ago.
    assert_eq!(statuses(app, &agency.assistant, &file).await, [403, 403]);
    let closed = async || statuses(&nodes[1], &agency.assistant, &file).await == [403, 403];
    assert!(eventually(std::time::Duration::from_secs(2), closed).await);
    assert_eq!(app.delete(&format!("/files/{file}"), &owner).await.status, 200);
}

#[actix_web::test]
async fn a_file_stays_when_its_movie_goes_and_cannot_go_while_a_movie_comes() {
    let db = TestDb::create();
    let app = App::start(&db);
    let owner = app.register().await;
    let cast = app.cast(&owner).await;
    let file = format!("/files/{}", cast.file);
    app.delete(&format!("/casting/movies/{}", cast.movie), &owner).await.number();
    assert_eq!(app.get(&file, &owner).await.status, 200);
    let mut both = [0, 0];
    for round in 0..20 {
        let film = app.upload(&owner, "film.mp4", mp4().to_vec()).await.id();
        let body = json!({"title": "M", "date_release": "20200330", "actors_id": [cast.actor], "file_id": film});
        let path = format!("/files/{film}");
        let (made, removed) =
            futures_util::future::join(app.post("/casting/movies", &owner, body), app.delete(&path, &owner)).await;
        match (made.status, removed.status) {
            (200, 400) => both[0] += 1,
            (422, 200) => both[1] += 1,
            other => panic!("round {round}: {other:?}"),
        }
        let there = app.get(&path, &owner).await.status == 200;
        assert_eq!(there, made.status == 200);
    }
    assert_eq!(both.iter().sum::<i32>(), 20);
}
