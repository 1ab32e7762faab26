//! Pages of lists whose totals are kept, so that a page costs no `count(*)`.

use diesel::{PgConnection, QueryableByName, pg::Pg};

use crate::{
    cache::{Cache, Scope},
    db::{Db, DbError, listing::ListQuery},
    domain::listing::Page,
};

/// Reads a page: two statements at most, one where the total is known. It is known as long as none of `scopes` has
/// moved on: all that decides which rows are in the list, whatever its filters, and whether its parent is there.
///
/// # Errors
/// `NotFound` where the parent is not there; the database's.
pub(super) async fn page<R, E>(db: &Db, cache: &Cache, query: ListQuery, scopes: &[Scope]) -> Result<Page<R>, E>
where
    R: QueryableByName<Pg> + Send + 'static,
    E: From<DbError> + Send + 'static,
{
    let rows = query.rows_spelling();
    let stamp = cache.stamp(scopes);
    let known = cache.total(&rows, scopes);
    let searches = query.request.q.is_some();
    let read = move |conn: &mut PgConnection| {
        let total = if let Some(total) = known {
            total
        } else {
            let extent = query.extent(conn).map_err(DbError::from)?;
            extent.parent.ok_or(DbError::NotFound)?;
            extent.total
        };
        Ok::<_, E>((total, query.page::<R>(conn, total).map_err(DbError::from)?))
    };
    let (total, page) = db.list(searches, read).await?;
    if let (Some(stamp), None) = (stamp, known) {
        cache.keep_total(rows, stamp, total);
    }
    Ok(page)
}
