//! Signing up, and one account over the contracts.

use std::collections::BTreeSet;

use chrono::{Datelike as _, Days, Months, NaiveDate, Utc};
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::{
    accounts::patient,
    support::{
        app::{Answer, App},
        channels::signing_up,
        people::PASSWORD,
        stores::{TestDb, count},
    },
};

const KEYS: [&str; 9] = ["fname", "mname", "lname", "username", "email", "password", "day", "month", "year"];

/// Signs up with one key replaced.
async fn sign_up_with(app: &App, key: &str, value: Value) -> Answer {
    let mut body = signing_up("ilsa");
    body[key] = value;
    app.post_open("/sign_up", body).await
}

async fn sign_up_born(app: &App, date: NaiveDate, username: &str) -> Answer {
    let mut body = signing_up(username);
    (body["day"], body["month"], body["year"]) = (date.day().into(), date.month().into(), date.year().into());
    app.post_open("/sign_up", body).await
}

#[actix_web::test]
async fn who_signs_up_first_is_owner_and_the_next_is_not() {
    let db = TestDb::create();
    let app = App::start(&db);
    let answer = app.sign_up("ilsa").await;
    assert_eq!((answer.status, answer.bytes.as_slice()), (200, b"{\"response\":\"\"}".as_slice()));
    let second = app.member("victor").await;
    let owner = app.login("ilsa@example.org", PASSWORD).await.data(200);
    assert_eq!(owner["user"]["roles"], json!(["owner"]));
    assert_eq!(app.get(&format!("/users/{}", second.id), &second).await.data(200)["roles"], json!(["viewer"]));
}

#[actix_web::test]
async fn each_key_must_be_there() {
    let db = TestDb::create();
    let app = App::start(&db);
    for key in KEYS {
        let mut body = signing_up("ilsa");
        body.as_object_mut().unwrap().remove(key);
        // A missing key is told before a wrong one.
        body[if key == "username" { "email" } else { "username" }] = json!(5);
        assert_eq!(app.post_open("/sign_up", body).await.response(400), json!({"missing-key": key}));
    }
    assert_eq!(app.post_open("/sign_up", json!({})).await.response(400), json!({"missing-key": "fname"}));
    assert_eq!(count(&mut db.connect(), "users"), 0);
}

#[actix_web::test]
async fn each_value_has_its_rules() {
    let db = TestDb::create();
    let app = App::start(&db);
    let long = |length: usize| json!("x".repeat(length));
    for (key, wrong) in [
        ("fname", vec![json!(""), json!("  "), long(101), json!(5), json!(null), json!("a\0b"), json!(["a"])]),
        ("mname", vec![long(101), json!(7), json!(null), json!("a\0b")]),
        ("lname", vec![json!(""), long(101), json!({})]),
        ("username", vec![long(2), long(26), json!("a b"), json!("a@b"), json!("Łódź"), json!("a/b"), json!(" ann")]),
        ("email", vec![json!("ilsa"), json!("ilsa@"), json!("ilsa@host"), json!(""), long(300), json!(true)]),
        ("password", vec![json!("short"), json!("PassWord"), long(129), json!(12_345_678)]),
        ("day", vec![json!(0), json!(32), json!("9"), json!(1.5), json!(-1), json!(null)]),
        ("month", vec![json!(0), json!(13), json!("2"), json!(u64::MAX)]),
        ("year", vec![json!("1996"), json!(Utc::now().year() + 1), json!(Utc::now().year() - 131), json!(i64::MIN)]),
        // A field that the contract does not know.
        ("nickname", vec![json!("x"), json!(null)]),
        ("roles", vec![json!(["owner"])]),
    ] {
        for value in wrong {
            let answer = sign_up_with(&app, key, value.clone()).await;
            assert_eq!(answer.response(400), json!({"invalid-field": key}), "{key} {value}");
        }
    }
    assert_eq!(count(&mut db.connect(), "users"), 0);
    for (username, mname) in [("abc", ""), ("A-Z.a_z-0.9-up-to-25-chars", "Middle")] {
        let mut body = signing_up(&username[..username.len().min(25)]);
        body["mname"] = json!(mname);
        assert_eq!(app.post_open("/sign_up", body).await.response(200), "");
    }
}

#[actix_web::test]
async fn a_birth_date_is_a_real_day_not_in_the_future_and_at_most_130_years_ago() {
    let db = TestDb::create();
    let app = App::start(&db);
    for (day, month, year) in [(31, 2, 1996), (30, 2, 1996), (29, 2, 1997), (29, 2, 1900), (31, 4, 2000)] {
        let mut body = signing_up("ilsa");
        (body["day"], body["month"], body["year"]) = (json!(day), json!(month), json!(year));
        let answer = app.post_open("/sign_up", body).await;
        assert_eq!(answer.response(400), json!({"invalid-field": "day"}), "{day} {month} {year}");
    }
    let today = Utc::now().date_naive();
    let oldest = today - Months::new(130 * 12);
    // Two days off, so that a midnight during the test changes nothing.
    for wrong in [today + Days::new(2), oldest - Days::new(2)] {
        let answer = sign_up_born(&app, wrong, "ilsa").await.response(400);
        let field = answer["invalid-field"].as_str().expect("a field");
        assert!(["day", "month", "year"].contains(&field), "{wrong}: {field}");
    }
    assert_eq!(sign_up_born(&app, today, "newborn").await.response(200), "");
    assert_eq!(sign_up_born(&app, oldest + Days::new(2), "eldest").await.response(200), "");
}

#[actix_web::test]
async fn what_is_no_json_object_is_refused() {
    let db = TestDb::create();
    let app = App::start(&db);
    for body in ["", "{", "[]", "\"x\"", "{\"fname\": \u{1}}"] {
        let request = app.client.post(app.url("/sign_up")).header("content-type", "application/json");
        let response = Answer::of(request.body(body)).await.response(400);
        assert!(response.is_string(), "{body}: {response}");
    }
}

#[actix_web::test]
async fn a_taken_name_or_address_is_named_whatever_its_case() {
    let db = TestDb::create();
    let app = App::start(&db);
    assert_eq!(app.sign_up("Ilsa").await.response(200), "");
    for username in ["Ilsa", "ilsa", "ILSA"] {
        assert_eq!(app.sign_up(username).await.response(400), "username");
        let other_address = sign_up_with(&app, "email", json!("other@example.org")).await;
        assert_eq!(other_address.response(400), "username");
    }
    for email in ["ilsa@example.org", "Ilsa@Example.ORG"] {
        let mut body = signing_up("other");
        body["email"] = json!(email);
        assert_eq!(app.post_open("/sign_up", body).await.response(400), "email");
    }
    // Names that an account of the other contract has are taken too.
    let rick = json!({
        "first_name": "Rick", "last_name": "Blaine", "email": "rick@example.com", "password": PASSWORD,
        "username": "Rick",
    });
    app.post_open("/users/registration", rick).await.data(201);
    assert_eq!(app.sign_up("rick").await.response(400), "username");
}

#[actix_web::test]
async fn of_many_that_sign_up_under_one_name_at_once_one_does() {
    let db = TestDb::create();
    let app = patient(&db).start();
    let answers = join_all((0..8).map(|at| {
        let mut body = signing_up(if at % 2 == 0 { "ilsa" } else { "ILSA" });
        body["email"] = json!(format!("{at}@example.org"));
        app.post_open("/sign_up", body)
    }))
    .await;
    let (done, refused): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == 200);
    assert_eq!(done.len(), 1);
    for answer in refused {
        assert_eq!(answer.response(400), "username");
    }
    let conn = &mut db.connect();
    assert_eq!((count(conn, "users"), count(conn, "channels")), (1, 1));
}

#[actix_web::test]
async fn one_account_one_password_and_one_token_serve_every_contract() {
    let db = TestDb::create();
    let app = App::start(&db);
    let ilsa = app.member("Ilsa").await;
    assert_eq!(app.get("/genres", &ilsa).await.status, 200);
    let user = app.get(&format!("/users/{}", ilsa.id), &ilsa).await.data(200);
    assert_eq!(user["first_name"], "Ilsa");
    assert_eq!(user["username"], "Ilsa");
    let signed_in = app.sign_in(&ilsa.id, &ilsa.email, PASSWORD).await;
    let hash = app.share(&signed_in, "By the other token", "").await;
    assert_eq!(app.see(&format!("/v/{hash}")).await.response(200)["channel"], "Ilsa");
    for answer in [app.channel_sign_in("ilsa", PASSWORD).await, app.see("/search/all/ilsa").await] {
        let text = String::from_utf8(answer.bytes).unwrap();
        assert!(!text.contains(PASSWORD) && !text.contains("argon2"), "{text}");
    }
    assert!(!claims_text(&ilsa.token).contains("password"));
}

fn claims_text(token: &str) -> String {
    crate::support::tokens::claims(token).to_string()
}

#[actix_web::test]
async fn an_account_of_the_other_contract_gets_its_channel_with_its_first_video() {
    let db = TestDb::create();
    let app = App::start(&db);
    app.member("house").await;
    app.member("rick.blaine").await;
    let mut names = BTreeSet::from(["house".to_owned(), "rick.blaine".to_owned()]);
    for (email, username) in [
        ("named@example.org", Some("Named_One")),
        ("ugarte@example.org", None),
        // One local part, three accounts; and one that is somebody's username.
        ("Ugarte@example.com", None),
        ("ugarte@example.net", None),
        ("rick.blaine@example.net", None),
        ("x@example.org", None),
        ("+!@example.org", None),
        ("a-local-part+that.is-longer-than-a-username@example.org", None),
    ] {
        let body = json!({
            "first_name": "A", "last_name": "B", "email": email, "password": PASSWORD, "username": username,
        });
        let id = app.post_open("/users/registration", body).await.id();
        let person = app.sign_in(&id, email, PASSWORD).await;
        let hash = app.share(&person, "The first", "").await;
        let name = app.see(&format!("/v/{hash}")).await.response(200)["channel"].as_str().unwrap().to_owned();
        let ordinary = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
        assert!((3..=25).contains(&name.len()) && name.chars().all(ordinary), "{email}: {name}");
        assert!(names.insert(name.to_lowercase()), "{email}: {name} is another's");
        match username {
            Some(username) => assert_eq!(name, username),
            // Channels are public: the name says nothing of the address.
            None => assert!(name.starts_with("user-") && name.len() == 12, "{email}: {name}"),
        }
        assert_eq!(app.get(&format!("/users/{id}"), &person).await.data(200)["username"], name.as_str());
        assert_eq!(app.see(&format!("/videos/channel/{name}")).await.each("thumbnail"), [hash]);
        // The next video is in the same channel.
        let next = app.share(&person, "The second", "").await;
        assert_eq!(app.see(&format!("/v/{next}")).await.response(200)["channel"], name.as_str());
    }
}

#[actix_web::test]
async fn two_first_videos_at_once_make_one_channel() {
    let db = TestDb::create();
    let app = patient(&db).start();
    app.member("house").await;
    let person = app.register().await;
    let hashes = join_all((0..6).map(|at| {
        let (app, person) = (&app, &person);
        async move { app.announce(person, &format!("Video {at}"), "").await }
    }))
    .await;
    assert_eq!(hashes.iter().collect::<BTreeSet<_>>().len(), 6);
    assert_eq!(count(&mut db.connect(), "channels"), 2);
}
