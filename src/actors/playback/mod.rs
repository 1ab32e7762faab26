//! Playback: the streams of accounts. A stream belongs to one account; an owner of the
//! installation may see and change all.

mod ledger;

use uuid::Uuid;

pub use self::ledger::Ledger;
pub use crate::db::queries::{streams::LISTING, ways};

use crate::{
    actors::catalog::{CatalogError, Resource},
    db::{
        Db, DbError,
        listing::{ListQuery, Narrow, find, find_where},
        queries::{streams, ways::Way},
        rows::StreamRow,
    },
    domain::{
        ids::{StreamId, UserId},
        listing::{ListRequest, Page},
        playback::{NewStream, Stream, StreamChange},
    },
};

/// On whose behalf streams are seen and changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Viewer {
    /// An account: its own streams.
    Account(UserId),
    /// An account that may see and change everyone's.
    All(UserId),
}

impl Viewer {
    /// The account itself.
    #[must_use]
    pub const fn id(self) -> UserId {
        match self {
            Self::Account(id) | Self::All(id) => id,
        }
    }

    /// Whether it may see and change what belongs to `owner`.
    #[must_use]
    pub fn may_act_for(self, owner: UserId) -> bool {
        match self {
            Self::Account(id) => id == owner,
            Self::All(_) => true,
        }
    }

    /// Plays of nobody in particular are nobody's to see.
    fn check(self, stream: &Stream) -> Result<(), CatalogError> {
        let owner = stream.user_id.ok_or(CatalogError::NotFound)?;
        if self.may_act_for(owner) { Ok(()) } else { Err(CatalogError::Forbidden) }
    }

    fn narrow(self) -> Narrow {
        let condition = match self {
            Self::Account(_) => "t.user_id = {}",
            Self::All(_) => "t.user_id IS NOT NULL AND {} IS NOT NULL",
        };
        Narrow { condition, id: self.id().uuid() }
    }
}

/// The handle. Cheap to clone.
#[derive(Clone)]
pub struct Playback {
    db: Db,
}

impl Playback {
    /// A handle over the database.
    #[must_use]
    pub const fn new(db: Db) -> Self {
        Self { db }
    }

    /// Opens a stream; of another account only for one who may.
    ///
    /// # Errors
    /// `Forbidden`, `Reference`; the store's.
    pub async fn create(&self, viewer: Viewer, new: NewStream) -> Result<Stream, CatalogError> {
        let user = new.user_id.unwrap_or(viewer.id());
        if !viewer.may_act_for(user) {
            return Err(CatalogError::Forbidden);
        }
        self.db
            .run(move |conn| {
                let id = streams::insert(conn, user, &new).map_err(DbError::from)?;
                read(conn, id)
            })
            .await
    }

    /// One stream.
    ///
    /// # Errors
    /// `NotFound`, `Forbidden`; the store's.
    pub async fn one(&self, viewer: Viewer, id: StreamId) -> Result<Stream, CatalogError> {
        let stream = self.db.run(move |conn| read(conn, id.uuid())).await?;
        viewer.check(&stream)?;
        Ok(stream)
    }

    /// What a stream leads to: its episode, the season of that, and so on.
    ///
    /// # Errors
    /// As [`Playback::one`].
    pub async fn along<R: Resource>(&self, viewer: Viewer, id: StreamId, way: Way) -> Result<R, CatalogError> {
        self.db
            .run(move |conn| {
                let stream = read(conn, id.uuid())?;
                viewer.check(&stream)?;
                Ok(R::from(find_where::<R::Row>(conn, R::LISTING, way.children(id.uuid()))?))
            })
            .await
    }

    /// The streams that `viewer` may see, below a parent where one is given.
    ///
    /// # Errors
    /// `NotFound` where the parent is not there; the store's.
    pub async fn list(
        &self,
        viewer: Viewer,
        request: ListRequest,
        below: Option<(Way, Uuid)>,
    ) -> Result<Page<Stream>, CatalogError> {
        let narrow = [viewer.narrow()].into_iter().chain(below.map(|(way, id)| way.children(id))).collect();
        let parent = below.map(|(way, id)| way.parent(id));
        let query = ListQuery { listing: &streams::LISTING, request, narrow, parent };
        self.db
            .run(move |conn| {
                let extent = query.extent(conn).map_err(DbError::from)?;
                extent.parent.ok_or(CatalogError::NotFound)?;
                let page = query.page::<StreamRow>(conn, extent.total).map_err(DbError::from)?;
                Ok(page.map(Stream::from))
            })
            .await
    }

    /// A list that hangs on one stream or one account: the parent look-up gives whose it is.
    ///
    /// # Errors
    /// `NotFound` where the parent is not there, `Forbidden` where it is another's; the store's.
    pub async fn list_along<R: Resource>(
        &self,
        viewer: Viewer,
        request: ListRequest,
        (way, id): (Way, Uuid),
    ) -> Result<Page<R>, CatalogError> {
        let query =
            ListQuery { listing: R::LISTING, request, narrow: vec![way.children(id)], parent: Some(way.parent(id)) };
        self.db
            .run(move |conn| {
                let extent = query.extent(conn).map_err(DbError::from)?;
                let owner = UserId::from(extent.parent.ok_or(CatalogError::NotFound)?);
                if !viewer.may_act_for(owner) {
                    return Err(CatalogError::Forbidden);
                }
                let page = query.page::<R::Row>(conn, extent.total).map_err(DbError::from)?;
                Ok(page.map(R::from))
            })
            .await
    }

    /// Changes a stream; to another account only for one who may.
    ///
    /// # Errors
    /// `NotFound`, `Forbidden`, `Reference`; the store's.
    pub async fn change(&self, viewer: Viewer, id: StreamId, change: StreamChange) -> Result<Stream, CatalogError> {
        if change.user_id.is_some_and(|user| !viewer.may_act_for(user)) {
            return Err(CatalogError::Forbidden);
        }
        self.locked(viewer, id, move |conn| {
            streams::update(conn, id.uuid(), &change).map_err(DbError::from)?;
            read(conn, id.uuid())
        })
        .await
    }

    /// Removes a stream.
    ///
    /// # Errors
    /// `NotFound`, `Forbidden`; the store's.
    pub async fn remove(&self, viewer: Viewer, id: StreamId) -> Result<(), CatalogError> {
        self.locked(viewer, id, move |conn| {
            streams::delete(conn, id.uuid()).map(drop).map_err(|error| DbError::from(error).into())
        })
        .await
    }

    /// `work` on a stream that `viewer` may change, and that nobody else changes meanwhile.
    async fn locked<T: Send + 'static>(
        &self,
        viewer: Viewer,
        id: StreamId,
        work: impl FnOnce(&mut diesel::PgConnection) -> Result<T, CatalogError> + Send + 'static,
    ) -> Result<T, CatalogError> {
        use diesel::Connection as _;
        self.db
            .run(move |conn| {
                conn.transaction(|conn| {
                    let owner = streams::viewer(conn, id.uuid()).map_err(DbError::from)?;
                    if viewer.may_act_for(owner) { work(conn) } else { Err(CatalogError::Forbidden) }
                })
            })
            .await
    }
}

impl From<diesel::result::Error> for CatalogError {
    fn from(error: diesel::result::Error) -> Self {
        DbError::from(error).into()
    }
}

fn read(conn: &mut diesel::PgConnection, id: Uuid) -> Result<Stream, CatalogError> {
    Ok(find::<StreamRow>(conn, &streams::LISTING, id)?.into())
}
