//! The lockout: wrong tries for one (address, name) pair are counted, and too many block the pair.
//! It never locks an account for other addresses.
//!
//! A try takes one of the places *before* the password is looked at, so that guesses in parallel
//! get no more than the limit through; what is still open when all places are taken makes the next
//! ones wait, so that many right sign-ins at once are not taken for guesses.
//!
//! Counted in Redis (`cache/scripts/lockout.lua`), so it holds over nodes and restarts. With Redis
//! away each node counts by itself (`ledger`): sign-ins go on, and guessing stays bounded by the
//! limit for each node.

mod ledger;

use std::{net::IpAddr, sync::Arc, time::Duration};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, Utc};
use moka::sync::Cache as Kept;
use sha2::{Digest as _, Sha256};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::Instant,
};
use uuid::Uuid;

use self::ledger::Ledger;
use super::{clock::Clock, error::AuthError};
use crate::{
    cache::{Cache, keys},
    settings::{AuthSettings, millis},
};

/// How often a try that found no place asks again.
const RETRY: Duration = Duration::from_millis(25);
/// Pairs whose tries queue on this node; one that is forgotten only costs a few more questions.
const GATES: u64 = 10_000;

/// The numbers of the lockout.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    tries: u32,
    window: Duration,
    block: Duration,
    /// An open try that is not settled within this time counts as a wrong one.
    life: Duration,
    /// How long a try waits for a place.
    wait: Duration,
}

/// Whose tries are counted together: a digest, so that keys have one length and show no address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Pair([u8; 32]);

impl Pair {
    fn new(address: IpAddr, name: &str) -> Self {
        let text = format!("{}|{}", address.to_canonical(), name.to_lowercase());
        Self(Sha256::digest(text.as_bytes()).into())
    }
}

/// What the count answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    /// Wrong tries that remain.
    Left(u32),
    /// The pair is blocked for this long.
    Blocked(Duration),
    /// Open tries have all the places.
    Wait,
}

/// What happens to a try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    Begin,
    Wrong,
    Right,
    /// The password was not looked at: the try does not count.
    Release,
}

impl Step {
    const fn name(self) -> &'static str {
        match self {
            Self::Begin => "begin",
            Self::Wrong => "wrong",
            Self::Right => "right",
            Self::Release => "release",
        }
    }
}

/// Where a try is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Shared,
    Here,
}

/// A try that has its place. One that is dropped unsettled counts as wrong after a while.
#[must_use = "an unsettled try counts as a wrong one"]
#[derive(Debug)]
pub(super) struct Try {
    pair: Pair,
    id: Uuid,
    place: Place,
    left: u32,
    _turn: OwnedSemaphorePermit,
}

/// Counts tries. Cheap to clone.
#[derive(Clone)]
pub(super) struct Lockout {
    cache: Cache,
    clock: Clock,
    limits: Limits,
    script: Arc<redis::Script>,
    ledger: Ledger,
    gates: Kept<Pair, Arc<Semaphore>>,
}

impl Lockout {
    /// As the settings say.
    #[must_use]
    pub(super) fn new(settings: &AuthSettings, cache: Cache, clock: Clock) -> Self {
        let wait = millis(settings.hash_deadline_ms);
        let limits = Limits {
            tries: settings.lockout_tries,
            window: Duration::from_secs(settings.lockout_window_seconds.into()),
            block: Duration::from_secs(settings.lockout_block_seconds.into()),
            life: wait.saturating_mul(2),
            wait,
        };
        Self {
            cache,
            clock,
            limits,
            script: Arc::new(redis::Script::new(keys::LOCKOUT_SCRIPT)),
            ledger: Ledger::new(limits),
            gates: Kept::builder().max_capacity(GATES).time_to_idle(limits.life).build(),
        }
    }

    /// Takes a place for one try.
    ///
    /// # Errors
    /// [`AuthError::Blocked`], and [`AuthError::Busy`] where other tries of the pair keep all
    /// places until the deadline.
    pub(super) async fn begin(&self, address: IpAddr, name: &str) -> Result<Try, AuthError> {
        let pair = Pair::new(address, name);
        let end = Instant::now() + self.limits.wait;
        let turn = self.turn(pair, end).await?;
        let id = Uuid::now_v7();
        loop {
            let (place, answer) = match self.shared(pair, id, Step::Begin).await {
                Some(answer) => (Place::Shared, answer),
                None => (Place::Here, self.ledger.step(pair, id, Step::Begin, self.clock.now())),
            };
            match answer {
                Answer::Left(left) => return Ok(Try { pair, id, place, left, _turn: turn }),
                Answer::Blocked(rest) => return Err(blocked(self.clock.now(), rest)),
                Answer::Wait if Instant::now() + RETRY < end => tokio::time::sleep(RETRY).await,
                Answer::Wait => return Err(AuthError::Busy),
            }
        }
    }

    /// The password was right: the count starts anew. Gives the wrong tries that remain.
    pub(super) async fn right(&self, attempt: Try) -> u32 {
        self.settle(attempt, Step::Right).await
    }

    /// The password was wrong. Gives the wrong tries that remain.
    pub(super) async fn wrong(&self, attempt: Try) -> u32 {
        self.settle(attempt, Step::Wrong).await
    }

    /// The password was not looked at: the try does not count.
    pub(super) async fn release(&self, attempt: Try) {
        self.settle(attempt, Step::Release).await;
    }

    /// Whoever sits at this address has proven in another way that the account is theirs: the count
    /// starts anew, and a block ends.
    pub(super) async fn forgive(&self, address: IpAddr, name: &str) {
        let (pair, id) = (Pair::new(address, name), Uuid::now_v7());
        if self.shared(pair, id, Step::Right).await.is_none() {
            self.ledger.step(pair, id, Step::Right, self.clock.now());
        }
    }

    async fn settle(&self, attempt: Try, step: Step) -> u32 {
        let Try { pair, id, place, left, _turn: turn } = attempt;
        let answer = match place {
            Place::Shared => self.shared(pair, id, step).await,
            Place::Here => Some(self.ledger.step(pair, id, step, self.clock.now())),
        };
        drop(turn);
        match answer {
            Some(Answer::Left(now)) => now,
            Some(Answer::Blocked(_) | Answer::Wait) => 0,
            None => left,
        }
    }

    /// Lets as many tries of a pair through at once as there are places, the others in order.
    async fn turn(&self, pair: Pair, end: Instant) -> Result<OwnedSemaphorePermit, AuthError> {
        let places = usize::try_from(self.limits.tries).unwrap_or(usize::MAX >> 4);
        let gate = self.gates.get_with(pair, || Arc::new(Semaphore::new(places)));
        tokio::time::timeout_at(end, gate.acquire_owned())
            .await
            .map_err(|_| AuthError::Busy)?
            .map_err(|_| AuthError::Busy)
    }

    /// Asks Redis; `None` where it is away.
    async fn shared(&self, pair: Pair, id: Uuid, step: Step) -> Option<Answer> {
        let mut link = self.cache.redis()?;
        let digest = URL_SAFE_NO_PAD.encode(pair.0);
        let mut call = self.script.prepare_invoke();
        for part in ["tries", "open", "block"] {
            call.key(self.cache.key(&keys::lockout(&digest, part)));
        }
        call.arg(step.name()).arg(id.to_string()).arg(self.limits.tries);
        for time in [self.limits.window, self.limits.block, self.limits.life] {
            call.arg(u64::try_from(time.as_millis()).unwrap_or(u64::MAX));
        }
        match call.invoke_async::<(String, i64)>(&mut link).await {
            Ok((word, number)) => Some(answer(&word, number)),
            Err(error) => {
                self.cache.report_failure(&error);
                None
            }
        }
    }
}

fn answer(word: &str, number: i64) -> Answer {
    match word {
        "left" => Answer::Left(u32::try_from(number).unwrap_or(0)),
        "wait" => Answer::Wait,
        _ => Answer::Blocked(Duration::from_millis(u64::try_from(number).unwrap_or(0))),
    }
}

fn blocked(now: DateTime<Utc>, rest: Duration) -> AuthError {
    let seconds_left = u64::try_from(rest.as_millis().div_ceil(1000)).unwrap_or(u64::MAX).max(1);
    let until = now + chrono::Duration::seconds(i64::try_from(seconds_left).unwrap_or(i64::from(u32::MAX)));
    AuthError::Blocked { seconds_left, until }
}
