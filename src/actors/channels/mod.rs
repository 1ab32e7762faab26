//! Channels: who shares videos, the videos, and what people think of them.
//!
//! A handle, no actor: what two requests could race for (a hash path, the one upload of a video, counts)
//! is decided by the database. Holds no wire shape.

mod error;
mod pictures;
mod uploads;
mod videos;

use diesel::PgConnection;

pub use self::{error::ChannelsError, pictures::ChannelPicture, uploads::Upload};
use super::{
    auth::{Caller, Clock},
    files::Files,
};
use crate::{
    cache::{Cache, Kind, Scope},
    db::{Db, DbError, queries::channels},
    domain::{channels::HashPath, ids::UserId},
    media::frame::Framer,
    settings::ChannelSettings,
};

/// Usernames that are drawn for an account that has none.
const TRIES: u32 = 10;

/// What channels need from the rest of the house.
pub struct ChannelParts<'a> {
    /// Section `channels`.
    pub settings: &'a ChannelSettings,
    /// The database.
    pub db: Db,
    /// Redis, and what tells the nodes of changes.
    pub cache: Cache,
    /// Where bytes go.
    pub files: Files,
    /// What makes thumbnails and pictures.
    pub framer: Framer,
    /// The time.
    pub clock: Clock,
}

/// The handle. Cheap to clone.
#[derive(Clone)]
pub struct Channels {
    db: Db,
    cache: Cache,
    files: Files,
    framer: Framer,
    clock: Clock,
    announced: chrono::Duration,
    most_announced: i64,
}

impl Channels {
    /// A handle over these.
    #[must_use]
    pub fn new(parts: ChannelParts<'_>) -> Self {
        let ChannelParts { settings, db, cache, files, framer, clock } = parts;
        let announced = chrono::Duration::seconds(settings.announced_seconds.into());
        Self { db, cache, files, framer, clock, announced, most_announced: settings.announced_most.into() }
    }

    /// Removes a channel with all its videos: one's own, or any for an owner. Rows go at once, bytes by
    /// a job that was stored with their removal.
    ///
    /// # Errors
    /// [`ChannelsError::NoChannel`], [`ChannelsError::NotYours`]; the database's.
    pub async fn remove_channel(&self, caller: &Caller, name: &str) -> Result<(), ChannelsError> {
        let name = name.to_owned();
        let found: Result<_, ChannelsError> = self.db.run(move |conn| Ok(channels::by_name(conn, &name)?)).await;
        let account = UserId::from(found?.ok_or(ChannelsError::NoChannel)?.user_id);
        // Who may not, moves no cache.
        if !caller.may_act_for(account) {
            return Err(ChannelsError::NotYours);
        }
        let mut scopes = vec![Scope::List(Kind::Files)];
        scopes.extend(Scope::every(Kind::Videos));
        self.write(scopes, move |conn| {
            let files = channels::remove(conn, account)?;
            Ok(crate::actors::files::remove_later(conn, &files)?)
        })
        .await
    }

    /// Runs `work` in a transaction and moves `scopes` on.
    async fn write<T, F>(&self, scopes: Vec<Scope>, work: F) -> Result<T, ChannelsError>
    where
        T: Send + 'static,
        F: FnOnce(&mut PgConnection) -> Result<T, ChannelsError> + Send + 'static,
    {
        use diesel::Connection as _;
        super::write::write(&self.db, &self.cache, scopes, move |conn| conn.transaction(work)).await
    }
}

/// What answers about one video depend on.
fn one_video(hash: &HashPath) -> Vec<Scope> {
    vec![Scope::Row(Kind::Videos, hash.scope()), Scope::Rows(Kind::Videos)]
}

/// What moves when one video changes.
fn changed_video(hash: &HashPath) -> Vec<Scope> {
    vec![Scope::Row(Kind::Videos, hash.scope()), Scope::List(Kind::Videos)]
}

/// The account has its channel after this; an account without a username gets one, so the caller announces
/// [`ALL_ACCOUNTS`](crate::actors::auth::ALL_ACCOUNTS).
fn ensure_channel(conn: &mut PgConnection, account: UserId) -> Result<(), ChannelsError> {
    if channels::of_account(conn, account)?.is_some() {
        return Ok(());
    }
    let username = channels::username_locked(conn, account).map_err(|error| match error {
        diesel::result::Error::NotFound => ChannelsError::AccountGone,
        other => other.into(),
    })?;
    let username = match username {
        Some(username) => username,
        None => take_a_username(conn, account)?,
    };
    Ok(channels::open(conn, account, &username)?)
}

/// A username that says nothing of the person: channels are public, the e-mail address is not.
fn take_a_username(conn: &mut PgConnection, account: UserId) -> Result<String, ChannelsError> {
    for _ in 0..TRIES {
        let name = format!("user-{}", HashPath::random());
        if channels::take_username(conn, account, &name)? {
            return Ok(name);
        }
    }
    Err(ChannelsError::Store(DbError::Away("no username was free".to_owned())))
}
