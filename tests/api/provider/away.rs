//! A provider that is away: refusals with a time, the breaker, and the way back.

use std::{
    io::Write as _,
    net::TcpListener,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use serde_json::json;
use wiremock::{Request, ResponseTemplate};

use super::{house, page};
use crate::support::{
    app::{Answer, App, Plan, eventually},
    load::{my_turn, timed},
    provider::{asked, change, failing, good, provider},
    stores::TestDb,
};

/// A 503 with `Retry-After`, in the contract's shape.
#[track_caller]
fn is_away(answer: &Answer) {
    assert_eq!(answer.status, 503, "{}", String::from_utf8_lossy(&answer.bytes));
    assert_eq!(answer.json(), json!({"detail": "The provider of movies is away"}));
    let seconds: u64 = answer.header("retry-after").expect("a time").parse().expect("seconds");
    assert!((1..=60).contains(&seconds), "{seconds}");
}

#[actix_web::test]
async fn without_a_provider_there_are_no_movies() {
    let db = TestDb::create();
    let app = App::start(&db);
    let person = app.register().await;
    let answer = app.movies(&person, 1).await;
    assert_eq!((answer.status, answer.json()), (503, json!({"detail": "No provider of movies is configured"})));
    assert!(answer.header("retry-after").is_some_and(|seconds| seconds.parse::<u32>().is_ok()));
}

#[actix_web::test]
async fn a_try_that_fails_is_made_again_and_the_provider_s_own_pause_is_kept() {
    let server = provider(failing(|at| at < 4)).await;
    let (_db, app, person) = house(&server, |plan| plan).await;
    page(&app.movies(&person, 1).await);
    assert_eq!(asked(&server).await, 5);

    let busy = AtomicBool::new(true);
    let once = move |request: &Request| {
        if busy.swap(false, Ordering::SeqCst) {
            ResponseTemplate::new(429).insert_header("retry-after", "1")
        } else {
            good(request)
        }
    };
    change(&server, once).await;
    let (answer, took) = timed(app.movies(&person, 2)).await;
    page(&answer);
    assert_eq!(asked(&server).await, 2);
    assert!(took >= Duration::from_secs(1), "{took:?}");

    // It asks for more time than a request has: no try is worth it.
    change(&server, ResponseTemplate::new(503).insert_header("retry-after", "50")).await;
    let answer = app.movies(&person, 3).await;
    is_away(&answer);
    assert_eq!(answer.header("retry-after"), Some("50"));
    assert_eq!(asked(&server).await, 1);
}

#[actix_web::test]
async fn a_provider_that_hangs_is_given_up_at_the_deadline() {
    let hangs = |request: &Request| good(request).set_delay(Duration::from_secs(30));
    let server = provider(hangs).await;
    let change = |plan: Plan| {
        plan.with("PLAYHOUSE_PROVIDER__READ_TIMEOUT_MS", "200").with("PLAYHOUSE_PROVIDER__DEADLINE_MS", "1000")
    };
    let (_db, app, person) = house(&server, change).await;
    let (answer, took) = timed(app.movies(&person, 1)).await;
    is_away(&answer);
    assert!((900..3000).contains(&took.as_millis()), "{took:?}");
    let tries = asked(&server).await;
    assert!((2..=5).contains(&tries), "{tries} tries");
}

#[actix_web::test]
async fn a_provider_that_sends_a_byte_now_and_then_is_given_up_at_the_deadline_too() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    // Ends with the test process.
    std::thread::spawn(move || {
        for mut socket in listener.incoming().flatten() {
            std::thread::spawn(move || {
                let head: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n";
                let mut sent = socket.write_all(head);
                while sent.is_ok() {
                    std::thread::sleep(Duration::from_millis(50));
                    sent = socket.write_all(b" ");
                }
            });
        }
    });
    let db = TestDb::create();
    let plan = Plan::over(&db).with_provider_at(&format!("http://{address}/"));
    let app = plan.with("PLAYHOUSE_PROVIDER__DEADLINE_MS", "800").start();
    let person = app.register().await;
    let (answer, took) = timed(app.movies(&person, 1)).await;
    is_away(&answer);
    assert!((800..3000).contains(&took.as_millis()), "{took:?}");
}

#[actix_web::test]
async fn a_provider_that_is_gone_is_left_alone_and_refusals_take_no_time() {
    let _turn = my_turn().await;
    // Nobody listens there any more.
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let db = TestDb::create();
    let plan = Plan::over(&db).with_provider_at(&format!("http://{address}/"));
    let app = plan.with("PLAYHOUSE_PROVIDER__BREAKER_OPEN_MS", "50000").start();
    let person = app.register().await;
    for number in 1..=3 {
        is_away(&app.movies(&person, number).await);
    }
    let open = async || {
        let answer = app.movies(&person, 4).await;
        is_away(&answer);
        answer.header("retry-after").is_some_and(|seconds| seconds.parse::<u32>().unwrap() > 10)
    };
    assert!(eventually(Duration::from_secs(10), open).await, "it is asked again and again");
    let mut took = Vec::new();
    for number in 1..=200 {
        let (answer, time) = timed(app.movies(&person, number)).await;
        is_away(&answer);
        took.push(time);
    }
    took.sort_unstable();
    // Of the machine's other work the slowest ones tell.
    assert!(took[100] < Duration::from_millis(5), "half of them took longer than {:?}", took[100]);
}

#[actix_web::test]
async fn a_breaker_lets_one_try_through_and_closes_when_it_is_answered() {
    let server = provider(ResponseTemplate::new(500)).await;
    let change_plan =
        |plan: Plan| plan.with("PLAYHOUSE_PROVIDER__BREAKER_OPEN_MS", "1000").with("PLAYHOUSE_PROVIDER__RETRIES", "2");
    let (_db, app, person) = house(&server, change_plan).await;
    for number in 1..=3 {
        is_away(&app.movies(&person, number).await);
    }
    assert_eq!(asked(&server).await, 9);
    // Its time passes; of all who ask then, one tries, once.
    let slow = |_: &Request| ResponseTemplate::new(500).set_delay(Duration::from_millis(300));
    for _ in 0..2 {
        change(&server, slow).await;
        let begin = Instant::now();
        let tried = async || {
            let answers = join_all((1..=20).map(|number| app.movies(&person, number))).await;
            answers.iter().for_each(is_away);
            asked(&server).await > 0
        };
        assert!(eventually(Duration::from_secs(20), tried).await, "it is not tried again");
        assert_eq!(asked(&server).await, 1, "more than one was let through");
        assert!(begin.elapsed() >= Duration::from_millis(300));
    }
    change(&server, good).await;
    let back = async || app.movies(&person, 1).await.status == 200;
    assert!(eventually(Duration::from_secs(20), back).await, "it does not close");
    // The actor hears of the probe's end beside the answer.
    let all = async || {
        let answers = join_all((1..=20).map(|number| app.movies(&person, number))).await;
        answers.iter().all(|answer| answer.status == 200)
    };
    assert!(eventually(Duration::from_secs(5), all).await, "it lets through some only");
}

#[actix_web::test]
async fn calls_that_run_when_the_provider_is_given_up_do_not_go_on() {
    let gone = Arc::new(AtomicBool::new(false));
    let server = provider(ResponseTemplate::new(500).set_delay(Duration::from_millis(100))).await;
    let settings = |plan: Plan| {
        plan.with("PLAYHOUSE_PROVIDER__BREAKER_FAILURES", "1")
            .with("PLAYHOUSE_PROVIDER__RETRIES", "5")
            .with("PLAYHOUSE_PROVIDER__BREAKER_OPEN_MS", "60000")
    };
    let (_db, app, person) = house(&server, settings).await;
    // One call begins early, and the others when it is about to fail.
    let first = async {
        is_away(&app.movies(&person, 1).await);
        gone.store(true, Ordering::SeqCst);
    };
    let others = async {
        assert!(eventually(Duration::from_secs(20), async || asked(&server).await >= 5).await);
        join_all((2..=11).map(|number| app.movies(&person, number))).await
    };
    let ((), answers) = tokio::join!(first, others);
    assert!(gone.load(Ordering::SeqCst));
    answers.iter().for_each(is_away);
    // Six of the first, and far from six of each of the others.
    let tries = asked(&server).await;
    assert!(tries < 6 + 10 * 4, "{tries} tries");
}
