//! What the four resources of the catalogue have in common, and where they differ: side by side.

use diesel::{PgConnection, QueryResult, QueryableByName, pg::Pg};
use uuid::Uuid;

use super::references::Refers;
use crate::{
    cache::{Kind, Scope},
    db::{
        queries::{episodes, genres, seasons, series},
        rows::{EpisodeRow, GenreRow, SeasonRow, SeriesRow},
    },
    domain::{
        catalog::{
            Episode, EpisodeChange, Genre, GenreChange, NewEpisode, NewGenre, NewSeason, NewSeries, Season,
            SeasonChange, Series, SeriesChange,
        },
        ids::{EpisodeId, GenreId, SeasonId, SeriesId},
        listing::Listing,
    },
};

/// Something that is listed in pages.
pub trait Listed: From<Self::Row> + Send + Sized + 'static {
    /// Its row.
    type Row: QueryableByName<Pg> + Send + 'static;

    /// What may be asked of a list of them.
    const LISTING: &'static Listing;
    /// Its place among what answers depend on.
    const KIND: Kind;
}

/// A resource of the catalogue.
pub trait Resource: Listed {
    /// Its id.
    type Id: Into<Uuid> + Copy + Send + 'static;
    /// What makes one.
    type New: Refers + Send + 'static;
    /// What changes one.
    type Change: Refers + Send + 'static;

    /// Kinds whose rows go along when one is removed, or that show it.
    const AFFECTED_BY_REMOVAL: &'static [Kind];

    /// Adds a row.
    ///
    /// # Errors
    /// Those of the database.
    fn insert(conn: &mut PgConnection, new: &Self::New) -> QueryResult<Uuid>;

    /// Changes a row; the number of rows changed.
    ///
    /// # Errors
    /// Those of the database.
    fn update(conn: &mut PgConnection, id: Uuid, change: &Self::Change) -> QueryResult<usize>;

    /// Removes a row; the number of rows removed.
    ///
    /// # Errors
    /// Those of the database.
    fn delete(conn: &mut PgConnection, id: Uuid) -> QueryResult<usize>;

    /// What a new row makes void.
    #[must_use]
    fn scopes_of_creation() -> Vec<Scope> {
        vec![Scope::List(Self::KIND)]
    }

    /// What a changed row makes void.
    #[must_use]
    fn scopes_of_change(id: Uuid) -> Vec<Scope> {
        vec![Scope::Row(Self::KIND, id), Scope::List(Self::KIND)]
    }

    /// What a removed row makes void.
    #[must_use]
    fn scopes_of_removal(id: Uuid) -> Vec<Scope> {
        let below = Self::AFFECTED_BY_REMOVAL.iter().flat_map(|kind| Scope::every(*kind));
        Self::scopes_of_change(id).into_iter().chain(below).collect()
    }
}

macro_rules! resources {
    ($($name:ident: $id:ty, $row:ty, $new:ty, $change:ty, $queries:ident, $kind:ident, [$($affected:ident),*];)+) => {$(
        impl Listed for $name {
            type Row = $row;

            const LISTING: &'static Listing = &$queries::LISTING;
            const KIND: Kind = Kind::$kind;
        }

        impl Resource for $name {
            type Id = $id;
            type New = $new;
            type Change = $change;

            const AFFECTED_BY_REMOVAL: &'static [Kind] = &[$(Kind::$affected),*];

            fn insert(conn: &mut PgConnection, new: &Self::New) -> QueryResult<Uuid> {
                $queries::insert(conn, new)
            }

            fn update(conn: &mut PgConnection, id: Uuid, change: &Self::Change) -> QueryResult<usize> {
                $queries::update(conn, id, change)
            }

            fn delete(conn: &mut PgConnection, id: Uuid) -> QueryResult<usize> {
                $queries::delete(conn, id)
            }
        }
    )+};
}

resources! {
    Genre: GenreId, GenreRow, NewGenre, GenreChange, genres, Genres, [Series];
    Series: SeriesId, SeriesRow, NewSeries, SeriesChange, series, Series, [Seasons, Episodes, Streams];
    Season: SeasonId, SeasonRow, NewSeason, SeasonChange, seasons, Seasons, [Episodes, Streams];
    Episode: EpisodeId, EpisodeRow, NewEpisode, EpisodeChange, episodes, Episodes, [Streams];
}
