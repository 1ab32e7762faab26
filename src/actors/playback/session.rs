//! A live session: one actor, which takes its turns one by one.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use actix::{
    Actor, ActorContext as _, ActorFutureExt as _, AsyncContext as _, AtomicResponse, Context, Handler, Message,
    WrapFuture as _,
};
use uuid::Uuid;

use super::{
    Parts, Viewer,
    course::Course,
    registry::Seat,
    state::{SessionState, Told},
};
use crate::{
    actors::catalog::CatalogError,
    domain::{
        ids::{FileId, StreamId, UserId},
        playback::{PlayState, Stream, StreamChange, Title},
    },
};

/// How long a session that is over waits for what comes at the same time.
const LINGER: Duration = Duration::from_secs(1);
/// How long one of which no turn was taken waits.
const UNKNOWN_LINGER: Duration = Duration::from_millis(20);

/// A session after it was opened, beaten or changed.
#[derive(Debug, Clone, PartialEq)]
pub struct Opened {
    /// The stream.
    pub stream: Stream,
    /// What it plays.
    pub title: Title,
    /// Whether it counts as a view.
    pub viewed: bool,
    /// Whether the player is to be given links: it has none yet, or they end soon.
    pub renew: bool,
}

/// Who sends a heartbeat.
#[derive(Debug, Clone, Copy)]
pub(super) enum Sender {
    /// Of a stream of theirs, or of anyone's for one who may.
    Viewer(Viewer),
    /// The player of a public video, for an account or for nobody in particular.
    Player { account: Option<UserId>, file: FileId },
}

impl Sender {
    pub(super) fn check(self, state: &SessionState) -> Result<(), CatalogError> {
        match self {
            Self::Viewer(viewer) => viewer.check(state.user),
            Self::Player { account, file } => {
                // Whoever knows the session of nobody in particular may beat it.
                let is_theirs = state.user.is_none() || state.user == account;
                let is_it = is_theirs && state.title.file == Some(file);
                if is_it { Ok(()) } else { Err(CatalogError::NotFound) }
            }
        }
    }
}

/// What a session is told.
#[derive(Debug, Clone)]
pub(super) enum Turn {
    /// It was just opened.
    Begin(Box<SessionState>),
    Beat(Sender, Told),
    /// Its row is changed.
    Change(Viewer, StreamChange),
}

impl Message for Turn {
    type Result = Result<Opened, CatalogError>;
}

/// The session is to end here.
pub(super) struct Leave;

impl Message for Leave {
    type Result = ();
}

/// The actor. Nobody holds it: it lives until it has ended, or was silent for `Parts::silence`. Then all it
/// knows is with the ledger, and its row is ended by the sweep of some node. Until a turn of it is taken it is
/// nobody's session: it is not counted, and stops where the turn is refused.
pub(super) struct Session {
    course: Course,
    seat: Seat,
    viewer: Option<Uuid>,
    silence: Duration,
    heard: Instant,
    lingers: bool,
}

impl Session {
    pub(super) fn new(id: StreamId, parts: Arc<Parts>, seat: Seat) -> Self {
        let (silence, heard) = (parts.silence, Instant::now());
        Self { course: Course::new(id, parts), seat, viewer: None, silence, heard, lingers: false }
    }

    fn rest(&mut self, context: &mut Context<Self>) {
        let left = self.silence.saturating_sub(self.heard.elapsed());
        if left.is_zero() {
            context.stop();
        } else {
            context.run_later(left, Self::rest);
        }
    }

    /// Takes back what a turn was done with.
    fn settle(&mut self, course: Course, said: &Result<Opened, CatalogError>, context: &mut Context<Self>) {
        self.course = course;
        if said.is_ok() {
            self.heard = Instant::now();
            if let Some(viewer) = self.course.viewer()
                && self.viewer.replace(viewer) != Some(viewer)
            {
                self.seat.viewed_by(viewer);
            }
        }
        let linger = if self.viewer.is_some() { LINGER } else { UNKNOWN_LINGER };
        if self.is_over() && !std::mem::replace(&mut self.lingers, true) {
            // Others that wait are answered first.
            context.run_later(linger, |session, context| {
                session.lingers = false;
                if session.is_over() {
                    context.stop();
                }
            });
        }
    }

    fn is_over(&self) -> bool {
        self.viewer.is_none() || self.course.state().is_none_or(|state| state.watch.state == PlayState::Ended)
    }
}

impl Actor for Session {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        context.run_later(self.silence, Self::rest);
    }
}

impl Handler<Turn> for Session {
    type Result = AtomicResponse<Self, Result<Opened, CatalogError>>;

    fn handle(&mut self, turn: Turn, _: &mut Self::Context) -> Self::Result {
        let mut course = self.course.lend();
        let work = async move {
            let said = course.take(turn).await;
            (course, said)
        };
        AtomicResponse::new(Box::pin(work.into_actor(self).map(|(course, said), session, context| {
            session.settle(course, &said, context);
            said
        })))
    }
}

impl Handler<Leave> for Session {
    type Result = ();

    fn handle(&mut self, _: Leave, context: &mut Self::Context) {
        context.stop();
    }
}

#[cfg(test)]
mod tests;
