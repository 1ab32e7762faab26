//! Two levels of cache over Postgres: this process (moka, serialised bytes) and Redis, which all
//! nodes share. Owns *when* something may be reused; knows nothing of what the bytes mean.
//!
//! The rule that keeps both levels honest: whoever fills takes a **stamp** of the scopes the value
//! depends on *before* it reads Postgres, and stores the stamp with the value; whoever reads
//! compares it with the stamp of now. A write commits first and then moves its scopes on, so a fill
//! that began before the write carries a stamp that never matches again. Nothing is ever deleted
//! by hand, and no order of events can leave a stale value in use. (The fronts of the threads decide nothing:
//! there, too, the stamp is compared.)
//!
//! A node that cannot hear the others (Redis away, slow or hung) has no stamp to give: it reads
//! Postgres until it hears them again, and then begins with empty caches.

mod fronted;
mod generations;
pub mod keys;
pub mod limit;
mod link;
mod shared;

use std::{
    hash::BuildHasher as _,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use bytes::Bytes;
use foldhash::fast::RandomState;
pub use fronted::Fronted;
pub use generations::{Kind, Scope, Stamp};
use moka::sync::Cache as Moka;
use redis::aio::ConnectionManager;
use secrecy::ExposeSecret as _;
use tokio::sync::{Mutex, mpsc};

use self::{generations::Generations, link::Link};
use crate::settings::{CacheSettings, RedisSettings, millis};

/// Loads of different keys that may run side by side; loads of one key are joined.
const LOAD_STRIPES: usize = 1024;
/// How long a load waits for another of the same key.
const LONGEST_TURN: Duration = Duration::from_millis(50);
/// Bytes of the largest body of which threads keep copies of their own.
const LARGEST_IN_FRONT: usize = 8 * 1024;

/// A value of this process and the stamp it was loaded under.
#[derive(Clone)]
struct Entry<T> {
    stamp: Stamp,
    value: T,
}

/// The caches, as the rest of the house sees them. Cheap to clone.
#[derive(Clone)]
pub struct Cache {
    inner: Arc<Inner>,
}

/// Who has heard of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// Every node that Redis reaches: one at least.
    Others,
    /// This process alone: no other listens to this Redis.
    Nobody,
    /// This process alone: Redis did not answer.
    Unanswered,
}

struct Inner {
    generations: Generations,
    /// Whether the link to Redis works; commands are not tried while it does not.
    up: AtomicBool,
    manager: ConnectionManager,
    /// Which run of Redis the link stands to.
    run: ArcSwap<String>,
    prefix: String,
    timeout: Duration,
    ttl: Duration,
    enabled: bool,
    bodies: Fronted<String, Entry<Bytes>>,
    totals: Moka<String, Entry<i64>, RandomState>,
    stripes: Vec<Mutex<()>>,
    hasher: RandomState,
    /// Invalidations that the other nodes have not been told of yet.
    untold: mpsc::UnboundedSender<Vec<Scope>>,
}

impl Cache {
    /// Opens the caches and starts the link to the other nodes. Does not wait for Redis.
    /// Needs a running runtime.
    ///
    /// # Errors
    /// The address of Redis cannot be read.
    pub fn start(redis: &RedisSettings, cache: &CacheSettings) -> redis::RedisResult<Self> {
        let client = redis::Client::open(redis.url.expose_secret())?;
        let timeout = millis(redis.timeout_ms);
        let manager = client.get_connection_manager_lazy(
            redis::aio::ConnectionManagerConfig::new()
                .set_number_of_retries(1)
                .set_connection_timeout(Some(timeout))
                .set_response_timeout(Some(timeout)),
        )?;
        let (untold, queue) = mpsc::unbounded_channel();
        let ttl = Duration::from_secs(cache.ttl_seconds);
        let inner = Arc::new(Inner {
            generations: Generations::new(),
            up: AtomicBool::new(false),
            manager,
            run: ArcSwap::default(),
            prefix: redis.prefix.clone(),
            timeout,
            ttl,
            enabled: cache.bytes > 0,
            bodies: bodies(cache.bytes, ttl),
            totals: totals(cache.totals_bytes, ttl),
            stripes: std::iter::repeat_with(|| Mutex::new(())).take(LOAD_STRIPES).collect(),
            hasher: RandomState::default(),
            untold,
        });
        Link::new(Arc::clone(&inner), client, millis(redis.probe_ms), queue).start();
        Ok(Self { inner })
    }

    /// What the scopes are at now. A value loaded after this may be kept with it, and used while
    /// the stamp is unchanged. `None` while this node cannot hear the others: keep nothing.
    #[must_use]
    pub fn stamp(&self, scopes: &[Scope]) -> Option<Stamp> {
        self.inner.generations.stamp(scopes)
    }

    /// Moves the scopes on, after a commit: here at once, on the other nodes before this returns
    /// unless Redis does not answer; then as soon as it does.
    pub async fn invalidate(&self, scopes: &[Scope]) {
        if self.tell(scopes).await == Told::Unanswered {
            self.owe(scopes);
        }
    }

    /// As [`Cache::invalidate`], but nobody is told later: for who tries again by themselves.
    pub async fn tell(&self, scopes: &[Scope]) -> Told {
        self.inner.generations.bump(scopes);
        let told = match self.redis() {
            Some(redis) => shared::tell(&self.inner, redis, scopes).await.map_err(|error| self.report_failure(&error)),
            None => Err(()),
        };
        // A reader may have taken the old value from Redis since the first bump.
        self.inner.generations.bump(scopes);
        told.unwrap_or(Told::Unanswered)
    }

    /// As [`Cache::invalidate`], from a thread that cannot wait: the link tells the other nodes.
    pub fn moved(&self, scopes: &[Scope]) {
        self.inner.generations.bump(scopes);
        self.owe(scopes);
    }

    fn owe(&self, scopes: &[Scope]) {
        if self.inner.untold.send(scopes.to_vec()).is_err() {
            tracing::error!("the link to the other nodes has ended; they may serve old answers until they expire");
        }
    }

    /// The bytes under `key`, which depend on `scopes`: from this process, from Redis, or from
    /// `load`. Loads of one key at a time are joined into one; but nobody waits longer than 50 ms for another's: where
    /// a store is slow or away, each has its own deadline, and is answered by it.
    ///
    /// # Errors
    /// What `load` says.
    pub async fn get_or_load<E, F>(&self, key: &str, scopes: &[Scope], load: F) -> Result<Bytes, E>
    where
        F: AsyncFnOnce() -> Result<Bytes, E>,
    {
        if !self.inner.enabled {
            return Box::pin(load()).await;
        }
        match self.kept(key, scopes) {
            Some(bytes) => Ok(bytes),
            // Boxed, so that a read from memory does not carry the room that a load needs.
            None => Box::pin(self.load_in_turn(key, scopes, load)).await,
        }
    }

    async fn load_in_turn<E, F>(&self, key: &str, scopes: &[Scope], load: F) -> Result<Bytes, E>
    where
        F: AsyncFnOnce() -> Result<Bytes, E>,
    {
        // Where nothing may be kept there is nothing to wait for; and nobody waits long for another.
        if self.stamp(scopes).is_none() {
            return load().await;
        }
        let Ok(_turn) = tokio::time::timeout(LONGEST_TURN, self.turn(key)).await else { return load().await };
        if let Some(bytes) = self.kept(key, scopes) {
            return Ok(bytes);
        }
        let stamp = self.stamp(scopes);
        let bytes = match shared::get(self, key, scopes).await {
            shared::Found::Value(bytes) => bytes,
            shared::Found::Nothing(generations) => {
                let bytes = load().await?;
                shared::put(self, key, &generations, &bytes).await;
                bytes
            }
            shared::Found::Away => load().await?,
        };
        if let Some(stamp) = stamp {
            self.inner.bodies.insert(key.to_owned(), Entry { stamp, value: bytes.clone() });
        }
        Ok(bytes)
    }

    /// A total that was kept under `key`, where it still holds.
    #[must_use]
    pub fn total(&self, key: &str, scopes: &[Scope]) -> Option<i64> {
        let entry = self.inner.totals.get(key)?;
        (Some(entry.stamp) == self.stamp(scopes)).then_some(entry.value)
    }

    /// Keeps a total that was counted after `stamp` was taken.
    pub fn keep_total(&self, key: String, stamp: Stamp, value: i64) {
        self.inner.totals.insert(key, Entry { stamp, value });
    }

    /// A connection for commands, `None` while Redis is known to be away. Each command ends within
    /// the timeout of the settings.
    #[must_use]
    pub fn redis(&self) -> Option<ConnectionManager> {
        self.is_up().then(|| self.inner.manager.clone())
    }

    /// How long a command is waited for.
    #[must_use]
    pub fn timeout(&self) -> Duration {
        self.inner.timeout
    }

    /// Whether Redis answered when it was last asked.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.inner.up.load(Ordering::Relaxed)
    }

    /// Waits until Redis has answered for the first time, at most for `limit`.
    pub async fn linked(&self, limit: Duration) {
        let stands = async {
            while !self.is_up() {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        if tokio::time::timeout(limit, stands).await.is_err() {
            tracing::warn!("Redis does not answer; serving without it");
        }
    }

    /// `rest` under the prefix of this installation.
    #[must_use]
    pub fn key(&self, rest: &str) -> String {
        self.inner.key(rest)
    }

    /// Tells that a command failed. Until the link has answered again nobody waits for Redis.
    pub fn report_failure(&self, error: &redis::RedisError) {
        if self.inner.up.swap(false, Ordering::Relaxed) {
            tracing::warn!(%error, "Redis does not answer; going on without it");
        }
    }

    fn kept(&self, key: &str, scopes: &[Scope]) -> Option<Bytes> {
        let stamp = self.stamp(scopes)?;
        self.inner.bodies.get(key, |entry| entry.stamp == stamp).map(|entry| entry.value)
    }

    async fn turn(&self, key: &str) -> Option<tokio::sync::MutexGuard<'_, ()>> {
        Some(self.inner.stripes.get(place(self.inner.hasher.hash_one(key), LOAD_STRIPES))?.lock().await)
    }
}

/// Which of `count` places what has this hash is for.
fn place(hash: u64, count: usize) -> usize {
    usize::try_from(hash >> 32).unwrap_or(0) % count
}

/// What an entry takes beside its key and the bytes of its value.
const ENTRY_BYTES: usize = 128;

/// Totals are small, but their keys spell out what was asked for.
fn totals(bytes: u64, ttl: Duration) -> Moka<String, Entry<i64>, RandomState> {
    Moka::builder()
        .max_capacity(bytes)
        .weigher(|key: &String, _: &Entry<i64>| u32::try_from(key.len() + ENTRY_BYTES).unwrap_or(u32::MAX))
        .time_to_live(ttl)
        .build_with_hasher(RandomState::default())
}

fn bodies(bytes: u64, ttl: Duration) -> Fronted<String, Entry<Bytes>> {
    let shared = Moka::builder()
        .max_capacity(bytes)
        .weigher(|key: &String, entry: &Entry<Bytes>| {
            u32::try_from(key.len() + entry.value.len() + ENTRY_BYTES).unwrap_or(u32::MAX)
        })
        .time_to_live(ttl)
        .build_with_hasher(RandomState::default());
    Fronted::new(shared, |Entry { stamp, value }| {
        let value = (value.len() <= LARGEST_IN_FRONT).then(|| Bytes::copy_from_slice(value))?;
        Some(Entry { stamp: *stamp, value })
    })
}

impl Inner {
    fn key(&self, rest: &str) -> String {
        format!("{}:{rest}", self.prefix)
    }
}
