//! Series and their genres.

use diesel::prelude::*;
use uuid::Uuid;

use crate::{
    db::schema::{genres_series, series},
    domain::{
        catalog::{NewSeries, Rating, SeriesChange},
        ids::{FileId, GenreId, SeriesId},
        listing::{Field, FieldKind, Listing},
        text::{Description, Name},
    },
};

/// What can be asked of a list of series.
pub static LISTING: Listing = Listing {
    table: "series",
    columns: "t.id, t.name, t.description, t.trailer_id, t.image_id, t.rating, t.created_at, t.updated_at, \
        ARRAY(SELECT gs.genre_id FROM genres_series gs WHERE gs.series_id = t.id ORDER BY gs.position) AS genre_ids",
    fields: &[
        Field { name: "id", kind: FieldKind::Id, column: "t.id" },
        Field { name: "name", kind: FieldKind::Text, column: "lower(t.name)" },
        Field { name: "description", kind: FieldKind::LongText, column: "lower(t.description)" },
        Field { name: "rating", kind: FieldKind::OptionalNumber, column: "t.rating" },
        Field {
            name: "genre_id",
            kind: FieldKind::Link,
            column: "EXISTS (SELECT 1 FROM genres_series gs WHERE gs.series_id = t.id AND gs.genre_id = {})",
        },
        Field { name: "trailer_id", kind: FieldKind::Link, column: "t.trailer_id = {}" },
        Field { name: "image_id", kind: FieldKind::Link, column: "t.image_id = {}" },
        Field { name: "createdAt", kind: FieldKind::Time, column: "t.created_at" },
        Field { name: "updatedAt", kind: FieldKind::Time, column: "t.updated_at" },
    ],
    search: Some("(t.name || ' ' || t.description)"),
};

/// Adds a series with its genres.
///
/// # Errors
/// Those of the database; `genres_series_genre_id_fkey`, `series_trailer_id_fkey` and
/// `series_image_id_fkey` where something referred to is not there.
pub fn insert(conn: &mut PgConnection, new: &NewSeries) -> QueryResult<Uuid> {
    let id = SeriesId::new().uuid();
    conn.transaction(|conn| {
        diesel::insert_into(series::table)
            .values((
                series::id.eq(id),
                series::name.eq(new.name.as_str()),
                series::description.eq(new.description.as_ref().map_or("", Description::as_str)),
                series::trailer_id.eq(new.trailer_id.map(FileId::uuid)),
                series::image_id.eq(new.image_id.map(FileId::uuid)),
                series::rating.eq(new.rating.map(Rating::get)),
            ))
            .execute(conn)?;
        link(conn, id, &new.genre_ids).map(|()| id)
    })
}

/// Changes a series; `genre_ids`, where given, replace the ones it had.
///
/// # Errors
/// As [`insert`].
pub fn update(conn: &mut PgConnection, id: Uuid, change: &SeriesChange) -> QueryResult<usize> {
    conn.transaction(|conn| {
        let changed = diesel::update(series::table.find(id))
            .set((
                series::updated_at.eq(diesel::dsl::now),
                change.name.as_ref().map(Name::as_str).map(|name| series::name.eq(name)),
                change.description.as_ref().map(Description::as_str).map(|text| series::description.eq(text)),
                change.trailer_id.map(|file| series::trailer_id.eq(file.map(FileId::uuid))),
                change.image_id.map(|file| series::image_id.eq(file.map(FileId::uuid))),
                change.rating.map(|rating| series::rating.eq(rating.map(Rating::get))),
            ))
            .execute(conn)?;
        if let (1, Some(genres)) = (changed, &change.genre_ids) {
            diesel::delete(genres_series::table.filter(genres_series::series_id.eq(id))).execute(conn)?;
            link(conn, id, genres)?;
        }
        Ok(changed)
    })
}

fn link(conn: &mut PgConnection, id: Uuid, genres: &[GenreId]) -> QueryResult<()> {
    let links: Vec<_> = (0_i32..)
        .zip(genres)
        .map(|(position, genre)| {
            (
                genres_series::series_id.eq(id),
                genres_series::genre_id.eq(genre.uuid()),
                genres_series::position.eq(position),
            )
        })
        .collect();
    if links.is_empty() {
        return Ok(());
    }
    diesel::insert_into(genres_series::table).values(links).execute(conn).map(drop)
}

/// Removes a series, its seasons, their episodes and the streams of those.
///
/// # Errors
/// Those of the database.
pub fn delete(conn: &mut PgConnection, id: Uuid) -> QueryResult<usize> {
    diesel::delete(series::table.find(id)).execute(conn)
}
