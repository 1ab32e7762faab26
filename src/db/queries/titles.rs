//! Titles: what a stream plays, with all that a view of it moves.

use diesel::prelude::*;
use uuid::Uuid;

use crate::{
    db::schema::{episodes, files, seasons, videos},
    domain::playback::{Played, Title},
};

/// The title behind `played`: one statement. Its length is the medium's; an episode's own where that is not known.
///
/// # Errors
/// Those of the database; `NotFound` where there is no such episode or file.
pub fn title(conn: &mut PgConnection, played: Played) -> QueryResult<Title> {
    match played {
        Played::Episode(id) => {
            let row: EpisodeTitle = episodes::table
                .find(id.uuid())
                .inner_join(seasons::table)
                .left_join(files::table.on(episodes::file_id.eq(files::id.nullable())))
                .left_join(videos::table.on(episodes::file_id.eq(videos::file_id)))
                .select((
                    episodes::file_id,
                    seasons::series_id,
                    videos::hash.nullable(),
                    files::duration_seconds.nullable(),
                    episodes::duration_seconds,
                    files::owner_id.nullable(),
                ))
                .first(conn)?;
            let (file, series, video, length, told, owner) = row;
            Ok(Title {
                file: file.map(Into::into),
                episode: Some(id),
                series: Some(series.into()),
                video,
                duration_seconds: length.or(told),
                owner: owner.map(Into::into),
            })
        }
        Played::File(id) => {
            let (video, duration_seconds, owner): FileTitle = files::table
                .find(id.uuid())
                .left_join(videos::table.on(videos::file_id.eq(files::id.nullable())))
                .select((videos::hash.nullable(), files::duration_seconds, files::owner_id))
                .first(conn)?;
            Ok(Title {
                file: Some(id),
                episode: None,
                series: None,
                video,
                duration_seconds,
                owner: owner.map(Into::into),
            })
        }
    }
}

/// The medium, the series, the video, the length of the medium and of the episode, whose the medium is.
type EpisodeTitle = (Option<Uuid>, Uuid, Option<String>, Option<f64>, Option<f64>, Option<Uuid>);
/// The video, the length, whose the file is.
type FileTitle = (Option<String>, Option<f64>, Option<Uuid>);
