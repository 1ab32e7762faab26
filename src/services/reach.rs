//! The stores for a short command: those of a server that runs, else started for the command alone. A server's are
//! neither stopped nor taken over.

use std::{
    path::Path,
    thread,
    time::{Duration, Instant},
};

use diesel::{Connection as _, PgConnection};
use secrecy::ExposeSecret as _;

use super::{Cancel, Needs, ServiceError, Services, Urls, home, postgres, redis};
use crate::settings::Settings;

/// How long another command, or the start of a server, is waited for.
const PATIENCE: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(100);

impl Services {
    /// As [`Services::start`] for both stores; but where another playhouse runs private ones on the data folder,
    /// theirs are given. Of one store alone none is started: nodes that share the other would hear of nothing. Blocks,
    /// also while another command has started stores for itself.
    ///
    /// # Errors
    /// See [`ServiceError`]; [`ServiceError::Half`] where one address is given and no server runs on the data folder, [`ServiceError::Foreign`] where the data folder is another user's, and
    /// [`ServiceError::Unreached`] where a server is there but not its Postgres.
    pub fn reach(settings: &Settings, cancel: &Cancel) -> Result<(Self, Urls), ServiceError> {
        let given = |url: &secrecy::SecretString| !url.expose_secret().is_empty();
        let half = match (given(&settings.database.url), given(&settings.redis.url)) {
            (true, true) => return Self::start(settings, Needs::Both, cancel),
            (true, false) => Some(("DATABASE_URL", "REDIS_URL")),
            (false, true) => Some(("REDIS_URL", "DATABASE_URL")),
            (false, false) => None,
        };
        let data_dir = home::made(&settings.data_dir)?;
        home::check_owner(&data_dir)?;
        let end = Instant::now() + PATIENCE;
        loop {
            cancel.check()?;
            if let Some(turn) = home::locked(&data_dir, "turn")? {
                if let Some((given, missing)) = half {
                    if home::locked(&data_dir, "lock")?.is_some() {
                        return Err(ServiceError::Half { given, missing, data_dir });
                    }
                } else {
                    match Self::start(settings, Needs::Both, cancel) {
                        Ok((services, urls)) => return Ok((Self { _turn: Some(turn), ..services }, urls)),
                        Err(ServiceError::Busy(_)) => {}
                        Err(error) => return Err(error),
                    }
                }
                if let Some(urls) = of_another(settings, &data_dir) {
                    return Ok((Self { watch: None, _turn: None }, urls));
                }
            }
            if Instant::now() > end {
                return Err(ServiceError::Unreached(data_dir));
            }
            thread::sleep(PAUSE);
        }
    }
}

/// The addresses of the stores that another process runs, once its Postgres lets us in. Nobody waits for Redis: what
/// needs it knows what to do without.
fn of_another(settings: &Settings, data_dir: &Path) -> Option<Urls> {
    let sockets = home::sockets_of_another(data_dir)?;
    let mut urls = Urls { database: settings.database.url.clone(), redis: settings.redis.url.clone() };
    if urls.database.expose_secret().is_empty() {
        let address = postgres::address(sockets.to_str()?, postgres::DATABASE);
        PgConnection::establish(&address).ok()?;
        urls.database = address.into();
    }
    if urls.redis.expose_secret().is_empty() {
        urls.redis = redis::address(sockets.join(redis::SOCKET).to_str()?);
    }
    Some(urls)
}
