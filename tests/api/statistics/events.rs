//! Server-sent events.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use rustix::process::Signal;
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpSocket, TcpStream},
};

use super::{SOON, count, metric};
use crate::support::{
    app::{Answer, App, Plan, eventually},
    load::{my_turn, raise_descriptors, sockets},
    people::Person,
    stores::{Stores, TestDb},
};

fn request(person: &Person) -> String {
    format!("GET /stats/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\n\r\n", person.token)
}

/// Somebody who listens.
struct Listening {
    stream: TcpStream,
    text: String,
}

impl Listening {
    async fn begin(app: &App, person: &Person) -> Self {
        let mut stream = app.connect().await;
        stream.write_all(request(person).as_bytes()).await.expect("the head");
        Self { stream, text: String::new() }
    }

    /// The next event, without the blank line; `None` where the stream has ended.
    async fn event(&mut self) -> Option<String> {
        loop {
            let begin = ["event: ", "data: "].iter().filter_map(|name| self.text.find(name)).min();
            if let Some(begin) = begin
                && let Some(end) = self.text[begin..].find("\n\n")
            {
                let event = self.text[begin..begin + end].to_owned();
                self.text.drain(..begin + end + 2);
                return Some(event);
            }
            // The last chunk; the connection stays for another request.
            if self.text.ends_with("\r\n0\r\n\r\n") {
                return None;
            }
            let mut piece = [0; 4096];
            match tokio::time::timeout(SOON, self.stream.read(&mut piece)).await.expect("an event in time") {
                Ok(0) | Err(_) => return None,
                Ok(count) => self.text.push_str(std::str::from_utf8(&piece[..count]).expect("UTF-8")),
            }
        }
    }

    /// The next numbers.
    async fn numbers(&mut self) -> Value {
        let event = self.event().await.expect("an event");
        serde_json::from_str(event.strip_prefix("data: ").expect("data")).expect("JSON")
    }
}

#[actix_web::test]
async fn events_tell_the_numbers_of_now_once_a_second_and_end_after_their_time() {
    let db = TestDb::create();
    let app = Plan::over(&db).with("PLAYHOUSE_STATISTICS__LISTEN_SECONDS", "5").start();
    let owner = app.register().await;
    let began = Instant::now();
    let mut listening = Listening::begin(&app, &owner).await;
    let first = listening.numbers().await;
    assert!(began.elapsed() < Duration::from_millis(900), "the first comes at once, not {:?}", began.elapsed());
    assert_eq!(first["views"], 0);
    assert!(first["requests"].as_u64().unwrap() >= 2 && first["bytes"] == 0 && first["viewers"] == 0, "{first}");
    count(&mut db.connect(), ("all", ""), "now()", (5, 0));
    let mut events = 1;
    while listening.numbers().await["views"] != 5 {
        events += 1;
        assert!(events < 5, "the views do not come");
    }
    let pace = began.elapsed() / (events + 1);
    assert!(pace > Duration::from_millis(400), "{events} in {:?}", began.elapsed());
    while listening.event().await.is_some() {}
    // A whole answer, with its last chunk.
    assert!(listening.text.ends_with("\r\n0\r\n\r\n"), "{:?}", listening.text);
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());

    let answer = Answer::of(app.request(reqwest::Method::HEAD, "/stats/events", Some(&owner))).await;
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("text/event-stream")));
    assert_eq!((answer.header("cache-control"), answer.header("x-accel-buffering")), (Some("no-store"), Some("no")));
    let idle = async || metric(&app, "playhouse_statistics_listeners").await == 0;
    assert!(eventually(SOON, idle).await);
    // Nobody listens, nothing is asked.
    let before = metric(&app, "playhouse_statistics_samples_total").await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(metric(&app, "playhouse_statistics_samples_total").await, before);
}

#[actix_web::test]
async fn who_speaks_http_1_0_gets_no_chunks() {
    let db = TestDb::create();
    let app = Plan::over(&db).with("PLAYHOUSE_STATISTICS__LISTEN_SECONDS", "2").start();
    let owner = app.register().await;
    let mut stream = app.connect().await;
    let ask = format!("GET /stats/events HTTP/1.0\r\nAuthorization: Bearer {}\r\n\r\n", owner.token);
    stream.write_all(ask.as_bytes()).await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.0 200") && !head.contains("transfer-encoding"), "{head}");
    assert!(
        body.ends_with("\n\n") && body.split_terminator("\n\n").all(|event| event.starts_with("data: {")),
        "{body}"
    );
}

#[actix_web::test]
async fn a_thousand_listen_for_the_price_of_one_and_a_stop_does_not_wait_for_them() {
    const LISTENERS: u64 = 1_000;
    let _turn = my_turn().await;
    raise_descriptors();
    let db = TestDb::create();
    let mut app = Plan::over(&db).with("PLAYHOUSE_STATISTICS__LISTEN_SECONDS", "600").start();
    let owner = app.register().await;
    let mut all = join_all((0..LISTENERS).map(|_| Listening::begin(&app, &owner))).await;
    for round in 0..3 {
        let told = join_all(all.iter_mut().map(Listening::numbers)).await;
        assert_eq!(told.len(), 1_000, "{round}");
    }
    assert_eq!(metric(&app, "playhouse_statistics_listeners").await, LISTENERS);
    let (samples, before) = (metric(&app, "playhouse_statistics_samples_total").await, Instant::now());
    for _ in 0..3 {
        join_all(all.iter_mut().map(Listening::numbers)).await;
    }
    let more = metric(&app, "playhouse_statistics_samples_total").await - samples;
    let most = before.elapsed().as_secs() + 2;
    assert!(more >= 1 && more <= most, "{more} samples in {:?}", before.elapsed());
    let (samples, shaped) = (
        metric(&app, "playhouse_statistics_samples_total").await,
        metric(&app, "playhouse_statistics_events_total").await,
    );
    assert!(shaped <= samples, "{shaped} were written for {samples}");

    let began = Instant::now();
    app.signal(Signal::TERM);
    let ended = join_all(all.iter_mut().map(async |listening| while listening.event().await.is_some() {}));
    ended.await;
    assert!(app.ended(Duration::from_secs(20)).expect("it ends").success());
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
}

#[actix_web::test]
async fn who_takes_nothing_is_let_go_and_disturbs_nobody() {
    let db = TestDb::create();
    let app = Plan::over(&db)
        .with("PLAYHOUSE_STATISTICS__LISTEN_SECONDS", "600")
        .with("PLAYHOUSE_STATISTICS__EVENT_MS", "10")
        .with("PLAYHOUSE_HTTP__STALLED_READER_SECONDS", "1")
        .start();
    let owner = app.register().await;
    let mut reading = Listening::begin(&app, &owner).await;
    reading.numbers().await;
    let before = sockets(app.pid());
    let mut stalled = Vec::new();
    for _ in 0..5 {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(1).unwrap();
        let mut stream = socket.connect(app.address().parse().unwrap()).await.unwrap();
        stream.write_all(request(&owner).as_bytes()).await.unwrap();
        stalled.push(stream);
    }
    let all = async || metric(&app, "playhouse_statistics_listeners").await == 6;
    assert!(eventually(SOON, all).await);
    let end = Instant::now() + Duration::from_mins(1);
    while metric(&app, "playhouse_statistics_listeners").await > 1 {
        assert!(Instant::now() < end, "they stay");
        reading.numbers().await;
    }
    let closed = async || sockets(app.pid()) <= before + 1;
    assert!(eventually(SOON, closed).await, "{} sockets for {before}", sockets(app.pid()));
    for _ in 0..20 {
        reading.numbers().await;
    }
    drop(stalled);
}

#[actix_web::test]
async fn no_more_may_listen_than_the_settings_say() {
    let db = TestDb::create();
    let app = Plan::over(&db)
        .with("PLAYHOUSE_STATISTICS__LISTENERS", "2")
        .with("PLAYHOUSE_STATISTICS__LISTEN_SECONDS", "600")
        .start();
    let owner = app.register().await;
    let mut one = Listening::begin(&app, &owner).await;
    let mut two = Listening::begin(&app, &owner).await;
    one.numbers().await;
    two.numbers().await;
    let refused = app.get("/stats/events", &owner).await;
    assert_eq!(refused.status, 503);
    assert!(refused.header("retry-after").is_some());
    assert_eq!(app.request(reqwest::Method::GET, "/stats/events", None).send().await.unwrap().status(), 401);
    drop(two);
    // The place is free once the server has noticed.
    let free = async || {
        let answer = app.request(reqwest::Method::GET, "/stats/events", Some(&owner)).send().await;
        answer.expect("an answer").status() == 200
    };
    assert!(eventually(SOON, free).await, "no place");
    one.numbers().await;
}

#[actix_web::test]
async fn while_redis_is_away_events_say_so_and_then_go_on() {
    let mut stores = Stores::own();
    let app = Plan::over_own(&stores).with("PLAYHOUSE_STATISTICS__LISTEN_SECONDS", "600").start();
    let owner = app.register().await;
    let mut listening = Listening::begin(&app, &owner).await;
    listening.numbers().await;
    stores.stop_redis();
    let end = Instant::now() + SOON;
    while listening.event().await.expect("an event") != "event: away\ndata: {}" {
        assert!(Instant::now() < end, "it does not say so");
    }
    stores.start_redis();
    while !listening.event().await.expect("an event").starts_with("data: {\"viewers\"") {
        assert!(Instant::now() < end + SOON, "it does not go on");
    }
}
