//! Collections: lists of movies that people keep, the movies they share, and favourite genres.

mod costs;
mod favourites;
mod largest;
mod limits;
mod races;
mod sharing;

use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{
    app::{Answer, App, Plan},
    people::{PASSWORD, Person},
    stores::TestDb,
    tokens::claims,
};

/// The uuid of the movie of this number.
fn uuid(number: u128) -> String {
    Uuid::from_u128(0x4000_8000_0000_0000_0000 + number).to_string()
}

/// The movie of this number.
fn movie(number: u128, genres: &str) -> Value {
    json!({"title": format!("Movie {number}"), "description": "Seen", "genres": genres, "uuid": uuid(number)})
}

/// The movies of these numbers.
fn movies(numbers: impl IntoIterator<Item = u128>) -> Vec<Value> {
    numbers.into_iter().map(|number| movie(number, "Drama")).collect()
}

/// A server whose database may take its time: many write at once here, on machines that do other things too.
fn patient(db: &TestDb) -> Plan {
    Plan::over(db)
        .with("PLAYHOUSE_DATABASE__DEADLINE_MS", "60000")
        .with("PLAYHOUSE_DATABASE__STATEMENT_TIMEOUT_MS", "60000")
        .with("PLAYHOUSE_COLLECTIONS__WRITE_DEADLINE_MS", "240000")
}

impl App {
    async fn try_collect(&self, person: &Person, title: &str, movies: &[Value]) -> Answer {
        self.post("/collection/", person, json!({"title": title, "description": "Mine", "movies": movies})).await
    }

    /// Makes a collection; its path.
    async fn collect(&self, person: &Person, title: &str, movies: &[Value]) -> String {
        let answer = self.try_collect(person, title, movies).await;
        let made = plain(&answer, 201);
        assert_eq!(made.as_object().unwrap().len(), 1, "{made}");
        format!("/collection/{}/", made["collection_uuid"].as_str().expect("a uuid"))
    }

    async fn shelf(&self, person: &Person) -> Value {
        plain(&self.get("/collection/", person).await, 200)
    }

    async fn favourites(&self, person: &Person) -> String {
        self.shelf(person).await["data"]["favourite_genres"].as_str().expect("a text").to_owned()
    }
}

/// The JSON of an answer that must have this status.
#[track_caller]
fn plain(answer: &Answer, status: u16) -> Value {
    assert_eq!(answer.status, status, "{}: {}", answer.path, String::from_utf8_lossy(&answer.bytes));
    assert_eq!(answer.header("content-type"), Some("application/json"));
    answer.json()
}

#[actix_web::test]
async fn a_collection_is_made_shown_listed_changed_and_removed() {
    let db = TestDb::create();
    let app = App::start(&db);
    let ann = app.register().await;
    assert_eq!(app.shelf(&ann).await, json!({"is_success": true, "data": {"collections": [], "favourite_genres": ""}}));
    let two = vec![movie(2, "Sci-Fi, drama ,Drama"), movie(1, "")];
    let path = app.collect(&ann, "Nights", &two).await;
    let shown = json!({"title": "Nights", "description": "Mine", "movies": two});
    assert_eq!(plain(&app.get(&path, &ann).await, 200), shown);
    let later = app.collect(&ann, "Days", &[]).await;
    let item = |path: &str, title: &str| {
        let id = path.split('/').nth(2).unwrap();
        json!({"title": title, "uuid": id, "description": "Mine"})
    };
    let both = vec![item(&path, "Nights"), item(&later, "Days")];
    assert_eq!(app.shelf(&ann).await["data"]["collections"], json!(both), "the oldest first");

    let changed = plain(&app.put(&path, &ann, json!({"title": "Evenings", "description": ""})).await, 200);
    assert_eq!(changed, json!({"title": "Evenings", "description": "", "movies": two}));
    let replaced = vec![movie(3, "Noir"), movie(2, "Sci-Fi")];
    let changed = plain(&app.put(&path, &ann, json!({"movies": replaced})).await, 200);
    assert_eq!(changed, json!({"title": "Evenings", "description": "", "movies": replaced}));
    assert_eq!(plain(&app.get(&path, &ann).await, 200), changed);
    let emptied = plain(&app.put(&path, &ann, json!({"movies": []})).await, 200);
    assert_eq!(emptied["movies"], json!([]));

    let gone = plain(&app.delete(&path, &ann).await, 200);
    assert_eq!(gone, json!({"message": "collection deleted successfully"}));
    let missing = json!({"detail": "Collection not found"});
    assert_eq!(plain(&app.get(&path, &ann).await, 404), missing);
    assert_eq!(plain(&app.delete(&path, &ann).await, 404), missing);
    assert_eq!(plain(&app.put(&path, &ann, json!({"title": "X"})).await, 404), missing);
    assert_eq!(plain(&app.put(&path, &ann, json!({})).await, 404), missing);
    assert_eq!(app.shelf(&ann).await["data"]["collections"], json!([item(&later, "Days")]));
}

#[actix_web::test]
async fn a_put_of_nothing_changes_nothing_and_gives_the_collection() {
    let db = TestDb::create();
    let app = App::start(&db);
    let ann = app.register().await;
    let path = app.collect(&ann, "Nights", &movies([1])).await;
    let rows = || crate::support::stores::count(&mut db.connect(), "collections WHERE updated_at = created_at");
    assert_eq!(rows(), 1);
    let shown = plain(&app.get(&path, &ann).await, 200);
    assert_eq!(plain(&app.put(&path, &ann, json!({})).await, 200), shown);
    assert_eq!(rows(), 1, "it was not changed");
    app.put(&path, &ann, json!({"title": "Nights"})).await;
    assert_eq!(rows(), 0, "it was changed");
}

#[actix_web::test]
async fn what_belongs_to_another_is_not_there() {
    let db = TestDb::create();
    let app = App::start(&db);
    let people = app.people().await;
    let path = app.collect(&people.viewer, "Nights", &movies([1])).await;
    let before = plain(&app.get(&path, &people.viewer).await, 200);
    for stranger in [&people.other, &people.editor, &people.owner] {
        let change = json!({"title": "Mine", "movies": movies([2])});
        for answer in [
            app.get(&path, stranger).await,
            app.put(&path, stranger, change).await,
            app.put(&path, stranger, json!({})).await,
            app.delete(&path, stranger).await,
        ] {
            assert_eq!(plain(&answer, 404), json!({"detail": "Collection not found"}));
        }
        assert_eq!(app.shelf(stranger).await["data"], json!({"collections": [], "favourite_genres": ""}));
    }
    assert_eq!(plain(&app.get(&path, &people.viewer).await, 200), before);
}

#[actix_web::test]
async fn who_has_no_token_or_no_right_is_refused() {
    let db = TestDb::create();
    let app = App::start(&db);
    let owner = app.register().await;
    let assistant = app.register_as(&owner, &["casting_assistant"]).await;
    let path = app.collect(&owner, "Nights", &[]).await;
    for (method, path) in [(Method::GET, "/collection/"), (Method::POST, "/collection/"), (Method::PUT, &path)] {
        let ask = |person| app.request(method.clone(), path, person).json(&json!({"title": 1}));
        assert!(plain(&Answer::of(ask(None)).await, 401)["detail"].is_string());
        assert!(plain(&Answer::of(ask(None).bearer_auth("x")).await, 401)["detail"].is_string());
        assert!(plain(&Answer::of(ask(Some(&assistant))).await, 403)["detail"].is_string());
    }
}

#[actix_web::test]
async fn registering_gives_a_token_that_opens_every_contract() {
    let db = TestDb::create();
    let app = App::start(&db);
    let register = async |username: &str, password: &str| {
        app.post_open("/register/", json!({"username": username, "password": password})).await
    };
    let person = |answer: &Answer| {
        let made = plain(answer, 201);
        assert_eq!(made.as_object().unwrap().len(), 1, "{made}");
        let token = made["access_token"].as_str().expect("a token").to_owned();
        let id = claims(&token)["sub"].as_str().expect("an id").to_owned();
        Person { id, email: String::new(), token, refresh_token: String::new() }
    };
    let (first, second) = (person(&register("rick", PASSWORD).await), person(&register("ilsa", PASSWORD).await));
    let account = |answer: Answer| (answer.data(200)["username"].clone(), answer.json()["data"]["roles"].clone());
    assert_eq!(account(app.get("/me", &first).await), (json!("rick"), json!(["owner"])), "the first is the owner");
    assert_eq!(account(app.get("/me", &second).await), (json!("ilsa"), json!(["viewer"])));
    app.collect(&second, "Nights", &movies([1])).await;
    assert_eq!(app.get("/series", &second).await.status, 200);
    // It can be signed in with elsewhere, and a sign-out ends it.
    assert!(app.channel_sign_in("Ilsa", PASSWORD).await.response(200)["vtoken"].is_string());
    assert_eq!(app.post("/users/logout", &second, json!({})).await.status, 200);
    assert_eq!(app.get("/collection/", &second).await.status, 401);

    assert_eq!(plain(&register("RICK", PASSWORD).await, 400), json!({"username": ["is already taken"]}));
    let wrong = plain(&app.post_open("/register/", json!({"username": "a b", "role": "owner"})).await, 400);
    assert_eq!(
        wrong,
        json!({
            "username": ["may contain A-Z, a-z, 0-9, _, - and . only"],
            "password": ["is required"],
            "role": ["is unknown"],
        })
    );
    assert_eq!(plain(&register("ab", PASSWORD).await, 400), json!({"username": ["must have 3 to 25 characters"]}));
    assert_eq!(plain(&register("victor", "short").await, 400), json!({"password": ["must have 8 to 128 characters"]}));
}
