//! Videos of channels, and reactions to them. Callers own the transactions.

use chrono::{DateTime, Utc};
use diesel::{
    prelude::*,
    result::{DatabaseErrorKind, Error},
    upsert::excluded,
};
use uuid::Uuid;

use crate::{
    db::{
        rows::channel::{NewVideoRow, ShownVideoRow, VideoChangeRow, VideoRow},
        schema::{channels, reactions, users, videos},
    },
    domain::{
        channels::{Reaction, Reactions, Window},
        ids::UserId,
    },
};

/// The video of this hash path, whether its bytes have come or not.
///
/// # Errors
/// Diesel's.
pub fn by_hash(conn: &mut PgConnection, hash: &str) -> QueryResult<Option<VideoRow>> {
    videos::table.filter(videos::hash.eq(hash)).select(VideoRow::as_select()).first(conn).optional()
}

/// Announces a video; false where its hash path is taken. Within a transaction.
///
/// # Errors
/// Diesel's.
pub fn announce(conn: &mut PgConnection, row: &NewVideoRow) -> QueryResult<bool> {
    match conn.transaction(|conn| diesel::insert_into(videos::table).values(row).execute(conn)) {
        Ok(_) => Ok(true),
        Err(Error::DatabaseError(DatabaseErrorKind::UniqueViolation, _)) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Forgets videos that a channel, which is locked, announced and whose bytes never came: those from
/// before `limit`, and all but the newest `most`.
///
/// # Errors
/// Diesel's.
pub fn forget_announced(conn: &mut PgConnection, channel: UserId, limit: DateTime<Utc>, most: i64) -> QueryResult<()> {
    let waiting = videos::table
        .filter(videos::channel_id.eq(channel.uuid()))
        .filter(videos::uploaded_at.is_null())
        .order(videos::created_at.desc())
        .select((videos::id, videos::created_at));
    let announced: Vec<(Uuid, DateTime<Utc>)> = waiting.load(conn)?;
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    let too_many = announced.iter().enumerate().filter(|(at, (_, created))| *at >= most || *created < limit);
    let forgotten: Vec<Uuid> = too_many.map(|(_, (id, _))| *id).collect();
    if forgotten.is_empty() {
        return Ok(());
    }
    let gone = videos::table.filter(videos::id.eq_any(forgotten)).filter(videos::uploaded_at.is_null());
    diesel::delete(gone).execute(conn).map(drop)
}

/// The files of a video.
#[derive(Debug, Clone, Copy)]
#[expect(missing_docs, reason = "the names say it")]
pub struct VideoFiles {
    pub file: Uuid,
    pub thumbnail: Uuid,
}

/// Gives an announced video its files; false where it has some already, or is gone.
///
/// # Errors
/// Diesel's.
pub fn attach(conn: &mut PgConnection, video: &VideoRow, files: VideoFiles, now: DateTime<Utc>) -> QueryResult<bool> {
    super::channels::lock(conn, video.channel_id)?;
    diesel::update(videos::table.find(video.id).filter(videos::file_id.is_null()))
        .set((videos::file_id.eq(files.file), videos::thumbnail_id.eq(files.thumbnail), videos::uploaded_at.eq(now)))
        .execute(conn)
        .map(|changed| changed == 1)
}

type Shown = (videos::hash, channels::name, videos::title, videos::description, videos::uploaded_at);
const SHOWN: Shown = (videos::hash, channels::name, videos::title, videos::description, videos::uploaded_at);

/// The uploaded video of this hash path.
///
/// # Errors
/// Diesel's.
pub fn shown(conn: &mut PgConnection, hash: &str) -> QueryResult<Option<ShownVideoRow>> {
    videos::table
        .inner_join(channels::table)
        .filter(videos::hash.eq(hash))
        .filter(videos::uploaded_at.is_not_null())
        .select(SHOWN)
        .first(conn)
        .optional()
}

/// Uploaded videos, of all channels or of one, newest first.
///
/// # Errors
/// Diesel's.
pub fn newest(conn: &mut PgConnection, channel: Option<Uuid>, window: Window) -> QueryResult<Vec<ShownVideoRow>> {
    let mut uploaded = videos::table
        .inner_join(channels::table)
        .filter(videos::uploaded_at.is_not_null())
        .order((videos::uploaded_at.desc(), videos::id.desc()))
        .limit(window.limit.into())
        .offset(window.offset())
        .select(SHOWN)
        .into_boxed();
    if let Some(channel) = channel {
        uploaded = uploaded.filter(videos::channel_id.eq(channel));
    }
    uploaded.load(conn)
}

/// Whether the file is the bytes of an uploaded video.
///
/// # Errors
/// Diesel's.
pub fn is_film(conn: &mut PgConnection, file: Uuid) -> QueryResult<bool> {
    let films = videos::table.filter(videos::file_id.eq(file)).filter(videos::uploaded_at.is_not_null());
    diesel::select(diesel::dsl::exists(films)).get_result(conn)
}

/// Changes a video.
///
/// # Errors
/// Diesel's.
pub fn update(conn: &mut PgConnection, id: Uuid, change: &VideoChangeRow) -> QueryResult<()> {
    if change.title.is_none() && change.description.is_none() {
        return Ok(());
    }
    diesel::update(videos::table.find(id)).set(change).execute(conn).map(drop)
}

/// Removes a video, and gives the files that nothing refers to now; `None` where it is gone already.
///
/// # Errors
/// Diesel's.
pub fn remove(conn: &mut PgConnection, video: &VideoRow) -> QueryResult<Option<Vec<Uuid>>> {
    super::channels::lock(conn, video.channel_id)?;
    let files = diesel::delete(videos::table.find(video.id))
        .returning((videos::file_id, videos::thumbnail_id))
        .get_result::<(Option<Uuid>, Option<Uuid>)>(conn)
        .optional()?;
    Ok(files.map(|(file, thumbnail)| [file, thumbnail].into_iter().flatten().collect()))
}

/// Locks all videos of a channel, which is locked, and gives their files. Whoever locks several videos
/// does so by their ids, so that no two wait for each other.
///
/// # Errors
/// Diesel's.
pub fn files_of(conn: &mut PgConnection, channel: UserId) -> QueryResult<Vec<Uuid>> {
    let files: Vec<(Option<Uuid>, Option<Uuid>)> = videos::table
        .filter(videos::channel_id.eq(channel.uuid()))
        .order(videos::id)
        .select((videos::file_id, videos::thumbnail_id))
        .for_update()
        .load(conn)?;
    Ok(files.into_iter().flat_map(|(file, thumbnail)| [file, thumbnail]).flatten().collect())
}

/// Locks the videos that go or change when an account goes: its own, and those it judged.
///
/// # Errors
/// Diesel's.
pub fn lock_touched_by(conn: &mut PgConnection, account: UserId) -> QueryResult<()> {
    let judged = reactions::table.filter(reactions::user_id.eq(account.uuid())).select(reactions::video_id);
    let touched = videos::table.filter(videos::channel_id.eq(account.uuid()).or(videos::id.eq_any(judged)));
    touched.order(videos::id).select(videos::id).for_update().load::<Uuid>(conn).map(drop)
}

/// Sets what an account thinks of an uploaded video (`None`: nothing), and counts; `None` where the
/// video, or the account, is not there.
///
/// # Errors
/// Diesel's.
pub fn react(
    conn: &mut PgConnection,
    hash: &str,
    account: UserId,
    reaction: Option<Reaction>,
) -> QueryResult<Option<Reactions>> {
    // The account first, as its removal takes it; then the video, so that changes of it go one after
    // the other; then the reaction.
    let account = users::table.find(account.uuid()).select(users::id).for_key_share().first::<Uuid>(conn).optional()?;
    let Some(account) = account else { return Ok(None) };
    let video: Option<Uuid> = videos::table
        .filter(videos::hash.eq(hash))
        .filter(videos::uploaded_at.is_not_null())
        .select(videos::id)
        .for_no_key_update()
        .first(conn)
        .optional()?;
    let Some(video) = video else { return Ok(None) };
    match reaction {
        Some(reaction) => diesel::insert_into(reactions::table)
            .values((
                reactions::video_id.eq(video),
                reactions::user_id.eq(account),
                reactions::kind.eq(reaction.name()),
            ))
            .on_conflict((reactions::video_id, reactions::user_id))
            .do_update()
            .set(reactions::kind.eq(excluded(reactions::kind)))
            .execute(conn)?,
        None => diesel::delete(reactions::table.find((video, account))).execute(conn)?,
    };
    let (likes, dislikes) =
        videos::table.find(video).select((videos::likes, videos::dislikes)).first::<(i32, i32)>(conn)?;
    let count = |number: i32| u32::try_from(number).unwrap_or_default();
    Ok(Some(Reactions { likes: count(likes), dislikes: count(dislikes) }))
}
