//! The circuit breaker: a provider that is away is not asked again and again.
//!
//! What counts is whole calls, with all their tries. A try that fails is what retries are for: a provider that fails
//! two of five tries serves nearly every call, and a connection pool that breaks at once would look like a provider
//! that is gone. Calls that fail one after the other, with none between that is answered, mean that retries do not
//! help. An answer is an answer here also where it makes no sense: the provider is there.
//!
//! It stands *closed* (all calls pass), *open* (none does), or *half-open*: its time is up, and one call, of a single
//! try, is let through to see. Steps from one to the other are taken by an actor, one after the other, so that there
//! is one probe and no more; how it stands is published, so that neither a good call nor a refusal waits for it.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use actix::{Actor, Addr, Context, Handler, Message};
use tokio::sync::watch;

use crate::settings::{ProviderSettings, millis};

/// What is asked to wait while a probe runs, or where the actor is gone.
const SHORTLY: Duration = Duration::from_secs(1);

/// How the breaker stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    Closed,
    Open { until: Instant },
    HalfOpen,
}

/// What kind of call was let through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// One of many, with retries.
    Call,
    /// The one that sees whether the provider is back.
    Probe,
}

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Answered,
    Failed,
    /// It ended before all its tries were made, and says nothing.
    GivenUp,
}

/// The call is not made. After so long another may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Refused(pub(super) Duration);

/// The rules, apart from clock and threads.
#[derive(Debug)]
struct Circuit {
    standing: Standing,
    /// When calls failed since the last that was answered.
    failed: VecDeque<Instant>,
    most: usize,
    window: Duration,
    rest: Duration,
}

impl Circuit {
    fn new(settings: &ProviderSettings) -> Self {
        Self {
            standing: Standing::Closed,
            failed: VecDeque::new(),
            most: settings.breaker_failures,
            window: millis(settings.breaker_window_ms),
            rest: millis(settings.breaker_open_ms),
        }
    }

    fn enter(&mut self, now: Instant) -> Result<Kind, Refused> {
        match self.standing {
            Standing::Closed => Ok(Kind::Call),
            Standing::Open { until } if now < until => Err(Refused(until - now)),
            Standing::Open { .. } => {
                self.standing = Standing::HalfOpen;
                Ok(Kind::Probe)
            }
            Standing::HalfOpen => Err(Refused(SHORTLY)),
        }
    }

    fn report(&mut self, kind: Kind, outcome: Outcome, now: Instant) {
        match (self.standing, kind, outcome) {
            (Standing::Closed, _, Outcome::Answered) => self.failed.clear(),
            (Standing::Closed, _, Outcome::Failed) => self.note_failure(now),
            (Standing::HalfOpen, Kind::Probe, Outcome::Answered) => {
                self.failed.clear();
                self.standing = Standing::Closed;
            }
            (Standing::HalfOpen, Kind::Probe, Outcome::Failed | Outcome::GivenUp) => self.open(now),
            // A call from before it opened says nothing about the provider of now.
            (Standing::Closed, _, Outcome::GivenUp)
            | (Standing::Open { .. }, _, _)
            | (Standing::HalfOpen, Kind::Call, _) => {}
        }
    }

    fn note_failure(&mut self, now: Instant) {
        self.failed.push_back(now);
        while self.failed.front().is_some_and(|first| now.duration_since(*first) > self.window) {
            self.failed.pop_front();
        }
        if self.failed.len() >= self.most {
            self.open(now);
        }
    }

    fn open(&mut self, now: Instant) {
        self.failed.clear();
        self.standing = Standing::Open { until: now + self.rest };
    }
}

/// The actor: takes the steps, and publishes where they led.
struct Steps {
    circuit: Circuit,
    standing: watch::Sender<Standing>,
}

impl Steps {
    fn publish(&self) {
        let now = self.circuit.standing;
        if self.standing.send_replace(now) == now {
            return;
        }
        match now {
            Standing::Open { .. } => {
                tracing::warn!(rest = ?self.circuit.rest, "the provider of movies is away: it is left alone for a while");
            }
            Standing::HalfOpen => tracing::debug!("the provider of movies is tried again"),
            Standing::Closed => tracing::info!("the provider of movies is back"),
        }
    }
}

impl Actor for Steps {
    type Context = Context<Self>;
}

struct Enter;

impl Message for Enter {
    type Result = Result<Kind, Refused>;
}

impl Handler<Enter> for Steps {
    type Result = Result<Kind, Refused>;

    fn handle(&mut self, _: Enter, _: &mut Self::Context) -> Self::Result {
        let entered = self.circuit.enter(Instant::now());
        self.publish();
        entered
    }
}

struct Report {
    kind: Kind,
    outcome: Outcome,
}

impl Message for Report {
    type Result = ();
}

impl Handler<Report> for Steps {
    type Result = ();

    fn handle(&mut self, report: Report, _: &mut Self::Context) {
        self.circuit.report(report.kind, report.outcome, Instant::now());
        self.publish();
    }
}

/// The handle. Cheap to clone.
#[derive(Clone)]
pub(super) struct Breaker {
    steps: Addr<Steps>,
    standing: watch::Receiver<Standing>,
}

impl Breaker {
    /// Starts closed, in the actix system of the caller.
    pub(super) fn start(settings: &ProviderSettings) -> Self {
        let circuit = Circuit::new(settings);
        let (publish, standing) = watch::channel(circuit.standing);
        Self { steps: Steps { circuit, standing: publish }.start(), standing }
    }

    /// The refusal of a breaker that rests, or that waits for its probe, at once.
    pub(super) fn refusal(&self) -> Option<Refused> {
        match *self.standing.borrow() {
            Standing::Open { until } => {
                let left = until.saturating_duration_since(Instant::now());
                (!left.is_zero()).then_some(Refused(left))
            }
            Standing::HalfOpen => Some(Refused(SHORTLY)),
            Standing::Closed => None,
        }
    }

    /// Whether a call that was let through may make another try.
    pub(super) fn goes_on(&self) -> Result<(), Refused> {
        if self.is_closed() { Ok(()) } else { Err(self.refusal().unwrap_or(Refused(SHORTLY))) }
    }

    /// Whether calls pass.
    fn is_closed(&self) -> bool {
        *self.standing.borrow() == Standing::Closed
    }

    /// Lets a call through, or refuses it.
    pub(super) async fn enter(&self) -> Result<Ticket, Refused> {
        let kind = if self.is_closed() {
            Kind::Call
        } else {
            self.steps.send(Enter).await.unwrap_or(Err(Refused(SHORTLY)))?
        };
        Ok(Ticket { steps: self.steps.clone(), kind, outcome: Outcome::Failed })
    }
}

/// A call that was let through. Dropped without an answer, it has failed: a probe that died must not keep the
/// breaker half-open for ever.
pub(super) struct Ticket {
    steps: Addr<Steps>,
    /// What kind of call it is.
    pub(super) kind: Kind,
    outcome: Outcome,
}

impl Ticket {
    /// The provider has answered.
    pub(super) fn answered(mut self) {
        self.outcome = Outcome::Answered;
    }

    /// The call ends before its time, for no fault of the provider's.
    pub(super) fn given_up(mut self) {
        self.outcome = Outcome::GivenUp;
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        // No more of these can wait than calls run at a time.
        self.steps.do_send(Report { kind: self.kind, outcome: self.outcome });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: Duration = Duration::from_secs(30);
    const REST: Duration = Duration::from_secs(5);
    const SECOND: Duration = Duration::from_secs(1);

    fn settings() -> ProviderSettings {
        ProviderSettings {
            breaker_failures: 3,
            breaker_window_ms: 30_000,
            breaker_open_ms: 5000,
            ..ProviderSettings::for_tests()
        }
    }

    fn circuit() -> (Circuit, Instant) {
        (Circuit::new(&settings()), Instant::now())
    }

    /// A call that ends so.
    fn call(circuit: &mut Circuit, outcome: Outcome, now: Instant) -> Result<Kind, Refused> {
        let kind = circuit.enter(now)?;
        circuit.report(kind, outcome, now);
        Ok(kind)
    }

    #[test]
    fn calls_that_fail_in_a_row_open_it_and_one_that_is_answered_begins_the_row_anew() {
        let (mut circuit, now) = circuit();
        for _ in 0..100 {
            for outcome in [Outcome::Failed, Outcome::Failed, Outcome::Answered] {
                assert_eq!(call(&mut circuit, outcome, now), Ok(Kind::Call));
            }
        }
        for _ in 0..3 {
            assert_eq!(call(&mut circuit, Outcome::Failed, now), Ok(Kind::Call));
        }
        assert_eq!(circuit.enter(now), Err(Refused(REST)));
        assert_eq!(circuit.enter(now + SECOND), Err(Refused(4 * SECOND)));
    }

    #[test]
    fn calls_that_were_given_up_neither_open_it_nor_begin_the_row_anew() {
        let (mut circuit, now) = circuit();
        for _ in 0..100 {
            assert_eq!(call(&mut circuit, Outcome::GivenUp, now), Ok(Kind::Call));
        }
        for _ in 0..3 {
            assert_eq!(call(&mut circuit, Outcome::Failed, now), Ok(Kind::Call));
            call(&mut circuit, Outcome::GivenUp, now).ok();
        }
        assert_eq!(circuit.enter(now), Err(Refused(REST)));
    }

    #[test]
    fn failures_far_apart_do_not_open_it() {
        let (mut circuit, now) = circuit();
        for step in 0..20 {
            assert_eq!(call(&mut circuit, Outcome::Failed, now + step * (WINDOW / 2 + SECOND)), Ok(Kind::Call));
        }
    }

    #[test]
    fn half_open_lets_one_probe_through_and_its_end_decides() {
        let (mut circuit, mut now) = circuit();
        for _ in 0..3 {
            call(&mut circuit, Outcome::Failed, now).unwrap();
        }
        for _ in 0..4 {
            now += REST;
            assert_eq!(circuit.enter(now), Ok(Kind::Probe));
            assert_eq!(circuit.enter(now), Err(Refused(SHORTLY)));
            // A call from before ends now.
            circuit.report(Kind::Call, Outcome::Answered, now);
            assert_eq!(circuit.enter(now), Err(Refused(SHORTLY)));
            circuit.report(Kind::Probe, Outcome::Failed, now);
            assert_eq!(circuit.enter(now), Err(Refused(REST)));
        }
        now += REST;
        assert_eq!(call(&mut circuit, Outcome::Answered, now), Ok(Kind::Probe));
        // It takes as many failures as ever to open it again.
        for _ in 0..3 {
            assert_eq!(call(&mut circuit, Outcome::Failed, now), Ok(Kind::Call));
        }
        assert_eq!(circuit.enter(now), Err(Refused(REST)));
    }

    #[test]
    fn calls_from_before_do_not_open_it_for_longer() {
        let (mut circuit, now) = circuit();
        for _ in 0..3 {
            call(&mut circuit, Outcome::Failed, now).unwrap();
        }
        circuit.report(Kind::Call, Outcome::Failed, now + SECOND);
        assert_eq!(circuit.enter(now + REST), Ok(Kind::Probe));
    }

    #[actix_web::test]
    async fn a_probe_that_is_lost_has_failed() {
        let settings = ProviderSettings { breaker_failures: 1, breaker_open_ms: 1, ..settings() };
        let breaker = Breaker::start(&settings);
        assert!(breaker.enter().await.is_ok_and(|ticket| ticket.kind == Kind::Call));
        let mut probes = 0;
        while probes < 3 {
            match breaker.enter().await {
                Ok(ticket) if ticket.kind == Kind::Probe => {
                    assert!(breaker.enter().await.is_err(), "a second probe");
                    probes += 1;
                }
                // Not yet open, or not yet half-open.
                Ok(_) | Err(_) => tokio::task::yield_now().await,
            }
        }
        loop {
            if let Ok(ticket) = breaker.enter().await {
                ticket.answered();
                break;
            }
            tokio::task::yield_now().await;
        }
        while !breaker.is_closed() {
            tokio::task::yield_now().await;
        }
        assert_eq!(breaker.refusal(), None);
    }
}
