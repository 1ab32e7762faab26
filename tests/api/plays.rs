//! Plays of public videos: opened and beaten by anyone, with or without an account, from any address not too often.

use std::time::Duration;

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{
    app::{Answer, App, Plan},
    channels::tiny,
    people::Person,
    stores::{Stores, TestDb, count},
};

/// The path of the plays of a video that somebody shares.
async fn shared(app: &App, person: &Person) -> String {
    format!("/v/{}/plays", app.share(person, "A walk", "").await)
}

async fn open(app: &App, plays: &str, person: Option<&Person>) -> Answer {
    Answer::of(app.request(Method::POST, plays, person)).await
}

async fn session(app: &App, plays: &str, person: Option<&Person>) -> String {
    open(app, plays, person).await.data(201)["session"].as_str().expect("an id").to_owned()
}

async fn beat(app: &App, play: &str, person: Option<&Person>, body: Value) -> Answer {
    Answer::of(app.request(Method::PATCH, play, person).json(&body)).await
}

fn names(json: &Value) -> Vec<&str> {
    json.as_object().expect("an object").keys().map(String::as_str).collect()
}

#[actix_web::test]
async fn a_play_is_opened_and_beaten_without_an_account() {
    let db = TestDb::create();
    let plan = Plan::over(&db);
    let nodes = [plan.start(), plan.start()];
    let owner = nodes[0].register().await;
    let plays = shared(&nodes[0], &owner).await;
    let opened = open(&nodes[0], &plays, None).await;
    let data = opened.data(201);
    let session = data["session"].as_str().expect("an id");
    assert_eq!(
        names(&data),
        ["heartbeat_seconds", "playback", "position_seconds", "session", "state", "viewed"],
        "{data}"
    );
    assert_eq!(opened.header("location"), Some(&*format!("{plays}/{session}")));
    assert_eq!(Uuid::parse_str(session).expect("an id").get_version_num(), 4, "an id that can be guessed");
    assert_eq!((&data["position_seconds"], &data["state"]), (&json!(0.0), &json!("playing")));
    assert_eq!((&data["heartbeat_seconds"], &data["viewed"]), (&json!(5), &json!(false)));

    let playback = &data["playback"];
    assert_eq!(names(playback), ["dash", "expires_at", "file", "hls", "poster", "storyboard"]);
    for null in ["dash", "expires_at", "hls", "storyboard"] {
        assert_eq!(playback[null], Value::Null, "{null}");
    }
    let film = nodes[1].see(playback["file"].as_str().expect("a link")).await;
    assert_eq!((film.status, &*film.bytes), (200, tiny()));
    let poster = nodes[1].see(playback["poster"].as_str().expect("a link")).await;
    assert_eq!((poster.status, poster.header("content-type")), (200, Some("image/jpeg")));

    let play = format!("{plays}/{session}");
    for (node, position, state) in [(0, 0.1, json!("playing")), (1, 0.2, json!("paused")), (0, 0.2, json!("ended"))] {
        let body = json!({"position_seconds": position, "state": state, "rate": 1});
        let data = beat(&nodes[node], &play, None, body).await.data(200);
        assert_eq!(names(&data), ["position_seconds", "session", "state", "viewed", "watched_seconds"]);
        assert_eq!((&data["position_seconds"], &data["state"]), (&json!(position), &state));
        assert_eq!(data["session"], session);
        assert!(data["watched_seconds"].is_number() && data["viewed"].is_boolean(), "{data}");
    }
    assert_eq!(nodes[0].get("/streams", &owner).await.data(200), json!([]), "a play of nobody is in nobody's list");
    assert_eq!(nodes[0].get(&format!("/streams/{session}"), &owner).await.status, 404);
}

#[actix_web::test]
async fn with_a_token_it_is_the_accounts_own() {
    let db = TestDb::create();
    let app = App::start(&db);
    let people = app.people().await;
    let plays = shared(&app, &people.owner).await;
    let session = session(&app, &plays, Some(&people.viewer)).await;
    let streams = app.get("/streams", &people.viewer).await.data(200);
    assert_eq!((&streams[0]["id"], &streams[0]["user_id"]), (&json!(session), &json!(people.viewer.id)));
    let (play, body) = (format!("{plays}/{session}"), json!({"position_seconds": 0.1}));
    for other in [None, Some(&people.other), Some(&people.owner)] {
        let refused = beat(&app, &play, other, body.clone()).await;
        assert_eq!((refused.status, refused.refusal()), (404, json!("Play not found")));
    }
    beat(&app, &play, Some(&people.viewer), body).await.data(200);
    // Nobody's play is beaten by whoever knows of it.
    let open = self::session(&app, &plays, None).await;
    for caller in [None, Some(&people.other)] {
        beat(&app, &format!("{plays}/{open}"), caller, json!({"position_seconds": 0.1})).await.data(200);
    }
}

#[actix_web::test]
async fn a_token_that_does_not_hold_is_401_and_not_taken_for_nobody() {
    let db = TestDb::create();
    let app = App::start(&db);
    let owner = app.register().await;
    let plays = shared(&app, &owner).await;
    let gone = app.register().await;
    app.delete(&format!("/users/{}", gone.id), &gone).await.data(200);
    for header in ["Bearer x", "Bearer", "x", &format!("Bearer {}", gone.token), &owner.token, ""] {
        let request = app.request(Method::POST, &plays, None).header("authorization", header);
        let answer = Answer::of(request).await;
        assert_eq!(answer.status, 401, "{header:?}");
        answer.refusal();
    }
    assert_eq!(count(&mut db.connect(), "streams"), 0);
}

#[actix_web::test]
async fn what_is_not_there_cannot_be_played() {
    let db = TestDb::create();
    let app = App::start(&db);
    let owner = app.register().await;
    let plays = shared(&app, &owner).await;
    let other = shared(&app, &owner).await;
    let announced = app.announce(&owner, "Not yet", "").await;
    for path in [&*format!("/v/{announced}/plays"), "/v/zzzzzzz/plays", "/v/ABC/plays", "/v/%00/plays"] {
        let refused = open(&app, path, None).await;
        assert_eq!((refused.status, refused.refusal()), (404, json!("Video not found")), "{path}");
    }
    let session = session(&app, &plays, None).await;
    let body = json!({"position_seconds": 0.1});
    let none = Uuid::new_v4();
    for path in [format!("{other}/{session}"), format!("{plays}/{none}")] {
        let refused = beat(&app, &path, None, body.clone()).await;
        assert_eq!((refused.status, refused.refusal()), (404, json!("Play not found")), "{path}");
    }
    let malformed = beat(&app, &format!("{plays}/x"), None, body.clone()).await;
    assert_eq!((malformed.status, malformed.wrong_fields()), (400, vec!["session".to_owned()]));
    // A stream that is no play of this video is none.
    let stream = app.get("/files?type=video", &owner).await.data(200)[0]["id"].clone();
    let stream = app.post("/streams", &owner, json!({"file_id": stream})).await.id();
    assert_eq!(beat(&app, &format!("/v/zzzzzzz/plays/{stream}"), Some(&owner), body.clone()).await.status, 404);

    let hash = plays.split('/').nth(2).expect("a hash");
    app.delete(&format!("/v/{hash}"), &owner).await.response(200);
    assert_eq!(open(&app, &plays, None).await.status, 404);
    assert_eq!(beat(&app, &format!("{plays}/{session}"), None, body).await.status, 404);
}

#[actix_web::test]
async fn a_heartbeat_needs_a_position_and_takes_nothing_unknown() {
    let db = TestDb::create();
    let app = App::start(&db);
    let owner = app.register().await;
    let plays = shared(&app, &owner).await;
    let play = format!("{plays}/{}", session(&app, &plays, None).await);
    for (body, field) in [
        (json!({}), "position_seconds"),
        (json!({"state": "paused"}), "position_seconds"),
        (json!({"position_seconds": null}), "position_seconds"),
        (json!({"position_seconds": -1}), "position_seconds"),
        (json!({"position_seconds": "1"}), "position_seconds"),
        (json!({"position_seconds": 1, "state": "stopped"}), "state"),
        (json!({"position_seconds": 1, "state": null}), "state"),
        (json!({"position_seconds": 1, "rate": 0}), "rate"),
        (json!({"position_seconds": 1, "rate": 100}), "rate"),
        (json!({"position_seconds": 1, "watched_seconds": 100}), "watched_seconds"),
    ] {
        assert_eq!(beat(&app, &play, None, body.clone()).await.wrong_fields(), [field], "{body}");
    }
}

#[actix_web::test]
async fn one_address_opens_only_so_many_plays_within_the_window_on_all_nodes() {
    let db = TestDb::create();
    let plan = Plan::over(&db)
        .with("PLAYHOUSE_PLAYBACK__PLAYS_PER_ADDRESS", "5")
        .with("PLAYHOUSE_PLAYBACK__PLAYS_WINDOW_SECONDS", "3600")
        .with("PLAYHOUSE_HTTP__TRUSTED_PROXIES", "127.0.0.1");
    let nodes = [plan.start(), plan.start()];
    let owner = nodes[0].register().await;
    let plays = shared(&nodes[0], &owner).await;
    let from = async |node: &App, address: &str| {
        Answer::of(node.request(Method::POST, &plays, None).header("x-forwarded-for", address)).await
    };
    let answers = join_all((0..12).map(|number| from(&nodes[number % 2], "192.0.2.1"))).await;
    let opened = answers.iter().filter(|answer| answer.status == 201).count();
    assert_eq!(opened, 5);
    for refused in answers.iter().filter(|answer| answer.status != 201) {
        assert_eq!(refused.status, 429);
        refused.refusal();
        let wait: u64 = refused.header("retry-after").and_then(|text| text.parse().ok()).expect("seconds");
        assert!((1..=3600).contains(&wait), "{wait}");
    }
    assert_eq!(from(&nodes[0], "192.0.2.2").await.status, 201, "another address");
    assert_eq!(count(&mut db.connect(), "streams"), 6);
    // What is refused for another reason is not counted.
    let nothing = plays.replace(plays.split('/').nth(2).expect("a hash"), "zzzzzzz");
    for _ in 0..6 {
        let request = nodes[0].request(Method::POST, &nothing, None).header("x-forwarded-for", "192.0.2.3");
        assert_eq!(Answer::of(request).await.status, 404);
    }
    assert_eq!(from(&nodes[0], "192.0.2.3").await.status, 201);
}

#[actix_web::test]
async fn the_window_of_plays_ends() {
    let db = TestDb::create();
    let app = Plan::over(&db)
        .with("PLAYHOUSE_PLAYBACK__PLAYS_PER_ADDRESS", "1")
        .with("PLAYHOUSE_PLAYBACK__PLAYS_WINDOW_SECONDS", "2")
        .start();
    let owner = app.register().await;
    let plays = shared(&app, &owner).await;
    open(&app, &plays, None).await.data(201);
    let refused = open(&app, &plays, None).await;
    assert_eq!(refused.status, 429);
    let wait: u64 = refused.header("retry-after").and_then(|text| text.parse().ok()).expect("seconds");
    tokio::time::sleep(Duration::from_secs(wait)).await;
    open(&app, &plays, None).await.data(201);
}

#[actix_web::test]
async fn without_redis_a_node_counts_the_plays_of_an_address_by_itself() {
    let mut stores = Stores::own();
    let app = Plan::over_own(&stores)
        .with("PLAYHOUSE_PLAYBACK__PLAYS_PER_ADDRESS", "2")
        .with("PLAYHOUSE_PLAYBACK__PLAYS_WINDOW_SECONDS", "3600")
        .start();
    let owner = app.register().await;
    let plays = shared(&app, &owner).await;
    stores.stop_redis();
    for _ in 0..2 {
        open(&app, &plays, None).await.data(201);
    }
    let refused = open(&app, &plays, None).await;
    assert_eq!(refused.status, 429);
    let wait: u64 = refused.header("retry-after").and_then(|text| text.parse().ok()).expect("seconds");
    assert!((1..=3600).contains(&wait), "{wait}");
}
