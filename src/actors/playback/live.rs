//! Live sessions in Redis: their states, which move between nodes, and the sets by which statistics count who
//! views now. All of it can be lost: rows in PostgreSQL follow within seconds.

use std::sync::Arc;

use redis::{RedisResult, aio::ConnectionManager};

use super::state::SessionState;
use crate::{
    cache::{Cache, keys},
    domain::{
        ids::StreamId,
        playback::{LONGEST_SILENCE, PlayState, Stream},
    },
};

/// Life of a state in seconds; longer than a session lives without a heartbeat.
const LIFE: u64 = 180;
/// Sessions that are asked for at once.
const BATCH: usize = 500;
/// Letters of a version.
const VERSION: usize = 16;

/// The version of a kept state. No two are alike, so whoever finds its own there knows who wrote it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Version(u64);

/// A state as it is kept.
#[derive(Debug, Clone)]
pub(super) struct Held {
    pub(super) state: SessionState,
    /// `None`: not in Redis.
    pub(super) version: Option<Version>,
}

/// What came of keeping a state.
pub(super) enum Kept {
    /// It is there, under this version.
    As(Version),
    /// Another node has kept this one; `None` where it cannot be read here.
    Other(Option<Box<Held>>),
    /// The session was removed.
    Gone,
    /// Redis does not answer: it may be there, or may yet be.
    Away,
}

/// What was found.
pub(super) enum Found {
    State(Box<Held>),
    Nothing,
    Gone,
    Away,
}

/// What a state replaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Replaces {
    /// Nothing, or this version.
    Version(Option<Version>),
    /// Whatever is there, but for a removal.
    Any,
}

/// How a session leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Leaves {
    /// Its row is gone: no node may go on with it.
    Removed,
    /// It fell silent: whoever hears of it begins with its row.
    Silent,
}

/// The handle. Cheap to clone.
#[derive(Clone)]
pub(super) struct Live {
    cache: Cache,
    script: Arc<redis::Script>,
}

impl Live {
    pub(super) fn new(cache: Cache) -> Self {
        Self { cache, script: Arc::new(redis::Script::new(keys::SESSION_SCRIPT)) }
    }

    /// Keeps a state, and notes who views what: one round trip.
    pub(super) async fn keep(&self, id: StreamId, state: &SessionState, replaces: Replaces) -> Kept {
        let Some(mut redis) = self.cache.redis() else { return Kept::Away };
        let version = Version(rand::random());
        let mut call = self.script.prepare_invoke();
        for key in self.keys(id, state) {
            call.key(key);
        }
        match replaces {
            Replaces::Version(None) => call.arg("-"),
            Replaces::Version(Some(version)) => call.arg(version.text()),
            Replaces::Any => call.arg("*"),
        };
        call.arg(version.text()).arg(serde_json::to_vec(state).unwrap_or_default()).arg(LIFE);
        let mut text = uuid::Uuid::encode_buffer();
        call.arg(&*id.uuid().hyphenated().encode_lower(&mut text));
        call.arg(member(id, state));
        call.arg(if state.watch.state == PlayState::Ended { "ended" } else { "live" });
        call.arg(LONGEST_SILENCE.as_secs());
        match call.invoke_async::<Vec<u8>>(&mut redis).await {
            Ok(said) if said == b"kept" => Kept::As(version),
            Ok(said) if said == keys::GONE.as_bytes() => Kept::Gone,
            Ok(said) => Kept::Other(Held::parse(&said).map(Box::new)),
            Err(error) => {
                self.cache.report_failure(&error);
                Kept::Away
            }
        }
    }

    /// Takes a session out of the sets where it stood `before` and does not stand now: its title or its user is
    /// another. (Whoever beats what it was before is told of the change, and adds nothing any more.)
    pub(super) async fn move_on(&self, id: StreamId, before: &SessionState, now: &SessionState) {
        let Some(mut redis) = self.cache.redis() else { return };
        let (left, here) = (member(id, before), member(id, now));
        let stays: Vec<String> = self.viewers(now).filter(|_| left == here).collect();
        let mut pipe = redis::pipe();
        for key in self.viewers(before).filter(|key| !stays.contains(key)) {
            pipe.cmd("ZREM").arg(key).arg(&left).ignore();
        }
        if !pipe.is_empty() {
            let done = pipe.query_async::<()>(&mut redis).await;
            done.unwrap_or_else(|error| self.cache.report_failure(&error));
        }
    }

    /// The session's, then those of the live sets.
    fn keys(&self, id: StreamId, state: &SessionState) -> impl Iterator<Item = String> {
        let session = self.cache.key(&keys::session(id.uuid()));
        [session, self.cache.key(keys::SESSIONS)].into_iter().chain(self.viewers(state))
    }

    fn viewers(&self, state: &SessionState) -> impl Iterator<Item = String> {
        let of_title = |(kind, name): (crate::domain::playback::TitleKind, String)| {
            self.cache.key(&keys::live(kind.name(), &name))
        };
        std::iter::once(self.cache.key(keys::LIVE)).chain(state.title.counted_as().map(of_title))
    }

    /// The state of a session.
    pub(super) async fn find(&self, id: StreamId) -> Found {
        let Some(mut redis) = self.cache.redis() else { return Found::Away };
        let mut command = redis::cmd("GET");
        command.arg(self.cache.key(&keys::session(id.uuid())));
        match command.query_async::<Option<Vec<u8>>>(&mut redis).await {
            Ok(None) => Found::Nothing,
            Ok(Some(said)) if said == keys::GONE.as_bytes() => Found::Gone,
            Ok(Some(said)) => Held::parse(&said).map_or(Found::Nothing, |held| Found::State(Box::new(held))),
            Err(error) => {
                self.cache.report_failure(&error);
                Found::Away
            }
        }
    }

    /// Brings rows up to now, where Redis answers.
    pub(super) async fn overlay(&self, streams: &mut [Stream]) {
        for streams in streams.chunks_mut(BATCH) {
            let ids: Vec<StreamId> = streams.iter().map(|stream| stream.id).collect();
            for (stream, state) in streams.iter_mut().zip(self.states(&ids).await) {
                if let Some(state) = state {
                    state.show_in(stream);
                }
            }
        }
    }

    /// As many states as there are ids, or none.
    async fn states(&self, ids: &[StreamId]) -> Vec<Option<SessionState>> {
        let Some(mut redis) = self.cache.redis().filter(|_| !ids.is_empty()) else { return Vec::new() };
        let mut command = redis::cmd("MGET");
        for id in ids {
            command.arg(self.cache.key(&keys::session(id.uuid())));
        }
        let said = command.query_async::<Vec<Option<Vec<u8>>>>(&mut redis).await;
        let said = said.inspect_err(|error| self.cache.report_failure(error)).unwrap_or_default();
        said.into_iter().map(|said| said.and_then(|said| Held::parse(&said)).map(|held| held.state)).collect()
    }

    /// Takes sessions out.
    pub(super) async fn leave(&self, ids: &[StreamId], how: Leaves) {
        for ids in ids.chunks(BATCH) {
            let states = self.states(ids).await;
            let Some(redis) = self.cache.redis() else { return };
            if let Err(error) = self.take_out(redis, ids, &states, how).await {
                self.cache.report_failure(&error);
            }
        }
    }

    async fn take_out(
        &self,
        mut redis: ConnectionManager,
        ids: &[StreamId],
        states: &[Option<SessionState>],
        how: Leaves,
    ) -> RedisResult<()> {
        let mut pipe = redis::pipe();
        for id in ids {
            let key = self.cache.key(&keys::session(id.uuid()));
            match how {
                Leaves::Removed => pipe.cmd("SET").arg(key).arg(keys::GONE).arg("EX").arg(LIFE).ignore(),
                Leaves::Silent => pipe.cmd("DEL").arg(key).ignore(),
            };
            pipe.cmd("ZREM").arg(self.cache.key(keys::SESSIONS)).arg(id.to_string()).ignore();
        }
        for (id, state) in ids.iter().zip(states) {
            let Some(state) = state else { continue };
            for key in self.viewers(state) {
                pipe.cmd("ZREM").arg(key).arg(member(*id, state)).ignore();
            }
        }
        pipe.query_async(&mut redis).await
    }

    /// Those of `ids` that no node has heard of lately; all of them where Redis cannot tell.
    pub(super) async fn silent(&self, ids: Vec<StreamId>) -> Vec<StreamId> {
        let Some(mut redis) = self.cache.redis().filter(|_| !ids.is_empty()) else { return ids };
        let mut pipe = redis::pipe();
        let sessions = self.cache.key(keys::SESSIONS);
        pipe.cmd("TIME").cmd("ZMSCORE").arg(sessions).arg(ids.iter().map(ToString::to_string).collect::<Vec<_>>());
        let said = pipe.query_async::<((u64, u64), Vec<Option<f64>>)>(&mut redis).await;
        let Ok(((now, _), scores)) = said.inspect_err(|error| self.cache.report_failure(error)) else { return ids };
        let limit = std::time::Duration::from_secs(now).saturating_sub(LONGEST_SILENCE).as_secs_f64();
        let silent = |score: Option<f64>| score.is_none_or(|score| score < limit);
        ids.into_iter().zip(scores).filter(|(_, score)| silent(*score)).map(|(id, _)| id).collect()
    }
}

/// A session in the sets of live viewers: after its viewer, so that an account with several is there until the last
/// ends, and counts once. One of nobody is a viewer of its own.
fn member(id: StreamId, state: &SessionState) -> String {
    match state.user {
        Some(user) => format!("{}/{}", user.uuid(), id.uuid()),
        None => id.uuid().to_string(),
    }
}

impl Version {
    fn text(self) -> String {
        format!("{:016x}", self.0)
    }
}

impl Held {
    /// `None` for what was not written here: by a node of another version, say.
    fn parse(said: &[u8]) -> Option<Self> {
        let (version, state) = said.split_at_checked(VERSION)?;
        let version = u64::from_str_radix(std::str::from_utf8(version).ok()?, 16).ok()?;
        Some(Self { state: serde_json::from_slice(state).ok()?, version: Some(Version(version)) })
    }
}
