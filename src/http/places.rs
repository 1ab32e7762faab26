//! Places for what takes much memory: so many at a time on a node, and so many for one account. Knows nothing of what
//! takes them.

use std::{
    collections::HashMap,
    convert::Infallible,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use actix_web::body::{BodySize, MessageBody};
use bytes::Bytes;
use tokio::sync::Notify;

use super::error::ApiError;
use crate::domain::ids::UserId;

/// How long one waits for a place.
const LONGEST_WAIT: Duration = Duration::from_secs(1);
/// What is given to the connection at a time: it would copy a whole body, and the place would be free.
const PIECE: usize = 64 * 1024;

/// The places. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Places(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    all: usize,
    of_one: usize,
    taken: Mutex<HashMap<UserId, usize>>,
    freed: Notify,
}

/// A place, until it is dropped.
#[derive(Debug)]
pub struct Place {
    places: Arc<Inner>,
    account: UserId,
}

impl Places {
    /// `all` places, `of_one` of them for one account at most.
    #[must_use]
    pub fn new(all: usize, of_one: usize) -> Self {
        Self(Arc::new(Inner { all, of_one, taken: Mutex::default(), freed: Notify::new() }))
    }

    /// A place for the account; waits a second for it.
    ///
    /// # Errors
    /// 503: none is free.
    pub async fn take(&self, account: UserId) -> Result<Place, ApiError> {
        tokio::time::timeout(LONGEST_WAIT, self.wait(account))
            .await
            .map_err(|_| ApiError::Unavailable("too many large bodies or answers at a time".into()))
    }

    async fn wait(&self, account: UserId) -> Place {
        loop {
            let mut freed = std::pin::pin!(self.0.freed.notified());
            // From here on no place is given back unseen.
            freed.as_mut().enable();
            if self.0.occupy(account) {
                return Place { places: Arc::clone(&self.0), account };
            }
            freed.await;
        }
    }
}

impl Inner {
    fn taken(&self) -> MutexGuard<'_, HashMap<UserId, usize>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn occupy(&self, account: UserId) -> bool {
        let mut taken = self.taken();
        let own = taken.get(&account).copied().unwrap_or_default();
        let is_free = own < self.of_one && taken.values().sum::<usize>() < self.all;
        if is_free {
            taken.insert(account, own.saturating_add(1));
        }
        is_free
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken();
        match taken.get_mut(&self.account) {
            Some(own) if *own > 1 => *own = own.saturating_sub(1),
            _ => drop(taken.remove(&self.account)),
        }
        drop(taken);
        self.places.freed.notify_waiters();
    }
}

/// An answer that has a place until it has been sent, or its reader has left.
#[derive(Debug)]
pub struct PlacedBody {
    rest: Bytes,
    _place: Place,
}

impl PlacedBody {
    /// These bytes in that place.
    #[must_use]
    pub const fn new(bytes: Bytes, place: Place) -> Self {
        Self { rest: bytes, _place: place }
    }
}

impl MessageBody for PlacedBody {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        BodySize::Sized(u64::try_from(self.rest.len()).unwrap_or(u64::MAX))
    }

    fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Bytes, Infallible>>> {
        let rest = &mut self.get_mut().rest;
        let piece = rest.split_to(rest.len().min(PIECE));
        Poll::Ready((!piece.is_empty()).then_some(Ok(piece)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[actix_web::test]
    async fn an_account_has_its_share_and_all_have_no_more_than_there_are() {
        let (ann, bob, eve) = (UserId::new(), UserId::new(), UserId::new());
        let places = Places::new(3, 2);
        let of_ann = (places.take(ann).await.unwrap(), places.take(ann).await.unwrap());
        assert_eq!(places.take(ann).await.unwrap_err().status(), 503, "a third of one account");
        let _of_bob = places.take(bob).await.unwrap();
        assert_eq!(places.take(eve).await.unwrap_err().status(), 503, "a fourth of all");
        let (of_eve, ()) = futures_util::join!(places.take(eve), async { drop(of_ann.0) });
        drop(of_eve.unwrap());
        drop(of_ann.1);
        assert_eq!(places.0.taken().len(), 1, "who has none is forgotten");
    }
}
