//! When a heartbeat came, by Postgres' clock, which is one for all nodes and for the rows.

use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use diesel::{deserialize::QueryableByName, prelude::*, sql_types::Timestamptz};

use super::{Heard, statement::Statement};

/// An answer that took longer is asked for again: something hung.
const DOUBT: Duration = Duration::from_millis(250);
/// How often.
const TRIES: u32 = 3;

/// What Postgres' clock said, somewhere between the question and the answer.
pub(super) struct Clock {
    asked: Instant,
    now: DateTime<Utc>,
    answered: Instant,
}

#[derive(QueryableByName)]
struct Now {
    #[diesel(sql_type = Timestamptz)]
    now: DateTime<Utc>,
}

impl Clock {
    /// Asks Postgres; of several answers the quickest.
    pub(super) fn read(conn: &mut PgConnection) -> QueryResult<Self> {
        let mut best = Self::ask(conn)?;
        for _ in 1..TRIES {
            if best.doubt() <= DOUBT {
                break;
            }
            let next = Self::ask(conn)?;
            if next.doubt() < best.doubt() {
                best = next;
            }
        }
        Ok(best)
    }

    fn ask(conn: &mut PgConnection) -> QueryResult<Self> {
        let asked = Instant::now();
        let rows: Vec<Now> = Statement::new("SELECT clock_timestamp() AS now", Vec::new()).load(conn)?;
        let Now { now } = rows.into_iter().next().ok_or(diesel::result::Error::NotFound)?;
        Ok(Self { asked, now, answered: Instant::now() })
    }

    fn doubt(&self) -> Duration {
        self.answered.saturating_duration_since(self.asked)
    }

    /// The earliest and the latest that the heartbeat may have come at.
    pub(super) fn came(&self, heard: &Heard) -> (DateTime<Utc>, DateTime<Utc>) {
        let at = |here: Instant| {
            let age = TimeDelta::from_std(heard.age(here)).unwrap_or(TimeDelta::MAX);
            self.now.checked_sub_signed(age).unwrap_or(DateTime::UNIX_EPOCH)
        };
        (at(self.answered), at(self.asked))
    }
}
