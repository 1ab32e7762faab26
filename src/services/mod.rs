//! A private Postgres and a private Redis, for whoever gives none.
//!
//! Owns the store processes: where their data lies, under which user they run, when they are ready,
//! and that none outlives the server. Holds no query and no key: what runs in the stores is the
//! business of `db` and `cache`.

mod home;
mod leftover;
mod postgres;
mod process;
mod reach;
mod redis;
mod watch;

use std::{fs::File, io, path::PathBuf};

use secrecy::{ExposeSecret as _, SecretString};

use self::watch::{Kept, Stores, Watch};
pub use self::{
    home::Home,
    postgres::{Durability, Postgres, PostgresPlan},
    process::Cancel,
    redis::{Redis, RedisPlan},
};
use crate::settings::Settings;

/// Why a private store does not run; its text is one line.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// A program is not installed.
    #[error("{program} was not found (looked in {looked}): `make setup` installs it")]
    Missing {
        /// The program's name.
        program: String,
        /// Where it was looked for.
        looked: String,
    },
    /// The data folder's lock is held.
    #[error("another playhouse runs on the data folder {}", .0.display())]
    Busy(PathBuf),
    /// The data folder is held, and its stores do not let themselves be reached.
    #[error("another playhouse holds the data folder {} and has no Postgres there that answers", .0.display())]
    Unreached(PathBuf),
    /// One address of the two is given, and nothing tells which store belongs to it.
    #[error(
        "{given} is given and {missing} is not, and no playhouse runs on the data folder {}: give both, as the servers \
         have them", .data_dir.display()
    )]
    Half {
        /// The variable that is given.
        given: &'static str,
        /// The one that is not.
        missing: &'static str,
        /// Where a server was looked for.
        data_dir: PathBuf,
    },
    /// The data folder's stores belong to somebody else.
    #[error("the data folder {} belongs to the user {uid}: run this as that user", .data_dir.display())]
    Foreign {
        /// The folder.
        data_dir: PathBuf,
        /// Whose it is.
        uid: u32,
    },
    /// A file or folder could not be used.
    #[error("cannot {what} {}: {source}", .path.display())]
    Io {
        /// What was tried, as a verb.
        what: &'static str,
        /// With what.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// A path has to be handed to a program or stand in an address.
    #[error("the path {} is not UTF-8", .0.display())]
    NotUtf8(PathBuf),
    /// A program ended before it was ready.
    #[error("{program} ended at its start: {reason} (see {})", .log.display())]
    Ended {
        /// The program's name.
        program: &'static str,
        /// The last thing it said.
        reason: String,
        /// All it said.
        log: PathBuf,
    },
    /// A program runs, but is not ready.
    #[error("{program} was not ready in time (see {})", .log.display())]
    NotReady {
        /// The program's name.
        program: &'static str,
        /// What it said.
        log: PathBuf,
    },
    /// A left-over process of a killed server does not go away.
    #[error("{program} of an earlier run (process {pid}) does not end")]
    Stuck {
        /// The program's name.
        program: &'static str,
        /// Its process.
        pid: i32,
    },
    /// The new Postgres does not take our statement.
    #[error("the private Postgres refused: {0}")]
    Refused(String),
    /// The caller gave up, see [`Cancel`].
    #[error("stopped while starting")]
    Cancelled,
}

impl ServiceError {
    fn io(what: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { what, path, source }
    }
}

/// Where the stores are reached: given ones as they were given, private ones as they were started.
#[derive(Debug, Clone)]
pub struct Urls {
    /// For libpq.
    pub database: SecretString,
    /// For the `redis` crate.
    pub redis: SecretString,
}

/// Which stores a command needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// Postgres and Redis.
    Both,
    /// Postgres alone; [`Urls::redis`] stays as it was given.
    Database,
}

/// The store processes this process started, and starts again when they die. Dropping it stops them.
#[derive(Debug)]
pub struct Services {
    /// None where both stores were given.
    watch: Option<Watch>,
    /// Of a short command that started stores: others of its kind wait.
    _turn: Option<File>,
}

impl Services {
    /// Starts what `needs` names and `settings` gives no address for. Blocks until all is ready.
    ///
    /// The data folder is locked only where something is started: nodes with stores of their own
    /// choice may share it.
    ///
    /// # Errors
    /// See [`ServiceError`]; what was started by then is stopped again.
    pub fn start(settings: &Settings, needs: Needs, cancel: &Cancel) -> Result<(Self, Urls), ServiceError> {
        let mut urls = Urls { database: settings.database.url.clone(), redis: settings.redis.url.clone() };
        let own_postgres = urls.database.expose_secret().is_empty();
        let own_redis = needs == Needs::Both && urls.redis.expose_secret().is_empty();
        if !own_postgres && !own_redis {
            return Ok((Self { watch: None, _turn: None }, urls));
        }
        // Both programs are looked for before either runs.
        let postgres_plan = PostgresPlan::new(&settings.services.postgres_bin_dir);
        let redis_plan = RedisPlan::new(&settings.services.redis_binary);
        if own_postgres {
            postgres_plan.find_programs()?;
        }
        if own_redis {
            redis_plan.find_program()?;
        }
        let home = Home::open(&settings.data_dir)?;
        let redis = own_redis.then(|| Redis::start(&home, &redis_plan, cancel)).transpose()?;
        let postgres = own_postgres.then(|| Postgres::start(&home, &postgres_plan, cancel)).transpose()?;
        if let Some(postgres) = &postgres {
            urls.database = postgres.url(postgres::DATABASE);
        }
        if let Some(redis) = &redis {
            urls.redis = redis.url();
        }
        let stores = Stores {
            postgres: postgres.map(|store| Kept { plan: postgres_plan, store: Some(store) }),
            redis: redis.map(|store| Kept { plan: redis_plan, store: Some(store) }),
            home,
        };
        Ok((Self { watch: Some(Watch::over(stores)?), _turn: None }, urls))
    }

    /// Stops what was started, and returns when it has ended: Postgres by a fast shutdown, Redis
    /// after it saved; by force where that takes too long.
    pub fn stop(self) {
        drop(self);
    }

    /// Whether Postgres is a private one.
    #[must_use]
    pub fn has_postgres(&self) -> bool {
        self.watch.as_ref().is_some_and(|watch| watch.stores().postgres.is_some())
    }
}
