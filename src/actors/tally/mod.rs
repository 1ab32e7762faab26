//! The tally: requests answered and bytes served, counted without a lock and flushed to Redis by
//! one task. What could not be flushed is kept until it can be. Live sessions are counted from
//! the times of their last signs of life.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use chrono::Utc;
use uuid::Uuid;

use crate::{
    cache::{Cache, keys},
    domain::ids::StreamId,
};

/// How often counts go to Redis.
const FLUSH: Duration = Duration::from_millis(200);
/// A node that has not flushed for this long is gone.
const NODE_LIFE_SECONDS: i64 = 10;
/// What a node told is remembered this long, so that it is not counted twice.
const NODE_MEMORY_SECONDS: i64 = 86_400;
/// A session without a sign of life for this long has ended.
const SESSION_LIFE_SECONDS: i64 = 120;
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
    cache: Cache,
    node: String,
    started: Instant,
    script: redis::Script,
}

/// Counts of requests and bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Counts {
    pub requests: u64,
    pub bytes: u64,
}

/// Counts of one node.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub struct NodeStatistics {
    pub node: String,
    pub counts: Counts,
    pub uptime_seconds: u64,
}

/// Counts of the installation.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Statistics {
    pub counts: Counts,
    pub sessions: u64,
    pub nodes: Vec<NodeStatistics>,
}

/// Redis has no answer now.
#[derive(Debug, thiserror::Error)]
#[error("the statistics are away")]
pub struct StatisticsAway(#[source] Option<redis::RedisError>);

impl Tally {
    /// Starts counting and flushing. Needs a running runtime.
    #[must_use]
    pub fn start(cache: Cache) -> Self {
        let tally = Self {
            inner: Arc::new(Inner {
                requests: Default::default(),
                bytes: Arc::default(),
                cache,
                node: Uuid::new_v4().simple().to_string(),
                started: Instant::now(),
                script: redis::Script::new(keys::TALLY_SCRIPT),
            }),
        };
        let flushing = tally.clone();
        tokio::spawn(async move {
            let mut ticks = tokio::time::interval(FLUSH);
            ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            loop {
                ticks.tick().await;
                if let Err(error) = flushing.flush().await {
                    tracing::debug!(cause = ?error, "counts are kept for later");
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

    /// How long this process has run.
    #[must_use]
    pub fn uptime(&self) -> Duration {
        self.inner.started.elapsed()
    }

    /// Tells Redis what was counted since the start. What an earlier call told is not counted again,
    /// also where its answer was lost.
    ///
    /// # Errors
    /// Redis is away; nothing is lost.
    pub async fn flush(&self) -> Result<(), StatisticsAway> {
        let Inner { cache, node, script, .. } = &*self.inner;
        let mut redis = cache.redis().ok_or(StatisticsAway(None))?;
        let now = self.here();
        let mut call = script.prepare_invoke();
        call.key(cache.key(keys::TOTALS)).key(cache.key(&keys::node_statistics(node))).key(cache.key(keys::NODES));
        call.arg(now.requests).arg(now.bytes).arg(self.uptime().as_secs()).arg(node);
        call.arg(Utc::now().timestamp()).arg(NODE_MEMORY_SECONDS);
        call.invoke_async::<()>(&mut redis).await.map_err(|error| self.away(error))
    }

    /// Notes a sign of life of a viewing session. A failure costs the statistics one session.
    pub async fn session_lives(&self, id: StreamId) {
        let mut command = redis::cmd("ZADD");
        command.arg(self.inner.cache.key(keys::SESSIONS)).arg(Utc::now().timestamp()).arg(id.to_string());
        self.note(command).await;
    }

    /// Notes that a viewing session has ended.
    pub async fn session_ended(&self, id: StreamId) {
        let mut command = redis::cmd("ZREM");
        command.arg(self.inner.cache.key(keys::SESSIONS)).arg(id.to_string());
        self.note(command).await;
    }

    async fn note(&self, command: redis::Cmd) {
        let Some(mut redis) = self.inner.cache.redis() else { return };
        if let Err(error) = command.query_async::<()>(&mut redis).await {
            self.inner.cache.report_failure(&error);
        }
    }

    /// The counts of all nodes, from Redis alone; this node's are up to the moment.
    ///
    /// # Errors
    /// Redis is away.
    pub async fn statistics(&self) -> Result<Statistics, StatisticsAway> {
        self.flush().await?;
        let cache = &self.inner.cache;
        let mut redis = cache.redis().ok_or(StatisticsAway(None))?;
        let now = Utc::now().timestamp();
        let (sessions, nodes) = (cache.key(keys::SESSIONS), cache.key(keys::NODES));
        let mut pipe = redis::pipe();
        pipe.cmd("ZREMRANGEBYSCORE").arg(&sessions).arg("-inf").arg(now - SESSION_LIFE_SECONDS).ignore();
        pipe.cmd("ZREMRANGEBYSCORE").arg(&nodes).arg("-inf").arg(now - NODE_LIFE_SECONDS).ignore();
        pipe.cmd("HMGET").arg(cache.key(keys::TOTALS)).arg("requests").arg("bytes");
        pipe.cmd("ZCARD").arg(&sessions);
        pipe.cmd("ZRANGE").arg(&nodes).arg(0).arg(-1);
        let (totals, sessions, names): ((Option<u64>, Option<u64>), u64, Vec<String>) =
            pipe.query_async(&mut redis).await.map_err(|error| self.away(error))?;
        let mut pipe = redis::pipe();
        for name in &names {
            pipe.cmd("HMGET").arg(cache.key(&keys::node_statistics(name))).arg(&["requests", "bytes", "uptime"]);
        }
        let each: Vec<(Option<u64>, Option<u64>, Option<u64>)> =
            pipe.query_async(&mut redis).await.map_err(|error| self.away(error))?;
        let nodes = names.into_iter().zip(each).map(|(node, (requests, bytes, uptime))| NodeStatistics {
            node,
            counts: Counts { requests: requests.unwrap_or(0), bytes: bytes.unwrap_or(0) },
            uptime_seconds: uptime.unwrap_or(0),
        });
        let counts = Counts { requests: totals.0.unwrap_or(0), bytes: totals.1.unwrap_or(0) };
        Ok(Statistics { counts, sessions, nodes: nodes.collect() })
    }

    fn away(&self, error: redis::RedisError) -> StatisticsAway {
        self.inner.cache.report_failure(&error);
        StatisticsAway(Some(error))
    }
}
