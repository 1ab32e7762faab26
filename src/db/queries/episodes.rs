//! Episodes.

use diesel::prelude::*;
use uuid::Uuid;

use crate::{
    db::schema::{episodes, files, seasons},
    domain::{
        catalog::{EpisodeChange, LAST_ORDINAL, NewEpisode, Ordinal, Seconds},
        ids::{EpisodeId, FileId, SeasonId},
        listing::{Field, FieldKind, Listing},
        text::{Description, Name},
    },
};

/// What can be asked of a list of episodes.
pub static LISTING: Listing = Listing {
    table: "episodes",
    columns: "t.id, t.season_id, t.name, t.description, t.number, t.image_id, t.file_id, t.duration_seconds, \
        t.created_at, t.updated_at",
    fields: &[
        Field { name: "id", kind: FieldKind::Id, column: "t.id" },
        Field { name: "season_id", kind: FieldKind::Id, column: "t.season_id" },
        Field { name: "name", kind: FieldKind::Text, column: "lower(t.name)" },
        Field { name: "description", kind: FieldKind::LongText, column: "lower(t.description)" },
        Field { name: "number", kind: FieldKind::Number, column: "t.number" },
        Field { name: "image_id", kind: FieldKind::Link, column: "t.image_id = {}" },
        Field { name: "file_id", kind: FieldKind::Link, column: "t.file_id = {}" },
        Field { name: "duration_seconds", kind: FieldKind::OptionalNumber, column: "t.duration_seconds" },
        Field { name: "createdAt", kind: FieldKind::Time, column: "t.created_at" },
        Field { name: "updatedAt", kind: FieldKind::Time, column: "t.updated_at" },
    ],
    search: Some("(t.name || ' ' || t.description)"),
};

/// Adds an episode; without a number it gets the one after the highest, without a duration the one
/// of its file.
///
/// # Errors
/// Those of the database; `episodes_season_id_fkey`, `episodes_image_id_fkey` and
/// `episodes_file_id_fkey` where something referred to is not there.
pub fn insert(conn: &mut PgConnection, new: &NewEpisode) -> QueryResult<Uuid> {
    let id = EpisodeId::new().uuid();
    conn.transaction(|conn| {
        let number = match new.number {
            Some(number) => number.get(),
            None => next_number(conn, new.season_id)?,
        };
        let duration = match (new.duration_seconds, new.file_id) {
            (Some(duration), _) => Some(duration.get()),
            (None, Some(file)) => duration_of(conn, file)?,
            (None, None) => None,
        };
        diesel::insert_into(episodes::table)
            .values((
                episodes::id.eq(id),
                episodes::season_id.eq(new.season_id.uuid()),
                episodes::name.eq(new.name.as_str()),
                episodes::description.eq(new.description.as_ref().map_or("", Description::as_str)),
                episodes::number.eq(number),
                episodes::image_id.eq(new.image_id.map(FileId::uuid)),
                episodes::file_id.eq(new.file_id.map(FileId::uuid)),
                episodes::duration_seconds.eq(duration),
            ))
            .execute(conn)
            .map(|_| id)
    })
}

/// The parent is locked, so that two episodes made at once get two numbers.
fn next_number(conn: &mut PgConnection, season: SeasonId) -> QueryResult<i32> {
    seasons::table.find(season.uuid()).select(seasons::id).for_no_key_update().first::<Uuid>(conn).optional()?;
    let last: Option<i32> = episodes::table
        .filter(episodes::season_id.eq(season.uuid()))
        .select(diesel::dsl::max(episodes::number))
        .first(conn)?;
    Ok(last.map_or(1, |last| last.saturating_add(1)).min(LAST_ORDINAL))
}

fn duration_of(conn: &mut PgConnection, file: FileId) -> QueryResult<Option<f64>> {
    files::table.find(file.uuid()).select(files::duration_seconds).first(conn).optional().map(Option::flatten)
}

/// Changes an episode; the number of rows changed. A new file brings its duration along where
/// none is given.
///
/// # Errors
/// As [`insert`].
pub fn update(conn: &mut PgConnection, id: Uuid, change: &EpisodeChange) -> QueryResult<usize> {
    conn.transaction(|conn| {
        let duration = match (change.duration_seconds, change.file_id) {
            (Some(duration), _) => Some(duration.map(Seconds::get)),
            (None, Some(Some(file))) => Some(duration_of(conn, file)?),
            (None, Some(None) | None) => None,
        };
        diesel::update(episodes::table.find(id))
            .set((
                episodes::updated_at.eq(diesel::dsl::now),
                change.season_id.map(SeasonId::uuid).map(|season| episodes::season_id.eq(season)),
                change.name.as_ref().map(Name::as_str).map(|name| episodes::name.eq(name)),
                change.description.as_ref().map(Description::as_str).map(|text| episodes::description.eq(text)),
                change.number.map(Ordinal::get).map(|number| episodes::number.eq(number)),
                change.image_id.map(|file| episodes::image_id.eq(file.map(FileId::uuid))),
                change.file_id.map(|file| episodes::file_id.eq(file.map(FileId::uuid))),
                duration.map(|duration| episodes::duration_seconds.eq(duration)),
            ))
            .execute(conn)
    })
}

/// Removes an episode and its streams.
///
/// # Errors
/// Those of the database.
pub fn delete(conn: &mut PgConnection, id: Uuid) -> QueryResult<usize> {
    diesel::delete(episodes::table.find(id)).execute(conn)
}
