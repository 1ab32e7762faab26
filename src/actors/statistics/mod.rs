//! Statistics: what was viewed, by whom, and what is viewed now. All of it is answered from Redis alone;
//! [`Follower`] brings it there from Postgres. Of requests and bytes the tally knows.

mod events;
mod follow;

use std::sync::Arc;

use chrono::{DateTime, Utc};
use redis::FromRedisValue;

pub use self::{
    events::{Event, Listener, Sample, TooManyListeners},
    follow::Follower,
};
use super::tally::{Counts, NodeStatistics, StatisticsAway, Tally};
use crate::{
    cache::{Cache, keys},
    domain::{
        playback::{LONGEST_SILENCE, TitleKind},
        statistics::{Grain, LONGEST_TOP, TOLD_DAYS, TitleStatistics, Viewed, Window},
    },
    settings::{StatisticsSettings, millis},
};

/// The handle. Cheap to clone.
#[derive(Clone)]
pub struct Statistics {
    inner: Arc<Inner>,
}

struct Inner {
    cache: Cache,
    tally: Tally,
    events: events::Events,
    top: redis::Script,
}

/// What is known of the installation.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub struct InstallationStatistics {
    pub counts: Counts,
    pub views: u64,
    pub watched_ms: u64,
    /// Sessions that live now.
    pub sessions: u64,
    /// Who views now.
    pub viewers: u64,
    /// Of the nodes that run now.
    pub nodes: Vec<NodeStatistics>,
}

impl Statistics {
    /// A handle, and the task that takes samples for listeners. Needs a running runtime.
    #[must_use]
    pub fn start(cache: Cache, tally: Tally, settings: &StatisticsSettings) -> Self {
        let inner = Arc::new(Inner {
            cache,
            tally,
            events: events::Events::new(settings.listeners),
            top: redis::Script::new(keys::TOP_SCRIPT),
        });
        let (sampling, every) = (Arc::clone(&inner), millis(settings.event_ms));
        tokio::spawn(async move {
            let sample = || {
                let sampling = Arc::clone(&sampling);
                async move { sampling.sample().await.ok() }
            };
            sampling.events.run(every, sample).await;
        });
        Self { inner }
    }

    /// The numbers of the installation, and of each node; this node's are up to the moment.
    ///
    /// # Errors
    /// Redis is away.
    pub async fn of_installation(&self) -> Result<InstallationStatistics, StatisticsAway> {
        let (counts, nodes) = self.inner.tally.served().await?;
        let cache = &self.inner.cache;
        let mut pipe = redis::pipe();
        pipe.cmd("ZSCORE").arg(cache.key(&keys::views(Grain::All, 0, keys::EVERYTHING))).arg("");
        pipe.cmd("ZSCORE").arg(cache.key(&keys::watched(keys::EVERYTHING))).arg("");
        count_live(&mut pipe, cache, keys::SESSIONS, Live::Members);
        count_live(&mut pipe, cache, keys::LIVE, Live::Viewers);
        let (views, watched, sessions, viewers): (Option<f64>, Option<f64>, u64, u64) = self.inner.ask(&pipe).await?;
        Ok(InstallationStatistics { counts, views: whole(views), watched_ms: whole(watched), sessions, viewers, nodes })
    }

    /// The numbers of a title, under the name that clients know; of one that nobody viewed, zeros.
    ///
    /// # Errors
    /// Redis is away.
    pub async fn of_title(&self, kind: TitleKind, title: &str) -> Result<TitleStatistics, StatisticsAway> {
        let (cache, kind) = (&self.inner.cache, kind.name());
        let begins: Vec<i64> = Grain::Day.latest(Utc::now().timestamp(), TOLD_DAYS).collect();
        let mut pipe = redis::pipe();
        pipe.cmd("ZSCORE").arg(cache.key(&keys::views(Grain::All, 0, kind))).arg(title);
        pipe.cmd("PFCOUNT").arg(cache.key(&keys::viewers(kind, title)));
        pipe.cmd("ZSCORE").arg(cache.key(&keys::watched(kind))).arg(title);
        count_live(&mut pipe, cache, &keys::live(kind, title), Live::Viewers);
        for begin in &begins {
            pipe.cmd("ZSCORE").arg(cache.key(&keys::views(Grain::Day, *begin, kind))).arg(title);
        }
        let mut answers = self.inner.ask::<Vec<Option<f64>>>(&pipe).await?.into_iter();
        let mut next = || whole(answers.next().flatten());
        let (views, unique_viewers, watched_ms, viewers) = (next(), next(), next(), next());
        let days = begins.into_iter().filter_map(|begin| {
            let day = DateTime::from_timestamp(begin, 0)?.date_naive();
            Some((day, next()))
        });
        let mut days: Vec<_> = days.collect();
        days.reverse();
        Ok(TitleStatistics { views, unique_viewers, watched_ms, viewers, days })
    }

    /// The titles of a kind with the most views within `window`, `limit` (100 at most) of them: the most
    /// viewed first, equal ones by name. Some seconds old at most ([`Window::kept_seconds`]).
    ///
    /// # Errors
    /// Redis is away.
    pub async fn top(&self, kind: TitleKind, window: Window, limit: u32) -> Result<Vec<Viewed>, StatisticsAway> {
        let Inner { cache, top, .. } = &*self.inner;
        let (grain, count) = window.pieces();
        let mut redis = cache.redis().ok_or(StatisticsAway(None))?;
        let mut call = top.prepare_invoke();
        call.key(cache.key(&keys::top(window, kind.name())));
        for begin in grain.latest(Utc::now().timestamp(), count) {
            call.key(cache.key(&keys::views(grain, begin, kind.name())));
        }
        call.arg(limit).arg(LONGEST_TOP).arg(window.kept_seconds());
        let best: Vec<(String, f64)> = call.invoke_async(&mut redis).await.map_err(|error| self.inner.away(error))?;
        Ok(best.into_iter().map(|(title, views)| Viewed { title, views: whole(Some(-views)) }).collect())
    }

    /// Listens to the numbers of now.
    ///
    /// # Errors
    /// As many as the settings allow do already.
    pub fn listen(&self) -> Result<Listener, TooManyListeners> {
        self.inner.events.listen()
    }

    /// Who listens to this node.
    #[must_use]
    pub fn listeners(&self) -> usize {
        self.inner.events.listeners()
    }
}

impl Inner {
    async fn sample(&self) -> Result<Sample, StatisticsAway> {
        self.tally.flush().await?;
        let cache = &self.cache;
        let mut pipe = redis::pipe();
        count_live(&mut pipe, cache, keys::LIVE, Live::Viewers);
        pipe.cmd("ZSCORE").arg(cache.key(&keys::views(Grain::All, 0, keys::EVERYTHING))).arg("");
        pipe.cmd("HMGET").arg(cache.key(keys::TOTALS)).arg("requests").arg("bytes");
        let (viewers, views, served): (u64, Option<f64>, (Option<u64>, Option<u64>)) = self.ask(&pipe).await?;
        metrics::counter!("playhouse_statistics_samples_total").increment(1);
        Ok(Sample { viewers, views: whole(views), requests: served.0.unwrap_or(0), bytes: served.1.unwrap_or(0) })
    }

    async fn ask<T: FromRedisValue>(&self, pipe: &redis::Pipeline) -> Result<T, StatisticsAway> {
        let mut redis = self.cache.redis().ok_or(StatisticsAway(None))?;
        pipe.query_async(&mut redis).await.map_err(|error| self.away(error))
    }

    fn away(&self, error: redis::RedisError) -> StatisticsAway {
        self.cache.report_failure(&error);
        StatisticsAway(Some(error))
    }
}

/// What is counted of those who are live.
#[derive(Debug, Clone, Copy)]
enum Live {
    /// Each by itself.
    Members,
    /// Sessions of one viewer as one.
    Viewers,
}

/// Counts those of `set` that were heard of lately, by the clock of Redis: it is the one that wrote when.
fn count_live(pipe: &mut redis::Pipeline, cache: &Cache, set: &str, what: Live) {
    let what = match what {
        Live::Members => "members",
        Live::Viewers => "viewers",
    };
    let command = pipe.cmd("EVAL").arg(keys::LIVE_SCRIPT).arg(2);
    command.arg(cache.key(set)).arg(cache.key(&keys::live_count(set)));
    command.arg(LONGEST_SILENCE.as_secs()).arg(what);
}

/// A score: a whole number that Redis keeps as a float, exact up to 2^53. None is nothing.
fn whole(score: Option<f64>) -> u64 {
    #[expect(
        clippy::as_conversions,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a float saturates, and what is no number is 0"
    )]
    let whole = score.unwrap_or(0.0).round() as u64;
    whole
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_are_whole_numbers() {
        let largest = 9_007_199_254_740_992_u64;
        for (score, expected) in
            [(None, 0), (Some(0.0), 0), (Some(-1.0), 0), (Some(f64::NAN), 0), (Some(9_007_199_254_740_992.0), largest)]
        {
            assert_eq!(whole(score), expected, "{score:?}");
        }
    }
}
