//! Genres.

use diesel::prelude::*;
use uuid::Uuid;

use crate::{
    db::schema::genres,
    domain::{
        catalog::{GenreChange, NewGenre},
        ids::GenreId,
        listing::{Field, FieldKind, Listing},
        text::Name,
    },
};

/// What can be asked of a list of genres.
pub static LISTING: Listing = Listing {
    table: "genres",
    columns: "t.id, t.name, t.created_at, t.updated_at",
    fields: &[
        Field { name: "id", kind: FieldKind::Id, column: "t.id" },
        Field { name: "name", kind: FieldKind::Text, column: "lower(t.name)" },
        Field { name: "createdAt", kind: FieldKind::Time, column: "t.created_at" },
        Field { name: "updatedAt", kind: FieldKind::Time, column: "t.updated_at" },
    ],
    search: Some("t.name"),
};

/// Adds a genre.
///
/// # Errors
/// Those of the database; `genres_name_key` where the name is taken.
pub fn insert(conn: &mut PgConnection, new: &NewGenre) -> QueryResult<Uuid> {
    let id = GenreId::new().uuid();
    diesel::insert_into(genres::table)
        .values((genres::id.eq(id), genres::name.eq(new.name.as_str())))
        .execute(conn)
        .map(|_| id)
}

/// Changes a genre; the number of rows changed.
///
/// # Errors
/// As [`insert`].
pub fn update(conn: &mut PgConnection, id: Uuid, change: &GenreChange) -> QueryResult<usize> {
    diesel::update(genres::table.find(id))
        .set((
            genres::updated_at.eq(diesel::dsl::now),
            change.name.as_ref().map(Name::as_str).map(|name| genres::name.eq(name)),
        ))
        .execute(conn)
}

/// Removes a genre; series are only unlinked.
///
/// # Errors
/// Those of the database.
pub fn delete(conn: &mut PgConnection, id: Uuid) -> QueryResult<usize> {
    diesel::delete(genres::table.find(id)).execute(conn)
}
