//! Links of players: the bytes by a token in the path, or by the id of what is public; and what ends them.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::Utc;
use futures_util::future::join_all;
use jsonwebtoken::Algorithm;
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{
    app::{Answer, App, Plan, eventually},
    channels::tiny,
    media::mp4,
    people::{PASSWORD, Person},
    sessions::Session,
    stores::{TestDb, count},
    tokens::{SECRET, claims, ours, signed, under_header, with},
};

/// What one node does, another has heard of by then. It takes milliseconds; machines may be busy.
const HEARD: Duration = Duration::from_secs(1);
const NO_LEAVE: &str = "This link does not hold, or does not hold any more";

/// Opens a session of somebody's on a film.
async fn watch(app: &App, person: &Person, film: &str) -> Session {
    app.watch(person, json!({"file_id": film})).await
}

async fn status(app: &App, path: &str) -> u16 {
    app.see(path).await.status
}

/// The file of the bytes that somebody has shared last.
async fn film_of(app: &App, person: &Person) -> String {
    let files = app.get("/files?type=video&sort=-createdAt", person).await.data(200);
    files[0]["id"].as_str().expect("an id").to_owned()
}

#[actix_web::test]
async fn a_player_reads_the_bytes_by_a_token_in_the_path_with_ranges() {
    let db = TestDb::create();
    let app = App::start(&db);
    let owner = app.register().await;
    let film = app.upload(&owner, "film.mp4", mp4().to_vec()).await.id();
    let path = watch(&app, &owner, &film).await;
    let path = path.file();
    let whole = app.see(path).await;
    assert_eq!((whole.status, whole.bytes.len()), (200, mp4().len()));
    assert!(whole.bytes == mp4());
    assert_eq!(whole.header("content-type"), Some("video/mp4"));
    assert_eq!(whole.header("accept-ranges"), Some("bytes"));
    assert_eq!(whole.header("cache-control"), Some("private, max-age=31536000, immutable"));
    assert_eq!(app.see(&format!("{path}/")).await.status, 200, "a slash at the end changes nothing");

    let head = Answer::of(app.request(Method::HEAD, path, None)).await;
    assert_eq!((head.status, head.header("content-length")), (200, Some(&*mp4().len().to_string())));
    let tag = whole.header("etag").expect("a tag");
    for (name, value, status, part) in [
        ("range", "bytes=0-99", 206, &mp4()[..100]),
        ("range", "bytes=100-199", 206, &mp4()[100..200]),
        ("range", "bytes=-50", 206, &mp4()[mp4().len() - 50..]),
        ("range", "bytes=99999999-", 416, &[]),
        ("if-none-match", tag, 304, &[]),
        ("if-match", "\"other\"", 412, &[]),
    ] {
        let answer = Answer::of(app.request(Method::GET, path, None).header(name, value)).await;
        assert_eq!((answer.status, &*answer.bytes), (status, part), "{name}: {value}");
    }
}

#[actix_web::test]
async fn what_is_shared_is_public_by_its_id_until_it_is_removed_and_nothing_else_is() {
    let db = TestDb::create();
    let plan = Plan::over(&db);
    let nodes = [plan.start(), plan.start()];
    let owner = nodes[0].register().await;
    let hash = nodes[0].share(&owner, "A walk", "").await;
    let film = film_of(&nodes[0], &owner).await;
    let paths = [format!("/play/{film}/file"), format!("/play/{}/file", film.to_uppercase())];
    for node in &nodes {
        for path in &paths {
            let answer = node.see(path).await;
            assert_eq!((answer.status, &*answer.bytes), (200, tiny()), "{path}");
            assert_eq!(answer.header("cache-control"), Some("public, max-age=31536000, immutable"));
        }
        let part = Answer::of(node.request(Method::GET, &paths[0], None).header("range", "bytes=5-9")).await;
        assert_eq!((part.status, &*part.bytes), (206, &tiny()[5..10]));
    }
    // The thumbnail, the film of an episode, a file of the owner's: none of them is a video of a channel.
    let catalogue = nodes[0].catalogue(&owner).await;
    let private = nodes[0].upload(&owner, "film.mp4", mp4().to_vec()).await.id();
    let episode = format!("/episodes/{}", catalogue.episode);
    nodes[0].patch(&episode, &owner, json!({"file_id": private})).await.data(200);
    let files = nodes[0].get("/files?type=image", &owner).await.data(200);
    let thumbnail = files[0]["id"].as_str().expect("an id");
    for id in [&*private, thumbnail, &Uuid::now_v7().to_string(), &film.replace('-', "")] {
        for caller in [None, Some(&owner)] {
            let answer = Answer::of(nodes[0].request(Method::GET, &format!("/play/{id}/file"), caller)).await;
            assert_eq!((answer.status, answer.refusal()), (403, json!(NO_LEAVE)), "{id}");
        }
    }
    nodes[0].delete(&format!("/v/{hash}"), &owner).await.response(200);
    for node in &nodes {
        let gone = async || status(node, &paths[0]).await == 403;
        assert!(eventually(HEARD, gone).await);
        assert_eq!(status(node, &format!("/play/{film}/poster.jpg")).await, 403);
    }
}

/// What is no leave to read what `session` is on.
fn wrong_references(session: &Session, film: &str, owner: &Person) -> Vec<(&'static str, String)> {
    let (real, now) = (&claims(session.token()), Utc::now().timestamp());
    let good = session.token();
    let parts: Vec<&str> = good.split('.').collect();
    let without = |name| ours(&with(real, name, Value::Null));
    let having = |name, value| ours(&with(real, name, value));
    let other = URL_SAFE_NO_PAD.encode(with(real, "sub", json!(Uuid::now_v7())).to_string());
    let unsigned = |header: &Value| format!("{}.{}.", URL_SAFE_NO_PAD.encode(header.to_string()), parts[1]);
    vec![
        ("an access token", owner.token.clone()),
        ("a refresh token", owner.refresh_token.clone()),
        ("alg none", unsigned(&json!({"alg": "none", "typ": "JWT"}))),
        ("alg none, signed", under_header(&json!({"alg": "none", "typ": "JWT"}), real)),
        ("no alg", under_header(&json!({"typ": "JWT"}), real)),
        ("HS512", signed(Algorithm::HS512, SECRET, real)),
        ("another secret", signed(Algorithm::HS256, "another secret, long enough too!!", real)),
        ("the payload of another file", format!("{}.{other}.{}", parts[0], parts[2])),
        ("without a signature", format!("{}.{}", parts[0], parts[1])),
        ("cut", good[..good.len() - 2].to_owned()),
        ("longer", format!("{good}A")),
        ("the audience of access tokens", having("aud", json!("playhouse"))),
        ("no audience", without("aud")),
        ("another issuer", having("iss", json!("nobody"))),
        ("expired", having("exp", json!(now - 10))),
        ("no end", without("exp")),
        ("an end that is a text", having("exp", json!("never"))),
        ("no session", without("sid")),
        ("a session that is none", having("sid", json!("x"))),
        ("a session that never was", having("sid", json!(Uuid::now_v7()))),
        ("a file that is none", having("sub", json!("../../secret"))),
        ("a file that never was", having("sub", json!(Uuid::now_v7()))),
        ("the account as the file", having("sub", json!(owner.id))),
        ("an account that never was", having("acc", json!(Uuid::now_v7()))),
        ("another sign-in", having("fam", json!(Uuid::nil()))),
        ("an epoch that is over", having("epoch", json!(-1))),
        ("an epoch to come", having("epoch", json!(1000))),
        ("an account without its epoch", without("epoch")),
        ("an epoch without its account", without("acc")),
        ("the session in place of the token", session.stream.clone()),
        ("the file that is not public", film.to_owned()),
        ("a word", "x".to_owned()),
        ("a path", "..%2f..%2fetc%2fpasswd".to_owned()),
        ("no text", "%ff%fe%00".to_owned()),
        ("much", "x".repeat(20_000)),
    ]
}

#[actix_web::test]
async fn whatever_is_wrong_with_a_link_is_403_on_every_path_in_the_envelope() {
    let db = TestDb::create();
    let app = App::start(&db);
    let owner = app.register().await;
    let film = app.upload(&owner, "film.mp4", mp4().to_vec()).await.id();
    let session = watch(&app, &owner, &film).await;
    let real = claims(session.token());
    assert_eq!(status(&app, session.file()).await, 200);
    assert_eq!(status(&app, &format!("/play/{}/file", ours(&real))).await, 200, "else the refusals prove nothing");
    let later = ours(&with(&real, "exp", json!(Utc::now().timestamp() - 2)));
    assert_eq!(status(&app, &format!("/play/{later}/file")).await, 200, "clocks of nodes differ a little");
    for (what, reference) in wrong_references(&session, &film, &owner) {
        for name in ["file", "poster.jpg"] {
            let path = format!("/play/{reference}/{name}");
            for caller in [None, Some(&owner)] {
                let answer = Answer::of(app.request(Method::GET, &path, caller)).await;
                let json: Value = serde_json::from_slice(&answer.bytes).unwrap_or_default();
                assert_eq!(
                    (answer.status, json),
                    (403, json!({"status": 403, "response": "Forbidden", "message": NO_LEAVE})),
                    "{what}: {name}"
                );
                assert_eq!(answer.header("cache-control"), Some("no-store"));
            }
        }
    }
    assert_eq!(status(&app, session.file()).await, 200);
}

#[actix_web::test]
async fn a_token_of_a_link_opens_no_route() {
    let db = TestDb::create();
    let app = App::start(&db);
    let owner = app.register().await;
    let film = app.upload(&owner, "film.mp4", mp4().to_vec()).await.id();
    let session = watch(&app, &owner, &film).await;
    let token = session.token();
    assert_eq!(status(&app, session.file()).await, 200);
    for path in ["/genres", &format!("/media/{film}"), "/streams"] {
        assert_eq!(Answer::of(app.client.get(app.url(path)).bearer_auth(token)).await.status, 401, "{path}");
    }
    assert_eq!(app.post_open("/users/refresh", json!({"refresh_token": token})).await.status, 401);
}

/// Reads on both nodes, so that they have all in memory; then `end`s it and sees both refuse.
async fn ends_on_both(nodes: &[App; 2], session: &Session, what: &str, end: impl Future<Output = Answer>) {
    let path = session.file();
    for _ in 0..2 {
        let statuses = join_all(nodes.iter().map(|node| status(node, path))).await;
        assert_eq!(statuses, [200, 200], "{what}: before");
    }
    let ended = end.await;
    assert!((200..300).contains(&ended.status), "{what}: {}", String::from_utf8_lossy(&ended.bytes));
    assert_eq!(status(&nodes[0], path).await, 403, "{what}: where it was done");
    let heard = async || status(&nodes[1], path).await == 403;
    assert!(eventually(HEARD, heard).await, "{what}: on the other node");
    for node in nodes {
        assert_eq!(status(node, &session.poster()).await, 403, "{what}");
    }
}

#[actix_web::test]
async fn a_link_ends_with_its_session_its_film_its_sign_in_and_its_account_on_every_node() {
    let db = TestDb::create();
    let plan = Plan::over(&db);
    let nodes = [plan.start(), plan.start()];
    let node = &nodes[0];
    let owner = node.register().await;
    let catalogue = node.catalogue(&owner).await;
    let film = node.upload(&owner, "film.mp4", mp4().to_vec()).await.id();
    let (episode, series) = (format!("/episodes/{}", catalogue.episode), format!("/series/{}", catalogue.series));
    node.patch(&episode, &owner, json!({"file_id": film})).await.data(200);
    let viewer = async || node.register().await;

    let person = viewer().await;
    let session = watch(node, &person, &film).await;
    let (stream, beat) = (format!("/streams/{}", session.stream), json!({"position_seconds": 1, "state": "ended"}));
    ends_on_both(&nodes, &session, "end", node.patch(&stream, &person, beat)).await;
    // A heartbeat opens it again, on any node.
    nodes[1].patch(&stream, &person, json!({"position_seconds": 0})).await.data(200);
    ends_on_both(&nodes, &session, "removal", node.delete(&stream, &person)).await;

    let session = watch(node, &person, &film).await;
    let stream = format!("/streams/{}", session.stream);
    ends_on_both(&nodes, &session, "removal by an owner", node.delete(&stream, &owner)).await;

    let session = watch(node, &person, &film).await;
    ends_on_both(&nodes, &session, "sign-out", node.post("/users/logout", &person, json!({}))).await;
    let again = node.sign_in(&person.id, &person.email, PASSWORD).await;
    assert_eq!(status(node, session.file()).await, 403, "a new sign-in is another one");

    let session = watch(node, &again, &film).await;
    let body = json!({"password": "another horse battery", "current_password": PASSWORD});
    ends_on_both(&nodes, &session, "password", node.patch(&format!("/users/{}", again.id), &again, body)).await;

    let person = viewer().await;
    let session = watch(node, &person, &film).await;
    let roles = json!({"roles": ["editor"]});
    ends_on_both(&nodes, &session, "roles", node.patch(&format!("/users/{}", person.id), &owner, roles)).await;

    let person = viewer().await;
    let session = watch(node, &person, &film).await;
    ends_on_both(&nodes, &session, "account", node.delete(&format!("/users/{}", person.id), &owner)).await;

    // A stream of an episode goes with what the episode is part of.
    let person = viewer().await;
    let session = node.watch(&person, json!({"episode_id": catalogue.episode})).await;
    ends_on_both(&nodes, &session, "series", node.delete(&series, &owner)).await;

    // Nothing refers to the film now.
    let session = watch(node, &owner, &film).await;
    ends_on_both(&nodes, &session, "film", node.delete(&format!("/files/{film}"), &owner)).await;
    assert_eq!(count(&mut db.connect(), "posters"), 0);
}

#[actix_web::test]
async fn the_log_shows_no_token_of_a_link() {
    let db = TestDb::create();
    let (app, log) = Plan::over(&db).with("PLAYHOUSE_LOG__FILTER", "debug").start_logging();
    let owner = app.register().await;
    let film = app.upload(&owner, "film.mp4", mp4().to_vec()).await.id();
    let session = watch(&app, &owner, &film).await;
    assert_eq!(status(&app, session.file()).await, 200);
    let told = async || std::fs::read_to_string(&log).expect("a log").contains("/play/…/file");
    assert!(eventually(Duration::from_secs(10), told).await, "the request is not in the log");
    assert!(!std::fs::read_to_string(&log).expect("a log").contains(&session.token()[..60]));
}
