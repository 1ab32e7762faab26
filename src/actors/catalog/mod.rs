//! The catalogue: genres, series, seasons, episodes. Owns what their answers depend on and when a
//! write makes them void. Reads never pass a mailbox.
//!
//! Answers are cached in the shape that a contract gives them: the caller passes a function that
//! shapes, and a name for its contract; what is kept is bytes.

mod constraints;
mod nests;
mod references;
mod resource;

use bytes::{BufMut as _, Bytes, BytesMut};
pub use constraints::{CatalogError, WrongReference, refused};
use diesel::Connection as _;
pub use nests::{GENRE_SEASONS, GENRE_SERIES, Nest, SEASON_EPISODES, SERIES_EPISODES, SERIES_SEASONS};
pub use references::{Reference, Refers, with_all_wrong, wrong_among};
pub use resource::{Listed, Resource};
use uuid::Uuid;

use super::{pages::page, write::write};
use crate::{
    cache::{Cache, Scope},
    db::{
        Db,
        listing::{ListQuery, find},
    },
    domain::listing::{ListRequest, Page},
};

/// The handle. Cheap to clone.
#[derive(Clone)]
pub struct Catalog {
    db: Db,
    cache: Cache,
}

/// How a contract shapes the answers that are cached for it.
pub struct Shape<T> {
    /// The contract's name, which keeps its answers apart from the others'.
    pub contract: &'static str,
    /// The bytes of an answer.
    pub shape: fn(&T) -> Bytes,
}

/// A list as a contract asks for it.
pub struct ListOf<T> {
    /// The page.
    pub request: ListRequest,
    /// The parent, where there is one.
    pub nest: Option<Nest>,
    /// How the page is shaped.
    pub shape: Shape<(ListRequest, Page<T>)>,
}

/// A shaped page, and what its headers need to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShapedPage {
    /// The answer's body.
    pub body: Bytes,
    /// Rows in the whole list.
    pub total: u64,
    /// Where the next page begins.
    pub next: Option<String>,
}

impl Catalog {
    /// A handle over these stores.
    #[must_use]
    pub const fn new(db: Db, cache: Cache) -> Self {
        Self { db, cache }
    }

    /// One row, shaped.
    ///
    /// # Errors
    /// [`CatalogError::NotFound`]; the store's.
    pub async fn one<R: Resource>(&self, id: R::Id, shape: Shape<R>) -> Result<Bytes, CatalogError> {
        let id: Uuid = id.into();
        let mut text = Uuid::encode_buffer();
        let key = [shape.contract, ":", R::LISTING.table, "/", id.hyphenated().encode_lower(&mut text)].concat();
        let scopes = [Scope::Row(R::KIND, id), Scope::Rows(R::KIND)];
        let load = async || {
            let row = self.db.run(move |conn| find::<R::Row>(conn, R::LISTING, id).map_err(refused)).await?;
            Ok((shape.shape)(&R::from(row)))
        };
        self.cache.get_or_load(&key, &scopes, load).await
    }

    /// A page, shaped. Two statements at most, whatever its length.
    ///
    /// # Errors
    /// [`CatalogError::NotFound`] where the parent is not there; the store's.
    pub async fn list<R: Listed>(&self, list: ListOf<R>) -> Result<ShapedPage, CatalogError> {
        let ListOf { request, nest, shape } = list;
        let within = nest.map_or_else(String::new, |nest| format!("{}={}", nest.name(), nest.id()));
        let key = format!(
            "{}:{}?{within}&{}&{:?}&{}",
            shape.contract,
            R::LISTING.table,
            request.spelling,
            request.position,
            request.limit
        );
        let mut scopes = vec![Scope::List(R::KIND)];
        scopes.extend(nest.iter().flat_map(Nest::through).map(|kind| Scope::List(*kind)));
        let load = async || {
            let page = self.load_page::<R>(request.clone(), nest, &scopes).await?;
            let (total, next) = (page.total, page.next.as_ref().map(crate::domain::listing::Cursor::encode));
            Ok(ShapedPage { body: (shape.shape)(&(request, page)), total, next }.pack())
        };
        let packed: Result<Bytes, CatalogError> = self.cache.get_or_load(&key, &scopes, load).await;
        ShapedPage::unpack(packed?).ok_or(CatalogError::Cached)
    }

    async fn load_page<R: Listed>(
        &self,
        request: ListRequest,
        nest: Option<Nest>,
        scopes: &[Scope],
    ) -> Result<Page<R>, CatalogError> {
        let query = ListQuery {
            listing: R::LISTING,
            request,
            narrow: nest.iter().map(Nest::children).collect(),
            parent: nest.as_ref().map(Nest::parent),
        };
        let page: Result<Page<R::Row>, CatalogError> = page(&self.db, &self.cache, query, scopes).await;
        Ok(page?.map(R::from))
    }

    /// Makes a row.
    ///
    /// # Errors
    /// [`CatalogError::Taken`], [`CatalogError::References`]; the store's.
    pub async fn create<R: Resource>(&self, new: R::New) -> Result<R, CatalogError> {
        write(&self.db, &self.cache, R::scopes_of_creation(), move |conn| {
            // In one transaction: what it hangs on may be removed at this moment, and it with that.
            let made = conn.transaction(|conn| {
                let id = R::insert(conn, &new)?;
                find::<R::Row>(conn, R::LISTING, id).map(R::from)
            });
            made.map_err(|error| with_all_wrong(conn, refused(error), &new))
        })
        .await
    }

    /// Changes a row.
    ///
    /// # Errors
    /// [`CatalogError::NotFound`] and those of [`Catalog::create`].
    pub async fn change<R: Resource>(&self, id: R::Id, change: R::Change) -> Result<R, CatalogError> {
        let id: Uuid = id.into();
        write(&self.db, &self.cache, R::scopes_of_change(id), move |conn| {
            let changed =
                R::update(conn, id, &change).map_err(|error| with_all_wrong(conn, refused(error), &change))?;
            if changed == 0 {
                return Err(CatalogError::NotFound);
            }
            find::<R::Row>(conn, R::LISTING, id).map(R::from).map_err(refused)
        })
        .await
    }

    /// Removes a row and all below it.
    ///
    /// # Errors
    /// [`CatalogError::NotFound`]; the store's.
    pub async fn remove<R: Resource>(&self, id: R::Id) -> Result<(), CatalogError> {
        let id: Uuid = id.into();
        write(&self.db, &self.cache, R::scopes_of_removal(id), move |conn| {
            match R::delete(conn, id).map_err(refused)? {
                0 => Err(CatalogError::NotFound),
                _ => Ok(()),
            }
        })
        .await
    }
}

impl ShapedPage {
    /// One run of bytes for the cache: total, length of the cursor, cursor, body.
    fn pack(self) -> Bytes {
        let next = self.next.unwrap_or_default();
        let mut packed = BytesMut::with_capacity(12 + next.len() + self.body.len());
        packed.put_u64(self.total);
        packed.put_u32(u32::try_from(next.len()).unwrap_or(0));
        packed.put_slice(next.as_bytes());
        packed.put_slice(&self.body);
        packed.freeze()
    }

    /// `None` where the bytes are no packed page.
    fn unpack(mut packed: Bytes) -> Option<Self> {
        use bytes::Buf as _;
        let total = packed.try_get_u64().ok()?;
        let length = usize::try_from(packed.try_get_u32().ok()?).ok()?;
        if length > packed.len() {
            return None;
        }
        let next = String::from_utf8(packed.split_to(length).to_vec()).ok()?;
        Some(Self { body: packed, total, next: Some(next).filter(|next| !next.is_empty()) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packed_page_is_the_same_when_unpacked() {
        for next in [None, Some("abc".to_owned())] {
            let page = ShapedPage { body: Bytes::from_static(b"[1]"), total: 7, next };
            assert_eq!(ShapedPage::unpack(page.clone().pack()), Some(page));
        }
        assert_eq!(ShapedPage::unpack(Bytes::from_static(b"short")), None);
    }
}
