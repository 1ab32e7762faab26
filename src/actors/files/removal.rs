//! Removal in two parts: rows at once, bytes by a job that is stored with it, so that it is done also
//! when this process dies in between.

use diesel::{PgConnection, QueryResult};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Files;
use crate::{
    db::queries::files,
    domain::ids::FileId,
    jobs::{self, Failure, Job},
};

/// Files whose rows go with the request; the rows of further ones go by their jobs.
const AT_ONCE: usize = 500;
/// Files of one job.
const OF_A_JOB: usize = 100;

/// Removes files that nothing refers to any more: rows that are still there, and bytes.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RemoveFiles {
    /// The files.
    pub files: Vec<FileId>,
}

impl Job for RemoveFiles {
    const NAME: &'static str = "remove_files";
}

impl RemoveFiles {
    /// Does it.
    ///
    /// # Errors
    /// The store's, the database's; then it is worth trying again.
    pub async fn carry_out(files: Files, job: Self) -> Result<(), Failure> {
        Ok(files.remove_bytes(job.files).await?)
    }
}

/// Removes those of `ids` that nothing refers to any more, within the caller's transaction: rows, of which
/// there may be very many, as far as a request may take; the rest, and the bytes, after it. What the
/// catalogue refers to stays.
///
/// # Errors
/// Diesel's.
pub fn remove_later(conn: &mut PgConnection, ids: &[Uuid]) -> QueryResult<()> {
    if let Some(first) = ids.chunks(AT_ONCE).next() {
        remove_rows(conn, first)?;
    }
    for files in ids.chunks(OF_A_JOB) {
        jobs::add(conn, &RemoveFiles { files: files.iter().copied().map(FileId::from).collect() })?;
    }
    Ok(())
}

/// Removes the rows of those of `ids` that nothing refers to, and with them what was made of them, whose bytes go by a
/// job. Gives those whose rows stay. Within a transaction.
///
/// # Errors
/// Diesel's.
pub(super) fn remove_rows(conn: &mut PgConnection, ids: &[Uuid]) -> QueryResult<Vec<Uuid>> {
    let deleted = files::delete_unreferenced(conn, ids)?;
    remove_later(conn, &deleted.made)?;
    Ok(deleted.stay)
}

/// Removes the row of `id`, and what was made of it as [`remove_rows`] does. Within a transaction.
///
/// # Errors
/// `NotFound`, a constraint where something refers to it; Diesel's.
pub(super) fn remove_row(conn: &mut PgConnection, id: Uuid) -> QueryResult<()> {
    let made = files::delete(conn, id)?;
    remove_later(conn, &made)
}
