//! Tokens: in which forms they come, and how this contract refuses them.

use std::time::Duration;

use reqwest::Method;
use serde_json::json;

use crate::support::{
    app::{Answer, App, Plan, eventually},
    people::{PASSWORD, Person},
    stores::TestDb,
};

/// What needs a token.
fn guarded() -> [(Method, &'static str); 7] {
    [
        (Method::POST, "/upload"),
        (Method::POST, "/upload/v/abc1234"),
        (Method::PATCH, "/v/abc1234"),
        (Method::DELETE, "/v/abc1234"),
        (Method::PUT, "/v/abc1234/reaction"),
        (Method::PUT, "/channel/picture"),
        (Method::DELETE, "/channel/ilsa"),
    ]
}

/// What the answers are to everything that needs a token, with this header.
async fn refused(app: &App, header: Option<&str>, status: u16, response: &str) {
    for (method, path) in guarded() {
        let mut request = app.request(method.clone(), path, None);
        if let Some(header) = header {
            request = request.header("authorization", header);
        }
        assert_eq!(Answer::of(request).await.response(status), response, "{method} {path} with {header:?}");
    }
}

#[actix_web::test]
async fn without_a_token_and_with_an_altered_one() {
    let db = TestDb::create();
    let app = App::start(&db);
    let ilsa = app.member("ilsa").await;
    refused(&app, None, 400, "token").await;
    let token = &ilsa.token;
    let (head, signature) = token.rsplit_once('.').unwrap();
    let turned: String = signature.chars().rev().collect();
    let refresh = app.sign_in(&ilsa.id, &ilsa.email, PASSWORD).await.refresh_token;
    for altered in [
        format!("Bearer {head}.{turned}"),
        format!("{head}.{turned}"),
        format!("Bearer {head}"),
        "Bearer x".to_owned(),
        "x".to_owned(),
        format!("Basic {token}"),
        format!("Bearer {token} {token}"),
        // One that opens nothing but the way to the next pair.
        format!("Bearer {refresh}"),
    ] {
        refused(&app, Some(&altered), 400, "bad-token").await;
    }
    // Who needs no token may send what they like.
    let public = app.request(Method::GET, "/videos/all", None).header("authorization", "Bearer x");
    assert_eq!(Answer::of(public).await.response(200), json!([]));
}

#[actix_web::test]
async fn the_bare_token_is_taken_here_and_nowhere_else() {
    let db = TestDb::create();
    let app = App::start(&db);
    let ilsa = app.member("ilsa").await;
    for header in [ilsa.token.clone(), format!("Bearer {}", ilsa.token), format!("bearer {}", ilsa.token)] {
        let request = app.request(Method::POST, "/upload", None).header("authorization", &header);
        let answer = Answer::of(request.json(&json!({"title": "A walk", "description": ""}))).await;
        assert_eq!(answer.status, 200, "{header}");
    }
    for path in ["/genres", "/users", "/files", "/media/x"] {
        let answer = Answer::of(app.request(Method::GET, path, None).header("authorization", &ilsa.token)).await;
        assert_eq!((answer.status, &answer.json()["response"]), (401, &json!("Unauthorized")), "{path}");
    }
}

async fn announced(app: &App, person: &Person) -> Answer {
    app.post("/upload", person, json!({"title": "A walk", "description": ""})).await
}

#[actix_web::test]
async fn an_expired_token_says_so() {
    let db = TestDb::create();
    let plan = Plan::over(&db).with("PLAYHOUSE_AUTH__CHANNEL_ACCESS_SECONDS", "1");
    let app = plan.with("PLAYHOUSE_AUTH__LEEWAY_SECONDS", "0").start();
    let ilsa = app.member("ilsa").await;
    let ended = async || announced(&app, &ilsa).await.status != 200;
    assert!(eventually(Duration::from_secs(20), ended).await);
    refused(&app, Some(&format!("Bearer {}", ilsa.token)), 401, "token expire").await;
    refused(&app, Some(&ilsa.token), 401, "token expire").await;
    // The other sign-in's token has its own life.
    assert_eq!(announced(&app, &app.sign_in(&ilsa.id, &ilsa.email, PASSWORD).await).await.status, 200);
}

#[actix_web::test]
async fn a_changed_password_a_changed_role_and_a_removed_account_end_a_token_on_every_node() {
    let db = TestDb::create();
    let plan = Plan::over(&db);
    let nodes = [plan.start(), plan.start()];
    let members = nodes[0].members().await;
    let carl = nodes[0].member("carl").await;
    for person in [&members.ann, &members.bob, &carl] {
        assert_eq!(announced(&nodes[1], person).await.status, 200);
    }
    let path = |person: &Person| format!("/users/{}", person.id);
    let change = json!({"password": "another password", "current_password": PASSWORD});
    nodes[0].patch(&path(&members.ann), &members.ann, change).await.data(200);
    nodes[0].patch(&path(&members.bob), &members.house, json!({"roles": ["editor"]})).await.data(200);
    nodes[0].delete(&path(&carl), &members.house).await.data(200);
    for person in [&members.ann, &members.bob, &carl] {
        assert_eq!(announced(&nodes[0], person).await.response(401), "token expire");
        let heard = async || announced(&nodes[1], person).await.status == 401;
        assert!(eventually(Duration::from_secs(10), heard).await);
    }
}

#[actix_web::test]
async fn a_role_without_a_channel_may_not() {
    let db = TestDb::create();
    let app = App::start(&db);
    let owner = app.register().await;
    let assistant = app.register_as(&owner, &["casting_assistant"]).await;
    for (method, path) in guarded() {
        let answer = Answer::of(app.request(method.clone(), path, Some(&assistant))).await;
        assert!(answer.response(403).is_string(), "{method} {path}");
    }
}
