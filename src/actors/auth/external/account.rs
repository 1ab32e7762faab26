//! The account of who signs in elsewhere: made by the first token, found by the others.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use diesel::{Connection as _, PgConnection};

use super::claims::Claims;
use crate::{
    actors::auth::{Auth, AuthError, Taken, TokenError, standing::Standing},
    db::{
        queries::{
            identities::{self, IdentityRow},
            users,
        },
        rows::user::NewUserRow,
    },
    domain::{
        ids::UserId,
        text::{Email, Username},
    },
};

impl Auth {
    /// The account of a verified token.
    pub(super) async fn external_account(&self, claims: &Claims) -> Result<(UserId, Arc<Standing>), AuthError> {
        if let Some(account) = self.external.known.get(&claims.identity) {
            if let Some(standing) = self.opened(account, claims).await? {
                return Ok((account, standing));
            }
            // It was removed, and may be made anew.
            self.external.known.invalidate(&claims.identity);
        }
        let account = self.known_or_new(claims).await?;
        self.external.known.insert(Arc::clone(&claims.identity), account);
        let standing = self.opened(account, claims).await?.ok_or(TokenError::Ended)?;
        Ok((account, standing))
    }

    /// What the token opens; none where the account is gone.
    async fn opened(&self, account: UserId, claims: &Claims) -> Result<Option<Arc<Standing>>, AuthError> {
        let standing = self.standings.of_account(account).await?;
        let refuses = |standing: &Standing| standing.disabled || !self.is_after(claims.iat, standing.valid_from);
        if standing.as_deref().is_some_and(refuses) { Err(TokenError::Ended.into()) } else { Ok(standing) }
    }

    /// Whether a token of this time was made after what it must be newer than. Within the difference of clocks that
    /// is forgiven nobody can tell, and then it was not.
    fn is_after(&self, iat: Option<i64>, valid_from: Option<DateTime<Utc>>) -> bool {
        let Some(valid_from) = valid_from else { return true };
        let made = iat.and_then(|iat| DateTime::from_timestamp(iat, 0));
        made.is_some_and(|made| made > valid_from + TimeDelta::seconds(self.external.leeway))
    }

    async fn known_or_new(&self, claims: &Claims) -> Result<UserId, AuthError> {
        let identity = Arc::clone(&claims.identity);
        let found = self.db.run(move |conn| Ok::<_, AuthError>(identities::find(conn, &identity.0, &identity.1)?));
        let found = found.await?;
        if let Some(IdentityRow { user_id: Some(account), .. }) = found {
            return Ok(account.into());
        }
        // Known before, and removed: looked at once more when the row is locked.
        if found.is_some_and(|row| !self.is_after(claims.iat, row.valid_from)) {
            return Err(TokenError::Ended.into());
        }
        let (auth, identity, iat) = (self.clone(), Arc::clone(&claims.identity), claims.iat);
        let row = row_for(claims);
        self.making(move |conn| {
            conn.transaction(|conn| {
                // Of many first tokens at once, one goes on here and the others wait for it.
                let IdentityRow { user_id, valid_from } = identities::claim(conn, &identity.0, &identity.1)?;
                if let Some(account) = user_id {
                    return Ok(account.into());
                }
                if !auth.is_after(iat, valid_from) {
                    return Err(TokenError::Ended.into());
                }
                let account = open_account(conn, row)?;
                identities::bind(conn, &identity.0, &identity.1, account)?;
                tracing::info!(user = %account, issuer = identity.0, "a first token has made an account");
                Ok(account)
            })
        })
        .await
    }
}

fn row_for(claims: &Claims) -> NewUserRow {
    NewUserRow {
        id: UserId::new().uuid(),
        username: claims.username.clone().map(Username::into_string),
        email: claims.email.clone().map(Email::into_string),
        first_name: String::new(),
        middle_name: String::new(),
        last_name: String::new(),
        birth_date: None,
        password_hash: None,
        // What its bearer may do stands in each token.
        roles: Vec::new(),
    }
}

/// Stores the account. A name or an address that another account has stays with that one: nobody gets an account
/// because an issuer says so.
fn open_account(conn: &mut PgConnection, mut row: NewUserRow) -> Result<UserId, AuthError> {
    loop {
        // A savepoint: what is refused does not end the transaction around it.
        match conn.transaction(|conn| users::insert(conn, &row).map_err(AuthError::from)) {
            Err(AuthError::Taken(Taken::Email)) if row.email.is_some() => row.email = None,
            Err(AuthError::Taken(Taken::Username)) if row.username.is_some() => row.username = None,
            stored => return Ok(stored?.id.into()),
        }
    }
}
