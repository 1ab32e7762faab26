//! Collections: the lists of movies that an account keeps, and the genres it likes best.
//!
//! A handle, no actor: what two requests could race for is decided by locks of the database, taken in one order
//! (`db/queries/collections.rs`). Holds no wire shape.

mod error;

use bytes::Bytes;
use diesel::PgConnection;
use uuid::Uuid;

pub use self::error::CollectionsError;
use super::write::write_touching;
use crate::{
    cache::{Cache, Kind, Scope},
    db::{Db, LongWork, queries::collections},
    domain::{
        collections::{Collection, CollectionChange, Extent, Listed, NewCollection, Shelf},
        ids::{CollectionId, UserId},
    },
    settings::{CollectionSettings, millis},
};

/// Accounts whose favourites move one by one; of more, everyone's do.
const MOST_TOLD: i64 = 100;

type Done<T> = Result<T, CollectionsError>;

/// The handle. Cheap to clone.
#[derive(Clone)]
pub struct Collections {
    db: Db,
    /// For writes and for large answers.
    long: LongWork,
    cache: Cache,
    most: i64,
}

impl Collections {
    /// A handle over these.
    #[must_use]
    pub fn new(db: Db, cache: Cache, settings: &CollectionSettings) -> Self {
        let long = LongWork::new(db.clone(), millis(settings.write_deadline_ms));
        Self { db, long, cache, most: settings.per_account.into() }
    }

    /// How large the list of the account's collections is.
    ///
    /// # Errors
    /// The database's.
    pub async fn shelf_extent(&self, account: UserId) -> Done<Extent> {
        let bytes: Done<_> = self.db.run(move |conn| Ok(collections::bytes_of_account(conn, account)?)).await;
        bytes.map(Extent::of)
    }

    /// How large a collection of the account is; [`Extent::Ordinary`] where it has no such.
    ///
    /// # Errors
    /// The database's.
    pub async fn extent(&self, account: UserId, id: CollectionId) -> Done<Extent> {
        let bytes: Done<_> = self.db.run(move |conn| Ok(collections::bytes(conn, account, id)?)).await;
        bytes.map(Extent::of)
    }

    /// How large a collection of the account is after `change`.
    ///
    /// # Errors
    /// The database's.
    pub async fn extent_after(&self, account: UserId, id: CollectionId, change: &CollectionChange) -> Done<Extent> {
        match &change.movies {
            Some(movies) => Ok(movies.extent()),
            None => self.extent(account, id).await,
        }
    }

    /// All that the account keeps; `extent` as [`Collections::shelf_extent`] says.
    ///
    /// # Errors
    /// The database's.
    pub async fn shelf(&self, account: UserId, extent: Extent) -> Done<Shelf> {
        let rows = self.read(extent, move |conn| Ok(collections::of_account(conn, account)?)).await;
        let collections = rows?.into_iter().map(Listed::from).collect();
        Ok(Shelf { collections, favourite_genres: self.favourite_genres(account).await? })
    }

    /// Kept until a collection of the account changes, or a movie in one, by whomever.
    async fn favourite_genres(&self, account: UserId) -> Done<String> {
        let load = async || {
            let found: Done<_> = self.db.search(move |conn| Ok(collections::favourite_genres(conn, account)?)).await;
            found.map(Bytes::from)
        };
        let scopes = [own(account), Scope::Rows(Kind::Collections)];
        let kept = self.cache.get_or_load(&format!("collections:favourites/{account}"), &scopes, load).await?;
        String::from_utf8(kept.to_vec()).map_err(|_| CollectionsError::Cached)
    }

    /// A collection of the account; `extent` as [`Collections::extent`] says.
    ///
    /// # Errors
    /// [`CollectionsError::NotFound`]; the database's.
    pub async fn one(&self, account: UserId, id: CollectionId, extent: Extent) -> Done<Collection> {
        self.read(extent, move |conn| shown(conn, account, id)).await
    }

    async fn read<T, F>(&self, extent: Extent, work: F) -> Done<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut PgConnection) -> Done<T> + Send + 'static,
    {
        match extent {
            Extent::Ordinary => self.db.run(work).await,
            Extent::Large => self.long.run(work).await,
        }
    }

    /// Makes a collection.
    ///
    /// # Errors
    /// [`CollectionsError::TooMany`], [`CollectionsError::AccountGone`]; the database's.
    pub async fn make(&self, account: UserId, new: NewCollection) -> Done<CollectionId> {
        let NewCollection { title, description, movies } = new;
        let most = self.most;
        write_touching(&self.long, &self.cache, vec![own(account)], move |conn, touched| {
            if collections::count_locked(conn, account)?.ok_or(CollectionsError::AccountGone)? >= most {
                return Err(CollectionsError::TooMany(most));
            }
            let id = collections::insert(conn, account, (&title, &description))?;
            let changed = collections::fill(conn, id, movies)?;
            touched.add(moved(conn, account, &changed)?);
            Ok(id)
        })
        .await
    }

    /// Changes a collection of the account, and gives it as it is then.
    ///
    /// # Errors
    /// [`CollectionsError::NotFound`]; the database's.
    pub async fn change(&self, account: UserId, id: CollectionId, change: CollectionChange) -> Done<Collection> {
        if change.is_empty() {
            let extent = self.extent(account, id).await?;
            return self.one(account, id, extent).await;
        }
        let CollectionChange { title, description, movies } = change;
        write_touching(&self.long, &self.cache, vec![own(account)], move |conn, touched| {
            lock(conn, account, id)?;
            collections::update(conn, id, (title.as_ref(), description.as_ref()))?;
            if let Some(movies) = movies {
                let changed = collections::fill(conn, id, movies)?;
                touched.add(moved(conn, account, &changed)?);
            }
            shown(conn, account, id)
        })
        .await
    }

    /// Removes a collection of the account, with the movies that no other holds.
    ///
    /// # Errors
    /// [`CollectionsError::NotFound`]; the database's.
    pub async fn remove(&self, account: UserId, id: CollectionId) -> Done<()> {
        write_touching(&self.long, &self.cache, vec![own(account)], move |conn, _| {
            lock(conn, account, id)?;
            Ok(collections::remove(conn, id)?)
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

/// Whose favourites, but the account's own, the changed movies may have moved. Who takes one of them up at the same
/// time waits for this transaction, or was waited for: nobody is missed.
fn moved(conn: &mut PgConnection, account: UserId, changed: &[Uuid]) -> Done<Vec<Scope>> {
    if changed.is_empty() {
        return Ok(Vec::new());
    }
    let holders = collections::holders(conn, account, (changed, MOST_TOLD + 1))?;
    let all_are_known = i64::try_from(holders.len()).is_ok_and(|count| count <= MOST_TOLD);
    Ok(if all_are_known { holders.into_iter().map(own).collect() } else { vec![Scope::Rows(Kind::Collections)] })
}
