//! A file whose row and bytes may disagree: what becomes of its bytes when the row has said so.

use std::{sync::Arc, time::Duration};

use super::{Place, StoreError, blocking, remove, until_done};
use crate::domain::ids::FileId;

/// So late a request may still be done that its sender has given up.
const LATE: Duration = Duration::from_secs(2);

/// Bytes in their final place whose row is not there yet, or is about to go. Dropped without a word, they stay in the
/// journal: nothing is lost or kept wrongly, whatever became of the row.
#[derive(Debug)]
#[must_use = "say what became of the row: keep, discard or leave"]
pub struct Journaled {
    pub(super) place: Arc<Place>,
    pub(super) id: FileId,
}

impl Journaled {
    /// The file's id.
    #[must_use]
    pub const fn id(&self) -> FileId {
        self.id
    }

    /// The row is there: the bytes stay.
    ///
    /// # Errors
    /// The disk's; the entry then stays for the next sweep.
    pub async fn keep(self) -> Result<(), StoreError> {
        blocking(move || remove(&self.place.journal(self.id))).await
    }

    /// There is no row: the bytes go.
    ///
    /// # Errors
    /// The disk's, the bucket's; the entry then stays for the next sweep.
    pub async fn discard(self) -> Result<(), StoreError> {
        discard(&self.place, self.id).await
    }

    /// As [`Journaled::discard`], until it is done.
    pub async fn discard_in_time(self) {
        discard_in_time(&self.place, self.id).await;
    }
}

/// Removes the bytes of `id` wherever they are, and its entry in the journal.
async fn discard(place: &Arc<Place>, id: FileId) -> Result<(), StoreError> {
    let here = Arc::clone(place);
    blocking(move || {
        here.clear(id)?;
        // The entry stays until the bucket has let go too; its room is free at once.
        if here.bucket().is_some() { here.empty(id) } else { Ok(()) }
    })
    .await?;
    if let Some(bucket) = place.bucket() {
        bucket.delete(id).await?;
    }
    // The entry goes last: until then a sweep would repeat this.
    let here = Arc::clone(place);
    blocking(move || remove(&here.journal(id))).await
}

/// Takes back bytes that were on their way into the bucket when they were given up. A request that nobody waits for any
/// more may be done after the removal: what it made is removed again.
pub(super) async fn take_back(place: Arc<Place>, id: FileId) {
    let here = Arc::clone(&place);
    if let Err(error) = blocking(move || here.empty(id)).await {
        tracing::warn!(?error, %id, "bytes that were given up keep their room for now");
    }
    if let Some(bucket) = place.bucket() {
        until_done("bytes that were given up stay for now", || bucket.delete(id)).await;
        tokio::time::sleep(LATE).await;
    }
    discard_in_time(&place, id).await;
}

/// As [`discard`], until it is done. A process that ends before leaves it to the next sweep.
async fn discard_in_time(place: &Arc<Place>, id: FileId) {
    until_done("bytes without a row stay for now", || discard(place, id)).await;
}
