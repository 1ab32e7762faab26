//! The table `files`, and what refers to it.

use diesel::{
    dsl::{exists, not, select},
    prelude::*,
};
use uuid::Uuid;

use crate::{
    db::{
        listing::Narrow,
        rows::file::FileRow,
        schema::{casting_movies, channels, episodes, files, image_variants, posters, series, users, videos},
    },
    domain::listing::{Field, FieldKind, Listing},
};

/// What can be asked of a list of files.
pub static LISTING: Listing = Listing {
    table: "files",
    columns: "t.id, t.original_name, t.kind, t.mime_type, t.size, t.sha256, t.owner_id, t.state, t.duration_seconds, \
        t.width, t.height, t.video_codec, t.audio_codec, t.created_at, t.updated_at",
    fields: &[
        Field { name: "id", kind: FieldKind::Id, column: "t.id" },
        Field { name: "original_name", kind: FieldKind::Text, column: "lower(t.original_name)" },
        Field { name: "type", kind: FieldKind::Text, column: "t.kind" },
        Field { name: "mime_type", kind: FieldKind::Text, column: "t.mime_type" },
        Field { name: "size", kind: FieldKind::Number, column: "t.size" },
        Field { name: "sha256", kind: FieldKind::Text, column: "t.sha256" },
        Field { name: "owner_id", kind: FieldKind::Link, column: "t.owner_id = {}" },
        Field { name: "state", kind: FieldKind::Text, column: "t.state" },
        Field { name: "duration_seconds", kind: FieldKind::OptionalNumber, column: "t.duration_seconds" },
        Field { name: "createdAt", kind: FieldKind::Time, column: "t.created_at" },
        Field { name: "updatedAt", kind: FieldKind::Time, column: "t.updated_at" },
    ],
    search: Some("t.original_name"),
};

/// Where a file is shown; or, of a reader, where they look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shown {
    /// In the catalogue, or a channel.
    pub catalogue: bool,
    /// In the casting agency.
    pub casting: bool,
}

macro_rules! seen {
    ($($more:literal),*) => {
        concat!(
            "(t.owner_id = {} OR EXISTS (SELECT 1 FROM series s WHERE s.image_id = t.id) \
            OR EXISTS (SELECT 1 FROM series s WHERE s.trailer_id = t.id) \
            OR EXISTS (SELECT 1 FROM episodes e WHERE e.file_id = t.id) \
            OR EXISTS (SELECT 1 FROM episodes e WHERE e.image_id = t.id)",
            $($more,)*
            ")"
        )
    };
}

/// The files that an account without further rights is shown: its own, and what the catalogue refers to, and the
/// casting agency for those who look there. (What channels refer to it may read, but their lists are elsewhere.)
/// Only for those who look into the catalogue.
#[must_use]
pub const fn seen_by(account: Uuid, looks: Shown) -> Narrow {
    let condition = if looks.casting {
        seen!(" OR EXISTS (SELECT 1 FROM casting_movies m WHERE m.file_id = t.id)")
    } else {
        seen!()
    };
    Narrow { condition, id: account }
}

/// Adds a row and gives it as stored.
///
/// # Errors
/// The database's.
pub fn insert(conn: &mut PgConnection, row: &FileRow) -> QueryResult<FileRow> {
    diesel::insert_into(files::table).values(row).returning(FileRow::as_returning()).get_result(conn)
}

/// Adds a row unless the owner would then own more than `quota` bytes: `None`. Concurrent
/// uploads of one owner wait for each other here.
///
/// # Errors
/// The database's.
pub fn insert_within(conn: &mut PgConnection, row: &FileRow, quota: i64) -> QueryResult<Option<FileRow>> {
    conn.transaction(|conn| {
        if let Some(owner) = row.owner_id {
            users::table.find(owner).select(users::id).for_no_key_update().first::<Uuid>(conn).optional()?;
            if owned_bytes(conn, owner)?.saturating_add(row.size) > quota {
                return Ok(None);
            }
        }
        insert(conn, row).map(Some)
    })
}

/// Bytes that `owner` owns in all.
///
/// # Errors
/// The database's.
pub fn owned_bytes(conn: &mut PgConnection, owner: Uuid) -> QueryResult<i64> {
    use diesel::{dsl::sql, sql_types::BigInt};
    let sum = sql::<BigInt>("coalesce(sum(size), 0)::bigint");
    files::table.filter(files::owner_id.eq(owner)).select(sum).get_result(conn)
}

/// The row of `id`.
///
/// # Errors
/// `NotFound`, or the database's.
pub fn find(conn: &mut PgConnection, id: Uuid) -> QueryResult<FileRow> {
    files::table.find(id).select(FileRow::as_select()).first(conn)
}

/// How many files there are, and their bytes in all.
///
/// # Errors
/// The database's.
pub fn extent(conn: &mut PgConnection) -> QueryResult<(u64, u64)> {
    use diesel::{
        dsl::{count_star, sql},
        sql_types::BigInt,
    };
    let sum = sql::<BigInt>("coalesce(sum(size), 0)::bigint");
    let (files, bytes): (i64, i64) = files::table.select((count_star(), sum)).first(conn)?;
    Ok((u64::try_from(files).unwrap_or_default(), u64::try_from(bytes).unwrap_or_default()))
}

/// The next `limit` files behind `after`, by their ids.
///
/// # Errors
/// The database's.
pub fn after(conn: &mut PgConnection, after: Option<Uuid>, limit: u32) -> QueryResult<Vec<FileRow>> {
    let mut rows = files::table.order(files::id).limit(limit.into()).select(FileRow::as_select()).into_boxed();
    if let Some(after) = after {
        rows = rows.filter(files::id.gt(after));
    }
    rows.load(conn)
}

/// Deletes the row, within a transaction, and gives the files that were made of it (a poster, smaller copies): nothing
/// refers to them now.
/// A row that is referred to stays: one of the constraints
/// `series_trailer_id_fkey`, `series_image_id_fkey`, `episodes_image_id_fkey`,
/// `episodes_file_id_fkey`, `videos_file_id_fkey`, `videos_thumbnail_id_fkey`, `channels_picture_id_fkey`,
/// `posters_poster_id_fkey`, `image_variants_variant_id_fkey`, `casting_movies_file_id_fkey` is violated.
///
/// # Errors
/// `NotFound`, a constraint, or the database's.
pub fn delete(conn: &mut PgConnection, id: Uuid) -> QueryResult<Vec<Uuid>> {
    files::table.find(id).select(files::id).for_update().first::<Uuid>(conn)?;
    let made = made_of(conn, &[id])?;
    diesel::delete(files::table.find(id)).execute(conn)?;
    Ok(made)
}

/// Locks these files against removal and against whoever begins to refer to them, in one order: two who lock
/// several files do not wait for each other in a circle.
///
/// # Errors
/// The database's.
pub fn lock(conn: &mut PgConnection, ids: &[Uuid]) -> QueryResult<()> {
    let locked = files::table.filter(files::id.eq_any(ids)).order(files::id).select(files::id).for_update();
    locked.load::<Uuid>(conn).map(drop)
}

/// Those of `ids` that nobody owns.
///
/// # Errors
/// The database's.
pub fn ownerless(conn: &mut PgConnection, ids: &[Uuid]) -> QueryResult<Vec<Uuid>> {
    files::table.filter(files::id.eq_any(ids)).filter(files::owner_id.is_null()).select(files::id).load(conn)
}

/// What was made of these files, whose rows are locked: so there comes no other.
fn made_of(conn: &mut PgConnection, ids: &[Uuid]) -> QueryResult<Vec<Uuid>> {
    let posters = posters::table.filter(posters::file_id.eq_any(ids)).select(posters::poster_id);
    let variants = image_variants::table.filter(image_variants::file_id.eq_any(ids)).select(image_variants::variant_id);
    let mut made: Vec<Uuid> = posters.load(conn)?;
    made.extend(variants.load::<Uuid>(conn)?);
    Ok(made)
}

/// What became of files that were to go.
#[derive(Debug)]
pub struct Deleted {
    /// Those whose rows stay, and have no owner now.
    pub stay: Vec<Uuid>,
    /// What was made of those whose rows are gone; nothing refers to it now.
    pub made: Vec<Uuid>,
}

/// Deletes the rows of those of `ids` that nothing refers to; from the others their owner is taken, who let go of
/// them. Within a transaction.
///
/// # Errors
/// The database's.
pub fn delete_unreferenced(conn: &mut PgConnection, ids: &[Uuid]) -> QueryResult<Deleted> {
    // A statement of its own: whoever was referring to one of them has ended when the next one looks.
    lock(conn, ids)?;
    let free = files::table
        .filter(files::id.eq_any(ids))
        .filter(not(exists(series::table.filter(series::trailer_id.eq(files::id.nullable())))))
        .filter(not(exists(series::table.filter(series::image_id.eq(files::id.nullable())))))
        .filter(not(exists(episodes::table.filter(episodes::image_id.eq(files::id.nullable())))))
        .filter(not(exists(episodes::table.filter(episodes::file_id.eq(files::id.nullable())))))
        .filter(not(exists(videos::table.filter(videos::file_id.eq(files::id.nullable())))))
        .filter(not(exists(videos::table.filter(videos::thumbnail_id.eq(files::id.nullable())))))
        .filter(not(exists(channels::table.filter(channels::picture_id.eq(files::id.nullable())))))
        .filter(not(exists(posters::table.filter(posters::poster_id.eq(files::id)))))
        .filter(not(exists(image_variants::table.filter(image_variants::variant_id.eq(files::id)))))
        .filter(not(exists(casting_movies::table.filter(casting_movies::file_id.eq(files::id.nullable())))))
        .select(files::id);
    let free: Vec<Uuid> = free.load(conn)?;
    let made = made_of(conn, &free)?;
    diesel::delete(files::table.filter(files::id.eq_any(free))).execute(conn)?;
    let stay: Vec<Uuid> = files::table.filter(files::id.eq_any(ids)).select(files::id).load(conn)?;
    if !stay.is_empty() {
        let owned = files::table.filter(files::id.eq_any(&stay)).filter(files::owner_id.is_not_null());
        diesel::update(owned).set(files::owner_id.eq(None::<Uuid>)).execute(conn)?;
    }
    Ok(Deleted { stay, made })
}

/// Where the file is shown: who may look there may have it. (A poster goes out with its film, by the links of that.)
///
/// # Errors
/// The database's.
pub fn shown(conn: &mut PgConnection, id: Uuid) -> QueryResult<Shown> {
    // One statement, eight index look-ups.
    let in_catalogue = exists(series::table.filter(series::trailer_id.eq(id)))
        .or(exists(series::table.filter(series::image_id.eq(id))))
        .or(exists(episodes::table.filter(episodes::image_id.eq(id))))
        .or(exists(episodes::table.filter(episodes::file_id.eq(id))))
        .or(exists(videos::table.filter(videos::file_id.eq(id))))
        .or(exists(videos::table.filter(videos::thumbnail_id.eq(id))))
        .or(exists(channels::table.filter(channels::picture_id.eq(id))));
    let in_casting = exists(casting_movies::table.filter(casting_movies::file_id.eq(id)));
    let (catalogue, casting) = select((in_catalogue, in_casting)).get_result(conn)?;
    Ok(Shown { catalogue, casting })
}

/// Those of `ids` that have rows, once every insertion and deletion that is under way has ended.
///
/// # Errors
/// The database's.
pub fn which_exist(conn: &mut PgConnection, ids: &[Uuid]) -> QueryResult<Vec<Uuid>> {
    conn.transaction(|conn| {
        // A statement of a process that died may still be running: SHARE waits for writers.
        diesel::sql_query("LOCK TABLE files IN SHARE MODE").execute(conn)?;
        files::table.filter(files::id.eq_any(ids)).select(files::id).load(conn)
    })
}
