//! What is known of keys that are sent. A key is found by the digest of its secret; it is kept in memory for as
//! long as no node has changed its account, as the account's standing is.
//!
//! Whose key it is never changes, so that is kept for itself and without an end: it names the scope that the rest
//! depends on. Only a key that this node has never seen is searched for, and those wait for each other.

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use foldhash::fast::RandomState;
use moka::sync::Cache as Kept;
use tokio::sync::Semaphore;

use super::{
    secret::{Digest, digest_of},
    uses::{LastUse, Uses},
};
use crate::{
    actors::auth::{
        clock::Clock,
        error::{AuthError, TokenError},
    },
    cache::{Cache, Scope, Stamp},
    db::{
        Db, DbError,
        queries::api_keys::{self, LiveKeyRow},
        rows::api_key::permissions_from,
    },
    domain::{
        access::Permissions,
        ids::{ApiKeyId, UserId},
    },
    settings::AuthSettings,
};

/// Keys that are kept.
const KEYS: u64 = 10_000;
/// Texts that were no key when they were looked for, and for how long they are known. They would not become keys
/// either: a key is drawn after nobody could have sent it.
const UNKNOWN: u64 = 10_000;
const UNKNOWN_LIFE: Duration = Duration::from_mins(1);
/// Keys never seen before that are looked for at the same time: whoever sends made-up ones leaves the database to
/// everyone else.
const SEARCHES: usize = 2;
/// How long such a search waits for its turn.
const SEARCH_WAIT: Duration = Duration::from_millis(500);

/// A key as requests by it are compared with.
#[derive(Debug)]
pub(in crate::actors::auth) struct LiveKey {
    pub(in crate::actors::auth) id: ApiKeyId,
    /// Whose it is.
    pub(in crate::actors::auth) account: UserId,
    /// What it was made for.
    pub(in crate::actors::auth) permissions: Permissions,
    expires_at: Option<DateTime<Utc>>,
    last_use: LastUse,
}

/// What keys need of the rest of the house.
pub(in crate::actors::auth) struct ApiKeyParts<'a> {
    pub(in crate::actors::auth) settings: &'a AuthSettings,
    /// How long a key is kept in memory at most.
    pub(in crate::actors::auth) keep: Duration,
    pub(in crate::actors::auth) db: Db,
    pub(in crate::actors::auth) cache: Cache,
    pub(in crate::actors::auth) clock: Clock,
}

/// The keys that are used. Cheap to clone.
#[derive(Clone)]
pub(in crate::actors::auth) struct ApiKeys {
    db: Db,
    cache: Cache,
    clock: Clock,
    kept: Kept<Digest, (Stamp, Arc<LiveKey>), RandomState>,
    owners: Kept<Digest, UserId, RandomState>,
    /// The ends of keys, by which links of players were made.
    ends: Kept<ApiKeyId, (Stamp, Option<DateTime<Utc>>), RandomState>,
    unknown: Kept<Digest, (), RandomState>,
    searches: Arc<Semaphore>,
    uses: Uses,
}

impl ApiKeys {
    /// Starts the task that stores when keys were used. Needs a running runtime.
    pub(in crate::actors::auth) fn start(parts: ApiKeyParts<'_>) -> Self {
        let ApiKeyParts { settings, keep, db, cache, clock } = parts;
        let kept = Kept::builder().max_capacity(KEYS).time_to_live(keep);
        let ends = Kept::builder().max_capacity(KEYS).time_to_live(keep);
        let unknown = Kept::builder().max_capacity(UNKNOWN).time_to_live(UNKNOWN_LIFE);
        Self {
            uses: Uses::start(db.clone(), Duration::from_secs(settings.key_use_seconds)),
            kept: kept.build_with_hasher(RandomState::default()),
            owners: Kept::builder().max_capacity(KEYS).build_with_hasher(RandomState::default()),
            ends: ends.build_with_hasher(RandomState::default()),
            unknown: unknown.build_with_hasher(RandomState::default()),
            searches: Arc::new(Semaphore::new(SEARCHES)),
            db,
            cache,
            clock,
        }
    }

    /// The key of this text, while it holds. Whether its account does is not known here.
    ///
    /// # Errors
    /// [`AuthError::Token`]: `Altered` where the text has not the form of a key, `UnknownKey`, `Expired`;
    /// [`AuthError::Store`].
    pub(in crate::actors::auth) async fn of(&self, text: &str) -> Result<Arc<LiveKey>, AuthError> {
        let digest = digest_of(text).ok_or(TokenError::Altered)?;
        if let Some((kept_at, key)) = self.kept.get(&digest)
            && self.stamp(key.account) == Some(kept_at)
        {
            return self.in_time(key.expires_at).map(|()| key);
        }
        let account = match self.owners.get(&digest) {
            Some(account) => account,
            None => self.search(digest).await?,
        };
        self.read(digest, account).await
    }

    /// Notes that the key was used now. Costs no more than a look at the clock, most times.
    pub(in crate::actors::auth) fn note_use(&self, key: &LiveKey) {
        let now = self.clock.now();
        if key.last_use.is_worth_noting(now) {
            self.uses.note(key.id, now);
        }
    }

    /// Stores what was noted.
    pub(in crate::actors::auth) async fn flush(&self) {
        self.uses.flush().await;
    }

    fn stamp(&self, account: UserId) -> Option<Stamp> {
        self.cache.stamp(&[Scope::account(account)])
    }

    fn in_time(&self, end: Option<DateTime<Utc>>) -> Result<(), AuthError> {
        match end {
            Some(end) if end <= self.clock.now() => Err(TokenError::Expired.into()),
            _ => Ok(()),
        }
    }

    /// Whose key it is that this node has not seen yet.
    async fn search(&self, digest: Digest) -> Result<UserId, AuthError> {
        if self.unknown.contains_key(&digest) {
            return Err(TokenError::UnknownKey.into());
        }
        let turn = tokio::time::timeout(SEARCH_WAIT, Arc::clone(&self.searches).acquire_owned()).await;
        let Ok(Ok(_turn)) = turn else {
            return Err(DbError::Away("too many unknown API keys are looked for".to_owned()).into());
        };
        let found: Result<_, AuthError> = self.db.run(move |conn| Ok(api_keys::account_of(conn, &digest)?)).await;
        if let Some(account) = found?.map(UserId::from) {
            self.owners.insert(digest, account);
            return Ok(account);
        }
        self.unknown.insert(digest, ());
        Err(TokenError::UnknownKey.into())
    }

    /// Reads the key; keeps it where the stamp of its account, taken before, allows.
    async fn read(&self, digest: Digest, account: UserId) -> Result<Arc<LiveKey>, AuthError> {
        let stamp = self.stamp(account);
        let row: Result<_, AuthError> = self.db.run(move |conn| Ok(api_keys::live(conn, &digest)?)).await;
        let Some(row) = row? else {
            self.kept.invalidate(&digest);
            self.owners.invalidate(&digest);
            self.unknown.insert(digest, ());
            return Err(TokenError::UnknownKey.into());
        };
        let key = Arc::new(LiveKey::try_from(row)?);
        if let Some(stamp) = stamp {
            self.kept.insert(digest, (stamp, Arc::clone(&key)));
        }
        self.in_time(key.expires_at).map(|()| key)
    }

    /// Whether a key of this account, by which a link was made, still holds.
    ///
    /// # Errors
    /// [`AuthError::Token`]: `UnknownKey`, `Expired`; [`AuthError::Store`].
    pub(in crate::actors::auth) async fn holds(&self, account: UserId, id: ApiKeyId) -> Result<(), AuthError> {
        let stamp = self.stamp(account);
        if let (Some(stamp), Some((kept_at, end))) = (stamp, self.ends.get(&id))
            && stamp == kept_at
        {
            return self.in_time(end);
        }
        let row: Result<_, AuthError> = self.db.run(move |conn| Ok(api_keys::find(conn, id)?)).await;
        let end = row?.ok_or(TokenError::UnknownKey)?.expires_at;
        if let Some(stamp) = stamp {
            self.ends.insert(id, (stamp, end));
        }
        self.in_time(end)
    }
}

impl TryFrom<LiveKeyRow> for LiveKey {
    type Error = DbError;

    fn try_from(row: LiveKeyRow) -> Result<Self, DbError> {
        let LiveKeyRow { id, user_id, permissions, expires_at, last_used_at } = row;
        Ok(Self {
            id: id.into(),
            account: user_id.into(),
            permissions: Permissions::of(&permissions_from(&permissions)?),
            expires_at,
            last_use: LastUse::at(last_used_at),
        })
    }
}
