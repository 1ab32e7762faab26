//! Accounts: registering, reading, changing and removing them.

use std::{collections::BTreeSet, net::IpAddr};

use chrono::{DateTime, Utc};
use diesel::{Connection as _, PgConnection};
use secrecy::SecretString;

use super::{Auth, AuthError, Caller, error::Taken};
use crate::{
    actors::{files::remove_later, pages::page, write::write},
    cache::{Kind, Scope},
    db::{
        listing::{ListQuery, Narrow},
        queries::{channels, collections, families, identities, images, resets, users},
        rows::user::{CredentialsRow, NewUserRow, UserChangeRow, UserRow, roles_from},
    },
    domain::{
        access::Role,
        account::{NewUser, OwnChannel, User, UserChange},
        channels::BirthDate,
        ids::UserId,
        listing::{ListRequest, Page},
        text::{Email, MiddleName, Name, Username},
    },
};

/// Every list of accounts and its total.
pub(in crate::actors) const ALL_ACCOUNTS: Scope = Scope::List(Kind::Accounts);

/// A change of an account.
#[derive(Debug, Clone)]
pub struct AccountChange {
    /// What changes.
    pub change: UserChange,
    /// Needed of a person who changes their own password or e-mail address.
    pub current_password: Option<SecretString>,
    /// Where the request comes from; wrong tries are counted for it.
    pub address: IpAddr,
}

impl Auth {
    /// Makes an account. The first one of the installation becomes its owner.
    ///
    /// # Errors
    /// [`AuthError::Taken`], [`AuthError::Busy`], [`AuthError::Store`].
    pub async fn register(&self, new: NewUser) -> Result<User, AuthError> {
        let hash = self.passwords.hash(new.password.clone().into_secret()).await?;
        let roles = FirstRoles::FirstOwns(self.registration_roles.clone());
        let stored = self.making(move |conn| make(conn, new, hash, roles, |_, row| Ok(row))).await;
        Ok(User::try_from(stored?)?)
    }

    /// An account: one's own, or any for an owner.
    ///
    /// # Errors
    /// [`AuthError::Forbidden`], [`AuthError::NotFound`], [`AuthError::Store`].
    pub async fn user(&self, caller: &Caller, id: UserId) -> Result<User, AuthError> {
        allow(caller, id)?;
        let row: Result<_, AuthError> = self.db.run(move |conn| Ok(users::find(conn, id)?)).await;
        Ok(User::try_from(row?.ok_or(AuthError::NotFound)?)?)
    }

    /// The accounts that the caller may see: an owner all, anyone else their own.
    ///
    /// # Errors
    /// [`AuthError::Store`].
    pub async fn users(&self, caller: &Caller, request: ListRequest) -> Result<Page<User>, AuthError> {
        let own = Narrow { condition: "t.id = {}", id: caller.user_id.uuid() };
        let narrow = if caller.is_owner() { Vec::new() } else { vec![own] };
        let query = ListQuery { listing: &users::LISTING, request, narrow, parent: None };
        let page: Result<Page<UserRow>, AuthError> = page(&self.db, &self.cache, query, &[ALL_ACCOUNTS]).await;
        let Page { items, total, next } = page?;
        let items = items.into_iter().map(User::try_from).collect::<Result<_, _>>()?;
        Ok(Page { items, total, next })
    }

    /// Changes an account: one's own, or any for an owner. A new password, e-mail address or set
    /// of roles ends all tokens the account has.
    ///
    /// # Errors
    /// [`AuthError::Forbidden`] (also for roles, of anyone but an owner), [`AuthError::NotFound`],
    /// [`AuthError::CurrentPasswordMissing`], [`AuthError::CurrentPasswordWrong`],
    /// [`AuthError::Blocked`], [`AuthError::Taken`], [`AuthError::LastOwner`],
    /// [`AuthError::SignsInElsewhere`], [`AuthError::Busy`], [`AuthError::Store`].
    pub async fn change_user(&self, caller: &Caller, id: UserId, request: AccountChange) -> Result<User, AuthError> {
        let AccountChange { change, current_password, address } = request;
        allow_change(caller, id)?;
        if change.roles.is_some() && !caller.is_owner() {
            return Err(AuthError::Forbidden);
        }
        let mut confirmed = None;
        if caller.user_id == id && (change.password.is_some() || change.email.is_some()) {
            let found: Result<_, AuthError> = self.db.run(move |conn| Ok(users::credentials(conn, id)?)).await;
            let row = found?.ok_or(AuthError::NotFound)?;
            if change.password.is_some() || is_new_email(&row, change.email.as_ref()) {
                // Who has no password cannot confirm that it is them.
                let hash = row.password_hash.as_ref();
                let field = if change.password.is_some() { "password" } else { "email" };
                hash.ok_or(AuthError::SignsInElsewhere { field })?;
                confirmed = Some(row.epoch);
                let password = current_password.ok_or(AuthError::CurrentPasswordMissing)?;
                self.confirm(address, row, password).await?;
            }
        }
        // A channel is called as its account is.
        let mut scopes = vec![ALL_ACCOUNTS];
        scopes.extend(change.username.iter().flat_map(|_| Scope::every(Kind::Videos)));
        let planned = Planned { id, confirmed, at: self.clock.now(), change: self.hashed(change).await? };
        let row = self.ending_with(id, scopes, move |conn| {
            let names =
                Names { email: planned.change.email.clone(), username: planned.change.username.clone(), own: Some(id) };
            conn.transaction(|conn| apply(conn, planned)).map_err(|error| names.all_taken(conn, error))
        });
        let row = row.await?;
        Ok(User::try_from(row)?)
    }

    /// Runs work that makes an account: the lists of accounts move on.
    pub(super) fn making<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut PgConnection) -> Result<T, AuthError> + Send + 'static,
    ) -> impl Future<Output = Result<T, AuthError>> {
        // Boxed: every request with a token goes through where a first one makes an account, and carries its room.
        Box::pin(write(&self.db, &self.cache, vec![ALL_ACCOUNTS], work))
    }

    async fn hashed(&self, change: UserChange) -> Result<UserChangeRow, AuthError> {
        let UserChange { first_name, last_name, username, email, password, roles } = change;
        let password_hash = match password {
            Some(password) => Some(self.passwords.hash(password.into_secret()).await?),
            None => None,
        };
        Ok(UserChangeRow {
            first_name: first_name.map(Name::into_string),
            last_name: last_name.map(Name::into_string),
            username: username.map(Username::into_string),
            email: email.map(Email::into_string),
            password_hash,
            roles: roles.map(|roles| names_of(&roles)),
            ..UserChangeRow::default()
        })
    }

    /// Removes an account with all that is its own: one's own, or any for an owner.
    ///
    /// # Errors
    /// [`AuthError::Forbidden`], [`AuthError::NotFound`], [`AuthError::LastOwner`],
    /// [`AuthError::Store`].
    pub async fn remove_user(&self, caller: &Caller, id: UserId) -> Result<(), AuthError> {
        allow_change(caller, id)?;
        let now = self.clock.now();
        // Its files are nobody's, or gone.
        let mut scopes = vec![ALL_ACCOUNTS, Scope::List(Kind::Files)];
        scopes.extend(Scope::every(Kind::Videos));
        self.ending_with(id, scopes, move |conn| {
            conn.transaction(|conn| {
                keep_an_owner(conn, id)?;
                // The account before the channel and the channel before videos, as everyone takes them; and
                // against whoever only refers to the account, too: uploads, reactions.
                users::lock_for_removal(conn, id)?;
                let mut files = channels::remove_with_account(conn, id)?;
                files.extend(images::files_of(conn, id)?);
                remove_later(conn, &files)?;
                collections::remove_of(conn, id)?;
                identities::end_tokens_of(conn, id, now)?;
                if users::delete(conn, id)? { Ok(()) } else { Err(AuthError::NotFound) }
            })
        })
        .await
    }
}

/// The roles of a new account.
#[derive(Debug, Clone)]
pub(super) enum FirstRoles {
    /// These; but owner for the first account of the installation.
    FirstOwns(Vec<Role>),
    /// These, whether it is the first or not.
    Exactly(Vec<Role>),
}

/// The names that are to be an account's, where they are told.
pub(super) struct Names {
    email: Option<String>,
    username: Option<String>,
    /// The account that may have them already.
    own: Option<UserId>,
}

impl Names {
    /// Those of a new account.
    fn of_new(new: &NewUser) -> Self {
        let text = |name: &Username| name.as_str().to_owned();
        Self {
            email: new.email.as_ref().map(|email| email.as_str().to_owned()),
            username: new.username.as_ref().map(text),
            own: None,
        }
    }

    /// `error`, whose transaction has ended: a constraint tells of one name that is taken, and the other may be, too.
    fn all_taken(&self, conn: &mut PgConnection, error: AuthError) -> AuthError {
        let AuthError::Taken(_) = error else { return error };
        match users::taken(conn, self.email.as_deref(), self.username.as_deref(), self.own) {
            Ok((true, true)) => AuthError::Taken(Taken::Both),
            // One of them, as was said; or it is free by now, or cannot be asked for: then it was.
            Ok(_) | Err(_) => error,
        }
    }
}

/// Makes an account whose password has this hash, in a transaction of its own, with what `then` makes besides.
pub(super) fn make<T>(
    conn: &mut PgConnection,
    new: NewUser,
    hash: String,
    roles: FirstRoles,
    then: impl FnOnce(&mut PgConnection, UserRow) -> Result<T, AuthError>,
) -> Result<T, AuthError> {
    let names = Names::of_new(&new);
    let made = conn.transaction(|conn| {
        let row = store(conn, new, hash, roles)?;
        then(conn, row)
    });
    made.map_err(|error| names.all_taken(conn, error))
}

/// Stores a new account whose password has this hash.
fn store(conn: &mut PgConnection, new: NewUser, hash: String, roles: FirstRoles) -> Result<UserRow, AuthError> {
    let NewUser { username, email, first_name, middle_name, last_name, birth_date, password: _, channel } = new;
    let roles = match roles {
        FirstRoles::FirstOwns(_) if users::claim_ownership(conn)? => vec![Role::Owner],
        FirstRoles::FirstOwns(roles) => roles,
        FirstRoles::Exactly(roles) => {
            if roles.contains(&Role::Owner) {
                // The installation has its owner now; whoever registers next is not the first.
                users::claim_ownership(conn)?;
            }
            roles
        }
    };
    let row = NewUserRow {
        id: UserId::new().uuid(),
        username: username.map(Username::into_string),
        email: email.map(Email::into_string),
        first_name: first_name.map(Name::into_string).unwrap_or_default(),
        middle_name: middle_name.map(MiddleName::into_string).unwrap_or_default(),
        last_name: last_name.map(Name::into_string).unwrap_or_default(),
        birth_date: birth_date.map(BirthDate::date),
        password_hash: Some(hash),
        roles: names_of(&roles),
    };
    let stored = users::insert(conn, &row)?;
    if let (OwnChannel::AtOnce, Some(username)) = (channel, &stored.username) {
        channels::open(conn, stored.id.into(), username)?;
    }
    Ok(stored)
}

/// A change that is ready to be stored.
pub(super) struct Planned {
    pub(super) id: UserId,
    /// The account's epoch when the current password was confirmed.
    pub(super) confirmed: Option<i32>,
    pub(super) at: DateTime<Utc>,
    pub(super) change: UserChangeRow,
}

/// Changes an account, which ends its tokens where the change is one that does.
pub(super) fn apply(conn: &mut PgConnection, planned: Planned) -> Result<UserRow, AuthError> {
    let Planned { id, confirmed, at, mut change } = planned;
    // Owners first, then the account itself: always in this order, so that no two wait for each other.
    let is_shut = change.disabled_at.is_some_and(|since| since.is_some());
    if is_shut || change.roles.as_ref().is_some_and(|roles| !roles.iter().any(|name| name == Role::Owner.name())) {
        keep_an_owner(conn, id)?;
    }
    let before = users::credentials_locked(conn, id)?.ok_or(AuthError::NotFound)?;
    if before.password_hash.is_none() {
        // Whose permissions stand in tokens has no roles, and no second way in that the issuer knows nothing of.
        let elsewhere = |field| Err(AuthError::SignsInElsewhere { field });
        match (&change.password_hash, &change.roles) {
            (Some(_), _) => return elsewhere("password"),
            (None, Some(_)) => return elsewhere("roles"),
            (None, None) => {}
        }
    }
    if confirmed.is_some_and(|epoch| before.epoch != epoch) {
        // Another change that ends tokens came first; what was confirmed may be the password no longer.
        return Err(AuthError::CurrentPasswordWrong { tries_left: 0 });
    }
    if is_shut && before.disabled_at.is_some() {
        change.disabled_at = None;
    }
    let ends_tokens = is_shut
        || change.password_hash.is_some()
        || change.email.as_ref().is_some_and(|email| before.user.email.as_ref() != Some(email))
        || other_roles(&before, change.roles.as_deref())?;
    if is_shut {
        identities::end_tokens_of(conn, id, at)?;
    }
    if ends_tokens {
        change.epoch = Some(next_epoch(&before));
        families::delete_of_user(conn, id)?;
        resets::delete_of(conn, id)?;
    }
    Ok(users::update(conn, id, &change)?)
}

/// The epoch that ends all tokens of the account.
pub(super) const fn next_epoch(before: &CredentialsRow) -> i32 {
    before.epoch.wrapping_add(1)
}

/// Locks the owners; fails where `id` is the only one whose account is open.
fn keep_an_owner(conn: &mut PgConnection, id: UserId) -> Result<(), AuthError> {
    if users::owners_locked(conn)? == [id] { Err(AuthError::LastOwner) } else { Ok(()) }
}

fn other_roles(before: &CredentialsRow, names: Option<&[String]>) -> Result<bool, AuthError> {
    let Some(names) = names else { return Ok(false) };
    let set = |names: &[String]| roles_from(names).map(BTreeSet::from_iter);
    let (old, new): (BTreeSet<Role>, BTreeSet<Role>) = (set(&before.user.roles)?, set(names)?);
    Ok(old != new)
}

fn is_new_email(row: &CredentialsRow, email: Option<&Email>) -> bool {
    email.is_some_and(|email| row.user.email.as_deref() != Some(email.as_str()))
}

fn allow(caller: &Caller, id: UserId) -> Result<(), AuthError> {
    if caller.may_act_for(id) { Ok(()) } else { Err(AuthError::Forbidden) }
}

fn allow_change(caller: &Caller, id: UserId) -> Result<(), AuthError> {
    if caller.may_change(id) { Ok(()) } else { Err(AuthError::Forbidden) }
}

/// The names of roles, each once, in the order of the contract.
pub(super) fn names_of(roles: &[Role]) -> Vec<String> {
    Role::ALL.into_iter().filter(|role| roles.contains(role)).map(|role| role.name().to_owned()).collect()
}
