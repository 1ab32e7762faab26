//! Forgotten passwords: a link by mail, and the page behind it.

use std::time::{Duration, Instant};

use diesel::{QueryableByName, RunQueryDsl as _, sql_query, sql_types::BigInt};
use futures_util::future::join_all;
use serde_json::json;

use crate::support::{
    app::{Answer, App, Plan, eventually},
    people::PASSWORD,
    smtp::{Mood, Smtp},
    stores::TestDb,
    webdriver::Browser,
};

const NEW: &str = "a brand new password";

fn plan(db: &TestDb, smtp: &Smtp) -> Plan {
    Plan::over(db)
        .with("PLAYHOUSE_MAIL__SMTP_URL", &smtp.url())
        .with("PLAYHOUSE_MAIL__FROM", "The House <house@example.org>")
}

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    count: i64,
}

async fn forgot(app: &App, email: &str) -> Answer {
    app.post_open("/password/forgot", json!({"email": email})).await
}

async fn reset(app: &App, token: &str, password: &str) -> Answer {
    app.post_open("/password/reset", json!({"token": token, "password": password})).await
}

/// The secret in the newest of so many mails.
async fn token_of(smtp: &Smtp, mails: usize) -> String {
    let mails = smtp.wait_for(mails).await;
    let text = &mails.last().expect("a mail").text;
    let (_, rest) = text.split_once("#token=").expect("a link");
    rest.split_whitespace().next().expect("a token").to_owned()
}

#[actix_web::test]
async fn a_mailed_link_sets_a_new_password_once() {
    let (db, smtp) = (TestDb::create(), Smtp::start());
    let app = plan(&db, &smtp).start();
    let person = app.register().await;
    let answer = forgot(&app, &person.email.to_uppercase()).await;
    assert_eq!((answer.status, answer.json()), (200, json!({"response": ""})));
    let token = token_of(&smtp, 1).await;
    let mail = &smtp.mails()[0];
    assert_eq!(mail.to, std::slice::from_ref(&person.email), "the account's own spelling");
    assert!(mail.text.contains("http://127.0.0.1:8080/password/reset#token="), "{}", mail.text);
    assert!(mail.text.contains("30 minutes"), "{}", mail.text);
    // A password that is not taken uses nothing up.
    let short = reset(&app, &token, "short").await;
    assert_eq!((short.status, short.json()), (400, json!({"response": {"invalid-field": "password"}})));
    let set = reset(&app, &token, NEW).await;
    assert_eq!((set.status, set.json()), (200, json!({"response": ""})));
    // The old password, the old tokens and the link are over.
    assert_eq!(app.login(&person.email, PASSWORD).await.status, 401);
    assert_eq!(app.get("/users", &person).await.status, 401);
    assert_eq!(app.login(&person.email, NEW).await.status, 200);
    let again = reset(&app, &token, "yet another password").await;
    assert_eq!((again.status, again.json()), (400, json!({"response": "bad-token"})));
    assert_eq!(app.login(&person.email, NEW).await.status, 200);
}

#[actix_web::test]
async fn a_link_goes_to_the_accounts_own_address_however_the_database_compares() {
    let (db, smtp) = (TestDb::create(), Smtp::start());
    let app = plan(&db, &smtp).start();
    let body = json!({
        "first_name": "V", "last_name": "I", "email": "victim@gitlab.example.org", "password": PASSWORD,
    });
    app.post_open("/users/registration", body).await.data(201);
    // Postgres makes `i` of both; mail makes another domain of the second.
    for email in ["victim@G\u{130}TLAB.example.org", "victim@g\u{130}tlab.example.org", "VICTIM@gitlab.example.org"] {
        forgot(&app, email).await;
    }
    smtp.wait_for(1).await;
    let quiet = eventually(Duration::from_secs(3), async || smtp.mails().len() >= 4).await;
    assert!(!quiet && smtp.mails().iter().all(|mail| mail.to == ["victim@gitlab.example.org"]), "{:?}", smtp.mails());
}

#[actix_web::test]
async fn a_changed_password_or_address_ends_links_that_were_mailed_before() {
    let (db, smtp) = (TestDb::create(), Smtp::start());
    let app = plan(&db, &smtp).start();
    for (at, change) in [json!({"password": NEW}), json!({"email": "elsewhere@example.org"})].into_iter().enumerate() {
        let person = app.register().await;
        forgot(&app, &person.email).await;
        let token = token_of(&smtp, at + 1).await;
        let mut body = change.clone();
        body["current_password"] = json!(PASSWORD);
        app.patch(&format!("/users/{}", person.id), &person, body).await.data(200);
        let answer = reset(&app, &token, "an intruder's password").await;
        assert_eq!((answer.status, answer.json()), (400, json!({"response": "bad-token"})), "{change}");
    }
}

#[actix_web::test]
async fn who_guessed_too_often_and_has_the_link_can_sign_in() {
    let (db, smtp) = (TestDb::create(), Smtp::start());
    let app = plan(&db, &smtp).start();
    let person = app.register().await;
    for _ in 0..5 {
        app.login(&person.email, "a wrong password").await;
    }
    assert_eq!(app.login(&person.email, PASSWORD).await.status, 429);
    forgot(&app, &person.email).await;
    let token = token_of(&smtp, 1).await;
    assert_eq!(reset(&app, &token, NEW).await.status, 200);
    assert_eq!(app.login(&person.email, NEW).await.status, 200);
}

#[actix_web::test]
async fn of_many_uses_at_once_one_wins_and_other_links_end_with_it() {
    let (db, smtp) = (TestDb::create(), Smtp::start());
    let app = plan(&db, &smtp).start();
    let person = app.register().await;
    forgot(&app, &person.email).await;
    let other = token_of(&smtp, 1).await;
    forgot(&app, &person.email).await;
    let token = token_of(&smtp, 2).await;
    assert_ne!(token, other);
    let passwords: Vec<String> = (0..10).map(|at| format!("a new password {at}")).collect();
    let answers = join_all(passwords.iter().map(|password| reset(&app, &token, password))).await;
    let winners: Vec<usize> = (0..10).filter(|at| answers[*at].status == 200).collect();
    assert_eq!(winners.len(), 1, "{:?}", answers.iter().map(|answer| answer.status).collect::<Vec<_>>());
    assert_eq!(app.login(&person.email, &passwords[winners[0]]).await.status, 200);
    assert_eq!(reset(&app, &other, NEW).await.status, 400);
}

#[actix_web::test]
async fn links_have_a_form_and_a_time() {
    let (db, smtp) = (TestDb::create(), Smtp::start());
    let app = plan(&db, &smtp).with("PLAYHOUSE_AUTH__RESET_SECONDS", "1").start();
    let person = app.register().await;
    forgot(&app, &person.email).await;
    let token = token_of(&smtp, 1).await;
    // A second, and the rest of the one it was made in.
    tokio::time::sleep(Duration::from_millis(1500)).await;
    for wrong in [token.as_str(), "", "x", &"x".repeat(5000), "' OR 1=1 --"] {
        let answer = reset(&app, wrong, NEW).await;
        assert_eq!((answer.status, answer.json()), (400, json!({"response": "bad-token"})), "{wrong}");
    }
    assert_eq!(app.login(&person.email, PASSWORD).await.status, 200);
    for body in [json!({}), json!({"email": "ann"}), json!({"email": 7}), json!({"email": "a@example.org", "x": 1})] {
        assert_eq!(app.post_open("/password/forgot", body.clone()).await.status, 400, "{body}");
    }
    // Only digests are kept.
    let query = "SELECT count(*) FROM password_resets WHERE encode(digest, 'escape') LIKE '%' || $1 || '%'";
    let found = sql_query(query).bind::<diesel::sql_types::Text, _>(&token).get_result::<Count>(&mut db.connect());
    assert_eq!(found.unwrap().count, 0);
}

#[actix_web::test]
async fn the_answer_tells_nobody_who_has_an_account() {
    let (db, smtp) = (TestDb::create(), Smtp::start());
    let app = plan(&db, &smtp)
        .with("PLAYHOUSE_AUTH__RESETS_PER_EMAIL", "1000")
        .with("PLAYHOUSE_AUTH__RESETS_PER_ADDRESS", "1000")
        .start();
    let person = app.register().await;
    let (mut known, mut unknown) = (Vec::new(), Vec::new());
    for _ in 0..100 {
        for (times, email) in [(&mut known, person.email.as_str()), (&mut unknown, "nobody.at.all@example.org")] {
            let began = Instant::now();
            let answer = forgot(&app, email).await;
            times.push(began.elapsed());
            assert_eq!((answer.status, answer.bytes.as_slice()), (200, br#"{"response":""}"#.as_slice()));
        }
    }
    known.sort_unstable();
    unknown.sort_unstable();
    // The very same work is done for both; what differs is the noise of a busy machine.
    let (known, unknown) = (known[50], unknown[50]);
    assert!(known < unknown * 2 && unknown < known * 2, "medians {known:?} and {unknown:?}");
    let mails = smtp.wait_for(100).await;
    assert!(mails.iter().all(|mail| mail.to == [person.email.clone()]), "nobody else is written to");
}

#[actix_web::test]
async fn asking_has_its_limits_known_or_not() {
    let (db, smtp) = (TestDb::create(), Smtp::start());
    let plan =
        plan(&db, &smtp).with("PLAYHOUSE_AUTH__RESETS_PER_EMAIL", "3").with("PLAYHOUSE_AUTH__RESETS_PER_ADDRESS", "8");
    let (one, two) = (plan.start(), plan.start());
    let person = one.register().await;
    // Counted over nodes and without regard to case, for an account and for nobody alike.
    for email in [person.email.as_str(), "nobody@example.org"] {
        for (node, spelling) in [(&one, email.to_owned()), (&two, email.to_uppercase()), (&one, email.to_owned())] {
            assert_eq!(forgot(node, &spelling).await.status, 200, "{spelling}");
        }
        let refused = forgot(&two, email).await;
        assert_eq!(refused.status, 429, "{email}");
        let wait: u64 = refused.header("retry-after").unwrap().parse().unwrap();
        assert!((1..=900).contains(&wait), "{wait}");
        assert!(refused.json()["response"].is_string());
    }
    // Six so far from this address of the network.
    assert_eq!(forgot(&one, "a@example.org").await.status, 200);
    assert_eq!(forgot(&two, "b@example.org").await.status, 200);
    assert_eq!(forgot(&one, "c@example.org").await.status, 429);
    assert_eq!(smtp.wait_for(3).await.len(), 3);
}

#[actix_web::test]
async fn a_mail_that_was_promised_comes_also_after_a_kill() {
    let (db, smtp) = (TestDb::create(), Smtp::start());
    // Nobody takes the mail, so it cannot have gone out before the server dies.
    smtp.be(Mood::RefusesForNow);
    let mut app = plan(&db, &smtp).with("PLAYHOUSE_JOBS__DEAD_AFTER_SECONDS", "3").start();
    let person = app.register().await;
    assert_eq!(forgot(&app, &person.email).await.status, 200);
    app.kill();
    drop(app);
    smtp.be(Mood::Takes);
    let next = plan(&db, &smtp).with("PLAYHOUSE_JOBS__DEAD_AFTER_SECONDS", "3").start();
    let token = token_of(&smtp, 1).await;
    assert_eq!(reset(&next, &token, NEW).await.status, 200);
}

#[actix_web::test]
async fn the_page_behind_the_link_sets_the_password_in_a_browser() {
    let (db, smtp) = (TestDb::create(), Smtp::start());
    let app = plan(&db, &smtp).start();
    let person = app.register().await;
    forgot(&app, &person.email).await;
    let link = app.url(&format!("/password/reset#token={}", token_of(&smtp, 1).await));
    let browser = Browser::open().await;
    let said = async || browser.run("return document.querySelector('[role=status]').textContent").await;
    let says = async |word: &str| {
        eventually(Duration::from_mins(1), async || said().await.as_str().unwrap().contains(word)).await
    };
    browser.go(&link).await;
    browser.type_into("#password", "password1").await;
    browser.click("button").await;
    assert!(says("is not taken").await, "{}", said().await);
    browser.run("document.querySelector('#password').value = ''").await;
    browser.type_into("#password", NEW).await;
    browser.click("button").await;
    assert!(says("new password is set").await, "{}", said().await);
    assert_eq!(app.login(&person.email, NEW).await.status, 200);
    // The same link again, and one that was cut.
    browser.go(&app.url("/healthz")).await;
    browser.go(&link).await;
    browser.type_into("#password", "another password").await;
    browser.click("button").await;
    assert!(says("was used before").await, "{}", said().await);
    browser.go(&app.url("/password/reset")).await;
    assert!(says("not complete").await, "{}", said().await);
    let answer = app.client.get(app.url("/password/reset")).send().await.unwrap();
    let policy = answer.headers()["content-security-policy"].to_str().unwrap();
    assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
    assert_eq!(answer.headers()["referrer-policy"], "no-referrer");
}
