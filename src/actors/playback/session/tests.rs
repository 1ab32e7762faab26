//! Sessions without any store: what they are counted as, and that they end.

use actix::{Actor as _, Arbiter};
use uuid::Uuid;

use super::*;
use crate::{
    actors::playback::{
        ledger::Ledger,
        live::Live,
        owed::Owed,
        registry::Registry,
        state::{LinkTerms, Links},
        steady::{self, SteadyClock},
    },
    cache::Cache,
    db::Db,
    domain::playback::{Viewed, Watch},
    settings::{CacheSettings, DatabaseSettings, PlaybackSettings, RedisSettings},
};

const NOWHERE: &str = "127.0.0.1:9";

fn parts(silence: Duration) -> Arc<Parts> {
    let db = Db::start(&DatabaseSettings {
        url: format!("postgres://{NOWHERE}/none").into(),
        pool_size: 1,
        queue: 8,
        deadline_ms: 200,
        statement_timeout_ms: 200,
        search_deadline_ms: 200,
        connection_seconds: 60,
    });
    let redis = RedisSettings {
        url: format!("redis://{NOWHERE}/").into(),
        timeout_ms: 100,
        probe_ms: 1000,
        prefix: "none".to_owned(),
    };
    let cache = Cache::start(&redis, &CacheSettings { bytes: 0, totals_bytes: 0, ttl_seconds: 1 }).unwrap();
    let settings = PlaybackSettings {
        save_seconds: 1,
        token_seconds: 60,
        token_renewal_seconds: 10,
        plays_per_address: 1,
        plays_window_seconds: 1,
    };
    Arc::new(Parts {
        live: Live::new(cache.clone()),
        ledger: Ledger::start(db.clone(), || {}, &settings),
        db,
        cache,
        registry: Registry::default(),
        clock: SteadyClock::start(),
        links: LinkTerms { life: Duration::from_mins(1), renewal: Duration::from_secs(10) },
        owed: Owed::default(),
        silence,
    })
}

fn begun(parts: &Parts) -> SessionState {
    let now = parts.clock.now();
    let title = Title {
        file: Some(FileId::new()),
        episode: None,
        series: None,
        video: None,
        duration_seconds: Some(600.0),
        owner: None,
    };
    SessionState {
        user: None,
        title,
        watch: Watch::begin(0.0, now),
        before: 0.0,
        viewed: Viewed::Open,
        links: Links::default(),
        turn: 0,
        created_at: steady::date(now),
        updated_at: steady::date(now),
    }
}

/// Tells the session of this id.
async fn tell(parts: &Arc<Parts>, id: StreamId, turn: Turn) -> Result<Opened, CatalogError> {
    let line = parts.registry.line(id, |place| {
        let parts = Arc::clone(parts);
        Session::start_in_arbiter(&Arbiter::current(), move |_| Session::new(id, parts, place.take()))
    });
    line.ask(turn, Duration::from_secs(20)).await.expect("an answer")
}

async fn stops(parts: &Parts, id: StreamId) -> bool {
    for _ in 0..400 {
        if parts.registry.known(id).is_none() {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    false
}

#[actix::test]
async fn a_session_that_falls_silent_stops_and_is_counted_no_more() {
    let parts = parts(Duration::from_millis(600));
    let id = StreamId::from(Uuid::new_v4());
    tell(&parts, id, Turn::Begin(Box::new(begun(&parts)))).await.expect("it begins");
    assert_eq!(parts.registry.live(), (1, 1));
    assert_eq!(parts.registry.ids(), [id]);
    assert!(stops(&parts, id).await, "it lives on and on");
    assert_eq!(parts.registry.live(), (0, 0));
}

#[actix::test]
async fn a_session_of_which_no_turn_is_taken_is_nobodys_and_stops_at_once() {
    let parts = parts(Duration::from_hours(1));
    let id = StreamId::from(Uuid::new_v4());
    let sender = Sender::Player { account: None, file: FileId::new() };
    let refused = tell(&parts, id, Turn::Beat(sender, Told::default())).await;
    assert!(refused.is_err());
    assert_eq!((parts.registry.live(), parts.registry.ids()), ((0, 0), Vec::new()));
    assert!(stops(&parts, id).await, "it waits for nobody");
}
