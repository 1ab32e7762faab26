//! Many requests at once, with resets, over one node, over two, and while a node ends: checked to the unit.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use futures_util::future::join_all;

use super::{SOON, count, logging, patient, reset_well, taken};
use crate::support::{
    app::{App, eventually},
    load::my_turn,
    people::Person,
    pipeline::Pipeline,
    stores::TestDb,
};

/// What is asked for, and the status of the answer: of several contracts, most of it refused.
const ASKED: [((&str, &str), u16); 4] =
    [(("GET", "/healthz"), 200), (("GET", "/nowhere"), 404), (("DELETE", "/v"), 404), (("GET", "/movies"), 401)];
/// Sent before the first answer of them is read.
const AT_ONCE: usize = 20;

/// Sends `requests` over each of `connections`, all at the same time, and reads every answer.
async fn flood(app: &App, connections: usize, requests: usize) {
    join_all((0..connections).map(async |_| {
        let mut pipeline = Pipeline::open(app).await;
        let asked: Vec<_> = ASKED.iter().cycle().take(requests).collect();
        for some in asked.chunks(AT_ONCE) {
            pipeline.send(&some.iter().map(|(request, _)| *request).collect::<Vec<_>>()).await.expect("they are sent");
            for (request, status) in some {
                assert_eq!(pipeline.answer().await, Some(*status), "{request:?}");
            }
        }
    }))
    .await;
}

/// Resets, and reads, by turns until `done`; how many requests that were.
async fn reset_until(app: &App, owner: &Person, done: &AtomicBool) -> u64 {
    let mut sent = 0;
    while !done.load(Ordering::SeqCst) || sent < 20 {
        reset_well(app, owner).await;
        assert!(count(app, owner).await > 0);
        sent += 2;
    }
    sent
}

#[actix_web::test]
async fn a_hundred_thousand_requests_over_64_connections_are_counted_once_across_resets() {
    let _turn = my_turn().await;
    let db = TestDb::create();
    let (app, log) = logging(&db).start_logging();
    let owner = app.register().await;
    let done = AtomicBool::new(false);
    let flood = async {
        // 64 × 1560 = 99,840
        flood(&app, 64, 1560).await;
        flood(&app, 1, 160).await;
        done.store(true, Ordering::SeqCst);
    };
    let (first, second, ()) = tokio::join!(reset_until(&app, &owner, &done), reset_until(&app, &owner, &done), flood);
    let last = count(&app, &owner).await;
    let taken: Vec<u64> = taken(&log).into_iter().map(|(requests, _)| requests).collect();
    assert_eq!(2 * u64::try_from(taken.len()).unwrap(), first + second);
    assert!(taken.iter().filter(|requests| **requests > 100).count() > 10, "no reset met the flood: {taken:?}");
    // To register and to sign in, the flood, resets and reads beside it, the last read.
    assert_eq!(taken.iter().sum::<u64>() + last, 2 + 100_000 + first + second + 1);
}

#[actix_web::test]
async fn two_nodes_count_each_request_once_across_resets_on_both() {
    let _turn = my_turn().await;
    let db = TestDb::create();
    let (one, log_of_one) = logging(&db).start_logging();
    let (two, log_of_two) = logging(&db).start_logging();
    let owner = one.register().await;
    let done = AtomicBool::new(false);
    let flood = async {
        tokio::join!(flood(&one, 16, 400), flood(&two, 16, 400));
        done.store(true, Ordering::SeqCst);
    };
    let (first, second, ()) = tokio::join!(reset_until(&one, &owner, &done), reset_until(&two, &owner, &done), flood);
    let taken: u64 = [log_of_one, log_of_two].iter().flat_map(|log| taken(log)).map(|(requests, _)| requests).sum();
    let mut all = 2 + 2 * 16 * 400 + first + second - taken;
    // What the other node has not told yet.
    let mut last = 0;
    let told = async || {
        all += 1;
        last = count(&one, &owner).await;
        assert!(last <= all, "{last} of {all}");
        last == all
    };
    assert!(eventually(SOON, told).await, "{last} of {all}");
}

#[actix_web::test]
async fn what_the_other_node_counted_is_there_within_a_flush() {
    let _turn = my_turn().await;
    let db = TestDb::create();
    let (one, two) = (patient(&db).start(), patient(&db).start());
    let owner = one.register().await;
    flood(&two, 4, 250).await;
    let (mut all, mut last) = (2 + 1000, 0);
    let told = async || {
        all += 1;
        last = count(&one, &owner).await;
        last == all
    };
    // 200 ms, where there is nobody else on the machine. What was lost would never be there.
    assert!(eventually(Duration::from_secs(5), told).await, "{last} of {all}");
}

#[actix_web::test]
async fn a_node_that_is_stopped_counts_every_request_it_still_answers() {
    let _turn = my_turn().await;
    let db = TestDb::create();
    let plan = patient(&db);
    let mut app = plan.start();
    let owner = app.register().await;
    let mut connections = Vec::new();
    for _ in 0..64 {
        connections.push(Pipeline::open(&app).await);
    }
    // One that is idle at the signal may still be used when all else has ended.
    let busy = |at: usize| at.is_multiple_of(2);
    let asked = join_all(connections.iter_mut().enumerate().map(async |(at, connection)| {
        let mut answered = 0;
        if !busy(at) {
            tokio::time::sleep(Duration::from_millis(150 + 20 * u64::try_from(at).unwrap())).await;
        }
        while connection.send(&[("GET", "/healthz")]).await.is_ok() && connection.answer().await.is_some() {
            answered += 1;
        }
        answered
    }));
    let stop = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        app.signal(rustix::process::Signal::TERM);
    };
    let (answered, ()) = tokio::join!(asked, stop);
    assert!(app.ended(SOON).expect("it ends").success());
    let again = plan.start();
    let answered: u64 = answered.into_iter().sum();
    assert!(answered >= 64, "{answered}");
    assert_eq!(count(&again, &owner).await, 2 + answered + 1);
}
