//! The facts there is one of.

use diesel::prelude::*;

use crate::db::schema::installation;

/// Whether maintenance is on, and what is said about it.
///
/// # Errors
/// Those of the database.
pub fn maintenance(conn: &mut PgConnection) -> QueryResult<(bool, String)> {
    installation::table.select((installation::maintenance, installation::maintenance_message)).first(conn)
}

/// Switches maintenance.
///
/// # Errors
/// Those of the database.
pub fn set_maintenance(conn: &mut PgConnection, (on, message): &(bool, String)) -> QueryResult<()> {
    diesel::update(installation::table)
        .set((installation::maintenance.eq(on), installation::maintenance_message.eq(message)))
        .execute(conn)
        .map(drop)
}
