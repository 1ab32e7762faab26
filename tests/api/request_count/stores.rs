//! What becomes of the count where Redis stops, hangs or is emptied.

use rustix::process::Signal;

use super::{SOON, count, patient, reset, reset_well};
use crate::{
    statistics::empty,
    support::{
        app::{Answer, App, Plan, eventually},
        people::Person,
        stores::{Stores, TestDb},
    },
};

/// Asks for the count until it is given; that, and how often it was asked for.
async fn count_again(app: &App, owner: &Person) -> (u64, u64) {
    let (mut last, mut asked) = (0, 0);
    let given = async || {
        let answer = app.get("/request-count", owner).await;
        asked += 1;
        if answer.status == 200 {
            last = answer.json()["requests"].as_u64().expect("a count");
            return true;
        }
        is_away(&answer);
        false
    };
    assert!(eventually(SOON, given).await, "Redis does not come back");
    (last, asked)
}

#[track_caller]
fn is_away(answer: &Answer) {
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("1")));
    assert_eq!(answer.refusal(), "The service is temporarily unavailable");
}

#[actix_web::test]
async fn nothing_is_lost_while_redis_is_stopped_or_hangs_and_no_reset_is_done_later() {
    let mut stores = Stores::own();
    let app = Plan::over_own(&stores).start();
    let owner = app.register().await;
    assert_eq!(count(&app, &owner).await, 3);
    reset_well(&app, &owner).await;
    let mut all = 0;
    for stopped in [true, false] {
        if stopped {
            stores.stop_redis();
        } else {
            stores.pause_redis();
        }
        for _ in 0..20 {
            assert_eq!(app.get("/genres", &owner).await.status, 200);
        }
        is_away(&app.get("/request-count", &owner).await);
        is_away(&reset(&app, &owner).await);
        if stopped {
            stores.start_redis();
        } else {
            stores.resume_redis();
        }
        let (now, asked) = count_again(&app, &owner).await;
        all += 20 + 2 + asked;
        assert_eq!(now, all, "stopped: {stopped}");
    }
}

#[actix_web::test]
async fn an_emptied_redis_brings_back_what_the_running_nodes_counted_since_the_reset_and_no_more() {
    let db = TestDb::create();
    let (one, two) = (patient(&db).start(), patient(&db).start());
    let owner = one.register().await;
    for _ in 0..10 {
        two.get("/genres", &owner).await.data(200);
    }
    // What the other node has counted and not told belongs after the reset.
    count(&one, &owner).await;
    reset_well(&two, &owner).await;
    let mut all = 0;
    for _ in 0..3 {
        // Each node tells all, and hears of the reset, when it is read.
        all += 4;
        for node in [&one, &two, &two, &two] {
            count(node, &owner).await;
        }
        empty(&db);
        let whole = async || {
            all += 1;
            count(&one, &owner).await == all
        };
        assert!(eventually(SOON, whole).await, "{all}");
    }
    reset_well(&one, &owner).await;
    assert_eq!(count(&one, &owner).await, 1);
}

#[actix_web::test]
async fn a_reset_of_an_emptied_redis_holds_for_a_node_that_stood_still_meanwhile() {
    let db = TestDb::create();
    let (one, two) = (patient(&db).start(), patient(&db).start());
    let owner = one.register().await;
    for _ in 0..50 {
        two.get("/genres", &owner).await.data(200);
    }
    // Two tells what it has counted, and hears of the reset, when it is read.
    count(&two, &owner).await;
    reset_well(&one, &owner).await;
    count(&two, &owner).await;
    two.signal(Signal::STOP);
    empty(&db);
    reset_well(&one, &owner).await;
    two.signal(Signal::CONT);
    let counted = count(&two, &owner).await;
    assert!(counted < 10, "{counted}: what was before the first reset is back");
}

#[actix_web::test]
async fn the_count_goes_on_over_a_restart_and_loses_at_most_a_flush_by_a_kill() {
    let db = TestDb::create();
    let plan = patient(&db);
    let mut app = plan.start();
    let owner = app.register().await;
    assert_eq!(count(&app, &owner).await, 3);
    app.get("/genres", &owner).await.data(200);
    app.signal(Signal::TERM);
    assert!(app.ended(SOON).expect("it ends").success());
    let mut app = plan.start();
    assert_eq!(count(&app, &owner).await, 5);
    // What was told is not lost by a kill, nor counted again.
    app.kill();
    let app = plan.start();
    assert_eq!(count(&app, &owner).await, 6);
}

#[actix_web::test]
async fn a_node_that_cannot_write_its_last_counts_ends_all_the_same_and_says_how_many() {
    let mut stores = Stores::own();
    let (mut app, log) = Plan::over_own(&stores).start_logging();
    let owner = app.register().await;
    let lost = async || {
        let text = String::from_utf8(app.get("/metrics", &owner).await.bytes).expect("text");
        let told = text.lines().find_map(|line| line.strip_prefix("playhouse_requests_untold "));
        told.expect("a metric").parse::<u64>().expect("a number")
    };
    assert!(eventually(SOON, async || lost().await < 3).await);
    stores.stop_redis();
    assert!(eventually(SOON, async || lost().await >= 20).await);
    // What was asked for last is counted too.
    let untold = lost().await + 1;
    app.signal(Signal::TERM);
    assert!(app.ended(SOON).expect("it ends").success());
    let said = std::fs::read_to_string(log).expect("a log");
    let line = said.lines().find(|line| line.contains("the last counts were not written")).expect("a line");
    assert!(line.contains(&format!("requests={untold}")), "{line}");
}
