//! One's own account, what it can go on with, and what it has watched.

mod costs;
mod going_on;

use diesel::{PgConnection, connection::SimpleConnection as _};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{
    app::{Answer, App},
    people::Person,
    stores::{TestDb, count},
};

/// Rows that are written past the server: the lists show what is there, however old.
struct Rows {
    conn: PgConnection,
}

impl Rows {
    fn of(db: &TestDb) -> Self {
        Self { conn: db.connect() }
    }

    fn add(&mut self, table: &str, columns: &str, values: &str) -> String {
        let id = Uuid::now_v7().to_string();
        let statement = format!("INSERT INTO {table} (id, {columns}) VALUES ('{id}', {values})");
        self.conn.batch_execute(&statement).unwrap_or_else(|error| panic!("{statement}: {error}"));
        id
    }

    /// A film of so many seconds.
    fn film(&mut self, name: &str, seconds: f64) -> String {
        let values = format!("'{name}', 'video', 'video/mp4', 1, repeat('0', 64), 'ready', {seconds}");
        self.add("files", "original_name, kind, mime_type, size, sha256, state, duration_seconds", &values)
    }

    fn season(&mut self, series: &str, number: i32) -> String {
        self.add("seasons", "series_id, name, number", &format!("'{series}', 'Season', {number}"))
    }

    /// An episode of 1000 seconds.
    fn episode(&mut self, season: &str, name: &str, number: i32) -> String {
        let film = self.film("medium", 1000.0);
        let values = format!("'{season}', '{name}', {number}, '{film}'");
        self.add("episodes", "season_id, name, number, file_id", &values)
    }

    /// A stream of what `title` says (`episode_id` or `file_id`), left at `position` so many minutes ago.
    fn stream(&mut self, person: &Person, title: (&str, &str), position: f64, minutes: u32) -> String {
        let when = format!("now() - interval '{minutes} minutes'");
        let values = format!("'{}', '{}', {position}, 'ended', {when}, {when}, {when}", person.id, title.1);
        let columns = format!("user_id, {}, position_seconds, state, created_at, updated_at, beat_at", title.0);
        self.add("streams", &columns, &values)
    }

    /// An uploaded video of `person`, of so many seconds: its hash path and its file.
    fn video(&mut self, person: &Person, hash: &str, title: &str, seconds: f64) -> String {
        let (film, thumbnail) = (self.film("a video", seconds), self.film("a thumbnail", 0.0));
        let channel = format!(
            "UPDATE users SET username = 'walker' WHERE id = '{id}';
            INSERT INTO channels (user_id, name) VALUES ('{id}', 'walker')",
            id = person.id
        );
        self.conn.batch_execute(&channel).expect("a channel");
        let values = format!("'{hash}', '{}', '{title}', '', '{film}', '{thumbnail}', now()", person.id);
        self.add("videos", "hash, channel_id, title, description, file_id, thumbnail_id, uploaded_at", &values);
        film
    }
}

/// Two seasons: `One`, `Two`, then one without a medium; `Four`, numbered 1.
struct Show {
    series: String,
    one: String,
    two: String,
    bare: String,
    four: String,
}

impl Show {
    fn make(rows: &mut Rows) -> Self {
        let image = rows.film("a picture", 0.0);
        let series = rows.add("series", "name, image_id", &format!("'A show', '{image}'"));
        // Made in another order than they are numbered.
        let (second, first) = (rows.season(&series, 2), rows.season(&series, 1));
        let four = rows.episode(&second, "Four", 1);
        let bare = rows.add("episodes", "season_id, name, number", &format!("'{first}', 'Bare', 3"));
        let two = rows.episode(&first, "Two", 2);
        let one = rows.episode(&first, "One", 1);
        Self { series, one, two, bare, four }
    }
}

async fn titles(app: &App, person: &Person, query: &str) -> Vec<Value> {
    let answer = app.get(&format!("/me/continue-watching{query}"), person).await;
    answer.data(200).as_array().expect("a list").clone()
}

fn texts(values: &[Value], name: &str) -> Vec<String> {
    values.iter().map(|value| value[name].as_str().expect("a text").to_owned()).collect()
}

async fn history(app: &App, person: &Person, query: &str) -> Vec<Value> {
    app.get(&format!("/me/history{query}"), person).await.data(200).as_array().expect("a list").clone()
}

#[actix_web::test]
async fn one_reads_ones_own_account_without_knowing_its_id() {
    let db = TestDb::create();
    let app = App::start(&db);
    let people = app.people().await;
    for person in [&people.owner, &people.editor, &people.viewer] {
        let account = app.get("/me", person).await.data(200);
        assert_eq!(account, app.get(&format!("/users/{}", person.id), person).await.data(200));
        assert_eq!(account["email"], person.email.as_str());
    }
}

#[actix_web::test]
async fn what_was_left_is_gone_on_with_where_it_was_left() {
    let db = TestDb::create();
    let app = App::start(&db);
    let (_, person, other) = (app.register().await, app.register().await, app.register().await);
    assert_eq!(titles(&app, &person, "").await, Vec::<Value>::new());
    let mut rows = Rows::of(&db);
    let show = Show::make(&mut rows);
    let film = rows.film("A film", 2000.0);
    let video = rows.video(&other, "abcdefg", "A walk", 600.0);
    let old = rows.stream(&person, ("file_id", &film), 1500.0, 50);
    let of_film = rows.stream(&person, ("file_id", &film), 700.0, 40);
    let of_video = rows.stream(&person, ("file_id", &video), 60.0, 30);
    let of_show = rows.stream(&person, ("episode_id", &show.two), 400.0, 20);
    rows.stream(&person, ("episode_id", &show.four), 300.0, 60);
    rows.stream(&other, ("file_id", &film), 100.0, 10);
    for (seconds, position) in [(2000.0, 99.0), (299.0, 150.0), (2000.0, 1900.0)] {
        let film = rows.film("Not listed", seconds);
        rows.stream(&person, ("file_id", &film), position, 5);
    }

    let listed = titles(&app, &person, "").await;
    assert_eq!(texts(&listed, "stream_id"), [of_show.clone(), of_video, of_film.clone()]);
    assert!(!texts(&listed, "stream_id").contains(&old), "a film has one place");
    let image = listed[0]["title"]["image"].as_str().unwrap().to_owned();
    assert!(image.starts_with("/media/"), "the picture of the series: {image}");
    assert_eq!(
        listed[0]["title"],
        json!({"kind": "episodes", "id": show.two, "name": "Two", "series_id": show.series, "series_name": "A show",
            "season_number": 1, "episode_number": 2, "image": image})
    );
    let places = |listed: &[Value]| -> Vec<_> {
        listed
            .iter()
            .map(|title| (title["position_seconds"].clone(), title["finished"].clone(), title["next"].clone()))
            .collect()
    };
    assert_eq!(places(&listed), [400.0, 60.0, 700.0].map(|at| (json!(at), json!(false), Value::Null)));
    assert_eq!(
        listed[1]["title"],
        json!({"kind": "videos", "id": "abcdefg", "name": "A walk", "series_id": null, "series_name": null,
            "season_number": null, "episode_number": null, "image": "/thumbnails/abcdefg"})
    );
    assert_eq!((&listed[2]["title"]["kind"], &listed[2]["title"]["id"]), (&json!("files"), &json!(film)));
    assert_eq!(listed[2]["title"]["name"], "A film");
    assert_eq!(listed[2]["duration_seconds"], 2000.0);
    let shown = app.get(&format!("/streams/{of_film}"), &person).await.data(200);
    assert_eq!(listed[2]["updatedAt"], shown["updatedAt"]);

    assert_eq!(texts(&titles(&app, &person, "?limit=1").await, "stream_id"), [of_show]);
    assert_eq!(titles(&app, &other, "").await.len(), 1, "each sees their own");
}

#[actix_web::test]
async fn an_episode_that_is_finished_is_followed_by_the_next_with_a_medium() {
    let db = TestDb::create();
    let app = App::start(&db);
    app.register().await;
    let mut rows = Rows::of(&db);
    let show = Show::make(&mut rows);
    let next = |id: &str, name: &str, season: i32, number: i32| json!({"episode_id": id, "name": name, "season_number": season, "number": number, "duration_seconds": 1000.0});
    for (finished, expected) in [
        (&show.one, Some(next(&show.two, "Two", 1, 2))),
        (&show.two, Some(next(&show.four, "Four", 2, 1))),
        (&show.four, None),
    ] {
        let person = app.register().await;
        rows.stream(&person, ("episode_id", finished), 950.0, 5);
        let listed = titles(&app, &person, "").await;
        assert_eq!(listed.len(), usize::from(expected.is_some()), "{listed:?}");
        for title in &listed {
            assert_eq!((&title["position_seconds"], &title["finished"]), (&json!(0.0), &json!(true)));
            assert_eq!(title["title"]["id"], finished.as_str());
            assert_eq!(Some(&title["next"]), expected.as_ref());
        }
    }

    // Whoever has begun the next goes on with that; where it is hardly begun, it still comes next.
    let person = app.register().await;
    rows.stream(&person, ("episode_id", &show.one), 950.0, 30);
    let begun = rows.stream(&person, ("episode_id", &show.two), 100.0, 20);
    assert_eq!(texts(&titles(&app, &person, "").await, "stream_id"), [begun]);
    rows.stream(&person, ("episode_id", &show.two), 10.0, 10);
    let listed = titles(&app, &person, "").await;
    assert_eq!((listed.len(), &listed[0]["next"]["episode_id"]), (1, &json!(show.two)));
    // A film that is watched anew, and hardly begun, is as good as not begun.
    let restarted = rows.film("Restarted", 1000.0);
    rows.stream(&person, ("file_id", &restarted), 500.0, 9);
    rows.stream(&person, ("file_id", &restarted), 10.0, 8);
    assert_eq!(titles(&app, &person, "").await.len(), 1);

    // A medium that comes later is found then; a short list looks past what has nothing after it.
    rows.stream(&person, ("episode_id", &show.four), 1000.0, 5);
    let film = rows.film("A film", 1000.0);
    let of_film = rows.stream(&person, ("file_id", &film), 500.0, 60);
    assert_eq!(texts(&titles(&app, &person, "?limit=1").await, "stream_id"), [of_film]);
    rows.stream(&person, ("episode_id", &show.two), 1000.0, 1);
    let medium = rows.film("medium", 700.0);
    let given = format!("UPDATE episodes SET file_id = '{medium}' WHERE id = '{}'", show.bare);
    rows.conn.batch_execute(&given).unwrap();
    let listed = titles(&app, &person, "?limit=1").await;
    assert_eq!(listed[0]["next"]["episode_id"], show.bare.as_str());
    assert_eq!(listed[0]["next"]["duration_seconds"], 700.0);
}

#[actix_web::test]
async fn what_to_go_on_with_takes_a_limit_and_nothing_else() {
    let db = TestDb::create();
    let app = App::start(&db);
    let person = app.register().await;
    for wrong in ["limit=0", "limit=101", "limit=", "limit=x", "limit=%2B5", "limit=-1", "limit=1&limit=1"] {
        let answer = app.get(&format!("/me/continue-watching?{wrong}"), &person).await;
        assert_eq!(answer.wrong_fields(), ["limit"], "{wrong}");
    }
    let answer = app.get("/me/continue-watching?page=1&limit=1000&%00=x", &person).await;
    assert_eq!(answer.wrong_fields(), ["page", "limit", "\0"]);
    assert_eq!(app.get("/me/continue-watching?limit=%FF", &person).await.wrong_fields(), ["limit"]);
    assert_eq!(app.get("/me/continue-watching?limit=100", &person).await.status, 200);
}

#[actix_web::test]
async fn a_history_is_walked_by_cursor_newest_first() {
    let db = TestDb::create();
    let app = App::start(&db);
    let (_, person, other) = (app.register().await, app.register().await, app.register().await);
    let mut rows = Rows::of(&db);
    let show = Show::make(&mut rows);
    let film = rows.film("A film", 1000.0);
    let mut all: Vec<String> = (0..23).map(|at| rows.stream(&person, ("file_id", &film), 500.0, 100 + at)).collect();
    all.insert(0, rows.stream(&person, ("episode_id", &show.one), 950.0, 1));
    rows.stream(&other, ("file_id", &film), 100.0, 1);

    let first = app.get("/me/history?limit=10", &person).await;
    assert_eq!(first.json()["pagination"]["total"], 24);
    assert!(first.header("link").unwrap().contains("rel=\"next\""));
    let mut walked = texts(first.data(200).as_array().unwrap(), "id");
    let mut cursor = first.json()["pagination"]["next_cursor"].clone();
    while let Some(next) = cursor.as_str() {
        let page = app.get(&format!("/me/history?limit=10&cursor={next}"), &person).await;
        walked.extend(texts(page.data(200).as_array().unwrap(), "id"));
        cursor = page.json()["pagination"]["next_cursor"].clone();
    }
    assert_eq!(walked, all);
    let pages = [history(&app, &person, "?limit=20").await, history(&app, &person, "?limit=20&page=2").await].concat();
    assert_eq!(texts(&pages, "id"), all);

    let newest = &pages[0];
    assert_eq!(newest["title"]["series_name"], "A show");
    assert_eq!(
        [&newest["position_seconds"], &newest["duration_seconds"], &newest["finished"], &newest["viewed"]],
        [&json!(950.0), &json!(1000.0), &json!(true), &json!(false)]
    );
    assert_eq!((&newest["state"], &newest["watched_seconds"]), (&json!("ended"), &json!(0.0)));
    assert_eq!((&pages[1]["finished"], &pages[1]["title"]["id"]), (&json!(false), &json!(film)));

    let of = async |query: &str| history(&app, &person, query).await.len();
    assert_eq!(of(&format!("?episode_id={}", show.one)).await, 1);
    assert_eq!(of(&format!("?series_id={}&kind=Episodes", show.series)).await, 1);
    assert_eq!(of(&format!("?file_id={film}&limit=100")).await, 23);
    assert_eq!(of("?name=a%20FILM&limit=100&state=ended").await, 23);
    let oldest = history(&app, &person, "?sort=createdAt&limit=1").await;
    assert_eq!(Some(&texts(&oldest, "id")[0]), all.last());
    let foreign = app.get("/streams?limit=1", &person).await.json()["pagination"]["next_cursor"].clone();
    let answer = app.get(&format!("/me/history?cursor={}", foreign.as_str().unwrap()), &person).await;
    assert_eq!(answer.wrong_fields(), ["cursor"], "of another list");
}

#[actix_web::test]
async fn one_forgets_ones_own_viewings_and_views_stay_counted() {
    let db = TestDb::create();
    let app = App::start(&db);
    let (owner, person) = (app.register().await, app.register().await);
    let mut rows = Rows::of(&db);
    let film = rows.film("A film", 1000.0);
    let mine: Vec<String> = (0..3).map(|at| rows.stream(&person, ("file_id", &film), 500.0, at)).collect();
    let theirs = rows.stream(&owner, ("file_id", &film), 500.0, 0);
    let view = format!(
        "INSERT INTO views (stream_id, viewer_id, title, file) VALUES ('{}', '{}', '{film}', '{film}')",
        mine[0], person.id
    );
    rows.conn.batch_execute(&view).unwrap();
    assert_eq!(history(&app, &person, "").await[0]["viewed"], true);

    // An owner, too, forgets their own only.
    for (caller, foreign) in [(&person, &theirs), (&owner, &mine[0])] {
        let answer = app.delete(&format!("/me/history/{foreign}"), caller).await;
        assert_eq!((answer.status, answer.refusal()), (404, json!("Viewing not found")));
    }
    let path = format!("/me/history/{}", mine[0]);
    let answer = app.delete(&path, &person).await;
    assert_eq!(answer.json(), json!({"status": 200, "response": "OK", "message": "Viewing deleted successfully"}));
    assert_eq!(app.delete(&path, &person).await.status, 404);
    assert_eq!(app.get(&format!("/streams/{}", mine[0]), &person).await.status, 404);
    assert_eq!(texts(&history(&app, &person, "").await, "id"), mine[1..]);

    assert_eq!(app.delete("/me/history", &person).await.json()["message"], "History deleted successfully");
    assert_eq!(history(&app, &person, "").await, Vec::<Value>::new());
    assert_eq!(app.delete("/me/history", &person).await.status, 200, "nothing to forget is no fault");
    assert_eq!(texts(&history(&app, &owner, "").await, "id"), [theirs]);
    assert_eq!(count(&mut rows.conn, "views"), 1);
}

#[actix_web::test]
async fn what_is_watched_now_is_in_the_lists_at_once_and_forgetting_it_ends_it() {
    let db = TestDb::create();
    let app = App::start(&db);
    let person = app.register().await;
    let mut rows = Rows::of(&db);
    let show = Show::make(&mut rows);
    let open = async |body: Value| app.post("/streams", &person, body).await.data(201);
    let beat = async |stream: &Value, position: f64| -> Answer {
        let path = format!("/streams/{}", stream["id"].as_str().unwrap());
        app.patch(&path, &person, json!({"position_seconds": position})).await
    };
    let stream = open(json!({"episode_id": show.one})).await;
    assert_eq!(stream["position_seconds"], 0.0);
    assert_eq!(titles(&app, &person, "").await, Vec::<Value>::new());
    assert_eq!(history(&app, &person, "").await[0]["id"], stream["id"]);
    beat(&stream, 300.0).await.data(200);
    let listed = titles(&app, &person, "").await;
    assert_eq!((&listed[0]["stream_id"], &listed[0]["position_seconds"]), (&stream["id"], &json!(300.0)));
    assert_eq!(history(&app, &person, "").await[0]["position_seconds"], 300.0);
    beat(&stream, 950.0).await.data(200);
    assert_eq!(titles(&app, &person, "").await[0]["next"]["episode_id"], show.two.as_str());
    let next = open(json!({"episode_id": show.two})).await;

    let path = format!("/me/history/{}", stream["id"].as_str().unwrap());
    app.delete(&path, &person).await;
    assert_eq!(beat(&stream, 960.0).await.status, 404);
    beat(&next, 400.0).await.data(200);
    app.delete("/me/history", &person).await;
    assert_eq!(beat(&next, 410.0).await.status, 404);
    assert_eq!(titles(&app, &person, "").await, Vec::<Value>::new());
    assert_eq!(open(json!({"episode_id": show.two})).await["position_seconds"], 0.0, "nothing is left of it");
}
