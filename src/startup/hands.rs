//! What an operator works with from the command line: parts of the house, without a server.

use super::{StartError, homes};
use crate::{
    actors::{
        auth::{Clock, Operator, OperatorParts},
        files::Mover,
    },
    cache::Cache,
    db::Db,
    settings::{AuthSettings, DatabaseSettings, Settings},
    storage::{Homes, Store},
};

/// The operator's hand on the accounts, without a server. `settings` name both stores; the schema is the one this
/// binary needs. Needs a running actix system.
///
/// # Errors
/// [`StartError::Redis`], [`StartError::Auth`].
pub fn operator(settings: &Settings) -> Result<Operator, StartError> {
    // One thing after the other: one connection and one hash thread do.
    let database = DatabaseSettings { pool_size: 1, ..settings.database.clone() };
    let auth = AuthSettings { hash_threads: 1, ..settings.auth.clone() };
    let cache = Cache::start(&settings.redis, &settings.cache)?;
    let parts = OperatorParts { settings: &auth, db: Db::start(&database), cache, clock: Clock::System };
    Ok(Operator::start(parts)?)
}

/// What moves bytes from one store to the other, without a server. `settings` name the database, whose schema is the
/// one this binary needs. Needs a running actix system.
///
/// # Errors
/// [`StartError::NoBucket`], [`StartError::Bucket`], [`StartError::Media`]; [`StartError::Moving`] where another one is
/// at work.
pub fn mover(settings: &Settings) -> Result<Mover, StartError> {
    let homes = homes(&settings.storage)?;
    if matches!(homes, Homes::Disk) {
        return Err(StartError::NoBucket);
    }
    let database = DatabaseSettings { pool_size: 1, ..settings.database.clone() };
    let folder = |cause| StartError::Media { folder: settings.media_dir.clone(), cause };
    let store = Store::open(&settings.media_dir, homes).map_err(folder)?;
    let alone = store.move_alone().map_err(folder)?.ok_or(StartError::Moving)?;
    Ok(Mover::new(Db::start(&database), store, alone))
}
