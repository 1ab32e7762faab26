//! API keys: made and seen by people, used by programs, never more than their maker.

mod endings;
mod uses;

use std::collections::BTreeSet;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use diesel::{QueryableByName, RunQueryDsl as _, sql_query, sql_types::Text};
use futures_util::future::join_all;
use playhouse::domain::access::Permission;
use reqwest::Method;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::{
    accounts::patient,
    support::{
        app::{Answer, App, Plan},
        people::Person,
        stores::{TestDb, count},
    },
};

/// A server that sends hardly any statement by itself, and does not take a busy Redis for one that is away.
fn quiet(db: &TestDb) -> Plan {
    patient(db).with("PLAYHOUSE_STATISTICS__FOLLOW_MS", "60000")
}

async fn bearing(app: &App, token: &str, path: &str) -> Answer {
    Answer::of(app.client.get(app.url(path)).bearer_auth(token)).await
}

/// What the envelope says in a refusal of this status.
#[track_caller]
fn refused(answer: &Answer, status: u16) -> String {
    assert_eq!(answer.status, status, "{}: {}", answer.path, String::from_utf8_lossy(&answer.bytes));
    answer.refusal().as_str().expect("a message").to_owned()
}

fn ids(answer: &Answer) -> BTreeSet<String> {
    let data = answer.data(200);
    data.as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap().to_owned()).collect()
}

#[derive(QueryableByName)]
struct Stored {
    #[diesel(sql_type = Text)]
    secret: String,
    #[diesel(sql_type = Text)]
    whole: String,
}

#[actix_web::test]
async fn the_secret_is_told_once_and_only_its_digest_is_stored() {
    let db = TestDb::create();
    let app = App::start(&db);
    let owner = app.register().await;
    let body = json!({"name": " nightly ", "permissions": ["upload:files", "view:catalogue"], "expires_in": 3600});
    let answer = app.post("/keys", &owner, body).await;
    let made = answer.data(201);
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let secret = made["key"].as_str().unwrap().to_owned();
    assert!(secret.starts_with("phk_") && secret.len() == 47, "{secret}");
    let path = format!("/keys/{}", made["id"].as_str().unwrap());
    assert_eq!(answer.header("location"), Some(path.as_str()));
    assert_eq!((&made["name"], &made["user_id"]), (&json!("nightly"), &json!(owner.id)));
    // In the order of the contract, whatever was asked for.
    assert_eq!(made["permissions"], json!(["view:catalogue", "upload:files"]));
    assert_eq!(made["lastUsedAt"], Value::Null);
    let time = |name: &str| chrono::DateTime::parse_from_rfc3339(made[name].as_str().unwrap()).unwrap();
    assert_eq!((time("expiresAt") - time("createdAt")).num_seconds(), 3600);

    let mut shown = made.clone();
    shown.as_object_mut().unwrap().remove("key");
    assert_eq!(app.get(&path, &owner).await.data(200), shown);
    assert_eq!(app.get("/keys", &owner).await.data(200), json!([shown]));

    let digest = STANDARD.encode(Sha256::digest(secret.as_bytes()));
    let statement = "SELECT encode(secret_hash, 'base64') AS secret, k::text AS whole FROM api_keys k";
    let stored: Stored = sql_query(statement).get_result(&mut db.connect()).unwrap();
    assert_eq!(stored.secret, digest);
    assert!(!stored.whole.contains(&secret[4..]));
    let endless = app.post("/keys", &owner, json!({"name": "x", "permissions": []})).await.data(201);
    assert_eq!(endless["expiresAt"], Value::Null);
}

#[actix_web::test]
async fn a_key_opens_every_contract_as_its_account() {
    let db = TestDb::create();
    let app = App::start(&db);
    let owner = app.register().await;
    let things = app.catalogue(&owner).await;
    let all = ["view:catalogue", "use:streams", "use:channels", "operate:server", "upload:files"];
    let (_, key) = app.key_of(&owner, &all).await;
    assert_eq!(app.get("/me", &key).await.data(200)["id"], json!(owner.id));
    app.get("/genres", &key).await.data(200);
    let opened = app.post("/streams", &key, json!({"episode_id": things.episode})).await.data(201);
    assert_eq!(opened["user_id"], json!(owner.id));
    let file = app.upload(&key, "a.vtt", b"WEBVTT\n\n00:00.000 --> 00:01.000\nHello\n".to_vec()).await.data(201);
    assert_eq!(file["owner_id"], json!(owner.id));
    // The provider is asked for nothing where none is configured: who calls is known by then.
    assert_eq!(app.get("/movies", &key).await.status, 503);
    assert_eq!(
        Answer::of(app.request(Method::PUT, "/maintenance", Some(&key)).json(&json!({"on": false}))).await.status,
        200
    );
    // The channels contract takes the bare key, as it takes a bare token; others do not.
    let bare =
        |method: Method, path: &str| app.client.request(method, app.url(path)).header("authorization", &key.token);
    let announced =
        Answer::of(bare(Method::POST, "/upload").json(&json!({"title": "A walk", "description": ""}))).await;
    announced.response(200);
    assert_eq!(Answer::of(bare(Method::GET, "/genres")).await.status, 401);
    // The links that a key is given are those of its account.
    let film = app.sharing(&owner, "A walk").await;
    let play = app.post(&format!("/v/{}/plays", film.hash), &key, json!({})).await.data(201);
    assert!(play["playback"]["file"].is_string(), "{play}");
}

#[actix_web::test]
async fn a_key_may_do_what_it_was_made_for_and_no_more() {
    let db = TestDb::create();
    let app = App::start(&db);
    let owner = app.register().await;
    let (_, reader) = app.key_of(&owner, &["view:catalogue"]).await;
    let (_, writer) = app.key_of(&owner, &["edit:catalogue"]).await;
    app.get("/genres", &reader).await.data(200);
    refused(&app.post("/genres", &reader, json!({"name": "Drama"})).await, 403);
    app.post("/genres", &writer, json!({"name": "Drama"})).await.data(201);
    refused(&app.get("/genres", &writer).await, 403);
    // An owner's key sees what an owner sees only where it was made for that.
    let other = app.register().await;
    assert_eq!(ids(&app.get("/users", &reader).await), BTreeSet::from([owner.id.clone()]));
    let (_, manager) = app.key_of(&owner, &["manage:users"]).await;
    assert_eq!(ids(&app.get("/users", &manager).await), BTreeSet::from([owner.id, other.id]));
}

#[actix_web::test]
async fn nobody_makes_a_key_that_may_more_than_they() {
    let db = TestDb::create();
    let app = App::start(&db);
    let people = app.people().await;
    let ask = async |person: &Person, permissions: &[&str]| {
        app.post("/keys", person, json!({"name": "x", "permissions": permissions})).await
    };
    for (person, permissions, lacks) in [
        (&people.viewer, &["view:catalogue", "edit:catalogue"][..], "edit:catalogue"),
        (&people.viewer, &["manage:users"], "manage:users"),
        (&people.editor, &["upload:files", "operate:server"], "operate:server"),
        (&people.editor, &["view:actors"], "view:actors"),
    ] {
        let message = refused(&ask(person, permissions).await, 403);
        assert!(message.contains(&format!("'{lacks}'")), "{message}");
    }
    assert_eq!(count(&mut db.connect(), "api_keys"), 0);
    let of_viewers = ["view:catalogue", "use:streams", "use:channels", "use:collections", "use:images"];
    ask(&people.viewer, &of_viewers).await.data(201);
    ask(&people.owner, &Permission::ALL.map(Permission::name)).await.data(201);
}

#[actix_web::test]
async fn a_body_that_asks_for_what_there_is_not_is_refused_by_field() {
    let db = TestDb::create();
    let app = App::start(&db);
    let owner = app.register().await;
    for (field, value) in [
        ("permissions", json!(["view:everything"])),
        ("permissions", json!(["view:catalogue", "view:catalogue"])),
        ("permissions", json!("view:catalogue")),
        ("permissions", json!([1])),
        ("permissions", json!(["VIEW:CATALOGUE"])),
        ("name", json!("")),
        ("name", json!("   ")),
        ("name", json!("x".repeat(101))),
        ("expires_in", json!(0)),
        ("expires_in", json!(-1)),
        ("expires_in", json!(1.5)),
        ("expires_in", json!(315_360_001)),
        ("expires_in", json!("3600")),
        ("key", json!("phk_mine")),
    ] {
        let mut body = json!({"name": "x", "permissions": []});
        body[field] = value;
        assert_eq!(app.post("/keys", &owner, body.clone()).await.wrong_fields(), [field], "{body}");
    }
    let missing = app.post("/keys", &owner, json!({})).await.wrong_fields();
    assert_eq!(missing, ["name", "permissions"]);
    assert_eq!(count(&mut db.connect(), "api_keys"), 0);
    let longest = json!({"name": "x".repeat(100), "permissions": [], "expires_in": 315_360_000});
    app.post("/keys", &owner, longest).await.data(201);
}

#[actix_web::test]
async fn people_see_and_revoke_their_own_keys_and_owners_all() {
    let db = TestDb::create();
    let app = App::start(&db);
    let people = app.people().await;
    let (own, _) = app.key_of(&people.viewer, &["view:catalogue"]).await;
    let (others, _) = app.key_of(&people.other, &[]).await;
    let one = |id: &String| BTreeSet::from([id.clone()]);
    let both = BTreeSet::from([own.clone(), others.clone()]);
    assert_eq!(ids(&app.get("/keys", &people.viewer).await), one(&own));
    assert_eq!(ids(&app.get("/keys", &people.other).await), one(&others));
    assert_eq!(ids(&app.get("/keys", &people.owner).await), both);
    let of_viewer = format!("/keys?user_id={}", people.viewer.id);
    assert_eq!(ids(&app.get(&of_viewer, &people.owner).await), one(&own));
    assert_eq!(ids(&app.get(&of_viewer, &people.other).await), BTreeSet::new());
    assert_eq!(ids(&app.get("/keys?permissions=view:catalogue", &people.owner).await), one(&own));
    let path = format!("/keys/{own}");
    for method in [Method::GET, Method::DELETE] {
        refused(&Answer::of(app.request(method, &path, Some(&people.other))).await, 403);
    }
    app.get(&path, &people.owner).await.data(200);
    assert_eq!(app.delete(&path, &people.owner).await.status, 200);
    assert_eq!(refused(&app.get(&path, &people.viewer).await, 404), "Key not found");
    assert_eq!(refused(&app.delete(&path, &people.viewer).await, 404), "Key not found");
}

#[actix_web::test]
async fn a_key_manages_others_where_it_was_made_for_that_and_never_its_own_account() {
    let db = TestDb::create();
    let app = App::start(&db);
    let people = app.people().await;
    let (_, manager) = app.key_of(&people.owner, &["manage:users"]).await;
    let (_, reader) = app.key_of(&people.viewer, &["view:catalogue"]).await;
    let change = async |key: &Person, id: &str, body: Value| app.patch(&format!("/users/{id}"), key, body).await;
    for body in [
        json!({"first_name": "Eve"}),
        json!({"roles": ["owner"]}),
        json!({"password": "another horse", "current_password": "correct horse battery"}),
        json!({"email": "new@example.org", "current_password": "correct horse battery"}),
    ] {
        refused(&change(&reader, &people.viewer.id, body.clone()).await, 403);
        refused(&change(&manager, &people.owner.id, body).await, 403);
    }
    refused(&app.delete(&format!("/users/{}", people.viewer.id), &reader).await, 403);
    refused(&app.delete(&format!("/users/{}", people.owner.id), &manager).await, 403);
    assert_eq!(change(&manager, &people.viewer.id, json!({"first_name": "Eve"})).await.data(200)["first_name"], "Eve");
    change(&manager, &people.other.id, json!({"roles": ["editor"]})).await.data(200);
    assert_eq!(app.delete(&format!("/users/{}", people.other.id), &manager).await.status, 200);
    // A key signs nobody out.
    refused(&app.post("/users/logout", &manager, json!({})).await, 403);
    app.get("/me", &people.owner).await.data(200);
}

#[actix_web::test]
async fn an_account_has_as_many_keys_as_it_may_and_those_that_ended_make_room() {
    let db = TestDb::create();
    let plan = Plan::over(&db).with("PLAYHOUSE_AUTH__KEYS_PER_ACCOUNT", "5");
    let app = plan.with("PLAYHOUSE_DATABASE__DEADLINE_MS", "20000").start();
    let owner = app.register().await;
    let make = || app.post("/keys", &owner, json!({"name": "x", "permissions": [], "expires_in": 3600}));
    let answers = join_all((0..20).map(|_| make())).await;
    let made = answers.iter().filter(|answer| answer.status == 201).count();
    assert_eq!((made, count(&mut db.connect(), "api_keys")), (5, 5));
    for answer in answers.iter().filter(|answer| answer.status != 201) {
        assert!(refused(answer, 409).contains("5 keys"), "{}", String::from_utf8_lossy(&answer.bytes));
    }
    // Another account has room of its own.
    let other = app.register().await;
    app.key_of(&other, &[]).await;
    let ended = "UPDATE api_keys SET expires_at = now() - interval '1 second' WHERE id IN \
                 (SELECT id FROM api_keys WHERE expires_at IS NOT NULL LIMIT 2)";
    sql_query(ended).execute(&mut db.connect()).unwrap();
    assert_eq!(make().await.status, 201);
    assert_eq!(count(&mut db.connect(), "api_keys"), 5);
    assert_eq!(make().await.status, 201);
    assert_eq!(make().await.status, 409);
}
