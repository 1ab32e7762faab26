//! Bytes and row together, also when the database's answer is lost.

use std::{collections::HashSet, time::Duration};

use diesel::{Connection as _, PgConnection};
use tokio::sync::oneshot;

use super::{
    super::write::{Announcement, write},
    Examined, Files, FilesError, NotKept, ReferredBy, Stop,
    removal::{remove_row, remove_rows},
    row_of, with_rows,
};
use crate::{
    cache::{Kind, Scope},
    db::{DbError, queries::files, rows::file::FileRow},
    domain::ids::FileId,
    storage::{Journaled, StoreError, Swept, until_done},
};

/// So long a request waits for a store that is asked to remove bytes; the row is gone by then.
const DISCARD_WAIT: Duration = Duration::from_secs(1);

impl Files {
    /// Settles what dead processes left in the store. Call it at the start. What has to wait for a bucket that is away,
    /// a task settles when it is back.
    ///
    /// # Errors
    /// The store's, the database's; what was not settled is settled at the next start.
    pub async fn sweep(&self) -> Result<Swept, FilesError> {
        let swept = self.sweep_once().await?;
        if swept.left > 0 {
            tokio::spawn(self.clone().sweep_in_time());
        }
        Ok(swept)
    }

    async fn sweep_in_time(self) {
        let all = async || match self.sweep_once().await {
            Ok(Swept { left: 0, .. }) => Ok(()),
            Ok(swept) => Err(format!("{swept:?}")),
            Err(error) => Err(format!("{error:?}")),
        };
        until_done("what dead processes left stays for now", all).await;
    }

    async fn sweep_once(&self) -> Result<Swept, FilesError> {
        Ok(self.store.sweep(|ids| with_rows(&self.db, ids)).await?)
    }

    /// Stores all `files` and their rows, and does `attach` with the rows, or none of it.
    pub(super) async fn store_with_rows<T, R, F>(
        self,
        files: Vec<Examined>,
        mut scopes: Vec<Scope>,
        attach: F,
    ) -> Result<T, NotKept<R>>
    where
        T: Send + 'static,
        R: Send + 'static,
        F: FnOnce(&mut PgConnection, Vec<FileRow>) -> Result<T, Stop<R>> + Send + 'static,
    {
        scopes.push(Scope::List(Kind::Files));
        let rows: Vec<FileRow> = files.iter().map(|file| row_of(&file.file)).collect();
        let quota = i64::try_from(self.quota).ok().filter(|quota| *quota > 0);
        let mut journaled = Vec::with_capacity(files.len());
        for file in files {
            match file.received.commit(file.file.created_at.into()).await {
                Ok(bytes) => journaled.push(bytes),
                Err(error) => {
                    discard(journaled).await;
                    return Err(NotKept::Files(error.into()));
                }
            }
        }
        let (alive, ended) = oneshot::channel::<()>();
        let announcement = Announcement::of(&self.cache, &scopes);
        let inserted = self
            .db
            .run(move |conn| {
                // Dropped when the work has ended, however late.
                let (_alive, _announcement) = (alive, announcement);
                let work = |conn: &mut PgConnection| {
                    let rows = insert_all(conn, &rows, quota)?;
                    attach(conn, rows)
                };
                match conn.transaction(work) {
                    Err(Stop::Failed(error)) => Err(DbError::from(error)),
                    Err(Stop::Refused(refused)) => Ok(Err(Some(refused))),
                    Err(Stop::OverQuota) => Ok(Err(None)),
                    Ok(done) => Ok(Ok(done)),
                }
            })
            .await;
        self.cache.invalidate(&scopes).await;
        match inserted {
            Ok(Ok(done)) => {
                for bytes in journaled {
                    log_failure(bytes.keep().await);
                }
                Ok(done)
            }
            Ok(Err(refused)) => {
                discard(journaled).await;
                Err(refused.map_or(NotKept::Files(FilesError::OverQuota(self.quota)), NotKept::Refused))
            }
            Err(error) => {
                self.after_failure(&error, journaled, ended).await;
                Err(NotKept::Files(match error {
                    DbError::Constraint { name } if name == "files_owner_id_fkey" => FilesError::OwnerGone,
                    other => other.into(),
                }))
            }
        }
    }

    async fn after_failure(self, error: &DbError, journaled: Vec<Journaled>, ended: oneshot::Receiver<()>) {
        if in_doubt(error) {
            tokio::spawn(self.settle(journaled, ended));
        } else {
            discard(journaled).await;
        }
    }

    pub(super) async fn remove_with_row(self, id: FileId) -> Result<(), FilesError> {
        let journaled = match self.store.enter(id).await {
            Ok(journaled) => Some(journaled),
            // Bytes that were lost outside: the row may go.
            Err(StoreError::NotFound) => None,
            Err(other) => return Err(other.into()),
        };
        let (alive, ended) = oneshot::channel::<()>();
        let scopes = vec![Scope::Row(Kind::Files, id.uuid()), Scope::List(Kind::Files)];
        let deleted = write(&self.db, &self.cache, scopes, move |conn| {
            let _alive = alive;
            conn.transaction(|conn| remove_row(conn, id.uuid())).map_err(DbError::from)
        })
        .await;
        self.open.invalidate(&id);
        match (&deleted, journaled) {
            // Without the row, whoever removed it, what is left of the bytes goes.
            (Ok(()) | Err(DbError::NotFound), Some(journaled)) => discard(vec![journaled]).await,
            (Err(error), Some(journaled)) if in_doubt(error) => {
                tokio::spawn(self.settle(vec![journaled], ended));
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
    async fn settle(self, journaled: Vec<Journaled>, ended: oneshot::Receiver<()>) {
        drop(ended.await);
        let ids: Vec<FileId> = journaled.iter().map(Journaled::id).collect();
        let rows = until_done("the rows of files are in doubt", || with_rows(&self.db, ids.clone())).await;
        for bytes in journaled {
            self.forget(bytes.id()).await;
            if rows.contains(&bytes.id()) {
                log_failure(bytes.keep().await);
            } else {
                discard(vec![bytes]).await;
            }
        }
    }

    /// Removes those of `ids` that nothing refers to: rows that are still there, then bytes. What is gone
    /// already is no error, so it can be done again.
    ///
    /// # Errors
    /// The store's, the database's; then it is worth trying again.
    pub(super) async fn remove_bytes(&self, ids: Vec<FileId>) -> Result<(), FilesError> {
        let asked: Vec<_> = ids.iter().copied().map(FileId::uuid).collect();
        // Those that stay are nobody's now.
        let stay = write(&self.db, &self.cache, vec![Scope::List(Kind::Files)], move |conn| {
            conn.transaction(|conn| remove_rows(conn, &asked)).map_err(DbError::from)
        });
        let rows: HashSet<FileId> = stay.await?.into_iter().map(FileId::from).collect();
        for id in ids.into_iter().filter(|id| !rows.contains(id)) {
            self.forget(id).await;
            match self.store.enter(id).await {
                Ok(journaled) => journaled.discard().await?,
                Err(StoreError::NotFound) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}

/// Inserts the rows one by one, each within the quota where there is one.
fn insert_all<R>(conn: &mut PgConnection, rows: &[FileRow], quota: Option<i64>) -> Result<Vec<FileRow>, Stop<R>> {
    let insert = |row: &FileRow| match quota {
        Some(quota) => files::insert_within(conn, row, quota)?.ok_or(Stop::OverQuota),
        None => Ok(files::insert(conn, row)?),
    };
    rows.iter().map(insert).collect()
}

/// Removes bytes. Where a store does not let go of them at once, a task goes on until it does.
async fn discard(journaled: Vec<Journaled>) {
    for bytes in journaled {
        let discarded = tokio::spawn(bytes.discard_in_time());
        if tokio::time::timeout(DISCARD_WAIT, discarded).await.is_err() {
            tracing::warn!("bytes without a row stay until their store lets go of them");
        }
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
