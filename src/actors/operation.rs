//! Operation of the installation as a whole: maintenance mode, which every node keeps to.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;
use tokio::sync::Mutex;

use super::write::write;
use crate::{
    cache::{Cache, Kind, Scope, Stamp},
    db::{Db, DbError, queries::installation},
};

/// What the state depends on.
const SCOPES: [Scope; 1] = [Scope::List(Kind::Installation)];
/// How long a state is believed while this node cannot hear the others, or cannot ask Postgres.
const BELIEVED: Duration = Duration::from_secs(1);

/// Whether the installation is closed for work, and what is said about it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Maintenance {
    pub on: bool,
    pub message: String,
}

struct Known {
    /// Where the scopes were before the state was read; `None` where this node did not hear the others.
    stamp: Option<Stamp>,
    outcome: Outcome,
    asked: Instant,
    state: Arc<Maintenance>,
}

/// What came of asking Postgres the last time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Read,
    /// The state is the one from before.
    Failed,
}

/// How far a request may go by what is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trust {
    Holds,
    /// It is used, and asked for again behind the request.
    Doubtful,
    /// A switch has been announced that this node has not asked about yet.
    Outdated(Stamp),
}

/// The handle. Cheap to clone.
#[derive(Clone)]
pub struct Operation {
    db: Db,
    cache: Cache,
    known: Arc<ArcSwap<Known>>,
    asking: Arc<Mutex<()>>,
}

impl Operation {
    /// Reads the state once, so that a node that starts in maintenance knows it.
    ///
    /// # Errors
    /// The store's.
    pub async fn start(db: Db, cache: Cache) -> Result<Self, DbError> {
        let stamp = cache.stamp(&SCOPES);
        let state = read(&db).await?;
        let known = Known { stamp, outcome: Outcome::Read, asked: Instant::now(), state: Arc::new(state) };
        Ok(Self { db, cache, known: Arc::new(ArcSwap::from_pointee(known)), asking: Arc::default() })
    }

    /// What is said to a request while maintenance is on; `None` while it is off. As a rule nobody is asked; after
    /// a switch somewhere, requests wait for one read of Postgres that they share, no longer than its deadline (twice
    /// that, where another read is under way). Where Postgres is away the last known state stands.
    pub async fn refusal(&self) -> Option<String> {
        let trust = self.trust();
        match trust {
            Trust::Holds => {}
            Trust::Doubtful => self.ask_behind(),
            Trust::Outdated(stamp) => self.catch_up(stamp).await,
        }
        // Every request asks: what all cores share is looked at, not counted up.
        let known = self.known.load();
        known.state.on.then(|| known.state.message.clone())
    }

    fn trust(&self) -> Trust {
        let known = self.known.load();
        match self.cache.stamp(&SCOPES) {
            Some(now) if known.stamp < Some(now) => Trust::Outdated(now),
            Some(_) if known.outcome == Outcome::Read => Trust::Holds,
            // This node does not hear the others, or could not read the last time.
            _ if known.asked.elapsed() < BELIEVED => Trust::Holds,
            _ => Trust::Doubtful,
        }
    }

    /// One asks; nobody waits for it, also while the database does not answer.
    fn ask_behind(&self) {
        if let Ok(turn) = Arc::clone(&self.asking).try_lock_owned() {
            let operation = self.clone();
            tokio::spawn(async move {
                operation.ask().await;
                drop(turn);
            });
        }
    }

    /// Returns when the state was asked for at `stamp` or later.
    async fn catch_up(&self, stamp: Stamp) {
        let turn = Arc::clone(&self.asking).lock_owned().await;
        // Another has asked meanwhile, or this node no longer hears of switches.
        if self.known.load().stamp >= Some(stamp) || self.cache.stamp(&SCOPES).is_none() {
            return;
        }
        let operation = self.clone();
        // Goes on when this request is given up: others wait for it too.
        let asked = tokio::spawn(async move {
            operation.ask().await;
            drop(turn);
        });
        if asked.await.is_err() {
            tracing::error!("the state of maintenance could not be asked for: a panic");
        }
    }

    async fn ask(&self) {
        let stamp = self.cache.stamp(&SCOPES);
        let (outcome, state) = match read(&self.db).await {
            Ok(state) => (Outcome::Read, Arc::new(state)),
            Err(_) => (Outcome::Failed, Arc::clone(&self.known.load().state)),
        };
        self.known.store(Arc::new(Known { stamp, outcome, asked: Instant::now(), state }));
    }

    /// Switches maintenance on or off, on every node.
    ///
    /// # Errors
    /// The store's.
    pub async fn set_maintenance(&self, state: Maintenance) -> Result<(), DbError> {
        let (on, message) = (state.on, state.message.clone());
        write(&self.db, &self.cache, SCOPES.to_vec(), move |conn| {
            installation::set_maintenance(conn, &(on, message)).map_err(DbError::from)
        })
        .await?;
        // A read that began before the write does not have the last word.
        let _turn = self.asking.lock().await;
        // Without a stamp: another node may have switched since, and where it can be heard that is asked for.
        let known = Known { stamp: None, outcome: Outcome::Read, asked: Instant::now(), state: Arc::new(state) };
        self.known.store(Arc::new(known));
        Ok(())
    }
}

async fn read(db: &Db) -> Result<Maintenance, DbError> {
    let (on, message) = db.run(|conn| installation::maintenance(conn).map_err(DbError::from)).await?;
    Ok(Maintenance { on, message })
}
