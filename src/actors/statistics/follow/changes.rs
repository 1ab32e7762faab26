//! What rows of Postgres say to Redis: absolute values that only rise, so all of it may be written again.

use chrono::{DateTime, Utc};
use std::collections::BTreeMap;

use uuid::Uuid;

use crate::{
    cache::{Cache, keys},
    db::queries::statistics::{Changed, CountRow, ViewRow},
    domain::{playback::TitleKind, statistics::Grain},
};

/// What is written at once, by key.
#[derive(Default)]
pub(super) struct Changes<'a> {
    /// Seconds since 1970.
    now: i64,
    scores: BTreeMap<String, Scores<'a>>,
    viewers: BTreeMap<String, Vec<Uuid>>,
}

/// Members of a sorted set and their scores, and when the set ends.
#[derive(Default)]
struct Scores<'a> {
    ends: Option<i64>,
    members: Vec<(i64, &'a str)>,
}

impl Changes<'_> {
    /// None yet; what has ended by `now` is left out.
    pub(super) fn at(now: DateTime<Utc>) -> Self {
        Self { now: now.timestamp(), ..Self::default() }
    }

    /// The commands that write it.
    pub(super) fn commands(self, cache: &Cache) -> redis::Pipeline {
        let mut pipe = redis::pipe();
        for (key, Scores { ends, members }) in self.scores {
            let key = cache.key(&key);
            let command = pipe.cmd("ZADD").arg(&key).arg("GT");
            for (score, member) in members {
                command.arg(score).arg(member);
            }
            command.ignore();
            if let Some(ends) = ends {
                pipe.cmd("EXPIREAT").arg(&key).arg(ends).ignore();
            }
        }
        for (key, viewers) in self.viewers {
            let command = pipe.cmd("PFADD").arg(cache.key(&key));
            for viewer in viewers {
                command.arg(viewer.as_bytes());
            }
            command.ignore();
        }
        pipe
    }
}

/// A row that can be written to Redis.
pub(super) trait Row: Changed + Sync {
    fn add_to<'a>(&'a self, changes: &mut Changes<'a>);
}

impl Row for CountRow {
    fn add_to<'a>(&'a self, changes: &mut Changes<'a>) {
        let Some(grain) = Grain::parse(&self.grain) else { return };
        let begin = self.begins_at.timestamp();
        let ends = grain.useful_seconds().map(|useful| begin + useful);
        if ends.is_some_and(|ends| ends <= changes.now) {
            return;
        }
        if self.views > 0 {
            let scores = changes.scores.entry(keys::views(grain, begin, &self.kind)).or_default();
            scores.ends = ends;
            scores.members.push((self.views, &self.title));
        }
        if grain == Grain::All && self.watched_ms > 0 {
            let scores = changes.scores.entry(keys::watched(&self.kind)).or_default();
            scores.members.push((self.watched_ms, &self.title));
        }
    }
}

impl Row for ViewRow {
    fn add_to<'a>(&'a self, changes: &mut Changes<'a>) {
        let titles = [
            (TitleKind::Files, &self.file),
            (TitleKind::Episodes, &self.episode),
            (TitleKind::Series, &self.series),
            (TitleKind::Videos, &self.video),
        ];
        for (kind, title) in titles {
            if let Some(title) = title {
                changes.viewers.entry(keys::viewers(kind.name(), title)).or_default().push(self.viewer_id);
            }
        }
    }
}
