//! Accounts, sign-ins and tokens, behind one handle.
//!
//! Owns the signing key, the hash threads, the lockout, and the rule which tokens still hold.
//! Holds no wire shape: http turns [`AuthError`] into each contract's answers.
//!
//! What an epoch and the families are for: a token carries the account's epoch and the family of
//! its sign-in. Raising the epoch ends all tokens of the account, deleting a family those of one
//! sign-in, on every node at once, since each node's memory of the account is stamped.

mod accounts;
mod api_keys;
mod caller;
mod clock;
mod error;
mod external;
mod keys;
mod lockout;
mod operator;
mod passwords;
mod playback_tokens;
mod reset;
mod reset_limit;
mod sign_in;
mod standing;
mod tokens;

use std::{path::Path, time::Duration};

use diesel::PgConnection;

pub use crate::db::queries::{api_keys::LISTING as KEY_LISTING, users::LISTING};

pub(super) use self::accounts::ALL_ACCOUNTS;
pub use self::{
    accounts::AccountChange,
    api_keys::MadeKey,
    caller::Caller,
    clock::Clock,
    error::{AuthError, AuthStartError, Taken, TokenError},
    keys::KeyError,
    operator::{Account, Done, Operator, OperatorError, OperatorParts},
    playback_tokens::{PlaybackClaims, PlaybackGrant, PlaybackToken},
    reset::{MailResetLink, ResetMailError},
    sign_in::{AccessLife, SignIn, SignedIn},
    tokens::{TokenPair, text_of},
};
use self::{
    api_keys::{ApiKeyParts, ApiKeys},
    caller::Rights,
    external::External,
    keys::SigningKey,
    lockout::Lockout,
    passwords::Passwords,
    playback_tokens::PlaybackTokens,
    reset_limit::ResetLimit,
    standing::Standings,
    tokens::{TokenKind, Tokens},
};
use super::write::write;
use crate::{
    cache::{Cache, Scope},
    db::Db,
    domain::{access::Role, ids::UserId},
    issuers::Issuers,
    settings::{AuthSettings, PlaybackSettings},
};

/// What the accounts need from the rest of the house.
pub struct AuthParts<'a> {
    /// Section `auth`.
    pub settings: &'a AuthSettings,
    /// Section `playback`.
    pub playback: &'a PlaybackSettings,
    /// Where a generated token secret is kept.
    pub data_dir: &'a Path,
    /// How long an account is kept in memory at most.
    pub keep: Duration,
    /// The database.
    pub db: Db,
    /// Redis, and what tells the nodes of changes.
    pub cache: Cache,
    /// Who else makes tokens that are taken.
    pub issuers: Issuers,
    /// The time.
    pub clock: Clock,
}

/// Accounts, sign-ins and tokens. Cheap to clone.
#[derive(Clone)]
pub struct Auth {
    db: Db,
    cache: Cache,
    clock: Clock,
    tokens: Tokens,
    external: External,
    playback: PlaybackTokens,
    passwords: Passwords,
    lockout: Lockout,
    standings: Standings,
    api_keys: ApiKeys,
    sessions_per_account: usize,
    keys_per_account: i64,
    registration_roles: Vec<Role>,
    resets: ResetLimit,
    reset_seconds: u32,
    reset_link: String,
}

impl Auth {
    /// Opens the key and starts the hash threads. Needs a running actix system; asks no store.
    ///
    /// # Errors
    /// See [`AuthStartError`].
    pub fn start(parts: AuthParts<'_>) -> Result<Self, AuthStartError> {
        let AuthParts { settings, playback, data_dir, keep, db, cache, issuers, clock } = parts;
        let key = SigningKey::open(&settings.token_secret, data_dir)?;
        Ok(Self {
            playback: PlaybackTokens::new(settings, playback, key.clone(), clock.clone()),
            external: External::new(settings, issuers, clock.clone()),
            tokens: Tokens::new(settings, key, clock.clone()),
            passwords: Passwords::start(settings)?,
            lockout: Lockout::new(settings, cache.clone(), clock.clone()),
            standings: Standings::new(db.clone(), cache.clone(), clock.clone(), keep),
            api_keys: ApiKeys::start(ApiKeyParts {
                settings,
                keep,
                db: db.clone(),
                cache: cache.clone(),
                clock: clock.clone(),
            }),
            sessions_per_account: usize::try_from(settings.sessions_per_account).unwrap_or(1).max(1),
            keys_per_account: settings.keys_per_account,
            registration_roles: settings.registration_roles.clone(),
            resets: ResetLimit::new(settings, cache.clone()),
            reset_seconds: settings.reset_seconds,
            reset_link: settings.reset_link.clone(),
            db,
            cache,
            clock,
        })
    }

    /// Who sends this access token or API key (without `Bearer`). Each request passes here: with the account
    /// in memory it asks no store.
    ///
    /// # Errors
    /// [`AuthError::Token`]; [`AuthError::Store`] where the account is not in memory and the
    /// database is away; [`AuthError::IssuerAway`].
    pub async fn authenticate(&self, token: &str) -> Result<Caller, AuthError> {
        if api_keys::is_key(token) {
            return self.caller_by_key(token).await;
        }
        if let Some(caller) = self.external_caller(token).await? {
            return Ok(caller);
        }
        let claims = self.tokens.verify(token, TokenKind::Access)?;
        let standing = self.standings.of(claims.bond()).await?;
        Ok(Caller { user_id: claims.sub, family: claims.fam, standing, rights: Rights::Roles })
    }

    /// Stores what is not stored yet of when keys were used; for the end of the process.
    pub async fn flush(&self) {
        self.api_keys.flush().await;
    }

    /// Whether the hash threads still take work.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        self.passwords.is_alive()
    }

    /// Runs work that ends tokens of the account; every node forgets what it knows of it.
    async fn ending<T: Send + 'static>(
        &self,
        id: UserId,
        work: impl FnOnce(&mut PgConnection) -> Result<T, AuthError> + Send + 'static,
    ) -> Result<T, AuthError> {
        self.ending_with(id, Vec::new(), work).await
    }

    /// As [`Auth::ending`]; these scopes move on too.
    async fn ending_with<T: Send + 'static>(
        &self,
        id: UserId,
        mut scopes: Vec<Scope>,
        work: impl FnOnce(&mut PgConnection) -> Result<T, AuthError> + Send + 'static,
    ) -> Result<T, AuthError> {
        scopes.push(Scope::account(id));
        write(&self.db, &self.cache, scopes, work).await
    }
}
