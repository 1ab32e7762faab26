//! The accounts of those who sign in elsewhere: made once, never somebody else's, and gone when they are removed.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::Utc;
use futures_util::future::join_all;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{house, next_second};
use crate::support::{
    app::{App, Plan, eventually},
    issuer::{Issuer, bearing, keys},
    media::mp4,
    people::{PASSWORD, Person},
    smtp::Smtp,
    stores::{TestDb, count},
    tokens::with,
};

/// What one node does, another has heard of by then.
const HEARD: Duration = Duration::from_secs(5);

/// Somebody with these claims beside the usual ones.
fn person(issuer: &Issuer, subject: &str, more: &[(&str, Value)]) -> Person {
    let mut claims = issuer.claims(subject, &["view:catalogue"]);
    for (name, value) in more {
        claims = with(&claims, name, value.clone());
    }
    bearing(keys()[2].token(&claims))
}

/// Somebody whose issuer has verified this address.
fn at(issuer: &Issuer, subject: &str, username: &str, email: &str) -> Person {
    let more = [("preferred_username", json!(username)), ("email", json!(email)), ("email_verified", json!(true))];
    person(issuer, subject, &more)
}

async fn me(app: &App, person: &Person) -> Value {
    app.get("/me", person).await.data(200)
}

#[actix_web::test]
async fn fifty_first_tokens_at_once_on_two_nodes_make_one_account() {
    let issuer = Issuer::start("acme", &[&keys()[2]]).await;
    let db = TestDb::create();
    // Seconds that are forgiven would have to be waited for.
    let plan = Plan::over(&db).with_issuer(&issuer).with("PLAYHOUSE_AUTH__LEEWAY_SECONDS", "0");
    let nodes = [plan.start(), plan.start()];
    let owner = nodes[0].register().await;
    for round in 0..6 {
        // The last is somebody whose account was removed.
        let subject = format!("ann {}", round % 5);
        if round == 5 {
            let account = nodes[0].account(&person(&issuer, &subject, &[])).await;
            assert_eq!(nodes[0].delete(&format!("/users/{account}"), &owner).await.status, 200);
            next_second().await;
        }
        let people: Vec<Person> = (0..50)
            .map(|number| {
                let name = format!("ann-{round}");
                let claims = [("jti", json!(number)), ("preferred_username", json!(name))];
                person(&issuer, &subject, &claims)
            })
            .collect();
        let accounts = people.iter().enumerate().map(|(number, person)| nodes[number % 2].account(person));
        let mut accounts = join_all(accounts).await;
        accounts.dedup();
        assert_eq!(accounts.len(), 1, "{accounts:?}");
        assert_eq!(count(&mut db.connect(), "users"), 1 + (round + 1).min(5));
    }
}

#[actix_web::test]
async fn the_first_account_of_an_installation_owns_it_and_none_from_elsewhere_does() {
    let issuer = Issuer::start("acme", &[&keys()[2]]).await;
    let (_db, app) = house(&issuer);
    let stranger = person(&issuer, "ann", &[]);
    assert_eq!(me(&app, &stranger).await["roles"], json!([]));
    let owner = app.register().await;
    assert_eq!(me(&app, &owner).await["roles"], json!(["owner"]));
    assert_eq!(app.get(&format!("/users/{}", owner.id), &stranger).await.status, 403);
}

#[actix_web::test]
async fn names_and_addresses_are_taken_where_they_are_free_and_verified_and_nobody_s_account_is() {
    let issuer = Issuer::start("acme", &[&keys()[2]]).await;
    let (_db, app) = house(&issuer);
    let owner = app.register().await;
    app.patch(&format!("/users/{}", owner.id), &owner, json!({"username": "rick"})).await.data(200);
    let names = async |person: &Person| {
        let me = me(&app, person).await;
        (me["username"].clone(), me["email"].clone())
    };
    let ilsa = at(&issuer, "ilsa", "ilsa", "ilsa@example.org");
    assert_eq!(names(&ilsa).await, (json!("ilsa"), json!("ilsa@example.org")));
    // Another's, in another spelling.
    let thief = at(&issuer, "thief", "RICK", &owner.email.to_uppercase());
    assert_ne!(app.account(&thief).await, owner.id);
    assert_eq!(names(&thief).await, (Value::Null, Value::Null));
    let again = at(&issuer, "again", "sam", "Ilsa@example.org");
    assert_eq!(names(&again).await, (json!("sam"), Value::Null));
    let unverified = person(&issuer, "victor", &[("email", json!("victor@example.org"))]);
    assert_eq!(names(&unverified).await, (Value::Null, Value::Null));
    let strange = at(&issuer, "strange", "no name at all", "no address");
    assert_eq!(names(&strange).await, (Value::Null, Value::Null));
    // They are for the account's beginning: a later token changes nothing.
    let later = at(&issuer, "ilsa", "other", "other@example.org");
    assert_eq!(names(&later).await, (json!("ilsa"), json!("ilsa@example.org")));
    assert_eq!(app.get("/genres", &owner).await.status, 200);
}

#[actix_web::test]
async fn who_signs_in_elsewhere_has_no_password_here_and_gets_none() {
    let (issuer, smtp) = (Issuer::start("acme", &[&keys()[2]]).await, Smtp::start());
    let db = TestDb::create();
    let app = Plan::over(&db).with_issuer(&issuer).with("PLAYHOUSE_MAIL__SMTP_URL", &smtp.url()).start();
    let owner = app.register().await;
    let ilsa = at(&issuer, "ilsa", "ilsa", "ilsa@example.org");
    let path = format!("/users/{}", app.account(&ilsa).await);
    for (who, body, field) in [
        (&ilsa, json!({"password": "a new password"}), "password"),
        (&ilsa, json!({"password": "a new password", "current_password": ""}), "password"),
        (&ilsa, json!({"email": "other@example.org", "current_password": "x"}), "email"),
        (&owner, json!({"password": "a new password"}), "password"),
        (&owner, json!({"roles": ["owner"]}), "roles"),
        (&owner, json!({"roles": ["viewer"], "first_name": "Ilsa"}), "roles"),
    ] {
        let answer = app.patch(&path, who, body.clone()).await;
        let text = String::from_utf8_lossy(&answer.bytes).into_owned();
        assert_eq!(answer.status, 400, "{body}: {text}");
        assert!(text.contains(field) && text.contains("another issuer"), "{body}: {text}");
    }
    let changed = app.patch(&path, &ilsa, json!({"first_name": "Ilsa", "username": "ilsa-lund"})).await.data(200);
    assert_eq!((&changed["first_name"], &changed["username"]), (&json!("Ilsa"), &json!("ilsa-lund")));
    // To a sign-in there is no difference to a wrong password.
    let (known, unknown) = (app.login("ilsa@example.org", PASSWORD).await, app.login(&owner.email, "wrong").await);
    assert_eq!((known.status, known.json()["message"].clone()), (401, unknown.json()["message"].clone()));
    for password in ["", "null"] {
        assert_ne!(app.login("ilsa@example.org", password).await.status, 200);
    }
    // And no link comes by mail; to somebody with a password it does.
    for email in ["ilsa@example.org", owner.email.as_str()] {
        app.post_open("/password/forgot", json!({"email": email})).await.response(200);
    }
    let mails = smtp.wait_for(1).await;
    assert_eq!(mails[0].to, [owner.email.as_str()]);
    let done = async || count(&mut db.connect(), "graphile_worker.jobs") == 0;
    assert!(eventually(Duration::from_secs(30), done).await);
    assert_eq!(smtp.mails().len(), 1);
    assert_eq!(count(&mut db.connect(), "password_resets"), 1);
}

#[actix_web::test]
async fn a_removed_account_comes_back_by_a_newer_token_alone_and_as_another() {
    let issuer = Issuer::start("acme", &[&keys()[2]]).await;
    let db = TestDb::create();
    // Seconds that are forgiven would have to be waited for.
    let plan = Plan::over(&db).with_issuer(&issuer).with("PLAYHOUSE_AUTH__LEEWAY_SECONDS", "0");
    let (here, there) = (plan.start(), plan.start());
    let owner = here.register().await;
    let old = person(&issuer, "ann", &[]);
    let timeless = person(&issuer, "ann", &[("iat", Value::Null)]);
    let first = here.account(&old).await;
    assert_eq!(there.account(&timeless).await, first);
    let answer = here.delete(&format!("/users/{first}"), &owner).await;
    assert_eq!(answer.status, 200);
    for person in [&old, &timeless] {
        assert_eq!(here.taken(&person.token).await, 401);
        assert!(eventually(HEARD, async || there.taken(&person.token).await == 401).await);
    }
    assert_eq!(count(&mut db.connect(), "users"), 1, "an old token made an account");
    next_second().await;
    let new = person(&issuer, "ann", &[]);
    let second = there.account(&new).await;
    assert_ne!(second, first);
    assert_eq!(here.account(&new).await, second);
    // The account is there again, and not for the tokens of the one before.
    for node in [&here, &there] {
        for person in [&old, &timeless] {
            assert_eq!(node.taken(&person.token).await, 401);
        }
    }
    // Its own hand removes it, too.
    assert_eq!(there.delete(&format!("/users/{second}"), &new).await.status, 200);
    assert_eq!(there.taken(&new.token).await, 401);
    assert!(eventually(HEARD, async || here.taken(&new.token).await == 401).await);
}

#[actix_web::test]
async fn a_session_of_a_token_from_elsewhere_is_like_any_other() {
    let issuer = Issuer::start("acme", &[&keys()[2]]).await;
    let (_db, app) = house(&issuer);
    let owner = app.register().await;
    let episode = app.catalogue(&owner).await.episode;
    let viewer = issuer.person(&keys()[2], "ann", &["view:catalogue", "use:streams"]);
    let stream = app.post("/streams", &viewer, json!({"episode_id": episode})).await.id();
    assert_eq!(app.get(&format!("/streams/{stream}"), &viewer).await.status, 200);
    let other = issuer.person(&keys()[2], &Uuid::new_v4().to_string(), &["use:streams"]);
    assert_ne!(app.get(&format!("/streams/{stream}"), &other).await.status, 200);
    // Signing out ends nothing: the token is its issuer's.
    assert_eq!(app.post("/users/logout", &viewer, json!({})).await.status, 200);
    assert_eq!(app.taken(&viewer.token).await, 200);
}

#[actix_web::test]
async fn the_links_of_a_player_end_with_the_token_and_a_newer_token_brings_newer_ones() {
    let issuer = Issuer::start("acme", &[&keys()[2]]).await;
    let (_db, app) = house(&issuer);
    let owner = app.register().await;
    let film = app.upload(&owner, "a.mp4", mp4().to_vec()).await.id();
    let episode = app.catalogue(&owner).await.episode;
    app.patch(&format!("/episodes/{episode}"), &owner, json!({"file_id": film})).await.data(200);
    let until = |exp: i64| person(&issuer, "ann", &[("exp", json!(exp)), ("permissions", json!(["use:streams"]))]);
    let end_of = |link: &Value| -> i64 {
        let end: chrono::DateTime<Utc> = link["expires_at"].as_str().unwrap().parse().unwrap();
        let token = link["file"].as_str().unwrap().split('/').nth(2).unwrap();
        let payload = URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap();
        assert_eq!(serde_json::from_slice::<Value>(&payload).unwrap()["exp"], json!(end.timestamp()));
        end.timestamp()
    };
    let now = Utc::now().timestamp();
    let stream = app.post("/streams", &until(now + 2000), json!({"episode_id": episode})).await.data(201);
    assert_eq!(end_of(&stream["playback"]), now + 2000);
    let path = format!("/streams/{}", stream["id"].as_str().unwrap());
    let beat = async |person: &Person| app.patch(&path, person, json!({"position_seconds": 1})).await.data(200);
    assert_eq!(end_of(&beat(&until(now + 4000)).await["playback"]), now + 4000);
    // One that holds for longer than links bounds nothing, and renews nothing before it has to.
    let long = until(now + 100_000);
    assert_eq!(beat(&long).await["playback"], Value::Null);
    let opened = app.post("/streams", &long, json!({"episode_id": episode})).await.data(201);
    assert!((now + 14_400..now + 14_700).contains(&end_of(&opened["playback"])));
}

#[actix_web::test]
async fn a_token_that_is_remembered_ends_with_its_time() {
    let issuer = Issuer::start("acme", &[&keys()[2]]).await;
    let db = TestDb::create();
    let app = Plan::over(&db).with_issuer(&issuer).with("PLAYHOUSE_AUTH__LEEWAY_SECONDS", "0").start();
    // The account is there, so that the short time is not spent on making it.
    app.account(&person(&issuer, "ann", &[])).await;
    let exp = Utc::now().timestamp() + 3;
    let short = person(&issuer, "ann", &[("exp", json!(exp))]);
    assert_eq!(app.taken(&short.token).await, 200);
    assert!(eventually(Duration::from_secs(30), async || app.taken(&short.token).await == 401).await);
    assert!(Utc::now().timestamp() >= exp, "it ended before its time");
}
