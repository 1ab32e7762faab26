//! The iptv contract: genres, series, seasons, episodes, streams and their chains.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{
    app::{Answer, App},
    media,
    people::Person,
    stores::TestDb,
};

const SOME_ID: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

/// The answer with its times, which have to be RFC 3339 in UTC, taken out.
#[track_caller]
fn timeless(answer: &Answer) -> Value {
    let mut json = answer.json();
    let mut rows: Vec<&mut Value> = match &mut json["data"] {
        Value::Array(rows) => rows.iter_mut().collect(),
        row => vec![row],
    };
    for row in rows.iter_mut().filter_map(|row| row.as_object_mut()) {
        for name in ["createdAt", "updatedAt"] {
            let time = row.remove(name).expect("a time");
            let time = time.as_str().expect("a text").to_owned();
            assert!(time.ends_with('Z'), "{time}");
            chrono::DateTime::parse_from_rfc3339(&time).expect("RFC 3339");
        }
    }
    json
}

/// `wanted` and the id.
fn with_id(mut wanted: Value, id: &str) -> Value {
    wanted["id"] = json!(id);
    wanted
}

fn ids(answer: &Answer) -> BTreeSet<String> {
    let data = answer.data(200);
    data.as_array().expect("a list").iter().map(|row| row["id"].as_str().expect("an id").to_owned()).collect()
}

fn set(ids: &[&String]) -> BTreeSet<String> {
    ids.iter().map(|id| (*id).clone()).collect()
}

#[track_caller]
fn not_there(answer: &Answer, noun: &str) {
    let wanted = json!({"status": 404, "response": "Not Found", "message": format!("{noun} not found")});
    assert_eq!(answer.json(), wanted);
    assert_eq!(answer.status, 404);
}

#[track_caller]
fn refers_to_nothing(answer: &Answer, field: &str, what: &str) {
    let message = format!("refers to {what} that is not there");
    let wanted = json!({
        "status": 400,
        "response": "Bad Request",
        "message": format!("Validation failed: {field} {message}"),
        "errors": [{"field": field, "message": message}],
    });
    assert_eq!(answer.json(), wanted);
    assert_eq!(answer.status, 400);
}

fn with(shown: &Value, beside: &Value) -> Value {
    let fields = shown.as_object().into_iter().chain(beside.as_object()).flatten();
    Value::Object(fields.map(|(name, value)| (name.clone(), value.clone())).collect())
}

/// One resource, from its creation to its end.
struct Life {
    nouns: [&'static str; 2],
    path: &'static str,
    made: Value,
    shown: Value,
    change: Value,
    changed: Value,
    /// What the answers to the creation and to the change show beside.
    beside: [Value; 2],
}

impl Life {
    async fn run(self, app: &App, person: &Person) {
        let [noun, nouns] = self.nouns;
        let made = app.post(self.path, person, self.made).await;
        let id = made.id();
        let shown = with_id(self.shown, &id);
        let answer = |status, response: &str, message: &str, data: &Value| {
            json!({
                "status": status, "response": response, "message": format!("{noun} {message} successfully"), "data": data
            })
        };
        let [beside_made, beside_changed] = self.beside;
        assert_eq!(timeless(&made), answer(201, "Created", "created", &with(&shown, &beside_made)));
        let path = format!("{}/{id}", self.path);
        assert_eq!(made.header("location"), Some(path.as_str()));
        assert_eq!(made.header("content-type"), Some("application/json"));
        assert_eq!(Uuid::parse_str(&id).unwrap().get_version_num(), 7);
        for path in [path.clone(), format!("{path}/")] {
            assert_eq!(timeless(&app.get(&path, person).await), answer(200, "OK", "fetched", &shown));
        }

        let listed = timeless(&app.get(&format!("{}?id={id}", self.path), person).await);
        let pagination = json!({"page": 1, "limit": 10, "total": 1, "pages": 1, "next_cursor": null});
        let wanted = json!({
            "status": 200, "response": "OK", "message": format!("{nouns} fetched successfully"),
            "data": [shown], "pagination": pagination,
        });
        assert_eq!(listed, wanted);

        let before = app.get(&path, person).await.data(200);
        let changed = app.patch(&path, person, self.change).await;
        let wanted = with_id(self.changed, &id);
        assert_eq!(timeless(&changed), answer(200, "OK", "updated", &with(&wanted, &beside_changed)));
        let after = app.get(&path, person).await;
        assert_eq!(timeless(&after), answer(200, "OK", "fetched", &wanted));
        assert_eq!(after.data(200)["createdAt"], before["createdAt"]);
        assert!(after.data(200)["updatedAt"].as_str() > before["updatedAt"].as_str());

        let gone = app.delete(&path, person).await;
        let wanted = json!({"status": 200, "response": "OK", "message": format!("{noun} deleted successfully")});
        assert_eq!(gone.json(), wanted);
        not_there(&app.get(&path, person).await, noun);
        not_there(&app.patch(&path, person, json!({})).await, noun);
        not_there(&app.delete(&path, person).await, noun);
    }
}

#[actix_web::test]
async fn what_is_created_can_be_read_changed_and_deleted() {
    let db = TestDb::create();
    let app = App::start(&db);
    let owner = app.register().await;
    let base = app.catalogue(&owner).await;
    let lives = [
        Life {
            nouns: ["Genre", "Genres"],
            path: "/genres",
            made: json!({"name": " Drama "}),
            shown: json!({"name": "Drama"}),
            change: json!({"name": "Crime"}),
            changed: json!({"name": "Crime"}),
            beside: [json!({}), json!({})],
        },
        Life {
            nouns: ["Series", "Series"],
            path: "/series",
            made: json!({"name": "Metropolis", "description": "A city", "genre_id": base.genre, "rating": 8.5}),
            shown: json!({
                "name": "Metropolis", "description": "A city", "genre_id": base.genre, "genre_ids": [base.genre],
                "rating": 8.5, "trailer_id": null, "image_id": null,
            }),
            change: json!({"rating": null, "genre_id": null}),
            changed: json!({
                "name": "Metropolis", "description": "A city", "genre_id": null, "genre_ids": [],
                "rating": null, "trailer_id": null, "image_id": null,
            }),
            beside: [json!({}), json!({})],
        },
        Life {
            nouns: ["Season", "Seasons"],
            path: "/seasons",
            made: json!({"name": "Two", "series_id": base.series}),
            shown: json!({"name": "Two", "description": "", "series_id": base.series, "number": 2}),
            change: json!({"number": 7}),
            changed: json!({"name": "Two", "description": "", "series_id": base.series, "number": 7}),
            beside: [json!({}), json!({})],
        },
        Life {
            nouns: ["Episode", "Episodes"],
            path: "/episodes",
            made: json!({"name": "Next", "season_id": base.season, "duration_seconds": 90.5}),
            shown: json!({
                "name": "Next", "description": "", "season_id": base.season, "number": 2, "image_id": null,
                "file_id": null, "duration_seconds": 90.5,
            }),
            change: json!({"duration_seconds": null, "description": "It goes on", "name": "More"}),
            changed: json!({
                "name": "More", "description": "It goes on", "season_id": base.season, "number": 2, "image_id": null,
                "file_id": null, "duration_seconds": null,
            }),
            beside: [json!({}), json!({})],
        },
        Life {
            nouns: ["Stream", "Streams"],
            path: "/streams",
            made: json!({"episode_id": base.episode}),
            shown: json!({
                "episode_id": base.episode, "user_id": owner.id, "file_id": null, "position_seconds": 0.0,
                "state": "playing", "watched_seconds": 0.0,
            }),
            change: json!({"position_seconds": 61.25, "state": "paused"}),
            changed: json!({
                "episode_id": base.episode, "user_id": owner.id, "file_id": null, "position_seconds": 61.25,
                "state": "paused", "watched_seconds": 0.0,
            }),
            beside: [
                json!({"heartbeat_seconds": 5, "viewed": false, "playback": null}),
                json!({"heartbeat_seconds": 5, "viewed": false}),
            ],
        },
    ];
    for life in lives {
        life.run(&app, &owner).await;
    }
}

#[actix_web::test]
async fn an_absent_field_stays_as_it_was_and_null_clears_only_what_may_be_empty() {
    let db = TestDb::create();
    let app = App::start(&db);
    let owner = app.register().await;
    let base = app.catalogue(&owner).await;
    let picture = media::ffmpeg(&["-f", "lavfi", "-i", "color=red:size=16x16", "-frames:v", "1"], "png");
    let file = app.upload(&owner, "red.png", picture).await.id();
    let series = format!("/series/{}", base.series);
    let data = app.patch(&series, &owner, json!({"image_id": file, "trailer_id": file, "rating": 3})).await.data(200);
    assert_eq!((&data["image_id"], &data["trailer_id"], &data["rating"]), (&json!(file), &json!(file), &json!(3.0)));
    let data = app.patch(&series, &owner, json!({"image_id": null})).await.data(200);
    assert_eq!((&data["image_id"], &data["trailer_id"], &data["rating"]), (&json!(null), &json!(file), &json!(3.0)));
    assert_eq!(data["genre_ids"], json!([base.genre]));
    assert_eq!(app.patch(&series, &owner, json!({"genre_ids": []})).await.data(200)["genre_id"], json!(null));
    assert_eq!(app.patch(&series, &owner, json!({})).await.data(200)["name"], "Casablanca");

    let episode = format!("/episodes/{}", base.episode);
    app.patch(&episode, &owner, json!({"image_id": file})).await.data(200);
    assert_eq!(app.get(&episode, &owner).await.data(200)["image_id"], json!(file));
    let refused = app.delete(&format!("/files/{file}"), &owner).await;
    assert_eq!(refused.status, 400);
    app.patch(&episode, &owner, json!({"image_id": null})).await.data(200);
    assert_eq!(app.get(&episode, &owner).await.data(200)["image_id"], json!(null));

    let season = format!("/seasons/{}", base.season);
    let all = [
        (&series, json!({"name": null, "rating": 11, "colour": 1}), vec!["name", "rating", "colour"]),
        (&season, json!({"name": "", "number": null, "series_id": null}), vec!["series_id", "name", "number"]),
        (&episode, json!({"season_id": null, "number": -1}), vec!["season_id", "number"]),
    ];
    for (path, body, wrong) in all {
        let before = app.get(path, &owner).await.bytes;
        let named: BTreeSet<String> = app.patch(path, &owner, body).await.wrong_fields().into_iter().collect();
        assert_eq!(named, wrong.into_iter().map(str::to_owned).collect());
        assert_eq!(app.get(path, &owner).await.bytes, before, "something was changed");
    }
}

#[actix_web::test]
async fn genre_id_is_shorthand_for_one_genre_and_shows_the_first() {
    let db = TestDb::create();
    let app = App::start(&db);
    let owner = app.register().await;
    let mut genres = Vec::new();
    for name in ["Zebra", "Apple", "Mango"] {
        genres.push(app.post("/genres", &owner, json!({"name": name})).await.id());
    }
    let made = app.post("/series", &owner, json!({"name": "A", "genre_ids": genres})).await;
    let path = format!("/series/{}", made.id());
    assert_eq!(made.data(201)["genre_ids"], json!(genres), "in the order in which they were given");
    assert_eq!(made.data(201)["genre_id"], json!(genres[0]));
    let data = app.patch(&path, &owner, json!({"genre_id": genres[2]})).await.data(200);
    assert_eq!((&data["genre_ids"], &data["genre_id"]), (&json!([genres[2]]), &json!(genres[2])));
    let both = json!({"genre_id": genres[0], "genre_ids": [genres[1]]});
    assert_eq!(app.patch(&path, &owner, both.clone()).await.wrong_fields(), ["genre_id"]);
    let mut body = both;
    body["name"] = json!("B");
    assert_eq!(app.post("/series", &owner, body).await.wrong_fields(), ["genre_id"]);
    let twice = json!({"name": "B", "genre_ids": [genres[0], genres[0]]});
    assert_eq!(app.post("/series", &owner, twice).await.wrong_fields(), ["genre_ids"]);
    let none = app.post("/series", &owner, json!({"name": "B"})).await.data(201);
    assert_eq!((&none["genre_ids"], &none["genre_id"]), (&json!([]), &json!(null)));
}

#[actix_web::test]
async fn a_genres_name_is_unique_without_regard_to_case() {
    let db = TestDb::create();
    let app = App::start(&db);
    let owner = app.register().await;
    let drama = app.post("/genres", &owner, json!({"name": "Drama"})).await.id();
    let crime = app.post("/genres", &owner, json!({"name": "Crime"})).await.id();
    let refused = app.post("/genres", &owner, json!({"name": "dRAMA"})).await;
    let wanted = json!({
        "status": 400, "response": "Bad Request", "message": "Validation failed: name is already taken",
        "errors": [{"field": "name", "message": "is already taken"}],
    });
    assert_eq!((refused.status, refused.json()), (400, wanted));
    assert_eq!(app.patch(&format!("/genres/{crime}"), &owner, json!({"name": "DRAMA"})).await.wrong_fields(), ["name"]);
    // Its own name in another case is no duplicate.
    assert_eq!(app.patch(&format!("/genres/{drama}"), &owner, json!({"name": "DRAMA"})).await.status, 200);
    assert_eq!(app.get("/genres", &owner).await.json()["pagination"]["total"], 2);
}

#[actix_web::test]
async fn a_reference_to_nothing_is_refused_and_named() {
    let db = TestDb::create();
    let app = App::start(&db);
    let owner = app.register().await;
    let base = app.catalogue(&owner).await;
    let stream = app.post("/streams", &owner, json!({"episode_id": base.episode})).await.id();
    for (path, id, field, what, rest) in [
        ("/series", &base.series, "genre_id", "a genre", json!({"name": "A"})),
        ("/series", &base.series, "trailer_id", "a file", json!({"name": "A"})),
        ("/series", &base.series, "image_id", "a file", json!({"name": "A"})),
        ("/seasons", &base.season, "series_id", "a series", json!({"name": "A"})),
        ("/episodes", &base.episode, "season_id", "a season", json!({"name": "A"})),
        ("/episodes", &base.episode, "image_id", "a file", json!({"name": "A", "season_id": base.season})),
        ("/episodes", &base.episode, "file_id", "a file", json!({"name": "A", "season_id": base.season})),
        ("/streams", &stream, "episode_id", "an episode", json!({})),
        ("/streams", &stream, "user_id", "a user", json!({"episode_id": base.episode})),
    ] {
        let mut body = rest;
        body[field] = json!(SOME_ID);
        let named = if field == "genre_id" { "genre_ids" } else { field };
        let total = app.get(path, &owner).await.json()["pagination"]["total"].clone();
        refers_to_nothing(&app.post(path, &owner, body).await, named, what);
        assert_eq!(app.get(path, &owner).await.json()["pagination"]["total"], total);
        let one = format!("{path}/{id}");
        let before = app.get(&one, &owner).await.bytes;
        refers_to_nothing(&app.patch(&one, &owner, json!({field: SOME_ID})).await, named, what);
        assert_eq!(app.get(&one, &owner).await.bytes, before);
    }
}

#[actix_web::test]
async fn all_references_to_nothing_are_named_at_once() {
    let db = TestDb::create();
    let app = App::start(&db);
    let owner = app.register().await;
    let base = app.catalogue(&owner).await;
    let (none, some) = (json!(SOME_ID), json!([base.genre, SOME_ID]));
    let series = json!({"genre_ids": some, "trailer_id": none, "image_id": none});
    let episode = json!({"season_id": none, "image_id": none, "file_id": none});
    // Of a series whose genres are there only the others are named.
    let files = json!({"genre_ids": [base.genre], "trailer_id": none, "image_id": none});
    for (path, id, references, named) in [
        ("/series", &base.series, &series, vec!["genre_ids", "trailer_id", "image_id"]),
        ("/series", &base.series, &files, vec!["trailer_id", "image_id"]),
        ("/episodes", &base.episode, &episode, vec!["season_id", "image_id", "file_id"]),
    ] {
        let made = app.post(path, &owner, with(references, &json!({"name": "A"}))).await;
        assert_eq!(made.wrong_fields(), named);
        let one = format!("{path}/{id}");
        let before = app.get(&one, &owner).await.bytes;
        assert_eq!(app.patch(&one, &owner, references.clone()).await.wrong_fields(), named);
        assert_eq!(app.get(&one, &owner).await.bytes, before);
    }
    for played in ["episode_id", "file_id"] {
        let answer = app.post("/streams", &owner, json!({played: SOME_ID, "user_id": SOME_ID})).await;
        assert_eq!(answer.wrong_fields(), [played, "user_id"]);
    }
    let stream = app.post("/streams", &owner, json!({"episode_id": base.episode})).await.id();
    let answer = app.patch(&format!("/streams/{stream}"), &owner, json!({"episode_id": none, "user_id": none})).await;
    assert_eq!(answer.wrong_fields(), ["episode_id", "user_id"]);
}

#[actix_web::test]
async fn what_is_made_below_what_goes_at_that_moment_is_made_or_names_it() {
    let db = TestDb::create();
    let app = App::start(&db);
    let owner = app.register().await;
    for round in 0..40 {
        let series = app.post("/series", &owner, json!({"name": format!("Series {round}")})).await.id();
        let season = async |number: i32| {
            app.post("/seasons", &owner, json!({"name": "A", "series_id": series, "number": number})).await
        };
        let path = format!("/series/{series}");
        let (gone, made) = tokio::join!(app.delete(&path, &owner), join_all([season(1), season(2), season(3)]));
        gone.data(200);
        for made in made {
            assert!(made.status == 201 || made.wrong_fields() == ["series_id"], "round {round}: {}", made.status);
        }
    }
}

#[actix_web::test]
async fn what_hangs_below_goes_along_and_a_genre_is_only_unlinked() {
    let db = TestDb::create();
    let app = App::start(&db);
    let owner = app.register().await;
    let viewer = app.register().await;
    for (deleted, left) in [("series", 0), ("seasons", 1), ("episodes", 2)] {
        let base = app.catalogue(&owner).await;
        let stream = app.post("/streams", &viewer, json!({"episode_id": base.episode})).await.id();
        let chain = [
            format!("/series/{}", base.series),
            format!("/seasons/{}", base.season),
            format!("/episodes/{}", base.episode),
            format!("/streams/{stream}"),
        ];
        // Read once, so that whatever is cached has to be forgotten.
        for path in &chain {
            assert_eq!(app.get(path, &owner).await.status, 200);
        }
        let path = chain.iter().find(|path| path.contains(deleted)).unwrap();
        assert_eq!(app.delete(path, &owner).await.status, 200);
        for (at, path) in chain.iter().enumerate() {
            assert_eq!(app.get(path, &owner).await.status, if at < left { 200 } else { 404 }, "{path} after {deleted}");
        }
    }

    let base = app.catalogue(&owner).await;
    let second = app.post("/genres", &owner, json!({"name": "Second"})).await.id();
    let path = format!("/series/{}", base.series);
    app.patch(&path, &owner, json!({"genre_ids": [base.genre, second]})).await.data(200);
    assert_eq!(app.get(&path, &owner).await.data(200)["genre_id"], json!(base.genre));
    assert_eq!(app.delete(&format!("/genres/{}", base.genre), &owner).await.status, 200);
    let data = app.get(&path, &owner).await.data(200);
    assert_eq!((&data["genre_id"], &data["genre_ids"]), (&json!(second), &json!([second])));
    assert_eq!(app.get(&format!("/episodes/{}", base.episode), &owner).await.status, 200);

    let stream = app.post("/streams", &viewer, json!({"episode_id": base.episode})).await.id();
    let kept = app.post("/streams", &owner, json!({"episode_id": base.episode})).await.id();
    assert_eq!(app.delete(&format!("/users/{}", viewer.id), &owner).await.status, 200);
    not_there(&app.get(&format!("/streams/{stream}"), &owner).await, "Stream");
    assert_eq!(ids(&app.get("/streams", &owner).await), set(&[&kept]));
}

#[actix_web::test]
async fn seasons_and_episodes_are_numbered_also_when_made_at_once() {
    let db = TestDb::create();
    let app = App::start(&db);
    let owner = app.register().await;
    let base = app.catalogue(&owner).await;
    for (path, field, parent) in [("/seasons", "series_id", &base.series), ("/episodes", "season_id", &base.season)] {
        let make = |_| app.post(path, &owner, json!({"name": "Next", field: parent}));
        let made = futures_util::future::join_all((0..8).map(make)).await;
        let numbers: BTreeSet<i64> = made.iter().map(|made| made.data(201)["number"].as_i64().unwrap()).collect();
        assert_eq!(numbers, (2..=9).collect(), "{path}");
        let given = app.post(path, &owner, json!({"name": "Far", field: parent, "number": 40})).await.data(201);
        assert_eq!(given["number"], 40);
        let next = app.post(path, &owner, json!({"name": "After", field: parent})).await.data(201);
        assert_eq!(next["number"], 41);
        // An empty body of the change leaves it alone; another parent counts for itself.
        let path = format!("{path}/{}", next["id"].as_str().unwrap());
        assert_eq!(app.patch(&path, &owner, json!({"name": "Last"})).await.data(200)["number"], 41);
        // There is none after the last.
        app.patch(&path, &owner, json!({"number": 1_000_000})).await.data(200);
        let list = path.rsplit_once('/').expect("a list").0;
        let next = app.post(list, &owner, json!({"name": "Beyond", field: parent})).await.data(201);
        assert_eq!(next["number"], 1_000_000);
    }
    let other = app.post("/seasons", &owner, json!({"name": "A", "series_id": base.series})).await.id();
    let first = app.post("/episodes", &owner, json!({"name": "A", "season_id": other})).await.data(201);
    assert_eq!(first["number"], 1);
}

#[actix_web::test]
async fn an_episode_takes_its_files_duration_unless_told_otherwise() {
    let db = TestDb::create();
    let app = App::start(&db);
    let owner = app.register().await;
    let base = app.catalogue(&owner).await;
    let file = app.upload(&owner, "film.mp4", media::mp4().to_vec()).await.data(201);
    let (id, duration) = (&file["id"], file["duration_seconds"].as_f64().expect("a duration"));
    assert!((1.5..2.5).contains(&duration), "{duration}");
    let body = json!({"name": "A", "season_id": base.season, "file_id": id});
    assert_eq!(app.post("/episodes", &owner, body).await.data(201)["duration_seconds"], json!(duration));
    let body = json!({"name": "B", "season_id": base.season, "file_id": id, "duration_seconds": 5});
    assert_eq!(app.post("/episodes", &owner, body).await.data(201)["duration_seconds"], json!(5.0));
    let path = format!("/episodes/{}", base.episode);
    assert_eq!(app.get(&path, &owner).await.data(200)["duration_seconds"], json!(null));
    let changed = app.patch(&path, &owner, json!({"file_id": id})).await.data(200);
    assert_eq!(changed["duration_seconds"], json!(duration));
    let changed = app.patch(&path, &owner, json!({"file_id": id, "duration_seconds": 7})).await.data(200);
    assert_eq!(changed["duration_seconds"], json!(7.0));
}

#[actix_web::test]
async fn streams_are_seen_and_changed_by_their_user_and_by_owners_only() {
    let db = TestDb::create();
    let app = App::start(&db);
    let people = app.people().await;
    let (owner, viewer, other) = (&people.owner, &people.viewer, &people.other);
    let base = app.catalogue(&people.editor).await;
    let episode = &base.episode;
    let mine = app.post("/streams", viewer, json!({"episode_id": episode, "user_id": viewer.id})).await.id();
    let theirs = app.post("/streams", other, json!({"episode_id": episode})).await.id();
    let refused = app.post("/streams", viewer, json!({"episode_id": episode, "user_id": other.id})).await;
    assert_eq!(refused.status, 403);
    let refused = app.post("/streams", &people.editor, json!({"episode_id": episode, "user_id": other.id})).await;
    assert_eq!(refused.status, 403);
    let given = app.post("/streams", owner, json!({"episode_id": episode, "user_id": viewer.id})).await.id();

    assert_eq!(ids(&app.get("/streams", viewer).await), set(&[&mine, &given]));
    assert_eq!(ids(&app.get("/streams", other).await), set(&[&theirs]));
    assert_eq!(ids(&app.get("/streams", &people.editor).await), set(&[]));
    assert_eq!(ids(&app.get("/streams", owner).await), set(&[&mine, &theirs, &given]));
    assert_eq!(ids(&app.get(&format!("/streams?user_id={}", other.id), viewer).await), set(&[]));
    let of_episode = format!("/episodes/{episode}/streams");
    assert_eq!(ids(&app.get(&of_episode, viewer).await), set(&[&mine, &given]));
    assert_eq!(ids(&app.get(&of_episode, owner).await), set(&[&mine, &theirs, &given]));

    let path = format!("/streams/{mine}");
    for person in [other, &people.editor] {
        for below in ["", "/user", "/episode", "/episode/season", "/episode/season/series"] {
            assert_eq!(app.get(&format!("{path}{below}"), person).await.status, 403, "{below}");
        }
        assert_eq!(app.get(&format!("{path}/episode/season/series/genre"), person).await.status, 403);
        assert_eq!(app.patch(&path, person, json!({"position_seconds": 9})).await.status, 403);
        assert_eq!(app.delete(&path, person).await.status, 403);
        for below in ["streams", "streams/episode"] {
            assert_eq!(app.get(&format!("/users/{}/{below}", viewer.id), person).await.status, 403);
        }
    }
    // Nobody gives a stream away but an owner.
    assert_eq!(app.patch(&path, viewer, json!({"user_id": other.id})).await.status, 403);
    assert_eq!(app.get(&path, viewer).await.data(200)["position_seconds"], json!(0.0));
    assert_eq!(app.patch(&path, viewer, json!({"position_seconds": 9})).await.status, 200);
    assert_eq!(app.patch(&path, owner, json!({"user_id": other.id})).await.data(200)["user_id"], json!(other.id));
    assert_eq!(app.get(&path, viewer).await.status, 403);
    assert_eq!(app.delete(&path, other).await.status, 200);
    assert_eq!(app.delete(&format!("/streams/{given}"), owner).await.status, 200);
}

/// Two of everything: the second genre holds the second series alone, the first both.
struct Tree {
    genres: [String; 2],
    series: [String; 2],
    seasons: [String; 3],
    episodes: [String; 4],
}

async fn tree(app: &App, owner: &Person) -> Tree {
    let make = async |path: &str, body: Value| app.post(path, owner, body).await.id();
    let genres = [make("/genres", json!({"name": "G1"})).await, make("/genres", json!({"name": "G2"})).await];
    let series = [
        make("/series", json!({"name": "S1", "genre_ids": [genres[0]]})).await,
        make("/series", json!({"name": "S2", "genre_ids": [genres[1], genres[0]]})).await,
    ];
    let season = async |name: &str, of: &String| make("/seasons", json!({"name": name, "series_id": of})).await;
    let seasons = [season("N1", &series[0]).await, season("N2", &series[0]).await, season("N3", &series[1]).await];
    let episode = async |name: &str, of: &String| make("/episodes", json!({"name": name, "season_id": of})).await;
    let episodes = [
        episode("E1", &seasons[0]).await,
        episode("E2", &seasons[0]).await,
        episode("E3", &seasons[1]).await,
        episode("E4", &seasons[2]).await,
    ];
    Tree { genres, series, seasons, episodes }
}

#[actix_web::test]
async fn every_nested_path_gives_what_hangs_there() {
    let db = TestDb::create();
    let app = App::start(&db);
    let owner = app.register().await;
    let viewer = app.register().await;
    let Tree { genres, series, seasons, episodes } = tree(&app, &owner).await;
    let mut streams = Vec::new();
    for (person, episode) in [(&viewer, 0), (&viewer, 0), (&viewer, 3), (&owner, 2)] {
        streams.push(app.post("/streams", person, json!({"episode_id": episodes[episode]})).await.id());
    }
    let [s0, s1, s2, s3] = [&streams[0], &streams[1], &streams[2], &streams[3]];
    let lists = [
        (format!("/genres/{}/series", genres[0]), "Series", set(&[&series[0], &series[1]])),
        (format!("/genres/{}/series", genres[1]), "Series", set(&[&series[1]])),
        (format!("/genres/{}/series/seasons", genres[0]), "Seasons", set(&[&seasons[0], &seasons[1], &seasons[2]])),
        (format!("/genres/{}/series/seasons", genres[1]), "Seasons", set(&[&seasons[2]])),
        (format!("/series/{}/seasons", series[0]), "Seasons", set(&[&seasons[0], &seasons[1]])),
        (
            format!("/series/{}/seasons/episodes", series[0]),
            "Episodes",
            set(&[&episodes[0], &episodes[1], &episodes[2]]),
        ),
        (format!("/seasons/{}/episodes", seasons[0]), "Episodes", set(&[&episodes[0], &episodes[1]])),
        (format!("/episodes/{}/streams", episodes[0]), "Streams", set(&[s0, s1])),
        (format!("/users/{}/streams", viewer.id), "Streams", set(&[s0, s1, s2])),
        (format!("/users/{}/streams", owner.id), "Streams", set(&[s3])),
        (format!("/users/{}/streams/episode", viewer.id), "Episodes", set(&[&episodes[0], &episodes[3]])),
        (format!("/streams/{s2}/episode/season/series/genre"), "Genres", set(&[&genres[0], &genres[1]])),
    ];
    for (path, nouns, wanted) in lists {
        let answer = app.get(&path, &owner).await;
        assert_eq!(ids(&answer), wanted, "{path}");
        let json = answer.json();
        assert_eq!(json["message"], format!("{nouns} fetched successfully"), "{path}");
        assert_eq!(json["pagination"]["total"], wanted.len(), "{path}");
        assert_eq!(json["data"].as_array().unwrap().len(), wanted.len(), "{path}: each once");
        // The same parameters as a plain list.
        let paged = app.get(&format!("{path}?limit=1&sort=-id"), &owner).await;
        assert_eq!(ids(&paged).first(), wanted.last(), "{path}");
        assert_eq!(app.get(&format!("{path}?colour=red"), &owner).await.wrong_fields(), ["colour"]);
    }
    for (below, noun, wanted) in [
        ("episode", "Episode", &episodes[3]),
        ("user", "User", &viewer.id),
        ("episode/season", "Season", &seasons[2]),
        ("episode/season/series", "Series", &series[1]),
    ] {
        let answer = app.get(&format!("/streams/{s2}/{below}"), &viewer).await;
        assert_eq!(answer.data(200)["id"], json!(wanted), "{below}");
        assert_eq!(answer.json()["message"], format!("{noun} fetched successfully"));
    }
}

#[actix_web::test]
async fn a_parent_that_is_not_there_is_404_and_one_without_children_has_an_empty_list() {
    let db = TestDb::create();
    let app = App::start(&db);
    let owner = app.register().await;
    for (path, noun) in [
        ("/genres/{}/series", "Genre"),
        ("/genres/{}/series/seasons", "Genre"),
        ("/series/{}/seasons", "Series"),
        ("/series/{}/seasons/episodes", "Series"),
        ("/seasons/{}/episodes", "Season"),
        ("/episodes/{}/streams", "Episode"),
        ("/users/{}/streams", "User"),
        ("/users/{}/streams/episode", "User"),
        ("/streams/{}/episode", "Stream"),
        ("/streams/{}/user", "Stream"),
        ("/streams/{}/episode/season", "Stream"),
        ("/streams/{}/episode/season/series", "Stream"),
        ("/streams/{}/episode/season/series/genre", "Stream"),
    ] {
        not_there(&app.get(&path.replace("{}", SOME_ID), &owner).await, noun);
        assert_eq!(app.get(&path.replace("{}", "17"), &owner).await.wrong_fields(), ["id"], "{path}");
    }
    // The stream of a file has no episode, and so nothing beyond.
    let film = app.upload(&owner, "a.mp4", media::mp4().to_vec()).await.id();
    let alone = app.post("/streams", &owner, json!({"file_id": film})).await.id();
    for below in ["", "/season", "/season/series", "/season/series/genre"] {
        not_there(&app.get(&format!("/streams/{alone}/episode{below}"), &owner).await, "Episode");
        let another = app.register().await;
        assert_eq!(app.get(&format!("/streams/{alone}/episode{below}"), &another).await.status, 403, "{below}");
    }
    let genre = app.post("/genres", &owner, json!({"name": "Empty"})).await.id();
    let series = app.post("/series", &owner, json!({"name": "Empty"})).await.id();
    let full = app.post("/series", &owner, json!({"name": "Full"})).await.id();
    let season = app.post("/seasons", &owner, json!({"name": "Empty", "series_id": full})).await.id();
    let inner = app.post("/seasons", &owner, json!({"name": "Inner", "series_id": full})).await.id();
    let episode = app.post("/episodes", &owner, json!({"name": "Empty", "season_id": inner})).await.id();
    let seen = app.post("/streams", &owner, json!({"episode_id": episode})).await.id();
    let viewer = app.register().await;
    for path in [
        format!("/genres/{genre}/series"),
        format!("/genres/{genre}/series/seasons"),
        format!("/series/{series}/seasons"),
        format!("/series/{series}/seasons/episodes"),
        format!("/seasons/{season}/episodes"),
        format!("/users/{}/streams", viewer.id),
        format!("/users/{}/streams/episode", viewer.id),
        format!("/streams/{seen}/episode/season/series/genre"),
    ] {
        let json = app.get(&path, &owner).await.json();
        assert_eq!((&json["status"], &json["data"]), (&json!(200), &json!([])), "{path}");
        let wanted = json!({"page": 1, "limit": 10, "total": 0, "pages": 0, "next_cursor": null});
        assert_eq!(json["pagination"], wanted, "{path}");
    }
    let json = app.get(&format!("/episodes/{episode}/streams"), &viewer).await.json();
    assert_eq!((&json["status"], &json["data"]), (&json!(200), &json!([])));
}
