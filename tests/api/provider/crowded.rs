//! Many at once: a provider that fails in every way, one that is slow, clients that leave, and places that are taken.

use std::{
    cell::Cell,
    rc::Rc,
    time::{Duration, Instant},
};

use futures_util::{StreamExt as _, future::join_all, stream};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};
use wiremock::{Request, ResponseTemplate};

use super::{house, page};
use crate::support::{
    app::{Answer, Plan, eventually},
    load::{my_turn, timed},
    provider::{asked, good, lot, page as written, page_of, provider},
    stores::TestDb,
};

const AWAY: &str = "The provider of movies is away";
const BUSY: &str = "Too many requests wait for the provider of movies";

/// Of the tries two of five fail: by a 500, by a connection that is reset, by silence.
async fn serve(listener: TcpListener, seen: Rc<[Cell<usize>; 4]>) {
    let tries = Rc::new(Cell::new(0));
    loop {
        let (stream, _) = listener.accept().await.expect("a connection");
        tokio::task::spawn_local(connection(stream, Rc::clone(&tries), Rc::clone(&seen)));
    }
}

async fn connection(mut stream: TcpStream, tries: Rc<Cell<usize>>, seen: Rc<[Cell<usize>; 4]>) {
    let mut head = Vec::new();
    loop {
        let mut piece = [0; 2048];
        match stream.read(&mut piece).await {
            Ok(0) | Err(_) => return,
            Ok(length) => head.extend_from_slice(&piece[..length]),
        }
        if !head.ends_with(b"\r\n\r\n") {
            continue;
        }
        let lot = lot(tries.replace(tries.get() + 1));
        let way = if lot % 5 < 2 { usize::try_from(lot / 5 % 3).unwrap() } else { 3 };
        seen[way].set(seen[way].get() + 1);
        let text = String::from_utf8(std::mem::take(&mut head)).unwrap();
        let answer = match way {
            0 => "HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\n\r\n".to_owned(),
            1 => {
                stream.set_zero_linger().unwrap();
                return;
            }
            2 => {
                // Until the client gives up.
                while stream.read(&mut piece).await.is_ok_and(|length| length > 0) {}
                return;
            }
            _ => {
                let number = text.split("page=").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap();
                let body = written(number).to_string();
                format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len())
            }
        };
        if stream.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

#[actix_web::test]
async fn with_the_default_times_a_provider_that_fails_and_hangs_two_of_five_tries_serves_99_of_100() {
    let _turn = my_turn().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let seen = Rc::<[Cell<usize>; 4]>::default();
    tokio::task::spawn_local(serve(listener, Rc::clone(&seen)));
    let db = TestDb::create();
    let app = Plan::over(&db).with("PLAYHOUSE_PROVIDER__BASE_URL", &format!("http://{address}/")).start();
    let person = app.register().await;
    let ask = async |number: u32| app.movies(&person, number).await;
    let answers: Vec<Answer> = stream::iter(1..=640).map(ask).buffer_unordered(64).collect().await;
    let served = answers.iter().filter(|answer| answer.status == 200).count();
    assert!(served >= 634, "{served} of 640; {seen:?}");
    // They did fail in each way, and nobody was refused by the breaker.
    assert!(seen.iter().take(3).all(|way| way.get() > 50), "{seen:?}");
    let document = Answer::of(app.request(reqwest::Method::GET, "/metrics", None)).await;
    assert!(!String::from_utf8_lossy(&document.bytes).contains("outcome=\"refused\""), "the breaker opened");
}

#[actix_web::test]
async fn calls_that_wait_long_for_their_place_are_busy_and_do_not_open_the_breaker() {
    let slow = |request: &Request| good(request).set_delay(Duration::from_millis(300));
    let server = provider(slow).await;
    let settings = |plan: Plan| {
        plan.with("PLAYHOUSE_PROVIDER__PARALLEL", "1")
            .with("PLAYHOUSE_PROVIDER__DEADLINE_MS", "4000")
            .with("PLAYHOUSE_PROVIDER__READ_TIMEOUT_MS", "3000")
    };
    let (_db, app, person) = house(&server, settings).await;
    // More than it can serve, for longer than the deadline, so that some always come to their place at the last moment.
    let answers = join_all((0..120).map(async |number| {
        tokio::time::sleep(Duration::from_millis(50) * number).await;
        app.movies(&person, number + 1).await
    }))
    .await;
    let busy = answers.iter().filter(|answer| answer.status == 503);
    for answer in busy.clone() {
        assert_eq!(answer.json(), json!({"detail": BUSY}));
        assert_eq!(answer.header("retry-after"), Some("1"));
    }
    assert!(busy.count() > 20, "there was no crowd");
    page(&app.movies(&person, 999).await);
}

#[actix_web::test]
async fn no_more_calls_wait_than_the_settings_say() {
    let slow = |request: &Request| good(request).set_delay(Duration::from_secs(1));
    let server = provider(slow).await;
    let settings = |plan: Plan| {
        plan.with("PLAYHOUSE_PROVIDER__PARALLEL", "2")
            .with("PLAYHOUSE_PROVIDER__QUEUE", "3")
            .with("PLAYHOUSE_PROVIDER__DEADLINE_MS", "40000")
            .with("PLAYHOUSE_PROVIDER__READ_TIMEOUT_MS", "20000")
    };
    let (_db, app, person) = house(&server, settings).await;
    let begin = Instant::now();
    let answers = join_all((1..=9).map(async |number| {
        let answer = app.movies(&person, number).await;
        (answer.status, answer.json()["detail"].clone(), begin.elapsed())
    }))
    .await;
    let (served, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(|(status, ..)| *status == 200);
    assert_eq!((served.len(), refused.len()), (5, 4), "{refused:?}");
    assert!(refused.iter().all(|(_, detail, _)| detail == BUSY), "{refused:?}");
    // At once, and not when a place was free.
    let first = served.iter().map(|(.., took)| took).min().unwrap();
    assert!(refused.iter().all(|(.., took)| took < first), "{first:?}, {refused:?}");
}

#[actix_web::test]
async fn clients_that_leave_take_their_waiting_calls_along() {
    let slow = |request: &Request| good(request).set_delay(Duration::from_millis(1500));
    let server = provider(slow).await;
    let settings = |plan: Plan| {
        plan.with("PLAYHOUSE_PROVIDER__PARALLEL", "2")
            .with("PLAYHOUSE_PROVIDER__DEADLINE_MS", "60000")
            .with("PLAYHOUSE_PROVIDER__READ_TIMEOUT_MS", "20000")
    };
    let (_db, app, person) = house(&server, settings).await;
    let clients = join_all((1..=200).map(async |number| {
        let mut stream = app.connect().await;
        let head =
            format!("GET /movies/?page={number} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\n\r\n", person.token);
        stream.write_all(head.as_bytes()).await.unwrap();
        // The connection is reset when it is dropped.
        stream.set_zero_linger().unwrap();
        stream
    }))
    .await;
    assert!(eventually(Duration::from_secs(20), async || asked(&server).await == 2).await, "they do not begin");
    drop(clients);
    page(&app.movies(&person, 999).await);
    // The two that ran, and this one; and perhaps some that came to their place in the same moment.
    let requests = asked(&server).await;
    assert!(requests <= 5, "{requests} requests for clients that had left");
}

#[actix_web::test]
async fn refusals_take_no_time_while_a_probe_runs_and_all_places_are_taken() {
    let _turn = my_turn().await;
    let hangs = |number: u32| number > 1000;
    let server = provider(move |request: &Request| {
        if hangs(page_of(request)) {
            good(request).set_delay(Duration::from_mins(1))
        } else {
            ResponseTemplate::new(500)
        }
    })
    .await;
    let settings = |plan: Plan| {
        plan.with("PLAYHOUSE_PROVIDER__PARALLEL", "2")
            .with("PLAYHOUSE_PROVIDER__RETRIES", "0")
            .with("PLAYHOUSE_PROVIDER__BREAKER_FAILURES", "1")
            .with("PLAYHOUSE_PROVIDER__BREAKER_OPEN_MS", "1000")
            .with("PLAYHOUSE_PROVIDER__DEADLINE_MS", "60000")
            .with("PLAYHOUSE_PROVIDER__READ_TIMEOUT_MS", "60000")
    };
    let (_db, app, person) = house(&server, settings).await;
    let hung = async |count: usize| {
        let requests = server.received_requests().await.unwrap();
        requests.iter().filter(|request| hangs(page_of(request))).count() == count
    };
    // One keeps its place from before, and one is the probe.
    let before = app.movies(&person, 1001);
    let probe = async {
        loop {
            app.movies(&person, 1002).await;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let refused = async {
        let mut took = Vec::new();
        for number in 1..=200 {
            let (answer, time) = timed(app.movies(&person, number)).await;
            assert_eq!((answer.status, answer.json()), (503, json!({"detail": AWAY})));
            assert!(answer.header("retry-after").is_some());
            took.push(time);
        }
        took.sort_unstable();
        took[100]
    };
    let whole = async {
        assert!(eventually(Duration::from_secs(20), async || hung(1).await).await);
        // It opens, with one place taken.
        assert_eq!(app.movies(&person, 1).await.status, 503);
        let half_open = async {
            assert!(eventually(Duration::from_secs(20), async || hung(2).await).await, "there is no probe");
            refused.await
        };
        tokio::select! {
            median = half_open => median,
            () = probe => unreachable!(),
        }
    };
    tokio::select! {
        _ = before => panic!("it was to hang"),
        // Of the machine's other work the slowest ones tell.
        median = whole => assert!(median < Duration::from_millis(5), "half of them took longer than {median:?}"),
    }
}
