//! API keys: secrets by which programs act for an account. Not to be confused with the key that signs tokens.
//!
//! A key is made, listed and revoked by people alone. What a request by it may do is what it was made for, as far
//! as its account may do it at that moment: nothing of an account is copied into a key.

mod live;
mod secret;
mod uses;

use chrono::{DateTime, Utc};
use diesel::{Connection as _, PgConnection};
use secrecy::SecretString;

pub(super) use self::{
    live::{ApiKeyParts, ApiKeys, LiveKey},
    secret::is_key,
};
use super::{Auth, AuthError, Caller, caller::Rights, error::TokenError};
use crate::{
    db::{
        listing::{ListQuery, Narrow},
        queries::{api_keys, users},
        rows::api_key::{ApiKeyRow, NewApiKeyRow},
    },
    domain::{
        access::Permission,
        api_key::{ApiKey, NewApiKey},
        ids::{ApiKeyId, UserId},
        listing::{ListRequest, Page},
    },
};

/// A key that was made just now.
#[derive(Debug)]
pub struct MadeKey {
    /// The key.
    pub key: ApiKey,
    /// Its secret, which nobody can tell any more after this.
    pub secret: SecretString,
}

impl Auth {
    /// Who sends this API key.
    pub(super) async fn caller_by_key(&self, text: &str) -> Result<Caller, AuthError> {
        let key = self.api_keys.of(text).await?;
        // What ends tokens raises the epoch of the account; a key holds through that.
        let standing = self.standings.of_account(key.account).await?;
        let standing = standing.filter(|standing| !standing.disabled).ok_or(TokenError::Ended)?;
        self.api_keys.note_use(&key);
        Ok(Caller { user_id: key.account, family: None, standing, rights: Rights::Key(key) })
    }

    /// Makes a key for the caller's account.
    ///
    /// # Errors
    /// [`AuthError::Forbidden`] for a key that asks, [`AuthError::RightsFromElsewhere`],
    /// [`AuthError::BeyondMaker`] for a permission that the caller lacks, [`AuthError::TooManyKeys`],
    /// [`AuthError::Token`] where the account is gone, [`AuthError::Store`].
    pub async fn make_key(&self, caller: &Caller, new: NewApiKey) -> Result<MadeKey, AuthError> {
        if !caller.is_person() {
            return Err(AuthError::Forbidden);
        }
        if !matches!(caller.rights, Rights::Roles) {
            return Err(AuthError::RightsFromElsewhere);
        }
        if let Some(beyond) = new.permissions.iter().find(|permission| !caller.may(**permission)) {
            return Err(AuthError::BeyondMaker(*beyond));
        }
        let (secret, digest) = secret::draw();
        let (user, at, most) = (caller.user_id, self.clock.now(), self.keys_per_account);
        let row = NewApiKeyRow {
            id: ApiKeyId::new().uuid(),
            user_id: user.uuid(),
            name: new.name.into_string(),
            secret_hash: digest.to_vec(),
            permissions: names_of(&new.permissions),
            expires_at: new.expires_in.map(|life| life.end(at)),
            created_at: at,
        };
        let stored: Result<ApiKeyRow, AuthError> =
            self.db.run(move |conn| conn.transaction(|conn| store(conn, &row, Room { user, at, most }))).await;
        Ok(MadeKey { key: ApiKey::try_from(stored?)?, secret })
    }

    /// A key: one of one's own, or any for an owner.
    ///
    /// # Errors
    /// [`AuthError::Forbidden`], [`AuthError::NoSuchKey`], [`AuthError::Store`].
    pub async fn key(&self, caller: &Caller, id: ApiKeyId) -> Result<ApiKey, AuthError> {
        let row: Result<_, AuthError> = self.db.run(move |conn| Ok(api_keys::find(conn, id)?)).await;
        let key = ApiKey::try_from(row?.ok_or(AuthError::NoSuchKey)?)?;
        if caller.is_person() && caller.may_act_for(key.user_id) { Ok(key) } else { Err(AuthError::Forbidden) }
    }

    /// The keys that the caller may see: an owner all, anyone else their own.
    ///
    /// # Errors
    /// [`AuthError::Store`].
    pub async fn keys(&self, caller: &Caller, request: ListRequest) -> Result<Page<ApiKey>, AuthError> {
        let own = Narrow { condition: "t.user_id = {}", id: caller.user_id.uuid() };
        let narrow = if caller.is_owner() { Vec::new() } else { vec![own] };
        let query = ListQuery { listing: &api_keys::LISTING, request, narrow, parent: None };
        self.db
            .run(move |conn| {
                let extent = query.extent_of_walk(conn)?;
                let Page { items, total, next } = query.page::<ApiKeyRow>(conn, extent.total)?;
                let items = items.into_iter().map(ApiKey::try_from).collect::<Result<_, _>>()?;
                Ok(Page { items, total, next })
            })
            .await
    }

    /// Revokes a key, one of one's own or any for an owner: no node takes it after this.
    ///
    /// # Errors
    /// As [`Auth::key`].
    pub async fn revoke_key(&self, caller: &Caller, id: ApiKeyId) -> Result<(), AuthError> {
        let key = self.key(caller, id).await?;
        let gone = self.ending(key.user_id, move |conn| Ok(api_keys::delete(conn, id)?)).await?;
        if gone { Ok(()) } else { Err(AuthError::NoSuchKey) }
    }
}

/// For whose key there must be room, when, and for how many.
#[derive(Debug, Clone, Copy)]
struct Room {
    user: UserId,
    at: DateTime<Utc>,
    most: i64,
}

fn store(conn: &mut PgConnection, row: &NewApiKeyRow, Room { user, at, most }: Room) -> Result<ApiKeyRow, AuthError> {
    // The lock lets an account make its keys one after the other, so the limit holds.
    users::credentials_locked(conn, user)?.ok_or(TokenError::Ended)?;
    if api_keys::count_of(conn, user)? >= most {
        let made_room = api_keys::delete_ended_of(conn, user, at)? > 0;
        if !made_room || api_keys::count_of(conn, user)? >= most {
            return Err(AuthError::TooManyKeys(most));
        }
    }
    Ok(api_keys::insert(conn, row)?)
}

/// The names of permissions, each once, in the order of the contract.
fn names_of(permissions: &[Permission]) -> Vec<String> {
    let asked = Permission::ALL.into_iter().filter(|permission| permissions.contains(permission));
    asked.map(|permission| permission.name().to_owned()).collect()
}
