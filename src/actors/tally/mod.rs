//! The tally: requests answered and bytes served, counted without a lock and flushed to Redis by
//! one task, with what else a node knows of itself. What could not be flushed is kept until it can be.
//! The only round trips to Redis are those of the task, and of who reads or resets.

mod request_count;

use std::{
    panic::AssertUnwindSafe,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use chrono::Utc;
use futures_util::FutureExt as _;
use uuid::Uuid;

use self::request_count::{Flushed, Reset};
use crate::cache::{Cache, keys};

/// How often counts go to Redis. With the time that a flush takes this stays below the 200 ms by which a read may lag.
const FLUSH: Duration = Duration::from_millis(100);
/// How often the last flush is tried again.
const TRY: Duration = Duration::from_millis(50);
/// A node that has not flushed for this long is gone.
const NODE_LIFE_SECONDS: i64 = 10;
/// What a node told is remembered this long, so that it is not counted twice: longer than a node goes on without
/// Redis while others go on with it.
const NODE_MEMORY_SECONDS: i64 = 30 * 86_400;
/// Counters that threads spread over.
const SHARDS: usize = 16;

/// A counter of some of the threads, on a cache line of its own.
#[derive(Default)]
#[repr(align(128))]
struct Shard(AtomicU64);

thread_local! {
    static SHARD: usize = {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        NEXT.fetch_add(1, Ordering::Relaxed) % SHARDS
    };
}

/// The handle. Cheap to clone.
#[derive(Clone)]
pub struct Tally {
    inner: Arc<Inner>,
}

struct Inner {
    requests: [Shard; SHARDS],
    /// Handed to every body that goes out; moved once a chunk.
    bytes: Arc<AtomicU64>,
    /// The last reset of the count of requests that this node has heard of.
    heard: Mutex<Reset>,
    /// Requests that Redis has said to have taken up.
    told: AtomicU64,
    cache: Cache,
    node: String,
    started: Instant,
    script: redis::Script,
    reset: redis::Script,
    gauges: Box<dyn Fn() -> NodeGauges + Send + Sync>,
}

/// What a node knows of itself: what it counted since its start, and who views through it now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub struct NodeGauges {
    pub views: u64,
    pub watched_ms: u64,
    pub sessions: u64,
    pub viewers: u64,
}

/// Counts of requests and bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Counts {
    pub requests: u64,
    pub bytes: u64,
}

/// What one node told last.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub struct NodeStatistics {
    pub node: String,
    pub counts: Counts,
    pub gauges: NodeGauges,
    pub uptime_seconds: u64,
}

/// Names of a node's gauges in Redis.
const GAUGES: [&str; 5] = ["uptime", "views", "watched_ms", "sessions", "viewers"];

/// Redis has no answer now.
#[derive(Debug, thiserror::Error)]
#[error("the statistics are away")]
pub struct StatisticsAway(#[source] pub(super) Option<redis::RedisError>);

impl Tally {
    /// Starts counting and flushing. `gauges` says what else this node knows of itself; it is asked several
    /// times a second. Needs a running runtime.
    #[must_use]
    pub fn start(cache: Cache, gauges: impl Fn() -> NodeGauges + Send + Sync + 'static) -> Self {
        let tally = Self {
            inner: Arc::new(Inner {
                requests: Default::default(),
                bytes: Arc::default(),
                heard: Mutex::default(),
                told: AtomicU64::new(0),
                cache,
                node: Uuid::new_v4().simple().to_string(),
                started: Instant::now(),
                script: redis::Script::new(keys::TALLY_SCRIPT),
                reset: redis::Script::new(keys::RESET_SCRIPT),
                gauges: Box::new(gauges),
            }),
        };
        let flushing = tally.clone();
        tokio::spawn(async move {
            let mut ticks = tokio::time::interval(FLUSH);
            ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            loop {
                ticks.tick().await;
                // What panics, the gauges for example, costs one flush and not all to come.
                match AssertUnwindSafe(flushing.flush()).catch_unwind().await {
                    Ok(Ok(())) => {}
                    Ok(Err(error)) => tracing::debug!(cause = ?error, "counts are kept for later"),
                    Err(_) => tracing::warn!("a flush of the counts has panicked: they are kept for later"),
                }
            }
        });
        tally
    }

    /// Counts an answered request.
    pub fn count_request(&self) {
        let at = SHARD.try_with(|at| *at).unwrap_or(0);
        let [first, ..] = &self.inner.requests;
        self.inner.requests.get(at).unwrap_or(first).0.fetch_add(1, Ordering::Relaxed);
    }

    /// The counter of bytes of media that went out.
    #[must_use]
    pub fn bytes_served(&self) -> &Arc<AtomicU64> {
        &self.inner.bytes
    }

    /// Requests and bytes of this process since its start.
    #[must_use]
    pub fn here(&self) -> Counts {
        Counts {
            requests: self.inner.requests.iter().map(|shard| shard.0.load(Ordering::Relaxed)).sum(),
            bytes: self.inner.bytes.load(Ordering::Relaxed),
        }
    }

    /// What else this process knows of itself.
    #[must_use]
    pub fn gauges(&self) -> NodeGauges {
        (self.inner.gauges)()
    }

    /// How long this process has run.
    #[must_use]
    pub fn uptime(&self) -> Duration {
        self.inner.started.elapsed()
    }

    /// Requests that Redis has not taken up yet, or has not said so.
    #[must_use]
    pub fn untold(&self) -> u64 {
        let told = self.inner.told.load(Ordering::Relaxed);
        self.here().requests.saturating_sub(told)
    }

    /// Tells Redis what was counted since the start. What an earlier call told is not counted again,
    /// also where its answer was lost.
    ///
    /// # Errors
    /// Redis is away; nothing is lost.
    pub async fn flush(&self) -> Result<(), StatisticsAway> {
        self.tell().await.map(drop)
    }

    /// The last flush of a process: tried until it is done, at most for `patience`.
    ///
    /// # Errors
    /// Redis was away all the time.
    pub async fn flush_within(&self, patience: Duration) -> Result<(), StatisticsAway> {
        let end = Instant::now() + patience;
        loop {
            match self.flush().await {
                Err(_) if Instant::now() < end => tokio::time::sleep(TRY).await,
                done => return done,
            }
        }
    }

    async fn tell(&self) -> Result<Flushed, StatisticsAway> {
        let Inner { cache, node, script, heard, told, .. } = &*self.inner;
        let mut redis = cache.redis().ok_or(StatisticsAway(None))?;
        let (now, last) = (self.here(), *heard.lock().unwrap_or_else(PoisonError::into_inner));
        let mut call = script.prepare_invoke();
        call.key(cache.key(keys::TOTALS)).key(cache.key(&keys::node_statistics(node))).key(cache.key(keys::NODES));
        call.arg(now.requests).arg(now.bytes).arg(node).arg(Utc::now().timestamp()).arg(NODE_MEMORY_SECONDS);
        call.arg(last.number).arg(last.before);
        let NodeGauges { views, watched_ms, sessions, viewers } = self.gauges();
        for (name, value) in GAUGES.into_iter().zip([self.uptime().as_secs(), views, watched_ms, sessions, viewers]) {
            call.arg(name).arg(value);
        }
        let (since, number, before, at) = call.invoke_async(&mut redis).await.map_err(|error| self.away(error))?;
        heard.lock().unwrap_or_else(PoisonError::into_inner).hear(Reset { number, before });
        told.fetch_max(now.requests, Ordering::Relaxed);
        Ok(Flushed { since, at })
    }

    /// The counts of all nodes that ever ran, and what each of those that run now told last; from Redis
    /// alone, this node's up to the moment.
    ///
    /// # Errors
    /// Redis is away.
    pub async fn served(&self) -> Result<(Counts, Vec<NodeStatistics>), StatisticsAway> {
        self.flush().await?;
        let cache = &self.inner.cache;
        let mut redis = cache.redis().ok_or(StatisticsAway(None))?;
        let nodes = cache.key(keys::NODES);
        let mut pipe = redis::pipe();
        pipe.cmd("ZREMRANGEBYSCORE").arg(&nodes).arg("-inf").arg(Utc::now().timestamp() - NODE_LIFE_SECONDS).ignore();
        pipe.cmd("HMGET").arg(cache.key(keys::TOTALS)).arg("requests").arg("bytes");
        pipe.cmd("ZRANGE").arg(&nodes).arg(0).arg(-1);
        let ((requests, bytes), names): ((Option<u64>, Option<u64>), Vec<String>) =
            pipe.query_async(&mut redis).await.map_err(|error| self.away(error))?;
        let mut pipe = redis::pipe();
        for name in &names {
            let key = cache.key(&keys::node_statistics(name));
            pipe.cmd("HMGET").arg(key).arg("requests").arg("bytes").arg(&GAUGES);
        }
        let each: Vec<Vec<Option<u64>>> = pipe.query_async(&mut redis).await.map_err(|error| self.away(error))?;
        let nodes = names.into_iter().zip(each).map(|(node, told)| NodeStatistics::of(node, told)).collect();
        Ok((Counts { requests: requests.unwrap_or(0), bytes: bytes.unwrap_or(0) }, nodes))
    }

    fn away(&self, error: redis::RedisError) -> StatisticsAway {
        self.inner.cache.report_failure(&error);
        StatisticsAway(Some(error))
    }
}

impl NodeStatistics {
    /// What was told: requests, bytes, then the gauges in their order.
    fn of(node: String, told: Vec<Option<u64>>) -> Self {
        let mut told = told.into_iter();
        let mut next = || told.next().flatten().unwrap_or(0);
        let counts = Counts { requests: next(), bytes: next() };
        let uptime_seconds = next();
        let gauges = NodeGauges { views: next(), watched_ms: next(), sessions: next(), viewers: next() };
        Self { node, counts, gauges, uptime_seconds }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flush_comes_twice_within_the_time_that_a_read_may_lag() {
        assert!(FLUSH * 2 <= Duration::from_millis(200));
    }
}
