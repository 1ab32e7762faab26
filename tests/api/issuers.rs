//! Tokens of other issuers: which are taken, on every contract, and what they may do.

mod accounts;
mod hostile;
mod keys;

use std::time::Duration;

use chrono::Utc;
use diesel::{QueryableByName, RunQueryDsl as _, sql_query, sql_types::Bool};
use reqwest::Method;
use serde_json::json;

use crate::support::{
    app::{Answer, App, Plan},
    issuer::{Issuer, bearing, keys},
    people::PASSWORD,
    stores::{TestDb, count},
};

/// A server that takes tokens of this issuer.
fn house(issuer: &Issuer) -> (TestDb, App) {
    let db = TestDb::create();
    let app = Plan::over(&db).with_issuer(issuer).start();
    (db, app)
}

/// Tokens that are made after this have a later `iat` than all before.
pub(crate) async fn next_second() {
    let now = Utc::now().timestamp();
    while Utc::now().timestamp() <= now {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[actix_web::test]
async fn tokens_of_each_algorithm_open_every_contract_by_their_permissions() {
    let issuer = Issuer::start("acme", &keys().each_ref()).await;
    let (_db, app) = house(&issuer);
    let may = [
        "view:catalogue",
        "use:streams",
        "use:channels",
        "edit:catalogue",
        "use:collections",
        "use:images",
        "view:actors",
    ];
    let video = json!({"title": "Pilot", "description": "It flies"});
    for key in keys() {
        let what = key.algorithm();
        let person = issuer.person(key, "ann", &may);
        let nobody = issuer.person(key, "ann", &[]);
        // iptv, playback, operation, channels, collections, images, casting: with the right, and without.
        for path in ["/genres", "/me/history", "/collection", "/images"] {
            assert_eq!(app.get(path, &person).await.status, 200, "{what} {path}");
            assert_eq!(app.get(path, &nobody).await.status, 403, "{what} {path}");
        }
        assert_eq!(app.get("/casting/actors", &person).await.status, 200, "{what}");
        assert_eq!(app.get("/casting/actors", &nobody).await.status, 401, "{what}");
        assert_eq!(app.post("/upload", &person, video.clone()).await.status, 200, "{what}");
        let bare = app.request(Method::POST, "/upload", None).header("authorization", &person.token).json(&video);
        assert_eq!(Answer::of(bare).await.status, 200, "{what}: the channels' bare form");
        assert_eq!(app.post("/upload", &nobody, video.clone()).await.status, 403, "{what}");
        assert_eq!(app.post("/genres", &person, json!({"name": what})).await.status, 201, "{what}");
        assert_eq!(app.get("/stats", &nobody).await.status, 200, "{what}");
        // No provider of movies is configured, and who sends no token does not learn that.
        assert_eq!(app.get("/movies", &nobody).await.status, 503, "{what}");
    }
    assert_eq!(Answer::of(app.request(Method::GET, "/movies", None)).await.status, 401);
}

#[derive(QueryableByName)]
struct Held {
    #[diesel(sql_type = Bool)]
    nothing: bool,
}

#[actix_web::test]
async fn permissions_come_with_each_token_and_are_stored_nowhere() {
    let issuer = Issuer::start("acme", &[&keys()[2]]).await;
    let (db, app) = house(&issuer);
    let key = &keys()[2];
    let (editor, viewer) =
        (issuer.person(key, "ann", &["edit:catalogue"]), issuer.person(key, "ann", &["view:catalogue"]));
    assert_eq!(app.account(&editor).await, app.account(&viewer).await);
    for name in ["A", "B"] {
        assert_eq!(app.post("/genres", &editor, json!({"name": name})).await.status, 201);
        assert_eq!(app.get("/genres", &editor).await.status, 403);
        assert_eq!(app.post("/genres", &viewer, json!({"name": name})).await.status, 403);
        assert_eq!(app.get("/genres", &viewer).await.status, 200);
    }
    let held: Held = sql_query("SELECT roles = '{}' AND password_hash IS NULL AS nothing FROM users")
        .get_result(&mut db.connect())
        .unwrap();
    assert!(held.nothing);
}

#[actix_web::test]
async fn an_issuer_gives_what_it_may_give_and_no_more() {
    let (usual, trusted) = (Issuer::start("usual", &[&keys()[2]]).await, Issuer::start("trusted", &[&keys()[2]]).await);
    let db = TestDb::create();
    let app = Plan::over(&db)
        .with_issuer(&usual)
        .with_issuer(&trusted)
        .with_of(&trusted, "GRANTS", "manage:users")
        .with_of(&trusted, "PERMISSIONS_CLAIM", "realm_access.roles")
        .start();
    let owner = app.register().await;
    let key = &keys()[2];
    let all = ["manage:users", "operate:server", "view:catalogue", "fly:planes"];
    let one = usual.person(key, "ann", &all);
    assert_eq!(app.get("/genres", &one).await.status, 200);
    assert_eq!(app.get(&format!("/users/{}", owner.id), &one).await.status, 403);
    let mut claims = trusted.claims("ann", &[]);
    claims["realm_access"] = json!({"roles": all});
    let other = bearing(key.token(&claims));
    assert_eq!(app.get("/genres", &other).await.status, 403);
    assert_eq!(app.get(&format!("/users/{}", owner.id), &other).await.status, 200);
    // One `sub` with two issuers is two people.
    assert_ne!(app.account(&one).await, app.account(&other).await);
}

#[actix_web::test]
async fn an_issuer_s_key_proves_nothing_about_another_issuer() {
    let (here, there) = (Issuer::start("here", &[&keys()[1]]).await, Issuer::start("there", &[&keys()[2]]).await);
    let db = TestDb::create();
    let app = Plan::over(&db).with_issuer(&here).with_issuer(&there).start();
    assert_eq!(app.taken(&here.person(&keys()[1], "ann", &[]).token).await, 200);
    assert_eq!(app.taken(&there.person(&keys()[2], "ann", &[]).token).await, 200);
    assert_eq!(app.taken(&here.person(&keys()[2], "ann", &[]).token).await, 401);
    assert_eq!(app.taken(&there.person(&keys()[1], "ann", &[]).token).await, 401);
}

#[actix_web::test]
async fn our_own_tokens_hold_beside_them_also_while_the_issuer_is_away() {
    let issuer = Issuer::away("acme");
    let (_db, app) = house(&issuer);
    let owner = app.register().await;
    assert_eq!(app.get("/genres", &owner).await.status, 200);
    let again = app.sign_in(&owner.id, &owner.email, PASSWORD).await;
    assert_eq!(app.get("/genres", &again).await.status, 200);
    assert_eq!(app.taken("x.y.z").await, 401);
}

#[actix_web::test]
async fn tokens_of_an_issuer_that_is_not_configured_are_refused_and_make_no_account() {
    let issuer = Issuer::start("acme", &[&keys()[2]]).await;
    let stranger = Issuer::start("stranger", &[&keys()[2]]).await;
    let (db, app) = house(&issuer);
    assert_eq!(app.taken(&stranger.person(&keys()[2], "ann", &[]).token).await, 401);
    assert_eq!(stranger.asked().await, 0);
    let none = App::start(&db);
    assert_eq!(none.taken(&issuer.person(&keys()[2], "ann", &[]).token).await, 401);
    assert_eq!(count(&mut db.connect(), "users"), 0);
}

#[actix_web::test]
async fn a_wrong_issuer_stops_the_start_with_one_line() {
    let db = TestDb::create();
    let issuer = Issuer::away("acme");
    for (setting, value, told) in [
        ("JWKS_URL", "http://id.example/keys", "auth.issuers.acme.jwks_url"),
        ("JWKS_URL", "nowhere", "auth.issuers.acme.jwks_url"),
        ("ISSUER", "playhouse", "auth.issuers.acme.issuer"),
        ("GRANTS", "fly:planes", "fly:planes"),
    ] {
        let plan = Plan::over(&db).with_issuer(&issuer).with_of(&issuer, setting, value);
        let output = plan.command().output().expect("the program starts");
        let err = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{err}");
        assert!(err.contains(told) && err.trim().lines().count() == 1, "{err}");
    }
}
