//! Rows that others refer to: which are not there.

use diesel::{
    PgConnection, QueryResult, QueryableByName, RunQueryDsl as _,
    pg::Pg,
    sql_query,
    sql_types::{Array, BigInt, Uuid as SqlUuid},
};
use uuid::Uuid;

/// What can be referred to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Referent {
    /// A genre.
    Genre,
    /// A series.
    Series,
    /// A season.
    Season,
    /// An episode.
    Episode,
    /// A file.
    File,
    /// An account.
    User,
}

impl Referent {
    const fn table(self) -> &'static str {
        match self {
            Self::Genre => "genres",
            Self::Series => "series",
            Self::Season => "seasons",
            Self::Episode => "episodes",
            Self::File => "files",
            Self::User => "users",
        }
    }
}

#[derive(QueryableByName)]
struct Place {
    #[diesel(sql_type = BigInt)]
    place: i64,
}

/// The places in `references` of those that name a row that is not there, in order, in one statement.
///
/// # Errors
/// Diesel's.
pub fn missing(conn: &mut PgConnection, references: &[(Referent, Vec<Uuid>)]) -> QueryResult<Vec<usize>> {
    if references.is_empty() {
        return Ok(Vec::new());
    }
    let parts: Vec<String> = references
        .iter()
        .enumerate()
        .map(|(place, (to, _))| {
            let (table, parameter) = (to.table(), place.saturating_add(1));
            format!(
                "SELECT {place}::bigint AS place WHERE EXISTS (SELECT FROM unnest(${parameter}) AS given (id) \
                WHERE NOT EXISTS (SELECT FROM {table} t WHERE t.id = given.id))"
            )
        })
        .collect();
    let query = sql_query(format!("{} ORDER BY place", parts.join(" UNION ALL "))).into_boxed::<Pg>();
    let query = references.iter().fold(query, |query, (_, ids)| query.bind::<Array<SqlUuid>, _>(ids));
    let places: Vec<Place> = query.load(conn)?;
    Ok(places.into_iter().filter_map(|Place { place }| usize::try_from(place).ok()).collect())
}
