//! Collections: the lists of movies that an account keeps, and the genres it likes best.
//!
//! A handle, no actor: what two requests could race for is decided by locks of the database, taken in one order
//! (`db/queries/collections.rs`). Holds no wire shape.

mod error;

use std::collections::BTreeSet;

use bytes::Bytes;
use diesel::{Connection as _, PgConnection};
use uuid::Uuid;

pub use self::error::CollectionsError;
use super::write::{Touched, write, write_touching};
use crate::{
    cache::{Cache, Kind, Scope},
    db::{Db, queries::collections},
    domain::{
        collections::{Collection, CollectionChange, Listed, NewCollection, Shelf},
        ids::{CollectionId, UserId},
    },
};

/// Accounts whose favourites move one by one; of more, everyone's do.
const MOST_TOLD: usize = 100;

type Done<T> = Result<T, CollectionsError>;

/// The handle. Cheap to clone.
#[derive(Clone)]
pub struct Collections {
    db: Db,
    cache: Cache,
}

impl Collections {
    /// A handle over these.
    #[must_use]
    pub const fn new(db: Db, cache: Cache) -> Self {
        Self { db, cache }
    }

    /// All that the account keeps.
    ///
    /// # Errors
    /// The database's.
    pub async fn shelf(&self, account: UserId) -> Done<Shelf> {
        let rows: Done<_> = self.db.run(move |conn| Ok(collections::of_account(conn, account)?)).await;
        let collections = rows?.into_iter().map(Listed::from).collect();
        Ok(Shelf { collections, favourite_genres: self.favourite_genres(account).await? })
    }

    /// Kept until a collection of the account changes, or a movie in one, by whomever.
    async fn favourite_genres(&self, account: UserId) -> Done<String> {
        let load = async {
            let found: Done<_> = self.db.run(move |conn| Ok(collections::favourite_genres(conn, account)?)).await;
            found.map(Bytes::from)
        };
        let scopes = [own(account), Scope::Rows(Kind::Collections)];
        let kept = self.cache.get_or_load(&format!("collections:favourites/{account}"), &scopes, load).await?;
        String::from_utf8(kept.to_vec()).map_err(|_| CollectionsError::Cached)
    }

    /// A collection of the account.
    ///
    /// # Errors
    /// [`CollectionsError::NotFound`]; the database's.
    pub async fn one(&self, account: UserId, id: CollectionId) -> Done<Collection> {
        self.db.run(move |conn| shown(conn, account, id)).await
    }

    /// Makes a collection.
    ///
    /// # Errors
    /// [`CollectionsError::AccountGone`]; the database's.
    pub async fn make(&self, account: UserId, new: NewCollection) -> Done<CollectionId> {
        let NewCollection { title, description, movies } = new;
        write_touching(&self.db, &self.cache, vec![own(account)], move |conn, touched| {
            conn.transaction(|conn| {
                let id = collections::insert(conn, account, (&title, &description))?;
                let changed = collections::fill(conn, id, movies)?;
                touch(conn, &changed, touched)?;
                Ok(id)
            })
        })
        .await
    }

    /// Changes a collection of the account, and gives it as it is then.
    ///
    /// # Errors
    /// [`CollectionsError::NotFound`]; the database's.
    pub async fn change(&self, account: UserId, id: CollectionId, change: CollectionChange) -> Done<Collection> {
        if change.is_empty() {
            return self.one(account, id).await;
        }
        let CollectionChange { title, description, movies } = change;
        write_touching(&self.db, &self.cache, vec![own(account)], move |conn, touched| {
            conn.transaction(|conn| {
                lock(conn, account, id)?;
                collections::update(conn, id, (title.as_ref(), description.as_ref()))?;
                if let Some(movies) = movies {
                    let changed = collections::fill(conn, id, movies)?;
                    touch(conn, &changed, touched)?;
                }
                shown(conn, account, id)
            })
        })
        .await
    }

    /// Removes a collection of the account, with the movies that no other holds.
    ///
    /// # Errors
    /// [`CollectionsError::NotFound`]; the database's.
    pub async fn remove(&self, account: UserId, id: CollectionId) -> Done<()> {
        write(&self.db, &self.cache, vec![own(account)], move |conn| {
            conn.transaction(|conn| {
                lock(conn, account, id)?;
                Ok(collections::remove(conn, id)?)
            })
        })
        .await
    }
}

/// What moves when the account's collections change.
const fn own(account: UserId) -> Scope {
    Scope::Row(Kind::Collections, account.uuid())
}

fn lock(conn: &mut PgConnection, account: UserId, id: CollectionId) -> Done<()> {
    if collections::lock(conn, account, id)? { Ok(()) } else { Err(CollectionsError::NotFound) }
}

fn shown(conn: &mut PgConnection, account: UserId, id: CollectionId) -> Done<Collection> {
    collections::shown(conn, account, id)?.ok_or(CollectionsError::NotFound)
}

/// Tells whose favourites the changed movies may have moved. Who takes one of them up at the same time waits for
/// this transaction, or was waited for: nobody is missed.
fn touch(conn: &mut PgConnection, changed: &[Uuid], touched: &Touched) -> Done<()> {
    if changed.is_empty() {
        return Ok(());
    }
    let holders = collections::holders(conn, changed)?;
    let all_are_known = i64::try_from(holders.len()).is_ok_and(|count| count < collections::MOST_HOLDERS);
    let holders: BTreeSet<UserId> = holders.into_iter().collect();
    if all_are_known && holders.len() <= MOST_TOLD {
        touched.add(holders.into_iter().map(own));
    } else {
        touched.add([Scope::Rows(Kind::Collections)]);
    }
    Ok(())
}
