//! Signing in, going on with a refresh token, signing out.

use std::net::IpAddr;

use chrono::{DateTime, Utc};
use diesel::{Connection as _, PgConnection};
use secrecy::SecretString;
use uuid::{NoContext, Timestamp, Uuid};

use super::{
    Auth, Caller,
    accounts::{FirstRoles, make},
    error::{AuthError, TokenError},
    lockout::Try,
    tokens::{Claims, Grant, TokenKind, TokenPair},
};
use crate::{
    cache::Scope,
    db::{
        queries::{
            families::{self, FamilyRow, NewFamilyRow, Succession},
            users,
        },
        rows::user::{CredentialsRow, UserRow},
    },
    domain::{
        access::Permissions,
        account::{NewUser, User},
        ids::{FamilyId, UserId},
    },
};

/// What a person signs in with.
#[derive(Debug, Clone)]
pub struct SignIn {
    /// Where the request comes from; wrong tries are counted for it.
    pub address: IpAddr,
    /// The e-mail address or the username, without regard to case.
    pub name: String,
    /// The password.
    pub password: SecretString,
    /// How long the access token lives.
    pub life: AccessLife,
}

/// How long an access token lives: contracts differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccessLife {
    /// As `auth.access_seconds` says; a refresh token comes with it.
    Short,
    /// As `auth.channel_access_seconds` says, for clients that know no refresh token.
    Long,
}

/// A pair of tokens and whose they are.
#[derive(Debug, Clone)]
pub struct SignedIn {
    /// The tokens.
    pub tokens: TokenPair,
    /// The account.
    pub user: User,
}

/// The tokens that are to be made.
#[derive(Debug, Clone, Copy)]
struct Opening {
    family: FamilyId,
    refresh_id: Uuid,
    at: DateTime<Utc>,
    life: AccessLife,
}

/// What became of a refresh token.
enum Refreshed {
    Next(Box<CredentialsRow>),
    Replayed,
    Ended,
}

impl Auth {
    /// Signs a person in. An unknown name costs what a wrong password costs, and answers the same.
    ///
    /// # Errors
    /// [`AuthError::WrongCredentials`], [`AuthError::Blocked`], [`AuthError::Busy`],
    /// [`AuthError::Store`].
    pub async fn sign_in(&self, request: SignIn) -> Result<SignedIn, AuthError> {
        let SignIn { address, name, password, life } = request;
        let row = self.credentials_of(name.clone()).await?;
        // An account has one count, by whatever name and spelling it is called.
        let counted = row.as_ref().map_or(name, |row| row.user.id.to_string());
        let attempt = self.lockout.begin(address, &counted).await?;
        let (attempt, row) = self.check(attempt, row, password.clone()).await?;
        let Some(row) = row else {
            return Err(AuthError::WrongCredentials { tries_left: self.lockout.wrong(attempt).await });
        };
        let tries_left = self.lockout.right(attempt).await;
        let outdated = row.password_hash.clone().filter(|hash| self.passwords.is_outdated(hash));
        let signed_in = self.open_family(row, life).await?.ok_or(AuthError::WrongCredentials { tries_left })?;
        if let Some(outdated) = outdated {
            let (auth, user) = (self.clone(), signed_in.user.id);
            // Nobody waits for it.
            actix::spawn(auth.renew_hash(user, outdated, password));
        }
        Ok(signed_in)
    }

    /// Puts a hash as the settings want it now in place of `outdated`, which the password fits. Where that fails, the
    /// next sign-in tries it again.
    async fn renew_hash(self, user: UserId, outdated: String, password: SecretString) {
        let renewed: Result<(), AuthError> = match self.passwords.hash(password).await {
            Ok(hash) => self.db.run(move |conn| Ok(users::renew_hash(conn, user, &outdated, &hash)?)).await,
            Err(error) => Err(error),
        };
        if let Err(error) = renewed {
            tracing::warn!(%error, "the hash of a password stays outdated");
        }
    }

    /// Makes an account and signs it in, both or neither. The first one of the installation becomes its owner.
    ///
    /// # Errors
    /// As [`Auth::register`].
    pub async fn sign_up(&self, new: NewUser, life: AccessLife) -> Result<SignedIn, AuthError> {
        let hash = self.passwords.hash(new.password.clone().into_secret()).await?;
        let roles = FirstRoles::FirstOwns(self.registration_roles.clone());
        let auth = self.clone();
        let open = move |conn: &mut PgConnection, user: UserRow| -> Result<_, AuthError> {
            let (family, opening) = auth.opening(user.id.into(), life);
            families::insert(conn, &family)?;
            let row = users::credentials(conn, user.id.into())?.ok_or(AuthError::NotFound)?;
            Ok((row, opening))
        };
        let stored: Result<_, AuthError> = self.making(move |conn| make(conn, new, hash, roles, open)).await;
        let (row, opening) = stored?;
        self.signed_in(row, opening)
    }

    /// Looks at the password of a try; a disabled account has none that is right. A try whose password could not be
    /// looked at is given back.
    async fn check(
        &self,
        attempt: Try,
        row: Option<CredentialsRow>,
        password: SecretString,
    ) -> Result<(Try, Option<CredentialsRow>), AuthError> {
        let open = row.as_ref().filter(|row| row.disabled_at.is_none());
        let stored = open.and_then(|row| row.password_hash.clone());
        let verdict = self.passwords.verify(password, stored).await.map(|right| row.filter(|_| right));
        match verdict {
            Ok(row) => Ok((attempt, row)),
            Err(error) => {
                self.lockout.release(attempt).await;
                Err(error)
            }
        }
    }

    /// Whether `password` is that of the account `row`, under the lockout of this address and account.
    pub(super) async fn confirm(
        &self,
        address: IpAddr,
        row: CredentialsRow,
        password: SecretString,
    ) -> Result<(), AuthError> {
        let attempt = self.lockout.begin(address, &row.user.id.to_string()).await?;
        match self.check(attempt, Some(row), password).await? {
            (attempt, Some(_)) => {
                self.lockout.right(attempt).await;
                Ok(())
            }
            (attempt, None) => Err(AuthError::CurrentPasswordWrong { tries_left: self.lockout.wrong(attempt).await }),
        }
    }

    async fn credentials_of(&self, name: String) -> Result<Option<CredentialsRow>, AuthError> {
        // Postgres takes no NUL; no name has one.
        if name.contains('\0') {
            return Ok(None);
        }
        self.db.run(move |conn| Ok(users::credentials_by_name(conn, &name)?)).await
    }

    /// Starts a family for the account; `None` where the account was changed or removed since `row`
    /// was read: what was compared may not be its password any more.
    async fn open_family(&self, row: CredentialsRow, life: AccessLife) -> Result<Option<SignedIn>, AuthError> {
        let user = UserId::from(row.user.id);
        let (new, opening) = self.opening(user, life);
        let (most, epoch) = (self.sessions_per_account, row.epoch);
        let opened: Result<_, AuthError> =
            self.db.run(move |conn| conn.transaction(|conn| store_family(conn, &new, epoch, most))).await;
        match opened? {
            Opened::BesideOthers => {}
            Opened::InPlaceOfOthers => self.cache.invalidate(&[Scope::account(user)]).await,
            Opened::AccountChanged => return Ok(None),
        }
        self.signed_in(row, opening).map(Some)
    }

    /// A family that begins now, and the tokens of its beginning.
    fn opening(&self, user: UserId, life: AccessLife) -> (NewFamilyRow, Opening) {
        let now = self.clock.now();
        let family = FamilyId::from(id_at(now));
        let new = NewFamilyRow {
            id: family.uuid(),
            user_id: user.uuid(),
            current_token: Uuid::now_v7(),
            created_at: now,
            expires_at: self.tokens.refresh_end(now),
        };
        let opening = Opening { family, refresh_id: new.current_token, at: now, life };
        (new, opening)
    }

    fn signed_in(&self, row: CredentialsRow, opening: Opening) -> Result<SignedIn, AuthError> {
        let Opening { family, refresh_id, at, life } = opening;
        let epoch = row.epoch;
        let user = User::try_from(row.user)?;
        let permissions = Permissions::of_roles(&user.roles);
        let grant = Grant { user: user.id, epoch, permissions: &permissions, family, refresh_id, at, life };
        Ok(SignedIn { tokens: self.tokens.issue(&grant)?, user })
    }

    /// Gives the next pair for a refresh token. Works once: of many at once, one gets the pair, and
    /// a token that was used before ends its family.
    ///
    /// # Errors
    /// [`AuthError::Token`], [`AuthError::Store`].
    pub async fn refresh(&self, token: &str) -> Result<SignedIn, AuthError> {
        let claims = self.tokens.verify(token, TokenKind::Refresh)?;
        let family = claims.fam.ok_or(TokenError::Altered)?;
        let now = self.clock.now();
        let step = Succession {
            family,
            user: claims.sub,
            used: claims.jti,
            next: Uuid::now_v7(),
            now,
            expires_at: self.tokens.refresh_end(now),
        };
        let outcome = self.ending(claims.sub, move |conn| conn.transaction(|conn| spend(conn, &claims, &step))).await;
        match outcome? {
            Refreshed::Next(row) => {
                self.signed_in(*row, Opening { family, refresh_id: step.next, at: now, life: AccessLife::Short })
            }
            Refreshed::Replayed => {
                tracing::warn!(user = %claims.sub, "a refresh token was used twice; its sign-in has ended");
                Err(TokenError::Replayed.into())
            }
            Refreshed::Ended => Err(TokenError::Ended.into()),
        }
    }

    /// Ends the sign-in the caller's token follows from.
    ///
    /// # Errors
    /// [`AuthError::Store`].
    pub async fn sign_out(&self, caller: &Caller) -> Result<(), AuthError> {
        let Some(family) = caller.family else { return Ok(()) };
        let user = caller.user_id;
        self.ending(user, move |conn| Ok(families::delete(conn, user, family).map(drop)?)).await
    }
}

/// An id whose time is the clock's.
fn id_at(time: DateTime<Utc>) -> Uuid {
    let seconds = u64::try_from(time.timestamp()).unwrap_or(0);
    Uuid::new_v7(Timestamp::from_unix(NoContext, seconds, time.timestamp_subsec_nanos()))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Opened {
    /// No other sign-in was touched.
    BesideOthers,
    /// The oldest ended for it.
    InPlaceOfOthers,
    /// Nothing was stored.
    AccountChanged,
}

/// Stores a family, and removes those that are over or too many.
fn store_family(conn: &mut PgConnection, new: &NewFamilyRow, epoch: i32, most: usize) -> Result<Opened, AuthError> {
    let user = UserId::from(new.user_id);
    // The lock lets the sign-ins of one account through one after the other, so the limit holds.
    let account = users::credentials_locked(conn, user)?;
    if account.is_none_or(|account| account.epoch != epoch) {
        return Ok(Opened::AccountChanged);
    }
    let (live, over): (Vec<FamilyRow>, Vec<FamilyRow>) =
        families::of_user(conn, user)?.into_iter().partition(|family| family.expires_at > new.created_at);
    let surplus: Vec<Uuid> = live.iter().skip(most.saturating_sub(1)).map(|family| family.id).collect();
    let ended: Vec<Uuid> = over.iter().map(|family| family.id).chain(surplus.iter().copied()).collect();
    if !ended.is_empty() {
        families::delete_these(conn, &ended)?;
    }
    families::insert(conn, new)?;
    Ok(if surplus.is_empty() { Opened::BesideOthers } else { Opened::InPlaceOfOthers })
}

fn spend(conn: &mut PgConnection, claims: &Claims, step: &Succession) -> Result<Refreshed, AuthError> {
    if families::succeed(conn, step)? {
        // Read after the family's row is locked: whoever raises the epoch deletes that row.
        let row = users::credentials(conn, step.user)?.filter(|row| row.epoch == claims.epoch);
        return Ok(row.map_or(Refreshed::Ended, |row| Refreshed::Next(Box::new(row))));
    }
    let replayed = families::delete(conn, step.user, step.family)?;
    Ok(if replayed { Refreshed::Replayed } else { Refreshed::Ended })
}
