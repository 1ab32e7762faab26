//! What a session does with a turn. What it knows it shares with the other nodes through Redis, so each of them
//! may take the next heartbeat; what must not be lost goes to the ledger.

use std::sync::Arc;

use diesel::Connection as _;
use uuid::Uuid;

use super::{
    Parts, Viewer,
    live::{Found, Held, Kept, Replaces},
    restored::{at_age, restored},
    session::{Opened, Sender, Turn},
    state::{Effect, Links, SessionState, Told},
};
use crate::{
    actors::{
        catalog::{CatalogError, refused, with_all_wrong},
        write::write,
    },
    cache::{Kind, Scope, Stamp},
    db::{DbError, queries::streams},
    domain::{
        ids::StreamId,
        playback::{StreamChange, Viewed},
    },
};

/// How often a heartbeat is applied to what another node has kept meanwhile, before it is refused.
const TRIES: u32 = 16;

/// When a row was known to be there: what may take it along, and the stamp of that.
type Seen = (Vec<Scope>, Stamp);

/// What a session knows and works with.
pub(super) struct Course {
    id: StreamId,
    parts: Arc<Parts>,
    /// `None`: not read yet, or the session is gone.
    held: Option<Held>,
    /// When its row was known to be there, as that of this title and account.
    seen: Option<Seen>,
}

impl Course {
    /// Of the session of this id, of which nothing is known yet.
    pub(super) const fn new(id: StreamId, parts: Arc<Parts>) -> Self {
        Self { id, parts, held: None, seen: None }
    }

    /// For a turn, after which it is given back.
    pub(super) fn lend(&mut self) -> Self {
        Self { id: self.id, parts: Arc::clone(&self.parts), held: self.held.take(), seen: self.seen.take() }
    }

    /// What is known.
    pub(super) fn state(&self) -> Option<&SessionState> {
        self.held.as_ref().map(|held| &held.state)
    }

    /// Who views, where that is known.
    pub(super) fn viewer(&self) -> Option<Uuid> {
        self.state().map(|state| state.viewer(self.id))
    }

    pub(super) async fn take(&mut self, turn: Turn) -> Result<Opened, CatalogError> {
        match turn {
            Turn::Begin(state) => self.begin(*state).await,
            Turn::Beat(sender, told) => self.beat(sender, &told).await,
            Turn::Change(viewer, change) => self.change(viewer, change).await,
        }
    }

    async fn begin(&mut self, state: SessionState) -> Result<Opened, CatalogError> {
        self.seen = self.stamped(&state);
        let kept = self.parts.live.keep(self.id, &state, Replaces::Version(None)).await;
        let version = match kept {
            Kept::As(version) => Some(version),
            Kept::Other(_) | Kept::Away => None,
            Kept::Gone => return Err(self.gone()),
        };
        let renew = state.title.file.is_some();
        Ok(self.answer(Held { state, version }, renew))
    }

    async fn beat(&mut self, sender: Sender, told: &Told) -> Result<Opened, CatalogError> {
        for _ in 0..TRIES {
            let mut held = self.hold().await?;
            self.find(&held.state).await?;
            // Where anything fails from here on, the next heartbeat goes on with this.
            self.held = Some(held.clone());
            if sender.check(&held.state).is_err() {
                // Another node may know that it has been given away.
                let known = self.read().await?;
                sender.check(&known.state)?;
                held = Held { state: held.state.reconciled(known.state), version: known.version };
                sender.check(&held.state)?;
            }
            let (next, effect) = held.state.beaten(told, self.parts.clock.now(), &self.parts.links);
            match self.parts.live.keep(self.id, &next, Replaces::Version(held.version)).await {
                Kept::As(version) => {
                    return self.follow(Held { state: next, version: Some(version) }, effect, Redis::There).await;
                }
                Kept::Away => {
                    return self.follow(Held { state: next, version: held.version }, effect, Redis::Away).await;
                }
                Kept::Gone => return Err(self.gone()),
                Kept::Other(theirs) => self.held = Some(self.merged(held, theirs).await),
            }
        }
        Err(DbError::Away("other nodes beat this session all the time".to_owned()).into())
    }

    /// What takes many streams along (a series, a file, an account) does not tell each session. The sweep finds those
    /// that nobody beats; here, where something of the kind has gone since the row was seen, it is looked for, so
    /// that no heartbeat is acknowledged after the removal was.
    async fn find(&mut self, state: &SessionState) -> Result<(), CatalogError> {
        let (id, stamped) = (self.id.uuid(), self.stamped(state));
        // Without Redis each heartbeat is saved, and so finds out.
        if stamped.is_none() || stamped == self.seen {
            return Ok(());
        }
        match self.parts.db.run(move |conn| streams::which_exist(conn, &[id]).map_err(DbError::from)).await {
            Ok(there) if there.is_empty() => {
                self.parts.ended(&[self.id]).await;
                return Err(self.gone());
            }
            Ok(_) => {}
            // Heartbeats go on without Postgres, and do not wait for it one by one: the save finds out.
            Err(error) => tracing::debug!(?error, "whether a stream is still there is not known"),
        }
        self.seen = stamped;
        Ok(())
    }

    fn stamped(&self, state: &SessionState) -> Option<Seen> {
        let of_all = Some(Scope::Rows(Kind::Streams));
        let of_file = state.title.file.map(|file| Scope::Row(Kind::Files, file.uuid()));
        let scopes: Vec<Scope> = [of_all, of_file, state.user.map(Scope::account)].into_iter().flatten().collect();
        let stamp = self.parts.cache.stamp(&scopes)?;
        Some((scopes, stamp))
    }

    /// What goes on of ours and of what another node has kept.
    async fn merged(&self, ours: Held, theirs: Option<Box<Held>>) -> Held {
        match theirs {
            Some(theirs) => {
                let theirs = self.arrived(*theirs);
                Held { state: ours.state.reconciled(theirs.state), version: theirs.version }
            }
            // Of another form: written anew.
            None => match self.parts.live.keep(self.id, &ours.state, Replaces::Any).await {
                Kept::As(version) => Held { version: Some(version), ..ours },
                Kept::Other(_) | Kept::Gone | Kept::Away => ours,
            },
        }
    }

    /// What follows from a heartbeat that was taken: its view, its place in the row.
    async fn follow(&mut self, held: Held, effect: Effect, redis: Redis) -> Result<Opened, CatalogError> {
        let followed = self.followed(held, effect, redis).await;
        if followed.is_err() && effect.renew {
            self.keep_unlinked(redis).await;
        }
        followed
    }

    /// The links went out with no answer: the next heartbeat brings some, on any node.
    async fn keep_unlinked(&mut self, redis: Redis) {
        let Some(mut held) = self.held.take() else { return };
        held.state.links = Links::default();
        if redis == Redis::There
            && let Kept::As(version) = self.parts.live.keep(self.id, &held.state, Replaces::Version(held.version)).await
        {
            held.version = Some(version);
        }
        self.held = Some(held);
    }

    async fn followed(&mut self, mut held: Held, effect: Effect, redis: Redis) -> Result<Opened, CatalogError> {
        self.held = Some(held.clone());
        if held.state.viewed == Viewed::Open && held.state.is_view() {
            held.state.viewed = match self.parts.ledger.count(held.state.view(self.id)).await {
                Ok(viewed) => viewed,
                Err(error) => {
                    // The retried heartbeat asks again, and no other waits for it.
                    self.save_later(&held.state, effect);
                    return Err(error.into());
                }
            };
            self.held = Some(held.clone());
            if redis == Redis::There {
                // Where this fails, the next heartbeat brings it.
                match self.parts.live.keep(self.id, &held.state, Replaces::Version(held.version)).await {
                    Kept::As(version) => held.version = Some(version),
                    Kept::Other(theirs) => held = self.merged(held, theirs).await,
                    Kept::Gone => return Err(self.gone()),
                    Kept::Away => {}
                }
            }
        }
        self.save(&held.state, effect, redis).await?;
        Ok(self.answer(held, effect.renew))
    }

    /// Brings the row after, within seconds; at once where it ends or returns, or where only the row keeps it.
    async fn save(&mut self, state: &SessionState, effect: Effect, redis: Redis) -> Result<(), CatalogError> {
        let progress = state.progress(self.id);
        let age = self.parts.clock.age(state.watch.at);
        if redis == Redis::There && !effect.turned {
            self.parts.ledger.note(progress, age);
            return Ok(());
        }
        match self.parts.ledger.save(progress, age).await {
            Ok(()) => {}
            Err(DbError::NotFound) => {
                self.parts.ended(&[self.id]).await;
                return Err(self.gone());
            }
            Err(error) => {
                self.save_later(state, effect);
                return if redis == Redis::There { Ok(()) } else { Err(error.into()) };
            }
        }
        if effect.turned {
            self.parts.cache.invalidate(&[Scope::Row(Kind::Streams, self.id.uuid())]).await;
        }
        Ok(())
    }

    /// Brings the row after as soon as Postgres answers again.
    fn save_later(&self, state: &SessionState, effect: Effect) {
        if effect.turned {
            self.parts.owed.put(self.id, state.clone());
        } else {
            self.parts.ledger.note(state.progress(self.id), self.parts.clock.age(state.watch.at));
        }
    }

    /// The state here, else in Redis, else by the row.
    async fn hold(&mut self) -> Result<Held, CatalogError> {
        match self.held.take() {
            Some(held) => Ok(held),
            None => self.read().await,
        }
    }

    /// The state in Redis, else by the row.
    async fn read(&self) -> Result<Held, CatalogError> {
        match self.parts.live.find(self.id).await {
            Found::State(held) => Ok(self.arrived(*held)),
            Found::Gone => Err(CatalogError::NotFound),
            Found::Nothing | Found::Away => Ok(Held { state: self.by_row().await?, version: None }),
        }
    }

    /// What goes on of the state here and of that in Redis; else the state by the row.
    async fn latest(&mut self) -> Result<Held, CatalogError> {
        let ours = self.held.take();
        match (self.parts.live.find(self.id).await, ours) {
            (Found::Gone, _) => Err(CatalogError::NotFound),
            (Found::State(theirs), Some(ours)) => Ok(self.merged(ours, Some(theirs)).await),
            (Found::State(theirs), None) => Ok(self.arrived(*theirs)),
            (Found::Nothing | Found::Away, Some(ours)) => Ok(ours),
            (Found::Nothing | Found::Away, None) => Ok(Held { state: self.by_row().await?, version: None }),
        }
    }

    async fn by_row(&self) -> Result<SessionState, CatalogError> {
        let id = self.id.uuid();
        let (state, age) = self.parts.db.run(move |conn| restored(conn, id)).await?;
        Ok(at_age(state, age, self.parts.clock.now()))
    }

    fn arrived(&self, held: Held) -> Held {
        Held { state: held.state.arrived(self.parts.clock.now(), &self.parts.links), ..held }
    }

    async fn change(&mut self, viewer: Viewer, change: StreamChange) -> Result<Opened, CatalogError> {
        let told = Told { position: change.position_seconds, state: change.state, rate: change.rate };
        let mut held = self.latest().await?;
        self.held = Some(held.clone());
        if told == Told::default() && change.user_id.is_none() && change.episode_id.is_none() {
            return self.look(viewer, held).await;
        }
        let mut row = self.rewrite(viewer, change).await?;
        for _ in 0..TRIES {
            let (state, effect) = self.changed(held.state.clone(), row, &told);
            match self.parts.live.keep(self.id, &state, Replaces::Version(held.version)).await {
                Kept::As(version) => {
                    self.parts.live.move_on(self.id, &held.state, &state).await;
                    return self.settle(Held { state, version: Some(version) }, effect, Redis::There).await;
                }
                Kept::Away => return self.settle(Held { state, version: held.version }, effect, Redis::Away).await,
                Kept::Gone => return Err(self.gone()),
                // The row is read after the state that is replaced: so the last of those that are kept tells of
                // the last change of the row, whichever nodes change it at once.
                Kept::Other(theirs) => {
                    held = self.merged(held, theirs).await;
                    row = self.by_row().await?;
                }
            }
        }
        Err(DbError::Away("other nodes beat this session all the time".to_owned()).into())
    }

    /// Nothing is changed: it is shown to whoever might.
    async fn look(&mut self, viewer: Viewer, held: Held) -> Result<Opened, CatalogError> {
        let id = self.id.uuid();
        self.parts.db.run(move |conn| viewer.check(Some(streams::viewer(conn, id).map_err(refused)?))).await?;
        Ok(self.answer(held, false))
    }

    /// Changes the row; what it says then.
    async fn rewrite(&self, viewer: Viewer, change: StreamChange) -> Result<SessionState, CatalogError> {
        let (id, scope) = (self.id.uuid(), Scope::Row(Kind::Streams, self.id.uuid()));
        let changed = write(&self.parts.db, &self.parts.cache, vec![scope], move |conn| {
            let rewritten = conn.transaction(|conn| {
                viewer.check(Some(streams::viewer(conn, id).map_err(refused)?))?;
                streams::update(conn, id, &change).map_err(refused)?;
                restored(conn, id)
            });
            rewritten.map_err(|error| with_all_wrong(conn, error, &change))
        });
        let (row, age) = changed.await?;
        Ok(at_age(row, age, self.parts.clock.now()))
    }

    /// Brings the row after a change that was kept.
    async fn settle(&mut self, held: Held, effect: Effect, redis: Redis) -> Result<Opened, CatalogError> {
        self.held = Some(held.clone());
        if let Err(error) = self.save(&held.state, effect, redis).await {
            if effect.renew {
                self.keep_unlinked(redis).await;
            }
            return Err(error);
        }
        Ok(self.answer(held, effect.renew))
    }

    /// The state that was `before`, with what a changed row says.
    fn changed(&self, before: SessionState, row: SessionState, told: &Told) -> (SessionState, Effect) {
        let turn = before.next_turn(self.parts.clock.now());
        let mut state = SessionState { user: row.user, turn, updated_at: row.updated_at, ..before };
        // Redis was emptied, and another node has gone on.
        if row.watch.watched > state.watch.watched {
            state.watch = row.watch;
        }
        let is_other = state.title.name() != row.title.name();
        if is_other || state.user != before.user {
            state.viewed = if before.viewed == Viewed::Counted { Viewed::Counted } else { Viewed::Open };
            // Nobody views with the watch time of another account or title.
            state.before = state.watch.watched;
        }
        if is_other {
            state.links = Links::default();
        }
        state.title = row.title;
        if let Some(position) = told.position {
            state.watch.position = position.get();
        }
        if *told == Told::default() {
            return (state, Effect { renew: false, turned: false });
        }
        // Put there by hand: it earns nothing.
        let (mut next, effect) = state.beaten(told, self.parts.clock.now(), &self.parts.links);
        next.updated_at = next.updated_at.max(row.updated_at);
        (next, effect)
    }

    /// Nothing is known of it any more.
    fn gone(&mut self) -> CatalogError {
        self.held = None;
        CatalogError::NotFound
    }

    fn answer(&mut self, held: Held, renew: bool) -> Opened {
        let state = &held.state;
        let opened = Opened {
            stream: state.stream(self.id),
            title: state.title.clone(),
            viewed: state.viewed == Viewed::Counted,
            renew,
        };
        self.held = Some(held);
        opened
    }
}

/// Whether a state was kept in Redis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Redis {
    There,
    Away,
}
