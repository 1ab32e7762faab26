//! The actor behind the ledger: it gathers groups and sends them, one after the other.

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

use actix::{Actor, ActorFutureExt as _, Addr, AsyncContext as _, Context, Handler, Message, WrapFuture as _};
use tokio::sync::oneshot::Sender;

use super::{
    Committed,
    batch::{self, Ask, Batch, Rest},
    notes::Notes,
};
use crate::db::{
    Db, DbError,
    queries::ledger::{self, Group, Heard},
};

/// Who may wait for a group at a time; further ones are refused.
const MOST_WAITING: usize = 10_000;
/// How often notes are looked through.
const TICK: Duration = Duration::from_millis(200);
/// How long notes rest after a failure.
const REST: Duration = Duration::from_secs(1);
/// How long a flush goes on where Postgres is away or rows are locked.
const LONGEST_FLUSH: Duration = Duration::from_secs(5);
/// How long a flush lasts at most: its end is seen at a tick.
#[cfg(test)]
pub(crate) const fn longest_flush() -> Duration {
    LONGEST_FLUSH.saturating_add(TICK)
}
/// How long a stream that is locked is left alone, and how often.
const LOCKED: (Duration, u32) = (Duration::from_millis(25), 30);

#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Asked(pub(super) Ask);

#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Note(pub(super) Heard);

#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Flush(pub(super) Sender<usize>);

enum Stage {
    Idle,
    /// A group with so many notes is under way.
    Posting(usize),
}

/// A flush lasts until no note waits, or its time is up.
struct Flushing {
    until: Instant,
    /// Is told how many notes were left.
    done: Sender<usize>,
}

/// The one that gathers groups and sends them, one after the other.
pub(super) struct Clerk {
    db: Db,
    committed: Arc<Committed>,
    save_after: Duration,
    waiting: VecDeque<Ask>,
    notes: Notes,
    resting_until: Instant,
    stage: Stage,
    flushes: Vec<Flushing>,
}

impl Actor for Clerk {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.run_interval(TICK, |clerk, ctx| {
            clerk.go(ctx);
            clerk.flushed();
        });
    }
}

impl Handler<Asked> for Clerk {
    type Result = ();

    fn handle(&mut self, Asked(ask): Asked, ctx: &mut Self::Context) {
        if self.waiting.len() >= MOST_WAITING {
            return self.refuse(ask, "too many wait for the ledger");
        }
        self.waiting.push_back(ask);
        self.go(ctx);
    }
}

impl Handler<Note> for Clerk {
    type Result = ();

    fn handle(&mut self, Note(heard): Note, _: &mut Self::Context) {
        self.notes.put(heard, Instant::now() + self.save_after);
    }
}

impl Handler<Flush> for Clerk {
    type Result = ();

    fn handle(&mut self, Flush(done): Flush, ctx: &mut Self::Context) {
        let now = Instant::now();
        self.notes.hurry(now);
        self.resting_until = now;
        self.flushes.push(Flushing { until: now + LONGEST_FLUSH, done });
        self.go(ctx);
        self.flushed();
    }
}

impl Clerk {
    /// Starts; notes wait for `save_after` at most. Needs a running actix system.
    pub(super) fn begin(db: Db, committed: Arc<Committed>, save_after: Duration) -> Addr<Self> {
        let clerk = Self {
            db,
            committed,
            save_after,
            waiting: VecDeque::new(),
            notes: Notes::default(),
            resting_until: Instant::now(),
            stage: Stage::Idle,
            flushes: Vec::new(),
        };
        // Before it runs: actix's own bound is 16.
        Self::create(|ctx| {
            ctx.set_mailbox_capacity(MOST_WAITING);
            clerk
        })
    }

    /// Sends the next group, if there is one and none is under way.
    fn go(&mut self, ctx: &mut Context<Self>) {
        if matches!(self.stage, Stage::Posting(_)) {
            return;
        }
        let mut batch = Batch::default();
        while batch.len() < batch::MOST
            && let Some(ask) = self.waiting.pop_front()
        {
            batch.take(ask);
        }
        let now = Instant::now();
        let mut notes = 0;
        while self.resting_until <= now
            && batch.len() < batch::MOST
            && let Some(heard) = self.notes.take(now)
        {
            batch.note(heard);
            notes += 1;
        }
        if batch.len() > 0 {
            self.stage = Stage::Posting(notes);
            self.post(batch, ctx);
        }
    }

    fn post(&self, mut batch: Batch, ctx: &mut Context<Self>) {
        let group = batch.seal();
        let (db, committed, posting) = (self.db.clone(), Arc::clone(&self.committed), Arc::clone(&group));
        let posted = async move {
            db.run(move |conn| {
                let posted = ledger::post(conn, &posting).map_err(DbError::from)?;
                committed.add(&posted);
                Ok::<_, DbError>(posted)
            })
            .await
        };
        ctx.spawn(posted.into_actor(self).map(move |posted, clerk, ctx| {
            clerk.stage = Stage::Idle;
            match posted {
                Ok(posted) => clerk.settled(batch.settle(&group, &posted), ctx),
                Err(error) => clerk.failed(batch, &group, &error),
            }
            clerk.go(ctx);
            clerk.flushed();
        }));
    }

    fn settled(&mut self, rest: Rest, ctx: &mut Context<Self>) {
        let now = Instant::now();
        rest.stored.iter().for_each(|heard| self.notes.settle(heard));
        if self.flushes.is_empty() {
            rest.notes.into_iter().for_each(|heard| self.notes.put(heard, now + self.save_after));
        } else if !rest.notes.is_empty() {
            rest.notes.into_iter().for_each(|heard| self.notes.put_back(heard));
            self.resting_until = now + LOCKED.0;
        }
        for mut save in rest.busy {
            save.refused += 1;
            if save.refused > LOCKED.1 {
                self.refuse(Ask::Save(save), "somebody else holds the stream");
            } else {
                ctx.notify_later(Asked(Ask::Save(save)), LOCKED.0);
            }
        }
    }

    /// Says that it was not done. Progress stays as a note: who waited may have gone, and no heartbeat may follow.
    fn refuse(&mut self, ask: Ask, why: &str) {
        if let Some(heard) = ask.refuse(why) {
            self.notes.put_back(heard);
        }
    }

    /// Whoever waits is told at once: the next group would hardly fare better, and they have waited long. Their
    /// progress stays as notes.
    fn failed(&mut self, batch: Batch, group: &Group, error: &DbError) {
        let why = error.to_string();
        let is_away = matches!(error, DbError::Away(_));
        let notes = batch.refuse(group, &why);
        for ask in std::mem::take(&mut self.waiting) {
            self.refuse(ask, &why);
        }
        self.resting_until = Instant::now() + if self.flushes.is_empty() { REST } else { TICK };
        if is_away {
            tracing::debug!(why, "a group of the ledger is refused, its notes are kept");
            for heard in notes {
                self.notes.put_back(heard);
            }
        } else {
            // A note that Postgres does not take would fail all groups to come. Heartbeats bring new ones.
            tracing::error!(?error, dropped = notes.len(), "a group of the ledger has failed");
        }
    }

    /// Ends flushes for which nothing is left to do, or no time.
    fn flushed(&mut self) {
        let under_way = match self.stage {
            Stage::Idle => 0,
            Stage::Posting(notes) => notes,
        };
        let (now, left) = (Instant::now(), self.notes.len() + under_way);
        for flushing in self.flushes.extract_if(.., |flushing| left == 0 || flushing.until <= now) {
            flushing.done.send(left).unwrap_or_default();
        }
    }
}
