//! What a transaction adds to the sums of each title.

use std::collections::BTreeMap;

use diesel::prelude::*;

use super::statement::{Column, Statement};
use crate::domain::playback::Title;

/// Sums by kind and title; the installation is kind `all` with an empty title. Sorted, as their rows are locked.
#[derive(Default)]
pub(super) struct Sums {
    by_title: BTreeMap<(&'static str, String), Sum>,
    all: Sum,
}

#[derive(Default, Clone, Copy)]
struct Sum {
    views: i64,
    watched_ms: i64,
}

impl Sum {
    const fn add(&mut self, other: Self) {
        self.views = self.views.saturating_add(other.views);
        self.watched_ms = self.watched_ms.saturating_add(other.watched_ms);
    }
}

impl Sums {
    /// A view of `title`.
    pub(super) fn viewed(&mut self, title: &Title) {
        self.add(title, Sum { views: 1, watched_ms: 0 });
    }

    /// Watch time of `title`.
    pub(super) fn watched(&mut self, title: &Title, watched_ms: i64) {
        if watched_ms > 0 {
            self.add(title, Sum { views: 0, watched_ms });
        }
    }

    fn add(&mut self, title: &Title, sum: Sum) {
        self.all.add(sum);
        for (kind, name) in title.counted_as() {
            self.by_title.entry((kind.name(), name)).or_default().add(sum);
        }
    }

    /// Views and milliseconds in all.
    pub(super) fn total(&self) -> (u64, u64) {
        (self.all.views.try_into().unwrap_or(0), self.all.watched_ms.try_into().unwrap_or(0))
    }

    /// Adds them to the stored ones.
    pub(super) fn store(self, conn: &mut PgConnection) -> QueryResult<()> {
        if self.total() == (0, 0) {
            return Ok(());
        }
        let sums = std::iter::once((("all", String::new()), self.all)).chain(self.by_title);
        let (mut kinds, mut titles, mut views, mut watched) = (vec![], vec![], vec![], vec![]);
        for ((kind, title), sum) in sums {
            kinds.push(kind.to_owned());
            titles.push(title);
            views.push(sum.views);
            watched.push(sum.watched_ms);
        }
        let columns =
            vec![Column::Texts(kinds), Column::Texts(titles), Column::Numbers(views), Column::Numbers(watched)];
        Statement::new(ADD, columns).execute(conn).map(drop)
    }
}

/// Watch time moves the sum for ever only.
const ADD: &str = "INSERT INTO view_counts (kind, title, grain, begins_at, views, watched_ms, changed_in) \
    SELECT n.kind, n.title, g.grain, g.begins_at, n.views, CASE g.grain WHEN 'all' THEN n.watched_ms ELSE 0 END, \
        pg_current_xact_id()::text::bigint \
    FROM unnest({}, {}, {}, {}) AS n (kind, title, views, watched_ms) \
    CROSS JOIN (VALUES ('all', timestamptz 'epoch'), ('day', date_trunc('day', now(), 'UTC')), \
        ('hour', date_trunc('hour', now(), 'UTC')), ('minute', date_trunc('minute', now(), 'UTC'))) \
        AS g (grain, begins_at) \
    WHERE n.views > 0 OR g.grain = 'all' \
    ORDER BY n.kind COLLATE \"C\", n.title COLLATE \"C\", g.grain COLLATE \"C\" \
    ON CONFLICT (kind, title, grain, begins_at) DO UPDATE SET views = view_counts.views + excluded.views, \
        watched_ms = view_counts.watched_ms + excluded.watched_ms, changed_in = excluded.changed_in";
