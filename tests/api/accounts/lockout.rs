//! Wrong passwords: what they answer, and how many are looked at.

use std::{collections::BTreeSet, time::Duration};

use playhouse::cache::keys::LOCKOUT_SCRIPT;
use reqwest::Method;
use serde_json::json;

use super::{at_once, fresh_email, message, patient, retry_after};
use crate::{
    statistics::ask,
    support::{
        app::{Answer, App, eventually},
        people::PASSWORD,
        stores::TestDb,
    },
};

#[actix_web::test]
async fn a_wrong_password_and_an_unknown_email_answer_alike_and_count_the_tries_left() {
    let db = TestDb::create();
    let app = patient(&db).start();
    let person = app.register().await;
    let unknown = fresh_email();
    for left in (0..5).rev() {
        let known = app.login(&person.email, "a wrong password").await;
        let stranger = app.login(&unknown, "a wrong password").await;
        let expected = json!({
            "status": 401,
            "response": "Unauthorized",
            "message": format!("Invalid email or password. Tries left: {left}."),
        });
        assert_eq!((known.status, known.json()), (401, expected.clone()));
        assert_eq!((stranger.status, stranger.json()), (401, expected));
        let names = |answer: &Answer| answer.headers.keys().map(ToString::to_string).collect::<BTreeSet<_>>();
        assert_eq!(names(&known), names(&stranger));
    }
    for email in [&person.email, &unknown] {
        // The right password does not help any more.
        let answer = app.login(email, PASSWORD).await;
        assert_eq!(answer.status, 429);
        assert_eq!(answer.json()["response"], "Too Many Requests");
        let seconds = retry_after(&answer);
        assert!((890..=900).contains(&seconds), "{seconds}");
        assert!(message(&answer).contains("Try again in"));
    }
    assert_eq!(app.login(&person.email.to_uppercase(), PASSWORD).await.status, 429, "case gives no new tries");
    let other = app.register().await;
    assert_eq!(app.login(&other.email, PASSWORD).await.status, 200, "another account is blocked, too");
    assert_eq!(app.get("/users", &person).await.status, 200, "who is signed in stays so");
}

#[actix_web::test]
async fn the_right_password_clears_the_count() {
    let db = TestDb::create();
    let app = patient(&db).start();
    let person = app.register().await;
    for _ in 0..3 {
        for left in (1..5).rev() {
            let answer = app.login(&person.email, "a wrong password").await;
            assert!(message(&answer).ends_with(&format!("Tries left: {left}.")), "{}", message(&answer));
        }
        assert_eq!(app.login(&person.email, PASSWORD).await.status, 200);
    }
}

#[actix_web::test]
async fn a_block_ends_after_its_time() {
    let db = TestDb::create();
    let plan = patient(&db).with("PLAYHOUSE_AUTH__LOCKOUT_BLOCK_SECONDS", "1");
    let app = plan.start();
    let person = app.register().await;
    for _ in 0..5 {
        assert_eq!(app.login(&person.email, "a wrong password").await.status, 401);
    }
    let freed = || async { app.login(&person.email, PASSWORD).await.status == 200 };
    assert!(eventually(Duration::from_secs(10), freed).await);
}

#[actix_web::test]
async fn a_wrong_password_counts_for_the_time_of_the_window_and_no_longer() {
    let db = TestDb::create();
    let app = patient(&db).with("PLAYHOUSE_AUTH__LOCKOUT_WINDOW_SECONDS", "3").start();
    let person = app.register().await;
    for _ in 0..4 {
        assert_eq!(app.login(&person.email, "a wrong password").await.status, 401);
    }
    // By the clock of Redis, which no test moves.
    tokio::time::sleep(Duration::from_millis(3100)).await;
    let answer = app.login(&person.email, "a wrong password").await;
    assert!(message(&answer).ends_with("Tries left: 4."), "{}", message(&answer));
}

#[test]
fn a_try_that_nobody_ends_counts_as_a_wrong_one_after_its_life_though_others_are_open() {
    let db = TestDb::create();
    // A try, told to Redis as a node tells it: five at most, in an hour, and a block of an hour.
    let step = |what: &str, id: &str, life: u64| {
        let mut command = redis::cmd("EVAL");
        command.arg(LOCKOUT_SCRIPT).arg(3);
        for part in ["tries", "open", "block"] {
            command.arg(format!("{}:a-pair:{part}", db.prefix()));
        }
        command.arg(what).arg(id).arg(5).arg(3_600_000).arg(3_600_000).arg(life);
        ask::<(String, i64)>(&db.redis_url(), &command)
    };
    let left = |number: i64| ("left".to_owned(), number);
    // Four of a node that dies, and one of another node, that goes on.
    for (at, id) in ["a", "b", "c", "d"].into_iter().enumerate() {
        assert_eq!(step("begin", id, 500), left(4 - i64::try_from(at).unwrap()));
    }
    assert_eq!(step("begin", "e", 60_000), left(0));
    std::thread::sleep(Duration::from_millis(550));
    assert_eq!(step("wrong", "e", 60_000), left(0), "the fifth wrong one");
    assert_eq!(step("begin", "f", 60_000).0, "blocked");
}

async fn login_from(app: &App, address: &str, email: &str, password: &str) -> Answer {
    let request = app.request(Method::POST, "/users/login", None).header("x-forwarded-for", address);
    Answer::of(request.json(&json!({"email": email, "password": password}))).await
}

#[actix_web::test]
async fn another_address_is_not_blocked_behind_a_proxy_that_is_trusted() {
    let db = TestDb::create();
    let app = patient(&db).with("PLAYHOUSE_HTTP__TRUSTED_PROXIES", "127.0.0.1").start();
    let person = app.register().await;
    for _ in 0..5 {
        assert_eq!(login_from(&app, "203.0.113.5", &person.email, "a wrong password").await.status, 401);
    }
    assert_eq!(login_from(&app, "203.0.113.5", &person.email, PASSWORD).await.status, 429);
    // What a client puts before the address the proxy saw changes nothing.
    for forged in ["198.51.100.1, 203.0.113.5", "198.51.100.1, 203.0.113.5, 127.0.0.1"] {
        assert_eq!(login_from(&app, forged, &person.email, PASSWORD).await.status, 429, "{forged}");
    }
    assert_eq!(login_from(&app, "198.51.100.7", &person.email, PASSWORD).await.status, 200);
    assert_eq!(login_from(&app, "2001:db8::7", &person.email, PASSWORD).await.status, 200);
}

#[actix_web::test]
async fn a_forwarded_address_from_anyone_else_is_not_believed() {
    let db = TestDb::create();
    let app = patient(&db).start();
    let person = app.register().await;
    for at in 0..5 {
        let address = format!("203.0.113.{at}");
        assert_eq!(login_from(&app, &address, &person.email, "a wrong password").await.status, 401);
    }
    assert_eq!(login_from(&app, "198.51.100.7", &person.email, PASSWORD).await.status, 429);
}

#[actix_web::test]
async fn of_fifty_guesses_at_once_five_get_through() {
    let db = TestDb::create();
    let plan = patient(&db);
    let nodes = [plan.start(), plan.start()];
    let person = nodes[0].register().await;
    for email in [person.email, fresh_email()] {
        let answers = at_once(50, |at| nodes[at % 2].login(&email, "a wrong password")).await;
        let with = |status: u16| answers.iter().filter(|answer| answer.status == status).count();
        assert_eq!((with(401), with(429)), (5, 45));
        for blocked in answers.iter().filter(|answer| answer.status == 429) {
            assert!(retry_after(blocked) > 0);
        }
    }
}

#[actix_web::test]
async fn a_right_password_among_fifty_guesses_at_once_is_one_of_the_five() {
    let db = TestDb::create();
    let app = patient(&db).start();
    let person = app.register().await;
    let answers =
        at_once(50, |at| app.login(&person.email, if at == 49 { PASSWORD } else { "a wrong password" })).await;
    let wrong = answers.iter().filter(|answer| answer.status == 401).count();
    // Were the right one let through, it would have cleared the count for five more.
    let most = if answers[49].status == 200 { 10 } else { 5 };
    assert!(wrong <= most, "{wrong} guesses were looked at");
}

#[actix_web::test]
async fn the_lockout_holds_over_nodes_and_a_restart() {
    let db = TestDb::create();
    let plan = patient(&db);
    let (mut one, two) = (plan.start(), plan.start());
    let person = one.register().await;
    for (at, node) in [&one, &two, &one, &two].into_iter().enumerate() {
        let answer = node.login(&person.email, "a wrong password").await;
        assert!(message(&answer).ends_with(&format!("Tries left: {}.", 4 - at)), "{}", message(&answer));
    }
    one.kill();
    let one = plan.start();
    assert!(message(&one.login(&person.email, "a wrong password").await).ends_with("Tries left: 0."));
    for node in [&two, &one, &plan.start()] {
        assert_eq!(node.login(&person.email, PASSWORD).await.status, 429);
    }
}

#[actix_web::test]
async fn guessing_the_current_password_is_bounded_like_signing_in() {
    let db = TestDb::create();
    let app = patient(&db).start();
    let person = app.register().await;
    let path = format!("/users/{}", person.id);
    let guess = |password: &str| json!({"password": "another password", "current_password": password});
    let answers = at_once(20, |_| app.patch(&path, &person, guess("a wrong password"))).await;
    let with = |status: u16| answers.iter().filter(|answer| answer.status == status).count();
    assert_eq!((with(400), with(429)), (5, 15));
    let answer = app.patch(&path, &person, guess(PASSWORD)).await;
    assert_eq!(answer.status, 429);
    assert!(retry_after(&answer) > 0);
    // An account has one count, whichever way its password is guessed.
    assert_eq!(app.login(&person.email, PASSWORD).await.status, 429);
}
