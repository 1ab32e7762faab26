//! Streams as they are read: rows, brought up to now by what their live sessions know.

use uuid::Uuid;

use super::{Playback, Viewer};
use crate::{
    actors::catalog::{CatalogError, Resource},
    db::{
        DbError,
        listing::{ListQuery, find, find_where},
        queries::{streams, ways::Way},
        rows::StreamRow,
    },
    domain::{
        ids::{StreamId, UserId},
        listing::{ListRequest, Page},
        playback::Stream,
    },
};

impl Playback {
    /// One stream.
    ///
    /// # Errors
    /// `NotFound`, `Forbidden`; the store's.
    pub async fn one(&self, viewer: Viewer, id: StreamId) -> Result<Stream, CatalogError> {
        let mut stream = self.db.run(move |conn| read(conn, id)).await?;
        viewer.check(stream.user_id)?;
        self.overlay(std::slice::from_mut(&mut stream)).await;
        Ok(stream)
    }

    /// What a stream leads to: its episode, the season of that, and so on.
    ///
    /// # Errors
    /// As [`Playback::one`].
    pub async fn along<R: Resource>(&self, viewer: Viewer, id: StreamId, way: Way) -> Result<R, CatalogError> {
        self.db
            .run(move |conn| {
                viewer.check(read(conn, id)?.user_id)?;
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
        let read = self.db.run(move |conn| {
            let extent = query.extent_of_walk(conn).map_err(DbError::from)?;
            extent.parent.ok_or(CatalogError::NotFound)?;
            let page = query.page::<StreamRow>(conn, extent.total).map_err(DbError::from)?;
            Ok::<_, CatalogError>(page.map(Stream::from))
        });
        let mut page = read.await?;
        self.overlay(&mut page.items).await;
        Ok(page)
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
            .list(query.request.q.is_some(), move |conn| {
                let extent = query.extent_of_walk(conn).map_err(DbError::from)?;
                let owner = UserId::from(extent.parent.ok_or(CatalogError::NotFound)?);
                if !viewer.may_act_for(owner) {
                    return Err(CatalogError::Forbidden);
                }
                let page = query.page::<R::Row>(conn, extent.total).map_err(DbError::from)?;
                Ok(page.map(R::from))
            })
            .await
    }

    /// Brings rows up to now: they lag behind their live sessions by some seconds. Without Redis nothing does.
    pub(crate) async fn overlay(&self, streams: &mut [Stream]) {
        self.parts.live.overlay(streams).await;
    }
}

fn read(conn: &mut diesel::PgConnection, id: StreamId) -> Result<Stream, CatalogError> {
    Ok(find::<StreamRow>(conn, &streams::LISTING, id.uuid())?.into())
}
