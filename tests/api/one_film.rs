//! One film, seen from every contract: docs/API.md has the same steps.

use reqwest::Method;
use serde_json::json;
use uuid::Uuid;

use crate::support::{
    app::{Answer, App},
    media::mp4,
    stores::TestDb,
};

#[actix_web::test]
async fn one_film_travels_through_the_contracts() {
    let db = TestDb::create();
    let app = App::start(&db);
    let owner = app.register().await;
    let agency = app.agency(&owner).await;
    let catalogue = app.catalogue(&owner).await;

    // The bytes, once.
    let file = app.upload(&owner, "film.mp4", mp4().to_vec()).await.id();
    // The catalogue's episode plays them.
    let episode = format!("/episodes/{}", catalogue.episode);
    assert_eq!(app.patch(&episode, &owner, json!({"file_id": file})).await.data(200)["file_id"], json!(file));
    let viewer = app.register().await;
    let stream = app.post("/streams", &viewer, json!({"episode_id": catalogue.episode})).await.data(201);
    let link = stream["playback"]["file"].as_str().expect("a link");
    assert_eq!(app.see(link).await.bytes, mp4());

    // A list of movies calls it by a uuid.
    let uuid = Uuid::now_v7();
    let listed = json!({"title": "Genesis", "description": "", "genres": "Drama", "uuid": uuid});
    let list = json!({"title": "Watched twice", "description": "", "movies": [listed]});
    let made = app.post("/collection/", &viewer, list).await.json();
    let collection = format!("/collection/{}/", made["collection_uuid"].as_str().expect("an id"));
    let movies = app.get(&collection, &viewer).await.json()["movies"].clone();
    assert_eq!(movies, json!([listed]));

    // The agency's movie names the film, and what collections call it.
    let actor = app.actor(&agency.director, "Ingrid").await;
    let body = json!({
        "title": "Genesis", "date_release": "20200330", "actors_id": [actor], "file_id": file, "uuid": uuid,
    });
    let movie = app.post("/casting/movies", &agency.producer, body).await.number();
    let shown = app.get(&format!("/casting/movies/{movie}"), &agency.assistant).await.casting(200);
    assert_eq!(shown["movie"]["uuid"], json!(uuid));

    // What the list calls it leads to it.
    let called = movies[0]["uuid"].as_str().expect("an id");
    let found = app.get(&format!("/casting/movies?uuid={called}"), &agency.assistant).await.casting(200);
    assert_eq!(found["movies"][0]["id"], json!(movie));

    // Whoever finds it there reads the same bytes, by ranges.
    let file = shown["movie"]["file_id"].as_str().expect("an id");
    for person in [&agency.assistant, &viewer] {
        let request = app.request(Method::GET, &format!("/media/{file}"), Some(person)).header("range", "bytes=0-99");
        let part = Answer::of(request).await;
        assert_eq!((part.status, &part.bytes[..]), (206, &mp4()[..100]));
    }
}
