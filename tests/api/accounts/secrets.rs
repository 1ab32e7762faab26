//! Hashing under load, its time, and the secret that signs the tokens.

use std::{
    cell::Cell,
    time::{Duration, Instant},
};

use diesel::{QueryableByName, RunQueryDsl as _, sql_query, sql_types::Text};

use super::{at_once, count, fresh_email, message, patient, registration, retry_after};
use crate::support::{
    app::{Answer, App, Plan, eventually},
    load::my_turn,
    people::PASSWORD,
    stores::TestDb,
};

#[actix_web::test]
async fn sixty_four_logins_at_once_hold_nobody_up() {
    let db = TestDb::create();
    let app = patient(&db).with("PLAYHOUSE_AUTH__HASH_MEMORY_KIB", "32768").start();
    let mut people = Vec::new();
    for _ in 0..8 {
        people.push(app.register().await);
    }
    let done = Cell::new(false);
    let logins = async {
        let began = Instant::now();
        let answers = at_once(64, |at| app.login(&people[at % 8].email, PASSWORD)).await;
        done.set(true);
        (answers, began.elapsed())
    };
    let meanwhile = async {
        let mut times = Vec::new();
        while !done.get() {
            let began = Instant::now();
            assert_eq!(app.get("/genres", &people[0]).await.status, 200);
            times.push(began.elapsed());
        }
        times
    };
    let ((answers, all), times) = futures_util::future::join(logins, meanwhile).await;
    for answer in &answers {
        match answer.status {
            200 => {}
            503 => assert!(retry_after(answer) > 0),
            other => panic!("{other}: {}", String::from_utf8_lossy(&answer.bytes)),
        }
    }
    assert!(answers.iter().any(|answer| answer.status == 200));
    // Behind hashes on the workers it would wait for a good part of them.
    let ordinary = median(times);
    assert!(ordinary < all / 10, "a JSON route took {ordinary:?} while 64 logins took {all:?}");
}

#[actix_web::test]
async fn a_full_hash_queue_is_503_and_costs_no_try() {
    let db = TestDb::create();
    let plan = patient(&db)
        .with("PLAYHOUSE_AUTH__HASH_THREADS", "1")
        .with("PLAYHOUSE_AUTH__HASH_QUEUE", "1")
        // Half a second and more a hash: longer than a request waits for a place.
        .with("PLAYHOUSE_AUTH__HASH_MEMORY_KIB", "131072")
        .with("PLAYHOUSE_AUTH__HASH_PASSES", "4");
    let app = plan.start();
    let email = fresh_email();
    // Five at once, one of a pair's places each.
    let answers = at_once(5, |_| app.login(&email, "a wrong password")).await;
    let busy: Vec<&Answer> = answers.iter().filter(|answer| answer.status == 503).collect();
    let looked_at = answers.iter().filter(|answer| answer.status == 401).count();
    assert!(!busy.is_empty(), "the queue was never full");
    assert_eq!(looked_at + busy.len(), 5);
    for answer in busy {
        assert!(retry_after(answer) > 0);
        assert_eq!(message(answer), "The service is temporarily unavailable");
    }
    let answer = app.login(&email, "a wrong password").await;
    assert!(message(&answer).ends_with(&format!("Tries left: {}.", 4 - looked_at)), "{}", message(&answer));
    let answers = at_once(5, |_| app.post_open("/users/registration", registration(&fresh_email()))).await;
    let busy = answers.iter().filter(|answer| answer.status == 503).count();
    let made = answers.iter().filter(|answer| answer.status == 201).count();
    assert!(busy > 0 && made > 0 && busy + made == 5, "{busy} busy, {made} made");
    assert_eq!(usize::try_from(count(&db, "users")), Ok(made), "one that was refused was made");
}

async fn time_of(app: &App, email: &str) -> Duration {
    let began = Instant::now();
    let answer = app.login(email, "a wrong password").await;
    let took = began.elapsed();
    assert_eq!(answer.status, 401);
    took
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

/// Two of these numbers between which the median lies of what they are a sample of, but for one case in a thousand:
/// as many lie below it as coins show heads, whatever disturbs a measurement.
fn bounds_of_median(numbers: &mut [f64]) -> (f64, f64) {
    numbers.sort_unstable_by(f64::total_cmp);
    let count = numbers.len();
    // 3.3 standard deviations of the number of heads, each of which is half of the root of the number of coins.
    let apart = (count * 11 / 4).isqrt() + 1;
    (numbers[(count / 2).saturating_sub(apart)], numbers[(count / 2 + apart).min(count - 1)])
}

#[actix_web::test]
async fn an_unknown_email_takes_as_long_as_a_wrong_password() {
    let db = TestDb::create();
    let plan =
        patient(&db).with("PLAYHOUSE_AUTH__HASH_MEMORY_KIB", "4096").with("PLAYHOUSE_AUTH__LOCKOUT_TRIES", "1000000");
    let app = plan.start();
    let person = app.register().await;
    let _turn = my_turn().await;
    let mut ratios = Vec::new();
    // What else runs on the machine makes a median uncertain, and more tries make it certain again. A difference of
    // ours is in each.
    loop {
        for at in 0..200 {
            let stranger = fresh_email();
            // One right after the other, and neither always second.
            let (known, unknown) = if at % 2 == 0 {
                let known = time_of(&app, &person.email).await;
                (known, time_of(&app, &stranger).await)
            } else {
                let unknown = time_of(&app, &stranger).await;
                (time_of(&app, &person.email).await, unknown)
            };
            ratios.push(unknown.as_secs_f64() / known.as_secs_f64());
        }
        let (least, most) = bounds_of_median(&mut ratios);
        let tries = ratios.len();
        if least >= 0.95 && most <= 1.05 {
            return;
        }
        let may_be_even = least <= 1.05 && most >= 0.95;
        let said = format!("an unknown e-mail address takes {least} to {most} times as long as a wrong password");
        assert!(may_be_even && tries < 6000, "{said}, by {tries} tries each");
    }
}

#[actix_web::test]
async fn a_sign_in_renews_a_hash_that_costs_what_the_settings_wanted_before() {
    let db = TestDb::create();
    let costs = |passes: &str| {
        let plan = patient(&db).with("PLAYHOUSE_AUTH__HASH_MEMORY_KIB", "64");
        plan.with("PLAYHOUSE_AUTH__HASH_PASSES", passes).start()
    };
    let person = costs("1").register().await;
    let stored = || {
        let row: Hash = sql_query("SELECT password_hash FROM users").get_result(&mut db.connect()).expect("the row");
        row.password_hash
    };
    let before = stored();
    assert!(before.starts_with("$argon2id$v=19$m=64,t=1,p=1$"), "{before}");
    let app = costs("2");
    assert_eq!(app.login(&person.email, "a wrong password").await.status, 401);
    assert_eq!(stored(), before);
    assert_eq!(app.login(&person.email, PASSWORD).await.status, 200);
    assert!(eventually(Duration::from_secs(10), async || stored() != before).await);
    let renewed = stored();
    assert!(renewed.starts_with("$argon2id$v=19$m=64,t=2,p=1$"), "{renewed}");
    assert_eq!(app.get("/genres", &person).await.status, 200, "no token ends");
    assert_eq!(app.login(&person.email, PASSWORD).await.status, 200);
    assert_eq!(stored(), renewed, "once");
}

#[derive(QueryableByName)]
struct Hash {
    #[diesel(sql_type = Text)]
    password_hash: String,
}

/// Standard error of a server that must not start.
fn refused_start(plan: &Plan) -> String {
    let output = plan.command().output().expect("it runs");
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(output.stdout.is_empty(), "{output:?}");
    String::from_utf8(output.stderr).expect("UTF-8")
}

#[actix_web::test]
async fn without_a_good_secret_there_is_no_start() {
    let db = TestDb::create();
    let short = "short-and-secret-of-31-bytes-xx";
    assert_eq!(short.len(), 31);
    let secret = "PLAYHOUSE_AUTH__TOKEN_SECRET";
    for plan in [
        patient(&db).with(secret, short),
        patient(&db).with(secret, "x"),
        patient(&db).with("PLAYHOUSE_ENV", "production").with(secret, ""),
        patient(&db).with("PLAYHOUSE_ENV", "production").with(secret, short),
    ] {
        let said = refused_start(&plan);
        assert_eq!(said.lines().count(), 1, "{said}");
        assert!(said.contains("auth.token_secret"), "{said}");
        assert!(!said.contains(short), "{said}");
    }
    let said = refused_start(&patient(&db).with("PLAYHOUSE_AUTH__LEEWAY_SECONDS", "6"));
    assert!(said.contains("auth.leeway_seconds") && said.lines().count() == 1, "{said}");
    let plan = patient(&db).with("PLAYHOUSE_ENV", "production").with("PLAYHOUSE_HTTP__BIND", "127.0.0.1:0");
    plan.start().register().await;
}

#[actix_web::test]
async fn a_secret_that_is_made_is_kept_for_the_next_start() {
    let db = TestDb::create();
    let plan = patient(&db).with("PLAYHOUSE_AUTH__TOKEN_SECRET", "");
    let mut app = plan.start();
    let person = app.register().await;
    app.kill();
    assert_eq!(plan.start().get("/genres", &person).await.status, 200);
    let other = patient(&db).with("PLAYHOUSE_AUTH__TOKEN_SECRET", "").start();
    assert_eq!(other.get("/genres", &person).await.status, 401, "another folder has another secret");
}
