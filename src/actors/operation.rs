//! Operation of the installation as a whole: maintenance mode, which every node keeps to.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use arc_swap::{ArcSwap, Guard};
use tokio::sync::Mutex;

use super::write::write;
use crate::{
    cache::{Cache, Kind, Scope, Stamp},
    db::{Db, DbError, queries::installation},
};

/// What the state depends on.
const SCOPES: [Scope; 1] = [Scope::List(Kind::Installation)];
/// How long a state is believed while this node cannot hear the others.
const BELIEVED: Duration = Duration::from_secs(1);

/// Whether the installation is closed for work, and what is said about it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Maintenance {
    pub on: bool,
    pub message: String,
}

struct Known {
    stamp: Option<Stamp>,
    read: Instant,
    state: Arc<Maintenance>,
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
        let known = Arc::new(ArcSwap::from_pointee(Known { stamp, read: Instant::now(), state: Arc::new(state) }));
        Ok(Self { db, cache, known, asking: Arc::default() })
    }

    /// The state now. Where the database is away, the last one that was known.
    #[must_use]
    pub fn maintenance(&self) -> Arc<Maintenance> {
        Arc::clone(&self.known().state)
    }

    /// What is said to a request while maintenance is on; `None` while it is off.
    #[must_use]
    pub fn refusal(&self) -> Option<String> {
        // Every request asks: what all cores share is looked at, not counted up.
        let known = self.known();
        known.state.on.then(|| known.state.message.clone())
    }

    fn known(&self) -> Guard<Arc<Known>> {
        let known = self.known.load();
        let stamp = self.cache.stamp(&SCOPES);
        let holds = match (stamp, known.stamp) {
            (Some(now), Some(then)) => now == then,
            // This node does not hear the others, or could not read the last time.
            (None, _) | (_, None) => known.read.elapsed() < BELIEVED,
        };
        if holds {
            return known;
        }
        // One asks; nobody waits for it, also while the database does not answer.
        if let Ok(asking) = Arc::clone(&self.asking).try_lock_owned() {
            let operation = self.clone();
            tokio::spawn(async move {
                operation.ask(stamp).await;
                drop(asking);
            });
        }
        known
    }

    async fn ask(&self, stamp: Option<Stamp>) {
        let known = self.known.load_full();
        let (stamp, state) = match read(&self.db).await {
            Ok(state) => (stamp, Arc::new(state)),
            Err(_) => (None, Arc::clone(&known.state)),
        };
        self.known.store(Arc::new(Known { stamp, read: Instant::now(), state }));
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
        self.known.store(Arc::new(Known { stamp: None, read: Instant::now(), state: Arc::new(state) }));
        Ok(())
    }
}

async fn read(db: &Db) -> Result<Maintenance, DbError> {
    let (on, message) = db.run(|conn| installation::maintenance(conn).map_err(DbError::from)).await?;
    Ok(Maintenance { on, message })
}
