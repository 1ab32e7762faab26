//! The ledger's transaction: views, positions, and the sums that they move, of many sessions at once.
//! A fixed number of statements, whatever the number of rows.
//!
//! Everything may be told again, by any node, also while an earlier telling is still under way: a view has
//! its stream as key, and watch time is told as a whole, never as a difference. Whoever locks several rows
//! takes them in one order: streams, `last_views`, views, `view_counts`, each sorted by key. So transactions
//! of nodes wait for each other, but never in a circle; those that remove streams lock in an order of their
//! own, so streams that are locked are not waited for.

mod clock;
mod statement;
mod sums;

use std::{
    collections::{HashMap, HashSet},
    time::{Duration, Instant},
};

use diesel::{
    deserialize::QueryableByName,
    prelude::*,
    sql_types::{BigInt, Text, Uuid as SqlUuid},
};
use uuid::Uuid;

use self::{
    clock::Clock,
    statement::{Column, Statement},
    sums::Sums,
};
use crate::domain::playback::{Progress, View, Viewed, ViewedBy};

/// What one transaction takes. No stream stands twice in either list.
#[derive(Debug, Default)]
pub struct Group {
    /// Of views of one account and title, the first counts.
    pub views: Vec<View>,
    /// How far sessions are.
    pub heard: Vec<Heard>,
}

/// How far a session is, and when its heartbeat came.
#[derive(Debug, Clone)]
pub struct Heard {
    /// How far.
    pub progress: Progress,
    /// When the ledger was told.
    told: Instant,
    /// How old the heartbeat was then.
    age: Duration,
}

impl Heard {
    /// Told now of a heartbeat that came `age` ago.
    #[must_use]
    pub fn new(progress: Progress, age: Duration) -> Self {
        Self { progress, told: Instant::now(), age }
    }

    /// How old the heartbeat is at `now`.
    #[must_use]
    pub fn age(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.told).saturating_add(self.age)
    }

    /// Whether its heartbeat came before `other`'s.
    #[must_use]
    pub fn is_before(&self, other: &Self) -> bool {
        let now = Instant::now();
        self.age(now) > other.age(now)
    }
}

/// What became of a session's progress.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Saved {
    /// It is stored, or something later was before.
    Done,
    /// There is no such stream.
    Gone,
    /// Another transaction holds the stream: tell it again.
    Busy,
}

/// What a transaction did; the lists go with those of the group.
#[derive(Debug)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Posted {
    pub viewed: Vec<Viewed>,
    pub saved: Vec<Saved>,
    /// Views that were not there before.
    pub views: u64,
    /// Watch time that was not there before.
    pub watched_ms: u64,
}

/// Stores a group, all of it or nothing.
///
/// # Errors
/// Diesel's. Where the connection broke at the commit, the group may be stored.
pub fn post(conn: &mut PgConnection, group: &Group) -> QueryResult<Posted> {
    conn.transaction(|conn| {
        let mut sums = Sums::default();
        let saved = save(conn, &group.heard, &mut sums)?;
        let viewed = count(conn, &group.views, &mut sums)?;
        let (views, watched_ms) = sums.total();
        sums.store(conn)?;
        Ok(Posted { viewed, saved, views, watched_ms })
    })
}

#[derive(QueryableByName)]
struct Locked {
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
    #[diesel(sql_type = BigInt)]
    watched_ms: i64,
}

#[derive(QueryableByName)]
struct Key {
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
}

const LOCK: &str = "SELECT id, watched_ms FROM streams WHERE id = ANY ({}) ORDER BY id FOR NO KEY UPDATE SKIP LOCKED";

/// What was heard later stays; watch time never falls. A heartbeat is stored as having come as early as it may
/// have, and compared as late as it may have: so whatever came later wins, however long Postgres takes to answer
/// (an end may come some milliseconds after the opening). Of two that came within such a time the one told last.
const SAVE: &str = "UPDATE streams s SET watched_ms = greatest(s.watched_ms, n.watched_ms), \
        beat_at = greatest(s.beat_at, n.earliest), updated_at = greatest(s.updated_at, n.earliest), \
        position_seconds = CASE WHEN n.latest >= s.beat_at THEN n.position ELSE s.position_seconds END, \
        state = CASE WHEN n.latest >= s.beat_at THEN n.state ELSE s.state END \
    FROM unnest({}, {}, {}, {}, {}, {}) AS n (id, position, state, watched_ms, earliest, latest) WHERE s.id = n.id";

fn save(conn: &mut PgConnection, heard: &[Heard], sums: &mut Sums) -> QueryResult<Vec<Saved>> {
    if heard.is_empty() {
        return Ok(Vec::new());
    }
    let asked = heard.iter().map(|heard| heard.progress.stream.uuid()).collect();
    let locked: Vec<Locked> = Statement::new(LOCK, vec![Column::Ids(asked)]).load(conn)?;
    let stored: HashMap<Uuid, i64> = locked.into_iter().map(|row| (row.id, row.watched_ms)).collect();
    let (there, missing): (Vec<&Heard>, Vec<&Heard>) =
        heard.iter().partition(|heard| stored.contains_key(&heard.progress.stream.uuid()));
    for heard in &there {
        let Progress { stream, watch, title } = &heard.progress;
        let before = stored.get(&stream.uuid()).copied().unwrap_or(i64::MAX);
        sums.watched(title, watch.watched_ms().saturating_sub(before));
    }
    update(conn, &there)?;
    let missing = missing.into_iter().map(|heard| heard.progress.stream.uuid()).collect();
    let busy = found(conn, "SELECT id FROM streams WHERE id = ANY ({})", missing)?;
    Ok(heard.iter().map(|heard| outcome(heard.progress.stream.uuid(), &stored, &busy)).collect())
}

/// Brings rows after that are locked.
fn update(conn: &mut PgConnection, heard: &[&Heard]) -> QueryResult<()> {
    if heard.is_empty() {
        return Ok(());
    }
    let clock = Clock::read(conn)?;
    let (earliest, latest) = heard.iter().map(|heard| clock.came(heard)).unzip();
    let columns = vec![
        Column::Ids(heard.iter().map(|heard| heard.progress.stream.uuid()).collect()),
        Column::Seconds(heard.iter().map(|heard| heard.progress.watch.position).collect()),
        Column::Texts(heard.iter().map(|heard| heard.progress.watch.state.name().to_owned()).collect()),
        Column::Numbers(heard.iter().map(|heard| heard.progress.watch.watched_ms()).collect()),
        Column::Times(earliest),
        Column::Times(latest),
    ];
    Statement::new(SAVE, columns).execute(conn).map(drop)
}

fn outcome(id: Uuid, stored: &HashMap<Uuid, i64>, busy: &HashSet<Uuid>) -> Saved {
    if stored.contains_key(&id) {
        Saved::Done
    } else if busy.contains(&id) {
        Saved::Busy
    } else {
        Saved::Gone
    }
}

/// Which of `ids` the statement finds.
fn found(conn: &mut PgConnection, statement: &'static str, ids: Vec<Uuid>) -> QueryResult<HashSet<Uuid>> {
    if ids.is_empty() {
        return Ok(HashSet::new());
    }
    let rows: Vec<Key> = Statement::new(statement, vec![Column::Ids(ids)]).load(conn)?;
    Ok(rows.into_iter().map(|row| row.id).collect())
}

const COUNTED: &str = "SELECT stream_id AS id FROM views WHERE stream_id = ANY ({})";

const INSERT: &str = "INSERT INTO views \
        (stream_id, viewer_id, title, file, episode, series, video, viewed_at, changed_in) \
    SELECT n.*, now(), pg_current_xact_id()::text::bigint \
    FROM unnest({}, {}, {}, {}, {}, {}, {}) AS n (stream_id, viewer_id, title, file, episode, series, video) \
    ORDER BY n.stream_id ON CONFLICT (stream_id) DO NOTHING RETURNING stream_id AS id";

fn count(conn: &mut PgConnection, views: &[View], sums: &mut Sums) -> QueryResult<Vec<Viewed>> {
    if views.is_empty() {
        return Ok(Vec::new());
    }
    // What was counted before must not begin another hour.
    let mut counted = found(conn, COUNTED, views.iter().map(|view| view.stream.uuid()).collect())?;
    let open: Vec<&View> = views.iter().filter(|view| !counted.contains(&view.stream.uuid())).collect();
    let won = hours_begun(conn, &open)?;
    let (new, lost): (Vec<&View>, Vec<&View>) = open.into_iter().partition(|view| won.contains(&view.stream.uuid()));
    let inserted = insert(conn, &new)?;
    for view in new.iter().filter(|view| inserted.contains(&view.stream.uuid())) {
        sums.viewed(&view.title);
    }
    counted.extend(new.iter().map(|view| view.stream.uuid()));
    // Another node may have counted the same stream while this one waited for it.
    counted.extend(found(conn, COUNTED, lost.iter().map(|view| view.stream.uuid()).collect())?);
    let outcome = |view: &View| if counted.contains(&view.stream.uuid()) { Viewed::Counted } else { Viewed::Refused };
    Ok(views.iter().map(outcome).collect())
}

const BEGIN_HOURS: &str = "INSERT INTO last_views AS l (title, viewer_id, viewed_at) \
    SELECT n.title, n.viewer, now() FROM unnest({}, {}) AS n (title, viewer) ORDER BY n.title COLLATE \"C\", n.viewer \
    ON CONFLICT (title, viewer_id) DO UPDATE SET viewed_at = excluded.viewed_at \
    WHERE l.viewed_at <= excluded.viewed_at - interval '1 hour' OR l.viewed_at > excluded.viewed_at + interval '1 hour' \
    RETURNING title, viewer_id";

#[derive(QueryableByName)]
struct Begun {
    #[diesel(sql_type = Text)]
    title: String,
    #[diesel(sql_type = SqlUuid)]
    viewer_id: Uuid,
}

/// The streams whose views may count: those of nobody, and of accounts the first that viewed the title in an
/// hour. (A time further ahead than that comes from a clock that was wrong.)
fn hours_begun(conn: &mut PgConnection, views: &[&View]) -> QueryResult<HashSet<Uuid>> {
    let mut won = HashSet::new();
    let mut first: HashMap<(String, Uuid), Uuid> = HashMap::new();
    for view in views {
        match view.by {
            ViewedBy::Session(_) => drop(won.insert(view.stream.uuid())),
            ViewedBy::Account(account) => {
                first.entry((view.title.name(), account.uuid())).or_insert(view.stream.uuid());
            }
        }
    }
    if !first.is_empty() {
        let (titles, viewers) = first.keys().cloned().unzip();
        let columns = vec![Column::Texts(titles), Column::Ids(viewers)];
        let begun: Vec<Begun> = Statement::new(BEGIN_HOURS, columns).load(conn)?;
        won.extend(begun.into_iter().filter_map(|row| first.get(&(row.title, row.viewer_id)).copied()));
    }
    Ok(won)
}

fn insert(conn: &mut PgConnection, views: &[&View]) -> QueryResult<HashSet<Uuid>> {
    if views.is_empty() {
        return Ok(HashSet::new());
    }
    let viewer = |view: &&View| match view.by {
        ViewedBy::Account(account) => account.uuid(),
        ViewedBy::Session(session) => session.uuid(),
    };
    let names = |name: fn(&View) -> Option<String>| Column::Names(views.iter().map(|view| name(view)).collect());
    let columns = vec![
        Column::Ids(views.iter().map(|view| view.stream.uuid()).collect()),
        Column::Ids(views.iter().map(viewer).collect()),
        Column::Texts(views.iter().map(|view| view.title.name()).collect()),
        names(|view| view.title.file.map(|id| id.to_string())),
        names(|view| view.title.episode.map(|id| id.to_string())),
        names(|view| view.title.series.map(|id| id.to_string())),
        names(|view| view.title.video.clone()),
    ];
    let rows: Vec<Key> = Statement::new(INSERT, columns).load(conn)?;
    Ok(rows.into_iter().map(|row| row.id).collect())
}
