//! Playback: viewings. A stream is one viewing, a session: of an account, or of nobody in particular who
//! plays a public video. An owner of the installation may see and change those of all accounts.
//!
//! Each session that lives on this node is an actor (`session`), found through the registry, which does not
//! hold it. Its state is in Redis (`live`), so any node may go on with it; positions and views go to Postgres
//! by the ledger. The rules of watch time and views are the domain's; nothing here knows a wire shape.

mod course;
mod ledger;
mod limit;
mod lists;
mod live;
pub mod me;
mod open;
mod opening;
mod owed;
mod registry;
mod restored;
mod session;
mod state;
mod steady;
mod sweep;

use std::{sync::Arc, time::Duration};

use actix::{Actor as _, Arbiter, ArbiterHandle};

#[cfg(test)]
pub(crate) use self::ledger::longest_flush;
pub use self::{
    ledger::Ledger,
    limit::{PlayLimit, TooManyPlays},
    session::Opened,
};
use self::{
    live::{Leaves, Live},
    owed::Owed,
    registry::Registry,
    session::{Leave, Sender, Session, Turn},
    state::{LinkTerms, Told},
    steady::SteadyClock,
};
pub use crate::db::queries::{streams::LISTING, ways};
use crate::{
    actors::{auth::Caller, catalog::CatalogError, files::Files, tally::NodeGauges},
    cache::{Cache, Kind, Scope},
    db::{Db, DbError, listing::Narrow, queries::streams},
    domain::{
        access::Permission,
        ids::{FileId, StreamId, UserId},
        playback::{Beat, LONGEST_SILENCE, StreamChange},
    },
    mailbox::AskError,
    settings::PlaybackSettings,
};

/// How long a heartbeat waits for its answer.
const PATIENCE: Duration = Duration::from_secs(3);
/// How often a session that has just ended is begun anew before its heartbeat is refused.
const TRIES: u32 = 3;

/// On whose behalf streams are seen and changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Viewer {
    /// An account: its own streams.
    Account(UserId),
    /// An account that may see and change everyone's.
    All(UserId),
}

impl Viewer {
    /// The caller, with all they may.
    #[must_use]
    pub fn of(caller: &Caller) -> Self {
        if caller.may(Permission::ManageUsers) { Self::All(caller.user_id) } else { Self::Account(caller.user_id) }
    }

    /// The account itself.
    #[must_use]
    pub const fn id(self) -> UserId {
        match self {
            Self::Account(id) | Self::All(id) => id,
        }
    }

    /// Whether it may see and change what belongs to `owner`.
    #[must_use]
    pub fn may_act_for(self, owner: UserId) -> bool {
        match self {
            Self::Account(id) => id == owner,
            Self::All(_) => true,
        }
    }

    /// Plays of nobody in particular are nobody's to see.
    fn check(self, owner: Option<UserId>) -> Result<(), CatalogError> {
        let owner = owner.ok_or(CatalogError::NotFound)?;
        if self.may_act_for(owner) { Ok(()) } else { Err(CatalogError::Forbidden) }
    }

    fn narrow(self) -> Narrow {
        let condition = match self {
            Self::Account(_) => "t.user_id = {}",
            Self::All(_) => "t.user_id IS NOT NULL AND {} IS NOT NULL",
        };
        Narrow { condition, id: self.id().uuid() }
    }
}

/// What playback needs from the rest of the house.
pub struct PlaybackParts<'a> {
    /// Section `playback`.
    pub settings: &'a PlaybackSettings,
    /// The database.
    pub db: Db,
    /// Redis, and what tells the nodes of changes.
    pub cache: Cache,
    /// Who may read which medium.
    pub files: Files,
    /// What stores views and positions.
    pub ledger: Ledger,
}

/// What the sessions of this node share.
struct Parts {
    db: Db,
    cache: Cache,
    ledger: Ledger,
    live: Live,
    registry: Registry,
    clock: SteadyClock,
    links: LinkTerms,
    owed: Owed,
    /// How long a session lives without a heartbeat.
    silence: Duration,
}

/// The handle. Cheap to clone.
#[derive(Clone)]
pub struct Playback {
    db: Db,
    cache: Cache,
    files: Files,
    parts: Arc<Parts>,
    /// The thread that sessions live on.
    stage: ArbiterHandle,
}

impl Playback {
    /// Starts the thread of the sessions, and the sweep. Needs a running actix system; asks no store.
    #[must_use]
    pub fn start(parts: PlaybackParts<'_>) -> Self {
        let PlaybackParts { settings, db, cache, files, ledger } = parts;
        let parts = Arc::new(Parts {
            db: db.clone(),
            live: Live::new(cache.clone()),
            cache: cache.clone(),
            ledger,
            registry: Registry::default(),
            clock: SteadyClock::start(),
            links: LinkTerms {
                life: Duration::from_secs(settings.token_seconds.into()),
                renewal: Duration::from_secs(settings.token_renewal_seconds.into()),
            },
            owed: Owed::default(),
            silence: LONGEST_SILENCE,
        });
        sweep::start(Arc::clone(&parts));
        Self { db, cache, files, parts, stage: Arbiter::new().handle() }
    }

    /// Changes a stream: where the player is, what it does and how fast are its heartbeat; a user or an episode
    /// changes the row, to another account only for one who may.
    ///
    /// # Errors
    /// `NotFound`, `Forbidden`, `Reference`; the store's: a heartbeat may be sent again.
    pub async fn change(&self, viewer: Viewer, id: StreamId, change: StreamChange) -> Result<Opened, CatalogError> {
        if change.user_id.is_some_and(|user| !viewer.may_act_for(user)) {
            return Err(CatalogError::Forbidden);
        }
        let StreamChange { user_id, episode_id, position_seconds, state, rate } = change;
        let told = Told { position: position_seconds, state, rate };
        let turn = if user_id.is_some() || episode_id.is_some() || told == Told::default() {
            Turn::Change(viewer, change)
        } else {
            Turn::Beat(Sender::Viewer(viewer), told)
        };
        self.tell(id, turn).await
    }

    /// Takes a heartbeat.
    ///
    /// # Errors
    /// `NotFound`, `Forbidden`; the store's: it may be sent again.
    pub async fn beat(&self, viewer: Viewer, id: StreamId, beat: Beat) -> Result<Opened, CatalogError> {
        self.tell(id, Turn::Beat(Sender::Viewer(viewer), beat.into())).await
    }

    /// Takes a heartbeat of a play of `file`. One of an account is taken from that account only.
    ///
    /// # Errors
    /// `NotFound`, also where the session plays another file or is another's; the store's.
    pub async fn beat_play(
        &self,
        caller: Option<&Caller>,
        session: StreamId,
        file: FileId,
        beat: Beat,
    ) -> Result<Opened, CatalogError> {
        let sender = Sender::Player { account: caller.map(|caller| caller.user_id), file };
        self.tell(session, Turn::Beat(sender, beat.into())).await
    }

    /// Removes a stream: its session ends on every node.
    ///
    /// # Errors
    /// `NotFound`, `Forbidden`; the store's.
    pub async fn remove(&self, viewer: Viewer, id: StreamId) -> Result<(), CatalogError> {
        use diesel::Connection as _;
        let scope = Scope::Row(Kind::Streams, id.uuid());
        super::write::write(&self.db, &self.cache, vec![scope], move |conn| {
            conn.transaction(|conn| {
                viewer.check(Some(streams::viewer(conn, id.uuid())?))?;
                streams::delete(conn, id.uuid()).map(drop).map_err(CatalogError::from)
            })
        })
        .await?;
        self.ended(&[id]).await;
        Ok(())
    }

    /// Ends sessions whose rows are gone, on every node.
    pub(crate) async fn ended(&self, ids: &[StreamId]) {
        self.parts.ended(ids).await;
    }

    /// What this node has counted and who views through it now.
    #[must_use]
    pub fn gauges(&self) -> NodeGauges {
        let (views, watched_ms) = self.parts.ledger.committed();
        let (sessions, viewers) = self.parts.registry.live();
        let count = |number| u64::try_from(number).unwrap_or(u64::MAX);
        NodeGauges { views, watched_ms, sessions: count(sessions), viewers: count(viewers) }
    }

    /// Whether the thread of the sessions and the ledger still take work.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        self.parts.ledger.is_alive() && self.stage.spawn_fn(|| {})
    }

    /// Stores what is yet to be stored; for a stop.
    pub async fn flush(&self) {
        for (id, state) in self.parts.owed.some(usize::MAX) {
            self.parts.ledger.note(state.progress(id), self.parts.clock.age(state.watch.at));
        }
        self.parts.ledger.flush().await;
    }

    /// Tells a session, which is begun where it does not live here. One that ended at this moment, or
    /// panicked, is begun anew.
    async fn tell(&self, id: StreamId, turn: Turn) -> Result<Opened, CatalogError> {
        for _ in 0..TRIES {
            let line = self.parts.registry.line(id, |place| {
                let parts = Arc::clone(&self.parts);
                Session::start_in_arbiter(&self.stage, move |_| Session::new(id, parts, place.take()))
            });
            match line.ask(turn.clone(), PATIENCE).await {
                Err(AskError::Closed) => {}
                said => return said.map_err(DbError::from)?,
            }
        }
        Err(DbError::from(AskError::Closed).into())
    }
}

impl Parts {
    async fn ended(&self, ids: &[StreamId]) {
        self.live.leave(ids, Leaves::Removed).await;
        for id in ids {
            if let Some(line) = self.registry.known(*id) {
                line.tell(Leave);
            }
        }
        let scopes: Vec<Scope> = ids.iter().map(|id| Scope::Row(Kind::Streams, id.uuid())).collect();
        if !scopes.is_empty() {
            self.cache.invalidate(&scopes).await;
        }
    }
}

impl From<diesel::result::Error> for CatalogError {
    fn from(error: diesel::result::Error) -> Self {
        DbError::from(error).into()
    }
}
