//! What counting costs Redis, and what ends it: nothing of a request, and no panic.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use playhouse::{
    actors::tally::{NodeGauges, Tally},
    cache::Cache,
    settings::Settings,
};
use secrecy::ExposeSecret as _;

use super::{SOON, patient};
use crate::{
    statistics::ask,
    support::{
        app::{Answer, eventually},
        stores::TestDb,
    },
};

/// Requests of each kind.
const MANY: usize = 500;

/// Commands that name the test's keys, from now until the guard is asked; those of scripts not counted.
struct Monitor {
    connection: redis::Connection,
}

impl Monitor {
    #[allow(clippy::disallowed_methods, reason = "a test looks into its Redis")]
    fn start(db: &TestDb) -> Self {
        let client = redis::Client::open(db.redis_url().expose_secret()).expect("an address");
        let mut connection = client.get_connection().expect("a connection");
        redis::cmd("MONITOR").query::<()>(&mut connection).expect("it tells");
        Self { connection }
    }

    fn commands(mut self, db: &TestDb) -> Vec<String> {
        let mark = format!("the-end-of-{}", db.prefix());
        ask::<String>(&db.redis_url(), redis::cmd("ECHO").arg(&mark));
        let mut commands = Vec::new();
        loop {
            let told = self.connection.recv_response().expect("a command");
            let line: String = redis::from_redis_value(told).expect("a line");
            if line.contains(&mark) {
                return commands;
            }
            if line.contains(db.prefix()) && !line.contains(" lua]") {
                commands.push(line);
            }
        }
    }
}

#[actix_web::test]
async fn a_request_makes_no_round_trip_to_redis_in_order_to_be_counted() {
    let db = TestDb::create();
    let app = patient(&db).start();
    let person = app.register().await;
    app.get("/genres", &person).await.data(200);
    let monitor = Monitor::start(&db);
    for _ in 0..MANY {
        assert_eq!(Answer::of(app.request(reqwest::Method::GET, "/healthz", None)).await.status, 200);
        assert_eq!(app.get("/genres", &person).await.status, 200);
    }
    let commands = monitor.commands(&db);
    // Those of the tasks behind, some in a second.
    assert!(commands.len() < MANY / 4, "{} commands, the last {:?}", commands.len(), commands.last());
    assert!(!commands.is_empty(), "nothing was heard");
}

#[actix_web::test]
async fn a_panic_in_a_flush_costs_that_flush_alone() {
    let db = TestDb::create();
    let mut settings = Settings::from_variables(HashMap::default()).expect("settings");
    db.apply_to(&mut settings);
    let cache = Cache::start(&settings.redis, &settings.cache).expect("a cache");
    let asked = Arc::new(AtomicU32::new(0));
    let asking = Arc::clone(&asked);
    let tally = Tally::start(cache, move || {
        assert!(asking.fetch_add(1, Ordering::SeqCst) >= 3, "on purpose");
        NodeGauges::default()
    });
    tally.count_request();
    assert!(eventually(SOON, async || tally.untold() == 0).await, "no flush after {asked:?} tries");
    assert!(asked.load(Ordering::SeqCst) > 3);
}
