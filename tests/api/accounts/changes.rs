//! Changes of accounts: owners, passwords, e-mail addresses, roles; and what no answer shows.

use super::{at_once, fresh_email, message, owners, pair, patient, refresh, registering, registration};

use crate::support::people::{PASSWORD, Person};
use crate::support::stores::TestDb;
use serde_json::json;

#[actix_web::test]
async fn the_last_owner_can_be_neither_demoted_nor_deleted() {
    let db = TestDb::create();
    let app = patient(&db).start();
    let owner = app.register().await;
    let path = format!("/users/{}", owner.id);
    for roles in [json!([]), json!(["editor"]), json!(["viewer", "editor"])] {
        let answer = app.patch(&path, &owner, json!({"roles": roles})).await;
        assert_eq!(
            (answer.status, message(&answer)),
            (400, "The last owner can be neither demoted nor deleted".into())
        );
    }
    assert_eq!(app.delete(&path, &owner).await.status, 400);
    assert_eq!(app.get(&path, &owner).await.data(200)["roles"], json!(["owner"]), "the refusals ended the token");
    let second = app.register_as(&owner, &["owner"]).await;
    app.patch(&path, &second, json!({"roles": ["viewer"]})).await.data(200);
    assert_eq!(app.delete(&format!("/users/{}", second.id), &second).await.status, 400);
    assert_eq!(owners(&db), 1);
}

#[actix_web::test]
async fn two_owners_who_demote_or_delete_at_once_leave_one() {
    let db = TestDb::create();
    let plan = patient(&db);
    let nodes = [plan.start(), plan.start()];
    let mut owner = nodes[0].register().await;
    for round in 0..12 {
        let other = nodes[0].register_as(&owner, &["owner"]).await;
        for node in &nodes {
            assert_eq!(node.get("/users", &owner).await.status, 200);
            assert_eq!(node.get("/users", &other).await.status, 200);
        }
        let both = [&owner, &other];
        let answers = at_once(2, |at| {
            // Each other, or each themselves; demoted or deleted.
            let target = if round % 2 == 0 { both[1 - at] } else { both[at] };
            let path = format!("/users/{}", target.id);
            let (node, caller) = (&nodes[at], both[at]);
            async move {
                if round % 4 < 2 {
                    node.patch(&path, caller, json!({"roles": ["viewer"]})).await
                } else {
                    node.delete(&path, caller).await
                }
            }
        })
        .await;
        let statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
        assert_eq!(owners(&db), 1, "round {round}: {statuses:?}");
        assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "round {round}: {statuses:?}");
        assert!(statuses.iter().all(|status| matches!(status, 200 | 400 | 401 | 403)), "round {round}: {statuses:?}");
        let mut left = None;
        for person in both {
            let answer = nodes[0].login(&person.email, PASSWORD).await;
            if answer.status == 200 && answer.json()["data"]["user"]["roles"] == json!(["owner"]) {
                let (token, refresh_token) = pair(&answer);
                left = Some(Person { token, refresh_token, ..person.clone() });
            }
        }
        owner = left.expect("an owner who can sign in");
    }
}

#[actix_web::test]
async fn ones_own_password_and_email_need_the_current_password() {
    let db = TestDb::create();
    let app = patient(&db).start();
    app.register().await;
    let person = app.register().await;
    let path = format!("/users/{}", person.id);
    let email = fresh_email();
    for change in [json!({"password": "another password"}), json!({"email": email})] {
        let answer = app.patch(&path, &person, change.clone()).await;
        assert_eq!(answer.wrong_fields(), ["current_password"], "{change}");
        let mut body = change;
        body["current_password"] = json!("a wrong password");
        let answer = app.patch(&path, &person, body.clone()).await;
        assert_eq!(answer.wrong_fields(), ["current_password"], "{body}");
        assert!(message(&answer).contains("wrong"));
    }
    assert_eq!(app.get(&path, &person).await.data(200)["email"], json!(person.email));
    let body = json!({"password": "another password", "email": email, "current_password": PASSWORD});
    assert_eq!(app.patch(&path, &person, body).await.data(200)["email"], json!(email));
    assert_eq!(app.get(&path, &person).await.status, 401, "the old token still holds");
    assert_eq!(app.login(&person.email, "another password").await.status, 401);
    assert_eq!(app.login(&email, PASSWORD).await.status, 401);
    let again = app.sign_in(&person.id, &email, "another password").await;
    // What does not change needs no password, and ends nothing.
    app.patch(&path, &again, json!({"first_name": "Ilsa", "email": email})).await.data(200);
    assert_eq!(app.get(&path, &again).await.data(200)["first_name"], "Ilsa");
}

#[actix_web::test]
async fn an_owner_sets_anothers_password_and_email_without_theirs() {
    let db = TestDb::create();
    let app = patient(&db).start();
    let owner = app.register().await;
    let person = app.register().await;
    let path = format!("/users/{}", person.id);
    let email = fresh_email();
    app.patch(&path, &owner, json!({"password": "another password", "email": email})).await.data(200);
    assert_eq!(app.get(&path, &person).await.status, 401, "the old token still holds");
    assert_eq!(app.login(&person.email, "another password").await.status, 401);
    app.sign_in(&person.id, &email, "another password").await;
    // Their own, they do not.
    let own = format!("/users/{}", owner.id);
    let answer = app.patch(&own, &owner, json!({"password": "another password"})).await;
    assert_eq!(answer.wrong_fields(), ["current_password"]);
}

#[actix_web::test]
async fn only_an_owner_changes_roles() {
    let db = TestDb::create();
    let app = patient(&db).start();
    let people = app.people().await;
    for person in [&people.viewer, &people.editor] {
        for roles in [json!(["owner"]), json!(["editor"]), json!(["viewer"]), json!([])] {
            let path = format!("/users/{}", person.id);
            assert_eq!(app.patch(&path, person, json!({"roles": roles, "first_name": "Eve"})).await.status, 403);
            assert_ne!(app.get(&path, person).await.data(200)["first_name"], "Eve", "half of it was done");
        }
    }
    assert_eq!(owners(&db), 1);
    let path = format!("/users/{}", people.viewer.id);
    for (roles, field) in
        [(json!(["king"]), "roles"), (json!("owner"), "roles"), (json!(["viewer", "viewer"]), "roles")]
    {
        assert_eq!(app.patch(&path, &people.owner, json!({"roles": roles})).await.wrong_fields(), [field]);
    }
    let answer = app.patch(&path, &people.owner, json!({"roles": ["viewer", "editor"]})).await;
    assert_eq!(answer.data(200)["roles"].as_array().map(Vec::len), Some(2));
    assert_eq!(app.get(&path, &people.viewer).await.status, 401, "the old token still holds");
    let again = app.sign_in(&people.viewer.id, &people.viewer.email, PASSWORD).await;
    assert_eq!(app.post("/genres", &again, json!({"name": "Noir"})).await.status, 201);
}

#[actix_web::test]
async fn no_answer_has_a_password_or_a_hash() {
    let db = TestDb::create();
    let app = patient(&db).start();
    let owner = app.register().await;
    let person = app.register().await;
    let episode = app.catalogue(&owner).await.episode;
    let stream = app.post("/streams", &person, json!({"episode_id": episode})).await.id();
    let own = format!("/users/{}", person.id);
    let secret = "a very secret password";
    let mut answers = vec![
        app.post_open("/users/registration", registration(&fresh_email())).await,
        app.post_open("/users/registration", registering("email", json!("x"))).await,
        app.post_open("/users/registration", registering("first_name", json!(1))).await,
        app.login(&person.email, PASSWORD).await,
        app.login(&person.email, secret).await,
        refresh(&app, &person.refresh_token).await,
        app.get("/users", &owner).await,
        app.get("/users?sort=-createdAt&q=Ann", &owner).await,
        app.get(&own, &owner).await,
        app.get(&own, &person).await,
        app.get(&format!("/streams/{stream}/user"), &person).await,
        app.patch(&own, &owner, json!({"password": secret, "first_name": "Ilsa"})).await,
    ];
    let again = app.sign_in(&person.id, &person.email, secret).await;
    answers.push(app.patch(&own, &again, json!({"password": PASSWORD, "current_password": secret})).await);
    answers.push(app.delete(&own, &owner).await);
    for answer in &answers {
        let text = String::from_utf8_lossy(&answer.bytes).to_lowercase();
        for word in [PASSWORD, secret, "argon2", "hash", "epoch", "$v="] {
            assert!(!text.contains(word), "{word} in {text}");
        }
        if answer.status < 400 {
            assert!(!text.contains("password"), "{text}");
        }
    }
    for name in ["password", "password_hash", "epoch"] {
        assert_eq!(app.get(&format!("/users?{name}=x"), &owner).await.wrong_fields(), [name]);
        assert_eq!(app.get(&format!("/users?sort={name}"), &owner).await.wrong_fields(), ["sort"]);
    }
}
