//! The follower: carries what has changed in Postgres (`view_counts`, `views`) to Redis, where statistics
//! are read. One task a node; any number of nodes may do it at once, because what is written are absolute
//! values that only rise.
//!
//! How far Postgres was read stands in Redis itself, and is moved on only after everything up to there was
//! written. A Redis that was emptied has lost it too, and everything is read again, by one node at a time.
//! Nothing is told by the writers: whatever is committed in Postgres arrives here, whoever committed it.

mod changes;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use chrono::Utc;
use diesel::{PgConnection, QueryResult};
use redis::aio::ConnectionManager;
use tokio::sync::Notify;
use uuid::Uuid;

use self::changes::{Changes, Row};
use crate::{
    cache::{Cache, keys},
    db::{
        Db, DbError,
        queries::statistics::{self, CountRow, Page, ViewRow},
    },
    domain::statistics::Grain,
    settings::{StatisticsSettings, millis},
};

/// Rows that are read at once: some 20 ms, far below the deadline of a statement.
const PAGE: u16 = 5_000;
/// Rows that are written at once: a few milliseconds, far below the deadline of a command.
const BATCH: usize = 500;
/// After a word of a change, further ones are waited for this long.
const GATHER: Duration = Duration::from_millis(50);
/// After a failure, or while another node reads everything anew.
const RETRY: Duration = Duration::from_millis(250);
/// The turn to read everything anew, without a sign of life. A page takes much less.
const TURN_MS: u64 = 5_000;
/// How often rows that nobody looks at any more are removed from Postgres, how many by one statement, and how
/// many of one kind at most: far more than views come in a minute.
const TIDY: Duration = Duration::from_mins(1);
const TIDIED: u16 = 2_000;
const MOST_TIDIED: usize = 100_000;

/// The handle of the task. Cheap to clone.
#[derive(Clone)]
pub struct Follower {
    inner: Arc<Inner>,
}

struct Inner {
    db: Db,
    cache: Cache,
    poked: Notify,
    every: Duration,
    script: redis::Script,
}

/// Why a pass broke off; the next one begins where the last whole one ended.
#[derive(Debug, thiserror::Error)]
enum Broken {
    #[error("Redis is away")]
    Away,
    #[error(transparent)]
    Redis(#[from] redis::RedisError),
    #[error(transparent)]
    Db(#[from] DbError),
}

/// How a pass ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pass {
    /// Redis has what Postgres had when the pass began.
    Whole,
    /// Redis was emptied meanwhile, another node was quicker, or has the turn.
    Crossed,
}

impl Follower {
    /// Starts the task. Needs a running runtime.
    #[must_use]
    pub fn start(db: Db, cache: Cache, settings: &StatisticsSettings) -> Self {
        let inner = Arc::new(Inner {
            db,
            cache,
            poked: Notify::new(),
            every: millis(settings.follow_ms),
            script: redis::Script::new(keys::FOLLOW_SCRIPT),
        });
        tokio::spawn(Arc::clone(&inner).run());
        Self { inner }
    }

    /// Tells that something was committed. Costs next to nothing; many words at once are one.
    pub fn poke(&self) {
        self.inner.poked.notify_one();
    }
}

impl Inner {
    async fn run(self: Arc<Self>) {
        let (mut tidied, mut is_told) = (Instant::now(), false);
        loop {
            match self.pass().await {
                Ok(Pass::Whole) => {
                    is_told = false;
                    if tokio::time::timeout(self.every, self.poked.notified()).await.is_ok() {
                        tokio::time::sleep(GATHER).await;
                    }
                }
                Ok(Pass::Crossed) => tokio::time::sleep(RETRY).await,
                Err(error) => {
                    if !std::mem::replace(&mut is_told, true) {
                        tracing::warn!(%error, "views are carried to Redis later");
                    }
                    tokio::time::sleep(RETRY).await;
                }
            }
            if tidied.elapsed() > TIDY {
                tidied = Instant::now();
                self.tidy().await;
            }
        }
    }

    async fn pass(&self) -> Result<Pass, Broken> {
        let mut redis = self.cache.redis().ok_or(Broken::Away)?;
        let told: Option<String> =
            self.in_redis(redis::cmd("GET").arg(self.cache.key(keys::FOLLOWED)).query_async(&mut redis).await)?;
        let horizon = self.db.run(|conn| statistics::horizon(conn).map_err(DbError::from)).await?;
        let told = told.unwrap_or_default();
        // Of another database, or of a later state of this one, nothing can be taken up.
        let from = told
            .split_once(' ')
            .filter(|(database, _)| *database == horizon.database)
            .and_then(|(_, seen)| seen.parse().ok())
            .filter(|seen| *seen <= horizon.next);
        let next = format!("{} {}", horizon.database, horizon.seen);
        let mut course = Course { inner: self, redis, told, token: String::new() };
        match from {
            // The upper end keeps a pass from running after what is written while it reads, and leaves out what a
            // dump of another database has brought along: a whole reading has had that.
            Some(from) => course.catch_up(from..horizon.next, &next).await,
            None => course.anew(&next).await,
        }
    }

    fn in_redis<T>(&self, answer: redis::RedisResult<T>) -> Result<T, Broken> {
        answer.map_err(|error| {
            // A Redis that refuses (it is full) does answer, and serves the others.
            if error.is_io_error() || error.is_timeout() || error.is_connection_dropped() {
                self.cache.report_failure(&error);
            }
            Broken::Redis(error)
        })
    }

    async fn tidy(&self) {
        for grain in [Grain::Minute, Grain::Hour] {
            self.remove(move |conn| statistics::forget(conn, grain, TIDIED.into())).await;
        }
        self.remove(|conn| statistics::forget_hours(conn, TIDIED.into())).await;
    }

    /// Does `work`, which removes [`TIDIED`] rows at most, until there are no more.
    async fn remove(&self, work: impl Fn(&mut PgConnection) -> QueryResult<usize> + Copy + Send + 'static) {
        let mut removed = 0;
        while removed < MOST_TIDIED {
            match self.db.run(move |conn| work(conn).map_err(DbError::from)).await {
                Ok(count) if count == usize::from(TIDIED) => removed += count,
                Ok(_) => return,
                Err(error) => {
                    tracing::debug!(%error, "old rows stay for now");
                    return;
                }
            }
        }
    }
}

/// One pass.
struct Course<'a> {
    inner: &'a Inner,
    redis: ConnectionManager,
    /// How far was read when it began; empty: not at all.
    told: String,
    /// Of the turn to read everything anew; empty: that is not being done.
    token: String,
}

impl Course<'_> {
    async fn catch_up(&mut self, span: std::ops::Range<i64>, next: &str) -> Result<Pass, Broken> {
        self.carry::<CountRow>(&span).await?;
        self.carry::<ViewRow>(&span).await?;
        if next == self.told {
            return Ok(Pass::Whole);
        }
        self.step(next).await
    }

    async fn anew(&mut self, next: &str) -> Result<Pass, Broken> {
        if !self.take_turn().await? {
            return Ok(Pass::Crossed);
        }
        let began = Instant::now();
        if !self.told.is_empty() {
            tracing::warn!("the statistics are of another state of Postgres, and are made anew");
            self.clear().await?;
        }
        let everything = i64::MIN..i64::MAX;
        let (Some(counts), Some(views)) =
            (self.carry::<CountRow>(&everything).await?, self.carry::<ViewRow>(&everything).await?)
        else {
            return Ok(Pass::Crossed);
        };
        let pass = self.step(next).await?;
        if pass == Pass::Whole {
            metrics::counter!("playhouse_statistics_rebuilds_total").increment(1);
            let took = began.elapsed();
            tracing::info!(counts, views, ?took, "the statistics in Redis were made anew from Postgres");
        }
        Ok(pass)
    }

    async fn take_turn(&mut self) -> Result<bool, Broken> {
        let token = Uuid::new_v4().simple().to_string();
        let mut command = redis::cmd("SET");
        command.arg(self.inner.cache.key(keys::REBUILD)).arg(&token).arg("NX").arg("PX").arg(TURN_MS);
        let answer: Option<String> = self.inner.in_redis(command.query_async(&mut self.redis).await)?;
        self.token = token;
        Ok(answer.is_some())
    }

    /// Sets how far was read, or, where `next` is empty, keeps the turn.
    async fn step(&mut self, next: &str) -> Result<Pass, Broken> {
        let Inner { cache, script, .. } = self.inner;
        let mut call = script.prepare_invoke();
        call.key(cache.key(keys::FOLLOWED)).key(cache.key(keys::REBUILD));
        call.arg(&self.told).arg(next).arg(&self.token).arg(TURN_MS);
        let done: u8 = self.inner.in_redis(call.invoke_async(&mut self.redis).await)?;
        Ok(if done == 1 { Pass::Whole } else { Pass::Crossed })
    }

    /// Writes all rows that were changed within `span`: how many; `None` where the turn was lost.
    async fn carry<R: Row>(&mut self, span: &std::ops::Range<i64>) -> Result<Option<usize>, Broken> {
        let mut page = Page { after: R::before(span.start), until: span.end, limit: PAGE.into() };
        let mut count = 0;
        loop {
            let asked = page.clone();
            let rows = self.inner.db.run(move |conn| R::read(conn, &asked).map_err(DbError::from)).await?;
            if !self.token.is_empty() && self.step("").await? == Pass::Crossed {
                return Ok(None);
            }
            for batch in rows.chunks(BATCH) {
                self.write(batch).await?;
            }
            count += rows.len();
            let is_full = rows.len() >= usize::from(PAGE);
            match rows.into_iter().next_back() {
                Some(last) if is_full => page.after = last,
                Some(_) | None => return Ok(Some(count)),
            }
        }
    }

    async fn write<R: Row>(&mut self, rows: &[R]) -> Result<(), Broken> {
        let mut changes = Changes::at(Utc::now());
        for row in rows {
            row.add_to(&mut changes);
        }
        let pipe = changes.commands(&self.inner.cache);
        if pipe.is_empty() {
            return Ok(());
        }
        self.inner.in_redis(pipe.query_async::<()>(&mut self.redis).await)
    }

    /// Removes what was made of another state of Postgres: values only rise, and those may be too high.
    async fn clear(&mut self) -> Result<(), Broken> {
        for begin in keys::MADE_OF_POSTGRES {
            let pattern = format!("{}*", literal(&self.inner.cache.key(begin)));
            let mut cursor = 0_u64;
            loop {
                let mut command = redis::cmd("SCAN");
                command.arg(cursor).arg("MATCH").arg(&pattern).arg("COUNT").arg(BATCH);
                let (next, found): (u64, Vec<String>) =
                    self.inner.in_redis(command.query_async(&mut self.redis).await)?;
                if !found.is_empty() {
                    let removed = redis::cmd("UNLINK").arg(found).query_async::<()>(&mut self.redis).await;
                    self.inner.in_redis(removed)?;
                }
                cursor = next;
                if cursor == 0 {
                    break;
                }
            }
        }
        Ok(())
    }
}

/// A text as a pattern that stands for itself.
fn literal(text: &str) -> String {
    let escape = |letter: char| matches!(letter, '*' | '?' | '[' | ']' | '\\' | '^').then_some('\\');
    text.chars().flat_map(|letter| escape(letter).into_iter().chain([letter])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_with_signs_of_patterns_stands_for_itself() {
        assert_eq!(literal("a[b]*?\\c"), "a\\[b\\]\\*\\?\\\\c");
        assert_eq!(literal("playhouse:stats:views:"), "playhouse:stats:views:");
    }
}
