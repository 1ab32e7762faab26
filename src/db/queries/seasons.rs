//! Seasons.

use diesel::prelude::*;
use uuid::Uuid;

use crate::{
    db::schema::{seasons, series},
    domain::{
        catalog::{LAST_ORDINAL, NewSeason, Ordinal, SeasonChange},
        ids::{SeasonId, SeriesId},
        listing::{Field, FieldKind, Listing},
        text::{Description, Name},
    },
};

/// What can be asked of a list of seasons.
pub static LISTING: Listing = Listing {
    table: "seasons",
    columns: "t.id, t.series_id, t.name, t.description, t.number, t.created_at, t.updated_at",
    fields: &[
        Field { name: "id", kind: FieldKind::Id, column: "t.id" },
        Field { name: "series_id", kind: FieldKind::Id, column: "t.series_id" },
        Field { name: "name", kind: FieldKind::Text, column: "lower(t.name)" },
        Field { name: "description", kind: FieldKind::LongText, column: "lower(t.description)" },
        Field { name: "number", kind: FieldKind::Number, column: "t.number" },
        Field { name: "createdAt", kind: FieldKind::Time, column: "t.created_at" },
        Field { name: "updatedAt", kind: FieldKind::Time, column: "t.updated_at" },
    ],
    search: Some("(t.name || ' ' || t.description)"),
};

/// Adds a season; without a number it gets the one after the highest.
///
/// # Errors
/// Those of the database; `seasons_series_id_fkey` where the series is not there.
pub fn insert(conn: &mut PgConnection, new: &NewSeason) -> QueryResult<Uuid> {
    let id = SeasonId::new().uuid();
    conn.transaction(|conn| {
        let number = match new.number {
            Some(number) => number.get(),
            None => next_number(conn, new.series_id)?,
        };
        diesel::insert_into(seasons::table)
            .values((
                seasons::id.eq(id),
                seasons::series_id.eq(new.series_id.uuid()),
                seasons::name.eq(new.name.as_str()),
                seasons::description.eq(new.description.as_ref().map_or("", Description::as_str)),
                seasons::number.eq(number),
            ))
            .execute(conn)
            .map(|_| id)
    })
}

/// The parent is locked, so that two seasons made at once get two numbers.
fn next_number(conn: &mut PgConnection, series: SeriesId) -> QueryResult<i32> {
    series::table.find(series.uuid()).select(series::id).for_no_key_update().first::<Uuid>(conn).optional()?;
    let last: Option<i32> = seasons::table
        .filter(seasons::series_id.eq(series.uuid()))
        .select(diesel::dsl::max(seasons::number))
        .first(conn)?;
    Ok(last.map_or(1, |last| last.saturating_add(1)).min(LAST_ORDINAL))
}

/// Changes a season; the number of rows changed.
///
/// # Errors
/// As [`insert`].
pub fn update(conn: &mut PgConnection, id: Uuid, change: &SeasonChange) -> QueryResult<usize> {
    diesel::update(seasons::table.find(id))
        .set((
            seasons::updated_at.eq(diesel::dsl::now),
            change.series_id.map(SeriesId::uuid).map(|series| seasons::series_id.eq(series)),
            change.name.as_ref().map(Name::as_str).map(|name| seasons::name.eq(name)),
            change.description.as_ref().map(Description::as_str).map(|text| seasons::description.eq(text)),
            change.number.map(Ordinal::get).map(|number| seasons::number.eq(number)),
        ))
        .execute(conn)
}

/// Removes a season, its episodes and the streams of those.
///
/// # Errors
/// Those of the database.
pub fn delete(conn: &mut PgConnection, id: Uuid) -> QueryResult<usize> {
    diesel::delete(seasons::table.find(id)).execute(conn)
}
