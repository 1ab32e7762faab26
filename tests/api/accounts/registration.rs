//! Registration: its rules, races, and the roles it gives.

use std::collections::BTreeSet;

use serde_json::Value;
use serde_json::json;
use uuid::Uuid;

use super::{at_once, count, fresh_email, message, owners, patient, registering, registration};
use crate::support::{
    app::Answer,
    people::{PASSWORD, Person},
    stores::TestDb,
};

fn fields(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[track_caller]
fn wrong(answer: &Answer) -> BTreeSet<String> {
    answer.wrong_fields().into_iter().collect()
}

#[actix_web::test]
async fn a_registration_gives_the_account() {
    let db = TestDb::create();
    let app = patient(&db).start();
    for roles in [["owner"], ["viewer"]] {
        let email = fresh_email();
        let answer = app.post_open("/users/registration", registration(&email)).await;
        let user = answer.data(201);
        assert_eq!(answer.json()["message"], "User created successfully");
        assert_eq!(answer.json()["response"], "Created");
        let id = user["id"].as_str().expect("an id");
        assert_eq!(Uuid::parse_str(id).expect("a UUID").get_version_num(), 7);
        assert_eq!(answer.header("location"), Some(&*format!("/users/{id}")));
        let named = (&user["first_name"], &user["last_name"], &user["email"], &user["roles"]);
        assert_eq!(named, (&json!("Ann"), &json!("Lee"), &json!(email), &json!(roles)));
    }
}

#[actix_web::test]
async fn registrations_that_break_a_rule_name_the_field_and_make_nothing() {
    let db = TestDb::create();
    let app = patient(&db).start();
    let local = "a".repeat(64);
    let domain = |length: usize| {
        let label = "d".repeat(60);
        let all = format!("{label}.{label}.{label}.{label}");
        format!("{}.org", &all[..length - 65 - 4])
    };
    let (longest, too_long) = (format!("{local}@{}", domain(254)), format!("{local}@{}", domain(255)));
    assert_eq!((longest.len(), too_long.len()), (254, 255));
    for (field, value) in [
        ("email", json!("ann")),
        ("email", json!("ann@")),
        ("email", json!("@example.org")),
        ("email", json!("ann lee@example.org")),
        ("email", json!("Ann <ann@example.org>")),
        ("email", json!("ann@example")),
        ("email", json!("ann@@example.org")),
        ("email", json!("ann@example.org\nBcc: all@example.org")),
        ("email", json!("")),
        ("email", json!(null)),
        ("email", json!(too_long)),
        ("first_name", json!("")),
        ("first_name", json!("   ")),
        ("first_name", json!("x".repeat(101))),
        ("last_name", json!("")),
        ("last_name", json!("é".repeat(101))),
        ("last_name", json!(5)),
        ("password", json!("short67")),
        ("password", json!("x".repeat(129))),
        ("password", json!("password")),
        ("password", json!("PassWord1")),
        ("password", json!("12345678")),
        ("password", json!("qwertyuiop")),
        ("password", json!("iloveyou")),
        ("password", json!(12_345_678)),
        ("roles", json!(["owner"])),
        ("id", json!(Uuid::now_v7())),
    ] {
        let answer = app.post_open("/users/registration", registering(field, value.clone())).await;
        assert_eq!(answer.wrong_fields(), [field], "{field} = {value}");
    }
    assert_eq!(count(&db, "users"), 0);
    for (field, value) in [
        ("email", json!(longest)),
        ("first_name", json!("x")),
        ("last_name", json!("é".repeat(100))),
        ("password", json!("8 chars!")),
        ("password", json!("é".repeat(128))),
        ("password", json!("\u{1f3ac} кино фильм")),
    ] {
        let body = registering(field, value);
        let made = app.post_open("/users/registration", body.clone()).await.data(201);
        let (email, password) = (made["email"].as_str().expect("one"), body["password"].as_str().expect("one"));
        assert_eq!(app.login(email, password).await.status, 200, "{field}");
    }
}

#[actix_web::test]
async fn all_wrong_fields_are_named_at_once() {
    let db = TestDb::create();
    let app = patient(&db).start();
    let nothing = app.post_open("/users/registration", json!({})).await;
    assert_eq!(wrong(&nothing), fields(&["first_name", "last_name", "email", "password"]));
    let body = json!({"first_name": "", "last_name": 1, "email": "x", "password": "short", "extra": true});
    let all = app.post_open("/users/registration", body).await;
    assert_eq!(wrong(&all), fields(&["first_name", "last_name", "email", "password", "extra"]));
    let some = app.post_open("/users/registration", registering("email", json!("x"))).await;
    assert_eq!(wrong(&some), fields(&["email"]));
    assert_eq!(wrong(&app.post_open("/users/login", json!({})).await), fields(&["email", "password"]));
}

#[actix_web::test]
async fn an_email_is_taken_once_without_regard_to_case() {
    let db = TestDb::create();
    let app = patient(&db).start();
    let email = fresh_email();
    app.post_open("/users/registration", registration(&email)).await.data(201);
    for again in [email.clone(), email.to_uppercase(), email.replace("example", "eXample")] {
        let answer = app.post_open("/users/registration", registration(&again)).await;
        assert_eq!(answer.wrong_fields(), ["email"], "{again}");
        assert!(message(&answer).contains("already taken"));
    }
    assert_eq!(app.login(&email.to_uppercase(), PASSWORD).await.status, 200);
    let other = app.register().await;
    let body = json!({"email": email.to_uppercase(), "current_password": PASSWORD});
    let answer = app.patch(&format!("/users/{}", other.id), &other, body).await;
    assert_eq!(answer.wrong_fields(), ["email"]);
    assert_eq!(app.get("/users", &other).await.status, 200, "a refused change ended the tokens");
}

#[actix_web::test]
async fn an_email_and_a_username_that_others_have_are_named_at_once() {
    let db = TestDb::create();
    let app = patient(&db).start();
    let [ann, bob, cid] = [app.register().await, app.register().await, app.register().await];
    let change = async |person: &Person, body| app.patch(&format!("/users/{}", person.id), person, body).await;
    let email = app.get(&format!("/users/{}", ann.id), &ann).await.data(200)["email"].clone();
    change(&bob, json!({"username": "bob"})).await.data(200);
    let both = json!({"email": email, "username": "BOB", "current_password": PASSWORD});
    assert_eq!(change(&cid, both.clone()).await.wrong_fields(), ["username", "email"]);
    let mut new = registration(email.as_str().unwrap());
    new["username"] = json!("Bob");
    assert_eq!(app.post_open("/users/registration", new).await.wrong_fields(), ["username", "email"]);
    // One's own name is no other's.
    assert_eq!(change(&bob, both).await.wrong_fields(), ["email"]);
}

#[actix_web::test]
async fn of_many_registrations_of_one_email_one_wins() {
    let db = TestDb::create();
    let app = patient(&db).start();
    let email = fresh_email();
    let answers = at_once(12, |_| app.post_open("/users/registration", registration(&email))).await;
    let mut statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [vec![201], vec![400; 11]].concat());
    assert_eq!(count(&db, "users"), 1);
}

#[actix_web::test]
async fn of_sixteen_registrations_on_an_empty_database_one_becomes_owner() {
    for _ in 0..3 {
        let db = TestDb::create();
        let plan = patient(&db);
        let nodes = [plan.start(), plan.start()];
        let body = || registration(&fresh_email());
        let answers = at_once(16, |at| nodes[at % 2].post_open("/users/registration", body())).await;
        let made: Vec<Value> = answers.iter().map(|answer| answer.data(201)["roles"].clone()).collect();
        assert_eq!(made.iter().filter(|roles| **roles == json!(["owner"])).count(), 1, "{made:?}");
        assert_eq!(made.iter().filter(|roles| **roles == json!(["viewer"])).count(), 15, "{made:?}");
        assert_eq!((count(&db, "users"), owners(&db)), (16, 1));
    }
}

#[actix_web::test]
async fn later_accounts_get_the_roles_of_the_setting() {
    let db = TestDb::create();
    let app = patient(&db).with("PLAYHOUSE_AUTH__REGISTRATION_ROLES", "viewer,casting_assistant").start();
    app.register().await;
    let person = app.register().await;
    let roles = app.get(&format!("/users/{}", person.id), &person).await.data(200)["roles"].clone();
    assert_eq!(roles, json!(["viewer", "casting_assistant"]));
}
