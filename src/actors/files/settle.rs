//! Bytes and row together, also when the database's answer is lost.

use std::{collections::HashSet, time::Duration};

use tokio::sync::oneshot;

use super::{Files, FilesError, ReferredBy, row_of};
use crate::{
    db::{DbError, queries::files},
    domain::{ids::FileId, media::StoredFile},
    storage::{Journaled, Received, StoreError, SweepError, Swept},
};

/// Pauses between questions to a database that is away.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

impl Files {
    /// Settles what dead processes left in the store. Call it at the start.
    ///
    /// # Errors
    /// The store's, the database's; what was not settled is settled at the next start.
    pub async fn sweep(&self) -> Result<Swept, FilesError> {
        let swept = self.store.sweep(async |ids: Vec<FileId>| self.with_rows(ids).await).await;
        swept.map_err(|error| match error {
            SweepError::Rows(error) => FilesError::Db(error),
            SweepError::Store(error) => FilesError::Store(error),
        })
    }

    async fn with_rows(&self, ids: Vec<FileId>) -> Result<HashSet<FileId>, DbError> {
        let ids: Vec<_> = ids.into_iter().map(FileId::uuid).collect();
        let rows = self.db.run(move |conn| files::which_exist(conn, &ids).map_err(DbError::from)).await?;
        Ok(rows.into_iter().map(FileId::from).collect())
    }

    pub(super) async fn store_with_row(self, received: Received, file: StoredFile) -> Result<StoredFile, FilesError> {
        let row = row_of(&file);
        let quota = i64::try_from(self.quota).ok().filter(|quota| *quota > 0);
        let journaled = received.commit().await?;
        let (alive, ended) = oneshot::channel::<()>();
        let inserted = self
            .db
            .run(move |conn| {
                // Dropped when the statement has ended, however late.
                let _alive = alive;
                match quota {
                    Some(quota) => files::insert_within(conn, &row, quota),
                    None => files::insert(conn, &row).map(Some),
                }
                .map_err(DbError::from)
            })
            .await;
        match inserted {
            Ok(Some(row)) => {
                log_failure(journaled.keep().await);
                Ok(row.into())
            }
            Ok(None) => {
                log_failure(journaled.discard().await);
                Err(FilesError::OverQuota(self.quota))
            }
            Err(error) => {
                self.after_failure(&error, journaled, ended).await;
                Err(match error {
                    DbError::Constraint { name } if name == "files_owner_id_fkey" => FilesError::OwnerGone,
                    other => other.into(),
                })
            }
        }
    }

    /// A refused insertion takes the bytes along; one in doubt is settled when it has ended.
    async fn after_failure(self, error: &DbError, journaled: Journaled, ended: oneshot::Receiver<()>) {
        if in_doubt(error) {
            tokio::spawn(self.settle(journaled, ended));
        } else {
            log_failure(journaled.discard().await);
        }
    }

    pub(super) async fn remove_with_row(self, id: FileId) -> Result<(), FilesError> {
        let journaled = match self.store.begin_removal(id).await {
            Ok(journaled) => Some(journaled),
            // Bytes that were lost outside: the row may go.
            Err(StoreError::NotFound) => None,
            Err(other) => return Err(other.into()),
        };
        let (alive, ended) = oneshot::channel::<()>();
        let deleted = self
            .db
            .run(move |conn| {
                let _alive = alive;
                files::delete(conn, id.uuid()).map_err(DbError::from)
            })
            .await;
        self.forget(id).await;
        match (&deleted, journaled) {
            // Without the row, whoever removed it, what is left of the bytes goes.
            (Ok(()) | Err(DbError::NotFound), Some(journaled)) => log_failure(journaled.discard().await),
            (Err(error), Some(journaled)) if in_doubt(error) => {
                tokio::spawn(self.settle(journaled, ended));
            }
            // The row stays.
            (Err(_), Some(journaled)) => log_failure(journaled.keep().await),
            (_, None) => {}
        }
        deleted.map_err(|error| match error {
            DbError::NotFound => FilesError::NotFound,
            DbError::Constraint { ref name } => match ReferredBy::of_constraint(name) {
                Some(by) => FilesError::Referred(by),
                None => FilesError::Db(error),
            },
            other => FilesError::Db(other),
        })
    }

    /// Waits until the statement has ended, then lets the row decide. Ended early by a stop of
    /// the process, the next start's sweep does the same.
    async fn settle(self, journaled: Journaled, ended: oneshot::Receiver<()>) {
        drop(ended.await);
        let id = journaled.id();
        let mut pause = FIRST_PAUSE;
        let rows = loop {
            match self.with_rows(vec![id]).await {
                Ok(rows) => break rows,
                Err(error) => tracing::warn!(%error, %id, "a file's row is in doubt"),
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        };
        self.forget(id).await;
        log_failure(if rows.contains(&id) { journaled.keep().await } else { journaled.discard().await });
    }
}

/// Whether the statement may have been carried out all the same.
fn in_doubt(error: &DbError) -> bool {
    match error {
        DbError::Away(_) | DbError::Panicked | DbError::Fault(_) => true,
        DbError::NotFound | DbError::Constraint { .. } => false,
    }
}

/// The row is right; the journal's entry stays for the next sweep.
fn log_failure(result: Result<(), StoreError>) {
    if let Err(error) = result {
        tracing::warn!(error = ?error, "the store is left to the next sweep");
    }
}
