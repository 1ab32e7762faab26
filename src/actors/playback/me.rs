//! What an account has watched: its history, and where it goes on.

use std::collections::HashMap;

use super::{Playback, Viewer};
pub use crate::db::queries::me::LISTING as HISTORY;
use crate::{
    actors::catalog::{CatalogError, refused},
    db::{
        listing::{ListQuery, Narrow},
        queries::me,
        rows::viewing::{NextEpisodeRow, ViewingRow},
    },
    domain::{
        ids::{EpisodeId, StreamId, UserId},
        listing::{ListRequest, Page},
        playback::{PlayState, Stream},
        viewing::{Continued, Left, Place, Viewing, due},
    },
};

/// The episodes that follow on others.
type Following = HashMap<EpisodeId, NextEpisodeRow>;

impl Playback {
    /// A page of what the account has watched, by [`HISTORY`].
    ///
    /// # Errors
    /// The store's.
    pub async fn history(&self, account: UserId, request: ListRequest) -> Result<Page<Viewing>, CatalogError> {
        let own = Narrow { condition: "t.user_id = {}", id: account.uuid() };
        let query = ListQuery { listing: &HISTORY, request, narrow: vec![own], parent: None };
        let page = self.db.run(move |conn| {
            let extent = query.extent_of_walk(conn).map_err(refused)?;
            query.page::<ViewingRow>(conn, extent.total).map_err(refused)
        });
        let mut page = page.await?.map(Viewing::from);
        self.bring_up_to_now(&mut page.items).await;
        Ok(page)
    }

    /// What the account can go on with, what was watched last first; `limit` titles at most. Of a series what was
    /// begun last counts. Looked at are the account's last [`me::LOOKED_BACK`] streams, by two statements at most.
    ///
    /// # Errors
    /// The store's.
    pub async fn continue_watching(&self, account: UserId, limit: u32) -> Result<Vec<Continued>, CatalogError> {
        let newest = self.db.run(move |conn| me::newest(conn, account).map_err(refused)).await?;
        let mut newest: Vec<Viewing> = newest.into_iter().map(Viewing::from).collect();
        self.bring_up_to_now(&mut newest).await;
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let due = due(newest, limit);
        let mut following = self.following(&due).await?;
        let continued = due.into_iter().filter_map(|(viewing, left)| {
            let place = match left {
                Left::Nothing => None,
                Left::Rest(position) => Some(Place::At(position)),
                Left::After(episode) => following.remove(&episode).map(|next| Place::Next(next.into())),
            };
            Some(Continued { viewing, place: place? })
        });
        Ok(continued.take(limit).collect())
    }

    async fn following(&self, due: &[(Viewing, Left)]) -> Result<Following, CatalogError> {
        let finished = due.iter().filter_map(|(_, left)| match left {
            Left::After(episode) => Some(*episode),
            Left::Nothing | Left::Rest(_) => None,
        });
        let finished: Vec<EpisodeId> = finished.collect();
        if finished.is_empty() {
            return Ok(Following::new());
        }
        self.db.run(move |conn| me::following(conn, &finished).map_err(refused)).await
    }

    /// Takes a viewing out of the account's history; its session ends. A view that it counted as stays counted.
    ///
    /// # Errors
    /// `NotFound`, also where it is another's; the store's.
    pub async fn forget(&self, account: UserId, id: StreamId) -> Result<(), CatalogError> {
        match self.remove(Viewer::Account(account), id).await {
            Err(CatalogError::Forbidden) => Err(CatalogError::NotFound),
            done => done,
        }
    }

    /// Takes all viewings out of the account's history; their sessions end.
    ///
    /// # Errors
    /// The store's.
    pub async fn forget_all(&self, account: UserId) -> Result<(), CatalogError> {
        let gone = self.db.run(move |conn| me::forget(conn, account).map_err(refused)).await?;
        self.ended(&gone).await;
        Ok(())
    }

    /// Rows of sessions that live lag behind by some seconds.
    async fn bring_up_to_now(&self, viewings: &mut [Viewing]) {
        let mut live: Vec<&mut Stream> = viewings
            .iter_mut()
            .map(|viewing| &mut viewing.stream)
            .filter(|stream| stream.state != PlayState::Ended)
            .collect();
        let mut streams: Vec<Stream> = live.iter().map(|stream| (**stream).clone()).collect();
        if streams.is_empty() {
            return;
        }
        self.overlay(&mut streams).await;
        for (stream, now) in live.iter_mut().zip(streams) {
            **stream = now;
        }
    }
}
