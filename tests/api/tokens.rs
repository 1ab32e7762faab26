//! Tokens: which ones open a route, and how they end, here and on another node.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::Utc;
use jsonwebtoken::Algorithm;
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{
    app::{Answer, App, Plan, eventually},
    people::{PASSWORD, Person},
    stores::TestDb,
    tokens::{SECRET, claims, ours, signed, under_header, with},
};

/// What one node does, another has heard of by then. It takes milliseconds; machines may be busy.
const HEARD: Duration = Duration::from_secs(1);

async fn status_of(app: &App, token: &str) -> u16 {
    Answer::of(app.client.get(app.url("/genres")).bearer_auth(token)).await.status
}

/// The message of a 401; anything else fails.
#[track_caller]
fn refusal(answer: &Answer, what: &str) -> String {
    let text = String::from_utf8_lossy(&answer.bytes);
    assert_eq!(answer.status, 401, "{what}: {text}");
    let json = answer.json();
    assert_eq!(json["response"], "Unauthorized", "{what}");
    assert!(json.get("data").is_none(), "{what}: {text}");
    assert!(answer.header("www-authenticate").is_some_and(|value| value.starts_with("Bearer")), "{what}");
    json["message"].as_str().expect("a message").to_owned()
}

async fn refresh(app: &App, token: &str) -> Answer {
    app.post_open("/users/refresh", json!({"refresh_token": token})).await
}

#[actix_web::test]
async fn without_a_token_the_message_is_exact() {
    let db = TestDb::create();
    let app = App::start(&db);
    for header in [None, Some(""), Some("Bearer"), Some("bearer    ")] {
        let mut request = app.request(Method::GET, "/genres", None);
        if let Some(header) = header {
            request = request.header("authorization", header);
        }
        let message = refusal(&Answer::of(request).await, "no token");
        assert_eq!(message, "Access denied. No token provided.", "{header:?}");
    }
}

#[actix_web::test]
async fn a_malformed_header_is_401() {
    let db = TestDb::create();
    let app = App::start(&db);
    let person = app.register().await;
    let token = &person.token;
    let parts: Vec<&str> = token.split('.').collect();
    for header in [
        token.clone(),
        format!("Basic {token}"),
        format!("Token {token}"),
        format!("Bearer{token}"),
        format!("Bearer {token} {token}"),
        format!("Bearer {token}, Bearer {token}"),
        format!("Bearer \"{token}\""),
        "Bearer x".to_owned(),
        "Bearer a.b.c".to_owned(),
        "Bearer ..".to_owned(),
        format!("Bearer {}.{}", parts[0], parts[1]),
        format!("Bearer {}.{}.", parts[0], parts[1]),
        format!("Bearer {token}."),
        format!("Bearer {token}x"),
        format!("Bearer {}", &token[..token.len() - 2]),
        format!("Bearer {}", "x".repeat(5000)),
    ] {
        let request = app.request(Method::GET, "/genres", None).header("authorization", &header);
        refusal(&Answer::of(request).await, &header);
    }
    let bytes = reqwest::header::HeaderValue::from_bytes(b"Bearer \xff\xfe").expect("a header");
    let request = app.request(Method::GET, "/genres", None).header("authorization", bytes);
    refusal(&Answer::of(request).await, "bytes");
    for header in [format!("bearer {token}"), format!("BEARER  {token}")] {
        let request = app.request(Method::GET, "/genres", None).header("authorization", &header);
        assert_eq!(Answer::of(request).await.status, 200, "the scheme's case does not matter");
    }
}

#[actix_web::test]
async fn a_token_that_is_not_ours_is_401() {
    let db = TestDb::create();
    let app = App::start(&db);
    let person = app.register().await;
    let real = claims(&person.token);
    let now = Utc::now().timestamp();
    assert_eq!(status_of(&app, &ours(&real)).await, 200, "else the refusals below prove nothing");

    let parts: Vec<&str> = person.token.split('.').collect();
    let unsigned = |header: Value| {
        let header = URL_SAFE_NO_PAD.encode(header.to_string());
        format!("{header}.{}.", parts[1])
    };
    let other = URL_SAFE_NO_PAD.encode(with(&real, "sub", json!(Uuid::now_v7())).to_string());
    let without = |name| ours(&with(&real, name, Value::Null));
    let having = |name, value| ours(&with(&real, name, value));
    for (what, token) in [
        ("alg none", unsigned(json!({"alg": "none", "typ": "JWT"}))),
        ("alg None", unsigned(json!({"alg": "None", "typ": "JWT"}))),
        ("alg none, signed", under_header(&json!({"alg": "none", "typ": "JWT"}), &real)),
        ("no alg", under_header(&json!({"typ": "JWT"}), &real)),
        ("HS256 without a signature", unsigned(json!({"alg": "HS256", "typ": "JWT"}))),
        ("HS384", signed(Algorithm::HS384, SECRET, &real)),
        ("HS512", signed(Algorithm::HS512, SECRET, &real)),
        ("RS256", under_header(&json!({"alg": "RS256", "typ": "JWT"}), &real)),
        ("ES256", under_header(&json!({"alg": "ES256", "typ": "JWT"}), &real)),
        ("another secret", signed(Algorithm::HS256, "another secret, long enough too!!", &real)),
        ("an empty secret", signed(Algorithm::HS256, "", &real)),
        ("another payload", format!("{}.{other}.{}", parts[0], parts[2])),
        ("expired", having("exp", json!(now - 3600))),
        ("expired beyond the leeway", having("exp", json!(now - 6))),
        ("exp 0", having("exp", json!(0))),
        ("exp negative", having("exp", json!(-1))),
        ("exp as text", having("exp", json!((now + 3600).to_string()))),
        ("not yet valid", having("nbf", json!(now + 60))),
        ("nbf as text", having("nbf", json!("soon"))),
        ("wrong iss", having("iss", json!("someone else"))),
        ("wrong aud", having("aud", json!("something else"))),
        ("wrong typ", having("typ", json!("id"))),
        ("sub of nobody", having("sub", json!(Uuid::now_v7()))),
        ("sub no id", having("sub", json!("owner"))),
        ("a family of nobody", having("fam", json!(Uuid::now_v7()))),
        ("a later epoch", having("epoch", json!(1))),
        ("an earlier epoch", having("epoch", json!(-1))),
        ("no exp", without("exp")),
        ("no iss", without("iss")),
        ("no aud", without("aud")),
        ("no sub", without("sub")),
        ("no typ", without("typ")),
        ("no epoch", without("epoch")),
    ] {
        let answer = Answer::of(app.client.get(app.url("/genres")).bearer_auth(&token)).await;
        refusal(&answer, what);
    }
    let past = having("nbf", json!(now - 60));
    assert_eq!(status_of(&app, &past).await, 200, "nbf in the past holds");
}

#[actix_web::test]
async fn permissions_are_those_of_the_account_whatever_a_token_says() {
    let db = TestDb::create();
    let app = App::start(&db);
    let people = app.people().await;
    let real = claims(&people.viewer.token);
    let all = claims(&people.owner.token)["permissions"].clone();
    assert!(all.as_array().is_some_and(|all| all.contains(&json!("operate:server"))));
    let token = ours(&with(&with(&real, "permissions", all), "roles", json!(["owner"])));
    let forged = Person { token, ..people.viewer.clone() };
    assert_eq!(app.post("/genres", &forged, json!({"name": "X"})).await.status, 403);
}

#[actix_web::test]
async fn a_token_ends_when_its_time_is_over() {
    let db = TestDb::create();
    let plan = Plan::over(&db).with("PLAYHOUSE_AUTH__ACCESS_SECONDS", "1").with("PLAYHOUSE_AUTH__LEEWAY_SECONDS", "0");
    let app = plan.start();
    let person = app.register().await;
    let over = eventually(Duration::from_secs(10), || async { status_of(&app, &person.token).await == 401 }).await;
    assert!(over, "a token of one second held for ten");
    let answer = app.get("/genres", &person).await;
    assert_eq!(refusal(&answer, "over"), "The token has expired.");
    refresh(&app, &person.refresh_token).await.data(200);
}

#[actix_web::test]
async fn tokens_carry_what_the_contract_names_and_no_secret() {
    let db = TestDb::create();
    let app = App::start(&db);
    let person = app.register().await;
    let claims = claims(&person.token);
    for name in ["sub", "iat", "exp", "iss", "aud", "jti", "epoch", "permissions"] {
        assert!(!claims[name].is_null(), "no {name} in {claims}");
    }
    assert_eq!(claims["sub"], json!(person.id));
    let text = claims.to_string();
    for secret in [PASSWORD, "argon2", "hash", "@example.org"] {
        assert!(!text.contains(secret), "{text}");
    }
}

#[actix_web::test]
async fn access_and_refresh_are_not_taken_for_each_other() {
    let db = TestDb::create();
    let app = App::start(&db);
    let person = app.register().await;
    let swapped = Person { token: person.refresh_token.clone(), ..person.clone() };
    refusal(&app.get("/genres", &swapped).await, "a refresh token on a route");
    refusal(&refresh(&app, &person.token).await, "an access token for a refresh");
    for wrong in ["", "x", "a.b.c"] {
        refusal(&refresh(&app, wrong).await, wrong);
    }
    let real = claims(&person.refresh_token);
    for (name, value) in [
        ("exp", json!(Utc::now().timestamp() - 60)),
        ("iss", json!("x")),
        ("aud", json!("x")),
        ("sub", json!(Uuid::now_v7())),
        ("fam", Value::Null),
    ] {
        refusal(&refresh(&app, &ours(&with(&real, name, value))).await, name);
    }
    // None of these counted as a replay: the family lives.
    assert_eq!(app.get("/genres", &person).await.status, 200);
    refresh(&app, &person.refresh_token).await.data(200);
}

/// What ends a person's tokens.
enum End {
    OwnPassword,
    PasswordByOwner,
    OwnEmail,
    Roles,
    Deletion,
    DeletionByOwner,
}

impl End {
    const ALL: [Self; 6] =
        [Self::OwnPassword, Self::PasswordByOwner, Self::OwnEmail, Self::Roles, Self::Deletion, Self::DeletionByOwner];

    async fn happen(&self, app: &App, owner: &Person, person: &Person) {
        let path = format!("/users/{}", person.id);
        let email = format!("{}@example.org", Uuid::new_v4().simple());
        let answer = match self {
            Self::OwnPassword => {
                let body = json!({"password": "another password", "current_password": PASSWORD});
                app.patch(&path, person, body).await
            }
            Self::PasswordByOwner => app.patch(&path, owner, json!({"password": "another password"})).await,
            Self::OwnEmail => app.patch(&path, person, json!({"email": email, "current_password": PASSWORD})).await,
            Self::Roles => app.patch(&path, owner, json!({"roles": ["editor"]})).await,
            Self::Deletion => app.delete(&path, person).await,
            Self::DeletionByOwner => app.delete(&path, owner).await,
        };
        assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.bytes));
    }

    const fn name(&self) -> &'static str {
        match self {
            Self::OwnPassword => "own password",
            Self::PasswordByOwner => "password by the owner",
            Self::OwnEmail => "own e-mail address",
            Self::Roles => "roles",
            Self::Deletion => "own deletion",
            Self::DeletionByOwner => "deletion by the owner",
        }
    }
}

#[actix_web::test]
async fn changes_of_the_account_end_all_its_tokens_at_once() {
    let db = TestDb::create();
    let app = App::start(&db);
    let owner = app.register().await;
    for end in End::ALL {
        let person = app.register().await;
        let device = app.sign_in(&person.id, &person.email, PASSWORD).await;
        let bystander = app.register().await;
        for one in [&person, &device] {
            assert_eq!(app.get("/genres", one).await.status, 200);
        }
        end.happen(&app, &owner, &person).await;
        for one in [&person, &device] {
            refusal(&app.get("/genres", one).await, end.name());
            refusal(&refresh(&app, &one.refresh_token).await, end.name());
        }
        assert_eq!(app.get("/genres", &bystander).await.status, 200, "{} ended another's token", end.name());
        assert_eq!(app.get("/genres", &owner).await.status, 200);
    }
}

#[actix_web::test]
async fn a_change_of_the_name_ends_no_token() {
    let db = TestDb::create();
    let app = App::start(&db);
    let person = app.register().await;
    let path = format!("/users/{}", person.id);
    app.patch(&path, &person, json!({"first_name": "Ilsa"})).await.data(200);
    assert_eq!(app.get("/genres", &person).await.status, 200);
    refresh(&app, &person.refresh_token).await.data(200);
}

#[actix_web::test]
async fn tokens_that_ended_on_one_node_have_ended_on_the_other() {
    let db = TestDb::create();
    let plan = Plan::over(&db);
    let (here, there) = (plan.start(), plan.start());
    let owner = here.register().await;
    for end in End::ALL {
        let person = here.register().await;
        // Both nodes know the account and its token by now.
        for node in [&here, &there, &here, &there] {
            assert_eq!(node.get("/genres", &person).await.status, 200);
        }
        end.happen(&here, &owner, &person).await;
        refusal(&here.get("/genres", &person).await, end.name());
        let ended = eventually(HEARD, || async { there.get("/genres", &person).await.status == 401 }).await;
        assert!(ended, "{}: the other node still takes the token", end.name());
        refusal(&refresh(&there, &person.refresh_token).await, end.name());
    }
    let person = here.register().await;
    assert_eq!(there.get("/genres", &person).await.status, 200);
    assert_eq!(here.post("/users/logout", &person, json!({})).await.status, 200);
    let ended = eventually(HEARD, || async { there.get("/genres", &person).await.status == 401 }).await;
    assert!(ended, "logout: the other node still takes the token");
}

#[actix_web::test]
async fn new_roles_count_on_every_node_with_the_next_sign_in() {
    let db = TestDb::create();
    let plan = Plan::over(&db);
    let (here, there) = (plan.start(), plan.start());
    let owner = here.register().await;
    let viewer = here.register().await;
    assert_eq!(there.post("/genres", &viewer, json!({"name": "A"})).await.status, 403);
    here.patch(&format!("/users/{}", viewer.id), &owner, json!({"roles": ["editor"]})).await.data(200);
    let editor = there.sign_in(&viewer.id, &viewer.email, PASSWORD).await;
    assert_eq!(there.post("/genres", &editor, json!({"name": "A"})).await.status, 201);
    assert_eq!(here.post("/genres", &editor, json!({"name": "B"})).await.status, 201);
}

#[actix_web::test]
async fn logout_ends_one_sign_in_and_not_the_others() {
    let db = TestDb::create();
    let app = App::start(&db);
    let person = app.register().await;
    let device = app.sign_in(&person.id, &person.email, PASSWORD).await;
    let next = refresh(&app, &person.refresh_token).await.data(200);
    let answer = Answer::of(app.request(Method::POST, "/users/logout", Some(&person))).await;
    let expected = json!({"status": 200, "response": "OK", "message": "User logged out successfully"});
    assert_eq!((answer.status, answer.json()), (200, expected));
    refusal(&app.get("/genres", &person).await, "the token that logged out");
    let later = Person { token: next["token"].as_str().expect("a token").to_owned(), ..person.clone() };
    refusal(&app.get("/genres", &later).await, "a later token of the family");
    for token in [&person.refresh_token, next["refresh_token"].as_str().expect("a token")] {
        refusal(&refresh(&app, token).await, "a refresh token of the family");
    }
    assert_eq!(app.get("/genres", &device).await.status, 200);
    refresh(&app, &device.refresh_token).await.data(200);
}
