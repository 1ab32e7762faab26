//! Accounts in the hands of the operator, who sits at the machine and has no account: what owners may, by the same
//! rules, and disabling besides. Needs the two stores only; checks no token and signs none.

use std::time::Duration;

use chrono::{DateTime, Utc};
use diesel::{Connection as _, PgConnection};
use tokio::time::Instant;

use super::{
    AuthError, AuthStartError, Clock,
    accounts::{ALL_ACCOUNTS, FirstRoles, Planned, apply, make, names_of},
    passwords::Passwords,
};
use crate::{
    cache::{Cache, Scope, Told},
    db::{
        Db, DbError,
        queries::users,
        rows::user::{CredentialsRow, UserChangeRow, UserRow},
    },
    domain::{
        access::Role,
        account::{NewUser, User},
        ids::UserId,
        text::NewPassword,
    },
    settings::AuthSettings,
};

/// How long it is tried to tell the nodes of a change.
const PATIENCE: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(20);
/// Accounts of one page of [`Operator::accounts`].
const PAGE: i64 = 500;

/// What the operator's hand needs from the rest of the house.
pub struct OperatorParts<'a> {
    /// Section `auth`.
    pub settings: &'a AuthSettings,
    /// The database.
    pub db: Db,
    /// What tells the nodes of changes.
    pub cache: Cache,
    /// The time.
    pub clock: Clock,
}

/// What can go wrong.
#[derive(Debug, thiserror::Error)]
pub enum OperatorError {
    /// Nobody is called so.
    #[error("there is no account '{0}'")]
    NoAccount(String),
    /// A password would be a second way in that its issuer knows nothing of.
    #[error("the account '{0}' signs in elsewhere: it has no password here")]
    SignsInElsewhere(String),
    /// As for owners.
    #[error(transparent)]
    Auth(#[from] AuthError),
}

impl From<DbError> for OperatorError {
    fn from(error: DbError) -> Self {
        Self::Auth(error.into())
    }
}

/// An account as the operator sees it.
#[derive(Debug, Clone)]
pub struct Account {
    /// The account.
    pub user: User,
    /// Since when it is disabled.
    pub disabled_at: Option<DateTime<Utc>>,
}

/// A change that is stored.
#[derive(Debug, Clone)]
pub struct Done {
    /// The account as it is now.
    pub user: User,
    /// Whether the nodes know already. Those that were not told notice when what they keep of the account expires
    /// (`cache.ttl_seconds`), or at once where they are without Redis as well.
    pub told: Told,
}

/// The operator's hand on the accounts.
#[derive(Clone)]
pub struct Operator {
    db: Db,
    cache: Cache,
    clock: Clock,
    passwords: Passwords,
    registration_roles: Vec<Role>,
}

impl Operator {
    /// Starts the hash threads. Needs a running actix system; asks no store.
    ///
    /// # Errors
    /// [`AuthStartError::HashParameters`].
    pub fn start(parts: OperatorParts<'_>) -> Result<Self, AuthStartError> {
        let OperatorParts { settings, db, cache, clock } = parts;
        let passwords = Passwords::start(settings)?;
        Ok(Self { db, cache, clock, passwords, registration_roles: settings.registration_roles.clone() })
    }

    /// Makes an account with exactly these roles; without any, with those a registration gives: the first account
    /// of the installation becomes its owner.
    ///
    /// # Errors
    /// [`AuthError::Taken`], [`AuthError::Busy`], [`AuthError::Store`].
    pub async fn make(&self, new: NewUser, roles: Vec<Role>) -> Result<User, OperatorError> {
        let hash = self.passwords.hash(new.password.clone().into_secret()).await?;
        let roles = if roles.is_empty() {
            FirstRoles::FirstOwns(self.registration_roles.clone())
        } else {
            FirstRoles::Exactly(roles)
        };
        let stored: Result<_, AuthError> =
            self.db.run(move |conn| make(conn, new, hash, roles, |_, row| Ok(row))).await;
        let user = User::try_from(stored?)?;
        // Once: a node that does not hear of it has the old total of its list until that expires.
        self.cache.tell(&[ALL_ACCOUNTS]).await;
        Ok(user)
    }

    /// Accounts in the order in which they were made, from behind `after` on; none are left where it gives none.
    ///
    /// # Errors
    /// [`AuthError::Store`].
    pub async fn accounts(&self, after: Option<UserId>) -> Result<Vec<Account>, OperatorError> {
        let rows: Result<_, AuthError> = self.db.run(move |conn| Ok(users::in_order(conn, after, PAGE)?)).await;
        let account = |(row, disabled_at): (UserRow, _)| Ok(Account { user: User::try_from(row)?, disabled_at });
        rows?.into_iter().map(account).collect()
    }

    /// Gives an account these roles and no others, which ends its tokens where they are new to it.
    ///
    /// # Errors
    /// [`OperatorError::NoAccount`], [`AuthError::LastOwner`], [`AuthError::Store`].
    pub async fn set_roles(&self, name: &str, roles: &[Role]) -> Result<Done, OperatorError> {
        let id = self.named(name).await?.user.id.into();
        self.change(id, UserChangeRow { roles: Some(names_of(roles)), ..UserChangeRow::default() }).await
    }

    /// Sets a password, which ends all tokens of the account and its links to set another.
    ///
    /// # Errors
    /// [`OperatorError::NoAccount`], [`OperatorError::SignsInElsewhere`], [`AuthError::Busy`], [`AuthError::Store`].
    pub async fn set_password(&self, name: &str, password: NewPassword) -> Result<Done, OperatorError> {
        let row = self.named(name).await?;
        if row.password_hash.is_none() {
            return Err(OperatorError::SignsInElsewhere(name.to_owned()));
        }
        let password_hash = Some(self.passwords.hash(password.into_secret()).await?);
        self.change(row.user.id.into(), UserChangeRow { password_hash, ..UserChangeRow::default() }).await
    }

    /// Shuts an account: all its tokens and links end, those of another issuer that were made until now included;
    /// its keys are refused, and nobody signs in to it, until it is enabled. Where it is disabled already, the nodes
    /// are told again.
    ///
    /// # Errors
    /// [`OperatorError::NoAccount`], [`AuthError::LastOwner`], [`AuthError::Store`].
    pub async fn disable(&self, name: &str) -> Result<Done, OperatorError> {
        let id = self.named(name).await?.user.id.into();
        let disabled_at = Some(Some(self.clock.now()));
        self.change(id, UserChangeRow { disabled_at, ..UserChangeRow::default() }).await
    }

    /// Opens a disabled account again. Its keys hold again; what ended when it was disabled stays ended.
    ///
    /// # Errors
    /// [`OperatorError::NoAccount`], [`AuthError::Store`].
    pub async fn enable(&self, name: &str) -> Result<Done, OperatorError> {
        let id = self.named(name).await?.user.id.into();
        self.change(id, UserChangeRow { disabled_at: Some(None), ..UserChangeRow::default() }).await
    }

    /// The account of this id, e-mail address or username. No username has the length of an id.
    async fn named(&self, name: &str) -> Result<CredentialsRow, OperatorError> {
        let asked = name.to_owned();
        let found: Result<_, AuthError> = self
            .db
            .run(move |conn| match asked.parse::<UserId>() {
                Ok(id) => Ok(users::credentials(conn, id)?),
                Err(_) => Ok(users::credentials_by_name(conn, &asked)?),
            })
            .await;
        found?.ok_or_else(|| OperatorError::NoAccount(name.to_owned()))
    }

    /// Stores a change and tells the nodes: also where the answer was lost, since the change may be stored.
    async fn change(&self, id: UserId, change: UserChangeRow) -> Result<Done, OperatorError> {
        let planned = Planned { id, confirmed: None, at: self.clock.now(), change };
        let work = move |conn: &mut PgConnection| conn.transaction(|conn| apply(conn, planned));
        let stored: Result<UserRow, AuthError> = self.db.run(work).await;
        let told = match &stored {
            Ok(_) | Err(AuthError::Store(_)) => self.tell(&[Scope::account(id), ALL_ACCOUNTS]).await,
            // Nothing is stored that anybody would have to hear of.
            Err(_) => Told::Nobody,
        };
        Ok(Done { user: User::try_from(stored?)?, told })
    }

    /// This process ends soon, and with it whatever the cache would tell later: so it is tried until it is told.
    async fn tell(&self, scopes: &[Scope]) -> Told {
        let end = Instant::now() + PATIENCE;
        loop {
            let told = self.cache.tell(scopes).await;
            if told != Told::Unanswered || Instant::now() > end {
                return told;
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}
