//! A file whose row and bytes may disagree: what becomes of its bytes when the row has said so.

use std::{fs::OpenOptions, sync::Arc, time::Duration};

use super::{Place, StoreError, blocking, remove};
use crate::domain::ids::FileId;

/// Pauses between tries to remove bytes from a store that is away.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

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
    if let Some(bucket) = place.bucket() {
        bucket.delete(id).await?;
    }
    let place = Arc::clone(place);
    let cleared = blocking(move || {
        place.clear(id)?;
        // The journal's entry goes last: until then a sweep would repeat this.
        remove(&place.journal(id))
    });
    cleared.await
}

/// As [`discard`], until it is done. A process that ends before leaves it to the next sweep.
async fn discard_in_time(place: &Arc<Place>, id: FileId) {
    let mut pause = FIRST_PAUSE;
    while let Err(error) = discard(place, id).await {
        tracing::warn!(?error, %id, "bytes without a row stay for now");
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Removes, until it is done, bytes that are in the bucket, or on their way there. Here, their room is free at once.
pub(super) async fn take_back(place: Arc<Place>, id: FileId) {
    let journal = place.journal(id);
    let emptied = blocking(move || OpenOptions::new().write(true).truncate(true).open(journal)).await;
    if let Err(error) = emptied {
        tracing::warn!(?error, %id, "bytes that were given up keep their room for now");
    }
    discard_in_time(&place, id).await;
}
