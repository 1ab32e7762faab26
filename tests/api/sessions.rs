//! Viewing sessions: where they begin, what heartbeats earn, on one node and on several, and what they outlive.

use std::time::Duration;

use diesel::{RunQueryDsl as _, connection::SimpleConnection as _, sql_query, sql_types::Double};
use futures_util::future::join_all;
use reqwest::Method;
use rustix::process::Signal;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};

use crate::support::{
    app::{Answer, App, Catalogue, Plan, eventually},
    media::{mp4, png},
    people::Person,
    stores::{OwnStores, Stores, TestDb, count},
};

mod changes;
mod failures;

/// How soon what is not done at once has to be done.
const SOON: Duration = Duration::from_secs(20);

/// An owner's catalogue, and somebody who watches.
struct House {
    owner: Person,
    ann: Person,
    season: String,
    series: String,
}

impl House {
    async fn of(app: &App) -> Self {
        let owner = app.register().await;
        let ann = app.register().await;
        let Catalogue { season, series, .. } = app.catalogue(&owner).await;
        Self { owner, ann, season, series }
    }

    /// An episode that is so long and has no medium yet.
    async fn episode(&self, app: &App, seconds: f64) -> String {
        let body = json!({"name": "Pilot", "season_id": self.season, "duration_seconds": seconds});
        app.post("/episodes", &self.owner, body).await.id()
    }
}

/// Opens a stream of an episode; its data.
async fn open(app: &App, person: &Person, episode: &str) -> Value {
    app.post("/streams", person, json!({"episode_id": episode})).await.data(201)
}

fn id(data: &Value) -> String {
    data["id"].as_str().expect("an id").to_owned()
}

async fn beat(app: &App, person: &Person, stream: &str, body: Value) -> Answer {
    app.patch(&format!("/streams/{stream}"), person, body).await
}

/// Ends a viewing of an episode at a position; where the next one begins.
async fn goes_on_from(app: &App, person: &Person, episode: &str, position: f64) -> Value {
    let stream = id(&open(app, person, episode).await);
    beat(app, person, &stream, json!({"position_seconds": position, "state": "ended"})).await.data(200);
    open(app, person, episode).await["position_seconds"].clone()
}

/// The views that are stored.
fn views(db: &TestDb) -> i64 {
    count(&mut db.connect(), "views")
}

#[derive(diesel::QueryableByName)]
struct Position {
    #[diesel(sql_type = Double)]
    position_seconds: f64,
}

fn stored_position(url: &SecretString, stream: &str) -> f64 {
    use diesel::Connection as _;
    let mut conn = diesel::PgConnection::establish(url.expose_secret()).expect("a connection");
    let row = sql_query(format!("SELECT position_seconds FROM streams WHERE id = '{stream}'"));
    row.get_result::<Position>(&mut conn).expect("a row").position_seconds
}

async fn redis_link(url: &SecretString) -> redis::aio::MultiplexedConnection {
    let client = redis::Client::open(url.expose_secret()).expect("a Redis");
    client.get_multiplexed_async_connection().await.expect("a link")
}

/// The path of a link with a token in it.
fn link(data: &Value) -> String {
    data["playback"]["file"].as_str().expect("a link").to_owned()
}

async fn plays(app: &App, link: &str) -> bool {
    match Answer::of(app.request(Method::GET, link, None)).await.status {
        200 => true,
        403 => false,
        other => panic!("{other} for a player"),
    }
}

#[actix_web::test]
async fn a_viewing_goes_on_where_the_account_left_the_title() {
    let db = TestDb::create();
    let app = App::start(&db);
    let house = House::of(&app).await;
    let long = house.episode(&app, 600.0).await;
    let opened = open(&app, &house.ann, &long).await;
    assert_eq!(opened["position_seconds"], 0.0);
    assert_eq!(opened["state"], "playing");
    assert_eq!(opened["watched_seconds"], 0.0);
    assert_eq!(opened["heartbeat_seconds"], 5);
    assert_eq!(opened["viewed"], false);
    assert_eq!(opened["user_id"], json!(house.ann.id));
    assert_eq!(opened["createdAt"], opened["updatedAt"]);
    assert!(opened.as_object().unwrap().contains_key("playback") && opened["playback"].is_null(), "{opened}");

    for (left, next) in [(29.0, 0.0), (200.0, 200.0), (540.0, 540.0), (541.0, 0.0), (9999.0, 0.0)] {
        assert_eq!(goes_on_from(&app, &house.ann, &long, left).await, json!(next), "left at {left}");
    }
    assert_eq!(goes_on_from(&app, &house.ann, &long, 300.0).await, 300.0);
    assert_eq!(open(&app, &house.owner, &long).await["position_seconds"], 0.0, "another's place is not theirs");
    let given = json!({"episode_id": long, "position_seconds": 7});
    assert_eq!(app.post("/streams", &house.ann, given).await.data(201)["position_seconds"], 7.0);
    let beyond = json!({"episode_id": long, "position_seconds": 1_000_000});
    assert_eq!(app.post("/streams", &house.ann, beyond).await.data(201)["position_seconds"], 600.0);
    let short = house.episode(&app, 200.0).await;
    assert_eq!(goes_on_from(&app, &house.ann, &short, 100.0).await, 0.0, "short titles begin anew");
    let endless = app.post("/episodes", &house.owner, json!({"name": "Live", "season_id": house.season})).await.id();
    assert_eq!(goes_on_from(&app, &house.ann, &endless, 100.0).await, 100.0);
}

#[actix_web::test]
async fn a_stream_is_of_one_episode_or_of_a_file_that_its_viewer_may_read() {
    let db = TestDb::create();
    let app = App::start(&db);
    let house = House::of(&app).await;
    let episode = house.episode(&app, 60.0).await;
    let film = app.upload(&house.owner, "film.mp4", mp4().to_vec()).await.id();
    let picture = app.upload(&house.owner, "picture.png", png().to_vec()).await.id();
    let nowhere = uuid::Uuid::now_v7().to_string();
    for (body, field) in [
        (json!({}), "episode_id"),
        (json!({"episode_id": episode, "file_id": film}), "file_id"),
        (json!({"file_id": nowhere}), "file_id"),
        (json!({"episode_id": nowhere}), "episode_id"),
        (json!({"file_id": picture}), "file_id"),
        (json!({"episode_id": episode, "position_seconds": -1}), "position_seconds"),
        (json!({"episode_id": episode, "position_seconds": 1e12}), "position_seconds"),
    ] {
        assert_eq!(app.post("/streams", &house.owner, body.clone()).await.wrong_fields(), [field], "{body}");
    }
    let stream = id(&open(&app, &house.ann, &episode).await);
    for (body, field) in [
        (json!({"rate": 0}), "rate"),
        (json!({"rate": 100}), "rate"),
        (json!({"state": "stopped"}), "state"),
        (json!({"position_seconds": "7"}), "position_seconds"),
        (json!({"file_id": film}), "file_id"),
    ] {
        assert_eq!(beat(&app, &house.ann, &stream, body.clone()).await.wrong_fields(), [field], "{body}");
    }

    let of_film = json!({"file_id": film});
    assert_eq!(app.post("/streams", &house.ann, of_film.clone()).await.status, 403, "nothing refers to it");
    let data = app.post("/streams", &house.owner, of_film.clone()).await.data(201);
    assert_eq!((&data["file_id"], &data["episode_id"]), (&json!(film), &Value::Null));
    assert!(plays(&app, &link(&data)).await);
    app.patch(&format!("/episodes/{episode}"), &house.owner, json!({"file_id": film})).await.data(200);
    let data = app.post("/streams", &house.ann, of_film).await.data(201);
    assert!(plays(&app, &link(&data)).await, "what the catalogue refers to every reader may play");
    let data = open(&app, &house.ann, &episode).await;
    assert_eq!((&data["file_id"], &data["episode_id"]), (&json!(film), &json!(episode)));
    let listed = app.get(&format!("/streams?file_id={film}&state=playing"), &house.ann).await.json();
    assert_eq!(listed["pagination"]["total"], 3, "by the episode as well");
}

#[actix_web::test]
async fn a_view_counts_once_an_hour_for_an_account_and_never_for_the_owner() {
    let db = TestDb::create();
    let app = App::start(&db);
    let house = House::of(&app).await;
    let film = app.upload(&house.owner, "film.mp4", mp4().to_vec()).await.id();
    let body = json!({"name": "Pilot", "season_id": house.season, "file_id": film});
    let episode = app.post("/episodes", &house.owner, body).await.id();

    // Two seconds long: one makes a view.
    let own = id(&open(&app, &house.owner, &episode).await);
    assert_eq!(beat(&app, &house.owner, &own, json!({"position_seconds": 1.5})).await.data(200)["viewed"], false);
    assert_eq!(views(&db), 0);

    let first = id(&open(&app, &house.ann, &episode).await);
    let beaten = beat(&app, &house.ann, &first, json!({"position_seconds": 0.5})).await.data(200);
    assert_eq!((&beaten["viewed"], &beaten["watched_seconds"]), (&json!(false), &json!(0.5)));
    assert!(!beaten.as_object().unwrap().contains_key("playback"), "the links hold yet");
    let beaten = beat(&app, &house.ann, &first, json!({"position_seconds": 1.5})).await.data(200);
    assert_eq!((&beaten["viewed"], &beaten["watched_seconds"]), (&json!(true), &json!(1.5)));
    assert_eq!(views(&db), 1, "stored when it is answered");
    let second = id(&open(&app, &house.ann, &episode).await);
    for position in [1.5, 2.0] {
        let beaten = beat(&app, &house.ann, &second, json!({"position_seconds": position})).await.data(200);
        assert_eq!(beaten["viewed"], false, "within the hour");
    }
    assert_eq!(beat(&app, &house.ann, &first, json!({"position_seconds": 2})).await.data(200)["viewed"], true);
    let bob = app.register().await;
    let third = id(&open(&app, &bob, &episode).await);
    assert_eq!(beat(&app, &bob, &third, json!({"position_seconds": 1.5})).await.data(200)["viewed"], true);
    assert_eq!(views(&db), 2);
}

#[actix_web::test]
async fn forged_heartbeats_earn_no_more_than_the_time_that_passes() {
    let db = TestDb::create();
    let app = App::start(&db);
    let house = House::of(&app).await;
    let episode = house.episode(&app, 20_000.0).await;
    let stream = id(&open(&app, &house.ann, &episode).await);
    let began = std::time::Instant::now();
    let jump = beat(&app, &house.ann, &stream, json!({"position_seconds": 7200})).await.data(200);
    assert_eq!((&jump["watched_seconds"], &jump["position_seconds"]), (&json!(0.0), &json!(7200.0)));
    let forged = (0..60).map(|turn| {
        let body = json!({"position_seconds": 7200.0 + f64::from(turn) * 1.9, "rate": 4, "state": "playing"});
        beat(&app, &house.ann, &stream, body)
    });
    let said = join_all(forged).await;
    assert!(said.iter().all(|said| matches!(said.status, 200 | 503)), "all are taken, or told to come again");
    let last = beat(&app, &house.ann, &stream, json!({"state": "paused"})).await.data(200);
    let watched = last["watched_seconds"].as_f64().unwrap();
    let most = began.elapsed().as_secs_f64() * 4.0 + 2.0;
    assert!(watched <= most, "{watched} s in {most} s");
    let huge = beat(&app, &house.ann, &stream, json!({"position_seconds": 126_230_400})).await.data(200);
    assert_eq!(huge["position_seconds"], 20_000.0, "no further than the end");
}

#[actix_web::test]
async fn any_node_takes_a_heartbeat_and_all_show_it_at_once() {
    let db = TestDb::create();
    let plan = Plan::over(&db);
    let nodes = [plan.start(), plan.start()];
    let house = House::of(&nodes[0]).await;
    let episode = house.episode(&nodes[0], 4.0).await;
    let stream = id(&open(&nodes[0], &house.ann, &episode).await);
    let path = format!("/streams/{stream}");
    for (turn, position) in [0.4, 0.8, 1.2, 1.6].into_iter().enumerate() {
        let body = json!({"position_seconds": position, "state": if turn % 2 == 0 { "paused" } else { "playing" }});
        let beaten = beat(&nodes[turn % 2], &house.ann, &stream, body.clone()).await.data(200);
        assert_eq!(beaten["viewed"], false);
        for node in &nodes {
            let shown = node.get(&path, &house.ann).await.data(200);
            for name in ["position_seconds", "state", "watched_seconds", "updatedAt"] {
                assert_eq!(shown[name], beaten[name], "{name} after {body}");
            }
            let listed = node.get("/streams", &house.ann).await.json();
            assert_eq!(listed["data"][0], shown);
        }
    }
    // At once on both: none is lost, and the view counts once.
    let beats = (0..24)
        .map(|turn| beat(&nodes[turn % 2], &house.ann, &stream, json!({"position_seconds": 2.2, "state": "playing"})));
    for said in join_all(beats).await {
        assert!(matches!(said.status, 200 | 503), "{}", said.status);
    }
    for node in &nodes {
        let beaten = beat(node, &house.ann, &stream, json!({"position_seconds": 2.2})).await.data(200);
        assert_eq!(beaten["viewed"], true);
        assert!(beaten["watched_seconds"].as_f64().unwrap() <= 2.2, "{beaten}");
    }
    assert_eq!(views(&db), 1);

    // What is changed by hand on one node the other goes on with.
    let other = house.episode(&nodes[0], 100.0).await;
    beat(&nodes[0], &house.owner, &stream, json!({"user_id": house.owner.id, "episode_id": other})).await.data(200);
    assert_eq!(beat(&nodes[1], &house.ann, &stream, json!({"position_seconds": 1})).await.status, 403);
    let moved = beat(&nodes[1], &house.owner, &stream, json!({"position_seconds": 50})).await.data(200);
    assert_eq!((&moved["user_id"], &moved["episode_id"]), (&json!(house.owner.id), &json!(other)));
    assert_eq!(moved["position_seconds"], 50.0);
    beat(&nodes[0], &house.owner, &stream, json!({"user_id": house.ann.id})).await.data(200);
    beat(&nodes[1], &house.ann, &stream, json!({"position_seconds": 51})).await.data(200);
}

#[actix_web::test]
async fn what_has_ended_plays_no_more_until_it_is_beaten_again() {
    let db = TestDb::create();
    let plan = Plan::over(&db);
    let nodes = [plan.start(), plan.start()];
    let house = House::of(&nodes[0]).await;
    let film = nodes[0].upload(&house.owner, "film.mp4", mp4().to_vec()).await.id();
    let opened = nodes[0].post("/streams", &house.owner, json!({"file_id": film})).await.data(201);
    let (stream, link) = (id(&opened), link(&opened));
    // A node hears of what was said on another within milliseconds.
    let as_wanted = async |node: &App, wanted: bool, when: &str| {
        let heard = eventually(Duration::from_secs(5), async || plays(node, &link).await == wanted).await;
        assert!(heard, "{when}: plays: {}", !wanted);
    };
    // The store of the second node is its own: only what is refused is asked of it.
    assert!(plays(&nodes[0], &link).await);
    for round in 0..3 {
        let ended = json!({"position_seconds": 1, "state": "ended"});
        let ended = beat(&nodes[round % 2], &house.owner, &stream, ended).await.data(200);
        assert_eq!(ended["state"], "ended");
        if round % 2 == 0 {
            assert!(!plays(&nodes[0], &link).await, "round {round}: ended on this node");
        }
        as_wanted(&nodes[0], false, &format!("round {round}, ended")).await;
        let again = beat(&nodes[round % 2], &house.owner, &stream, json!({"position_seconds": 1})).await.data(200);
        assert_eq!(again["state"], "playing");
        if round % 2 == 0 {
            assert!(plays(&nodes[0], &link).await, "round {round}: beaten on this node");
        }
        as_wanted(&nodes[0], true, &format!("round {round}, again")).await;
    }
    nodes[1].delete(&format!("/streams/{stream}"), &house.owner).await.data(200);
    for node in &nodes {
        as_wanted(node, false, "removed").await;
        assert_eq!(beat(node, &house.owner, &stream, json!({"position_seconds": 1})).await.status, 404);
    }
}

#[actix_web::test]
async fn links_are_renewed_in_time() {
    let db = TestDb::create();
    let life = |renewal| {
        let plan = Plan::over(&db).with("PLAYHOUSE_PLAYBACK__TOKEN_SECONDS", "1000");
        plan.with("PLAYHOUSE_PLAYBACK__TOKEN_RENEWAL_SECONDS", renewal).start()
    };
    let (late, soon) = (life("10"), life("1000"));
    let owner = late.register().await;
    let film = late.upload(&owner, "film.mp4", mp4().to_vec()).await.id();
    let opened = late.post("/streams", &owner, json!({"file_id": film})).await.data(201);
    let (stream, first) = (id(&opened), link(&opened));
    let beaten = beat(&late, &owner, &stream, json!({"position_seconds": 1})).await.data(200);
    assert!(!beaten.as_object().unwrap().contains_key("playback"), "{beaten}");
    let beaten = beat(&soon, &owner, &stream, json!({"position_seconds": 1})).await.data(200);
    let second = link(&beaten);
    assert_ne!(first, second);
    assert!(plays(&late, &second).await && plays(&late, &first).await);
}

#[actix_web::test]
async fn a_removed_stream_is_gone_while_it_is_beaten() {
    let db = TestDb::create();
    let plan = Plan::over(&db);
    let nodes = [plan.start(), plan.start()];
    let house = House::of(&nodes[0]).await;
    let episode = house.episode(&nodes[0], 600.0).await;
    for round in 0..6 {
        let stream = id(&open(&nodes[round % 2], &house.ann, &episode).await);
        beat(&nodes[1], &house.ann, &stream, json!({"position_seconds": 1})).await.data(200);
        let beats =
            join_all((0..8).map(|turn| beat(&nodes[turn % 2], &house.ann, &stream, json!({"position_seconds": turn}))));
        let path = format!("/streams/{stream}");
        let (beaten, removed) = futures_util::future::join(beats, nodes[0].delete(&path, &house.ann)).await;
        removed.data(200);
        assert!(beaten.iter().all(|said| matches!(said.status, 200 | 404)));
        for node in &nodes {
            assert_eq!(beat(node, &house.ann, &stream, json!({"position_seconds": 9})).await.status, 404);
            assert_eq!(node.get(&path, &house.ann).await.status, 404);
        }
    }
    // Rows that go along with something else.
    let stream = id(&open(&nodes[0], &house.ann, &episode).await);
    beat(&nodes[1], &house.ann, &stream, json!({"position_seconds": 1})).await.data(200);
    nodes[0].delete(&format!("/episodes/{episode}"), &house.owner).await.data(200);
    for node in &nodes {
        let gone = async || beat(node, &house.ann, &stream, json!({"position_seconds": 2})).await.status == 404;
        assert!(eventually(SOON, gone).await, "it is beaten on and on");
    }
}

#[actix_web::test]
async fn a_session_that_falls_silent_ends() {
    let db = TestDb::create();
    let app = App::start(&db);
    let house = House::of(&app).await;
    let episode = house.episode(&app, 600.0).await;
    let (silent, loud) = (id(&open(&app, &house.ann, &episode).await), id(&open(&app, &house.ann, &episode).await));
    beat(&app, &house.ann, &silent, json!({"position_seconds": 77})).await.data(200);
    let stored = async || (stored_position(&db.url(), &silent) - 77.0).abs() < 0.1;
    assert!(eventually(SOON, stored).await, "positions are stored within 10 s");
    db.connect().batch_execute("UPDATE streams SET beat_at = now() - interval '3 minutes'").unwrap();
    // The row of the other lags behind: Redis knows better.
    let mut redis = redis_link(&db.redis_url()).await;
    let sessions = format!("{}:stats:sessions", db.prefix());
    redis::cmd("ZREM").arg(&sessions).arg(&silent).exec_async(&mut redis).await.unwrap();
    let state =
        async |stream: &str| app.get(&format!("/streams/{stream}"), &house.ann).await.data(200)["state"].clone();
    assert!(eventually(SOON, async || state(&silent).await == "ended").await);
    assert_eq!(state(&loud).await, "playing");
    let again = beat(&app, &house.ann, &silent, json!({"position_seconds": 78})).await.data(200);
    assert_eq!(again["state"], "playing");
    let old = "INSERT INTO streams (id, file_id, state, beat_at) SELECT gen_random_uuid(), id, 'ended', now() - \
        interval '25 hours' FROM files";
    app.upload(&house.owner, "film.mp4", mp4().to_vec()).await.id();
    db.connect().batch_execute(old).unwrap();
    let removed = async || count(&mut db.connect(), "streams WHERE user_id IS NULL") == 0;
    assert!(eventually(SOON, removed).await, "old plays of nobody stay");
}
