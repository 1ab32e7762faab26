//! Channels. Callers own the transactions.

use diesel::{
    dsl::sql,
    prelude::*,
    result::{DatabaseErrorKind, Error},
    sql_types::Text,
};
use uuid::Uuid;

use crate::{
    db::{
        rows::channel::ChannelRow,
        schema::{channels, users},
    },
    domain::ids::UserId,
};

/// The channel of an account.
///
/// # Errors
/// Diesel's.
pub fn of_account(conn: &mut PgConnection, account: UserId) -> QueryResult<Option<ChannelRow>> {
    channels::table.find(account.uuid()).select(ChannelRow::as_select()).first(conn).optional()
}

/// The channel of this name, without regard to case.
///
/// # Errors
/// Diesel's.
pub fn by_name(conn: &mut PgConnection, name: &str) -> QueryResult<Option<ChannelRow>> {
    channels::table
        .filter(sql::<Text>("lower(channels.name)").eq(name.to_lowercase()))
        .select(ChannelRow::as_select())
        .first(conn)
        .optional()
}

/// The username of an account, locked against a change of it.
///
/// # Errors
/// `NotFound` where the account is gone; Diesel's.
pub fn username_locked(conn: &mut PgConnection, account: UserId) -> QueryResult<Option<String>> {
    users::table.find(account.uuid()).select(users::username).for_update().first(conn)
}

/// Gives an account a username, if nobody has it; false where somebody does. Within a transaction.
///
/// # Errors
/// Diesel's.
pub fn take_username(conn: &mut PgConnection, account: UserId, name: &str) -> QueryResult<bool> {
    let take = |conn: &mut PgConnection| {
        diesel::update(users::table.find(account.uuid()))
            .set((users::username.eq(name), users::updated_at.eq(diesel::dsl::now)))
            .execute(conn)
    };
    match conn.transaction(take) {
        Ok(changed) => Ok(changed == 1),
        Err(Error::DatabaseError(DatabaseErrorKind::UniqueViolation, _)) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Opens the channel of an account under its username. One that is there stays.
///
/// # Errors
/// Diesel's.
pub fn open(conn: &mut PgConnection, account: UserId, username: &str) -> QueryResult<()> {
    diesel::insert_into(channels::table)
        .values((channels::user_id.eq(account.uuid()), channels::name.eq(username)))
        .on_conflict_do_nothing()
        .execute(conn)
        .map(drop)
}

/// Sets the picture, and gives the file that was the picture before.
///
/// # Errors
/// `NotFound` where the channel is gone; Diesel's.
pub fn set_picture(conn: &mut PgConnection, account: UserId, picture: Uuid) -> QueryResult<Option<Uuid>> {
    let channel = channels::table.find(account.uuid());
    let before = channel.select(channels::picture_id).for_no_key_update().first(conn)?;
    diesel::update(channel).set(channels::picture_id.eq(picture)).execute(conn)?;
    Ok(before)
}

/// Locks a channel. Whoever changes which videos it has takes this lock before theirs, so that no two
/// wait for each other.
///
/// # Errors
/// Diesel's.
pub fn lock(conn: &mut PgConnection, account: Uuid) -> QueryResult<()> {
    let channel = channels::table.find(account).select(channels::user_id);
    channel.for_no_key_update().first::<Uuid>(conn).optional().map(drop)
}

/// Removes a channel with its videos, and gives the files that nothing refers to now.
///
/// # Errors
/// Diesel's.
pub fn remove(conn: &mut PgConnection, account: UserId) -> QueryResult<Vec<Uuid>> {
    lock(conn, account.uuid())?;
    let files = super::videos::files_of(conn, account)?;
    remove_locked(conn, account, files)
}

/// As [`remove`], of an account that goes too. Its reactions go with it, which changes the counts of the
/// videos it judged: they and its own are locked together, by their ids.
///
/// # Errors
/// Diesel's.
pub fn remove_with_account(conn: &mut PgConnection, account: UserId) -> QueryResult<Vec<Uuid>> {
    lock(conn, account.uuid())?;
    super::videos::lock_touched_by(conn, account)?;
    let files = super::videos::files_of(conn, account)?;
    remove_locked(conn, account, files)
}

fn remove_locked(conn: &mut PgConnection, account: UserId, mut files: Vec<Uuid>) -> QueryResult<Vec<Uuid>> {
    // The videos go with the channel. Removed before it, they would change its count, for which Postgres
    // locks the account: and that is locked before a channel, never after.
    let picture: Option<Option<Uuid>> = diesel::delete(channels::table.find(account.uuid()))
        .returning(channels::picture_id)
        .get_result(conn)
        .optional()?;
    files.extend(picture.flatten());
    Ok(files)
}
