//! The r2d2 pool. A thread keeps its connection from one piece of work to the next (a check-out with
//! its test for each would cost a third of the throughput). It tests it when any thread saw one break, and after a
//! rest: nobody is told of a Postgres that was restarted while no work came.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use diesel::{
    Connection as _, PgConnection, RunQueryDsl as _,
    connection::InstrumentationEvent,
    r2d2::{ConnectionManager, CustomizeConnection, Error as PoolError, ManageConnection, PooledConnection},
    result::Error as DieselError,
};

use super::DbError;
use crate::settings::DatabaseSettings;

pub(super) type Pool = diesel::r2d2::Pool<Manager>;

/// Makes connections, and lets go of those that are old: what they have prepared goes with them.
#[derive(Debug)]
pub(super) struct Manager {
    inner: ConnectionManager<PgConnection>,
    life: Duration,
}

/// A connection that knows its age.
pub(super) struct Aged {
    conn: PgConnection,
    since: Instant,
}

impl ManageConnection for Manager {
    type Connection = Aged;
    type Error = PoolError;

    fn connect(&self) -> Result<Aged, PoolError> {
        Ok(Aged { conn: self.inner.connect()?, since: Instant::now() })
    }

    fn is_valid(&self, aged: &mut Aged) -> Result<(), PoolError> {
        ping(&mut aged.conn).map_err(PoolError::QueryError)
    }

    fn has_broken(&self, aged: &mut Aged) -> bool {
        aged.since.elapsed() > self.life || self.inner.has_broken(&mut aged.conn)
    }
}

/// How long a thread waits for a connection before it calls the database away.
const CONNECT_WAIT: Duration = Duration::from_millis(500);

/// A connection that rested longer is tested before it is used: no Postgres stops and starts in less. Threads with
/// enough to do never pay for it.
const RESTED: Duration = Duration::from_millis(10);

/// How long a transaction may wait for its next statement: Postgres ends the connection then. Statements follow
/// each other at once, so it is a node that has frozen, and others wait for what it has locked.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// Set on each new connection, whose further statements are counted (`playhouse_sql_statements_total`).
#[derive(Debug)]
struct Greeting {
    statements: String,
}

impl CustomizeConnection<Aged, PoolError> for Greeting {
    fn on_acquire(&self, aged: &mut Aged) -> Result<(), PoolError> {
        use diesel::connection::SimpleConnection as _;
        aged.conn.batch_execute(&self.statements).map_err(PoolError::QueryError)?;
        count_statements(&mut aged.conn);
        Ok(())
    }
}

fn count_statements(conn: &mut PgConnection) {
    let statements = metrics::counter!("playhouse_sql_statements_total");
    conn.set_instrumentation(move |event: InstrumentationEvent<'_>| {
        if matches!(event, InstrumentationEvent::StartQuery { .. }) {
            statements.increment(1);
        }
    });
}

/// How like a mistyped word has to be (0 to 1): "frends" is 0.5 like "friends", and strangers stay below.
const TYPING_ERRORS: f32 = 0.4;

/// Opens the pool; connections are made in the background.
pub(super) fn open(url: &str, settings: &DatabaseSettings) -> Pool {
    let life = Duration::from_secs(settings.connection_seconds);
    Pool::builder()
        .max_size(settings.connections())
        .min_idle(Some(1))
        // A thread keeps its connection, and gives it back when it is old.
        .max_lifetime(Some(life))
        .connection_timeout(CONNECT_WAIT)
        // Threads keep their connections, so this is rare; and what is broken goes from the pool.
        .test_on_check_out(true)
        .error_handler(Box::new(QuietHandler))
        .connection_customizer(Box::new(Greeting {
            statements: format!(
                "SET statement_timeout = {}; SET idle_in_transaction_session_timeout = {}; \
                SET application_name = 'playhouse'; SET timezone = 'UTC'; SET jit = off; \
                SET pg_trgm.word_similarity_threshold = {TYPING_ERRORS}",
                settings.statement_timeout_ms,
                LONGEST_PAUSE.as_millis()
            ),
        }))
        .build_unchecked(Manager { inner: ConnectionManager::new(with_timeouts(url)), life })
}

/// libpq gives up on a silent peer; what the address already says wins.
pub(super) fn with_timeouts(url: &str) -> String {
    let mut url = url.to_owned();
    for (key, value) in [("connect_timeout", "2"), ("keepalives_idle", "5"), ("tcp_user_timeout", "5000")] {
        if !url.contains(key) {
            url.push(if url.contains('?') { '&' } else { '?' });
            url.push_str(key);
            url.push('=');
            url.push_str(value);
        }
    }
    url
}

#[derive(Debug)]
struct QuietHandler;

impl r2d2::HandleError<PoolError> for QuietHandler {
    fn handle_error(&self, error: PoolError) {
        // libpq's text has several lines.
        let error = error.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
        tracing::warn!(error, "no connection to Postgres");
    }
}

/// Answers when the connection works. Not counted: it is nobody's statement.
pub(super) fn ping(conn: &mut PgConnection) -> Result<(), DieselError> {
    uncounted(conn, |conn| diesel::sql_query("SELECT 1").execute(conn).map(drop))
}

/// Runs `work`, each of whose statements may take as long as `patience` says, in place of what further ones may.
pub(super) fn patiently<T, E: From<DbError>>(
    conn: &mut PgConnection,
    patience: Patience,
    work: impl FnOnce(&mut PgConnection) -> Result<T, E>,
) -> Result<T, E> {
    let limit = |conn: &mut PgConnection, millis: u64| {
        use diesel::connection::SimpleConnection as _;
        let set = format!("SET statement_timeout = {millis}");
        uncounted(conn, |conn| conn.batch_execute(&set)).map_err(|error| E::from(error.into()))
    };
    // Zero would be no limit.
    let left = patience.end.saturating_duration_since(Instant::now()).as_millis().max(1);
    limit(conn, u64::try_from(left).unwrap_or(u64::MAX))?;
    let done = work(conn);
    let reset = limit(conn, patience.further_ms);
    done.and_then(|done| reset.map(|()| done))
}

/// Until when some statements may take, and how many milliseconds further ones.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    pub(super) end: Instant,
    pub(super) further_ms: u64,
}

fn uncounted<T>(conn: &mut PgConnection, work: impl FnOnce(&mut PgConnection) -> T) -> T {
    conn.set_instrumentation(|_: InstrumentationEvent<'_>| {});
    let done = work(conn);
    count_statements(conn);
    done
}

/// What a database thread owns: the connection it used last, for as long as it is sound.
pub(super) struct Lease {
    pool: Arc<Pool>,
    /// Breaks seen by any thread.
    breaks: Arc<AtomicU64>,
    life: Duration,
    held: Option<Held>,
}

struct Held {
    used: Instant,
    aged: PooledConnection<Manager>,
    /// The breaks that had been seen when it last worked.
    sound_since: u64,
}

impl Held {
    fn is_sound(&mut self, breaks: u64) -> bool {
        let trusted = self.sound_since == breaks && self.used.elapsed() < RESTED;
        trusted || ping(&mut self.aged.conn).is_ok()
    }
}

impl Lease {
    pub(super) const fn new(pool: Arc<Pool>, breaks: Arc<AtomicU64>, life: Duration) -> Self {
        Self { pool, breaks, life, held: None }
    }

    /// Runs `work`; a connection that turns out to be broken is thrown away and the failure
    /// reported as [`DbError::Away`].
    pub(super) fn with<T, E, F>(&mut self, work: F) -> Result<T, E>
    where
        E: From<DbError>,
        F: FnOnce(&mut PgConnection) -> Result<T, E>,
    {
        // Owned here, so that a panic in `work` throws the connection away.
        let mut held = self.sound()?;
        let result = work(&mut held.aged.conn);
        if result.is_err() && ping(&mut held.aged.conn).is_err() {
            self.breaks.fetch_add(1, Ordering::Relaxed);
            return Err(DbError::Away("the connection broke".to_owned()).into());
        }
        held.used = Instant::now();
        self.held = Some(held);
        result
    }

    fn sound(&mut self) -> Result<Held, DbError> {
        let breaks = self.breaks.load(Ordering::Relaxed);
        if let Some(mut held) = self.held.take()
            && held.aged.since.elapsed() < self.life
            && held.is_sound(breaks)
        {
            held.sound_since = breaks;
            return Ok(held);
        }
        let aged = self.pool.get().map_err(|error| DbError::Away(error.to_string()))?;
        Ok(Held { used: Instant::now(), aged, sound_since: breaks })
    }
}

/// A connection outside the pool, for migrations.
pub(super) fn connect(url: &str) -> Result<PgConnection, diesel::ConnectionError> {
    PgConnection::establish(&with_timeouts(url))
}
