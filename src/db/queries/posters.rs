//! The table `posters`, and what else may be shown of a file before it is played.

use diesel::prelude::*;
use uuid::Uuid;

use super::files;
use crate::{
    db::{
        rows::file::FileRow,
        schema::{episodes, files as rows, posters, videos},
    },
    domain::media::MediaType,
};

/// What there is to show of a file; files all.
#[derive(Debug)]
pub struct Pictures {
    /// The file itself.
    pub film: FileRow,
    /// The thumbnail of the channel's video that it is, else the poster that was made of it.
    pub poster: Option<Uuid>,
    /// The JPEG of an episode that it is the film of.
    pub image: Option<Uuid>,
}

/// What there is to show of `film`.
///
/// # Errors
/// `NotFound` where there is no such file; the database's.
pub fn of_film(conn: &mut PgConnection, film: Uuid) -> QueryResult<Pictures> {
    let row = files::find(conn, film)?;
    let thumbnail = videos::table.filter(videos::file_id.eq(film)).select(videos::thumbnail_id);
    let thumbnail: Option<Uuid> = thumbnail.first::<Option<Uuid>>(conn).optional()?.flatten();
    let poster = match thumbnail {
        Some(thumbnail) => Some(thumbnail),
        None => posters::table.find(film).select(posters::poster_id).first(conn).optional()?,
    };
    let image = episodes::table
        .inner_join(rows::table.on(rows::id.nullable().eq(episodes::image_id)))
        .filter(episodes::file_id.eq(film))
        .filter(rows::mime_type.eq(MediaType::Jpeg.mime()))
        .order(episodes::id)
        .select(rows::id);
    let image = image.first(conn).optional()?;
    Ok(Pictures { film: row, poster, image })
}

/// Says that `poster` is the poster of `film`; false where it has one already.
///
/// # Errors
/// `posters_file_id_fkey` where the film is gone; the database's.
pub fn insert(conn: &mut PgConnection, film: Uuid, poster: Uuid) -> QueryResult<bool> {
    diesel::insert_into(posters::table)
        .values((posters::file_id.eq(film), posters::poster_id.eq(poster)))
        .on_conflict(posters::file_id)
        .do_nothing()
        .execute(conn)
        .map(|inserted| inserted == 1)
}
