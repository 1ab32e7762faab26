//! From settings to a running server: stores → handles → server. Gives back the bound address, so
//! that port 0 works and tests run the real thing.

mod hands;

use std::{
    io,
    net::{SocketAddr, TcpListener},
    pin::pin,
    time::Duration,
};

use actix_web::dev::Server as ActixServer;
use secrecy::ExposeSecret as _;
use socket2::{Domain, Socket, Type};

pub use self::hands::{mover, operator};
use crate::{
    actors::{
        auth::{Auth, AuthParts, AuthStartError, Clock, MailResetLink, ResetMailError},
        casting::Casting,
        catalog::Catalog,
        channels::{ChannelParts, Channels},
        collections::Collections,
        files::{Examiners, FileStores, Files, FilesError, RemoveFiles},
        images::{ImageParts, Images},
        operation::Operation,
        playback::{Ledger, PlayLimit, Playback, PlaybackParts},
        posters::{PosterParts, Posters},
        statistics::{Follower, Statistics},
        tally::Tally,
    },
    cache::Cache,
    db::{Db, DbError},
    http::{self, House, drain::Drain, places::Places},
    issuers::{IssuerAddressError, Issuers},
    jobs::{Failure, Handlers, Jobs, JobsError},
    mail::{MailAddressError, MailError, Mailer},
    media::{frame::Framer, probe::Prober, tool::Tools},
    provider::{Provider, ProviderAddressError},
    settings::{Settings, StorageSettings},
    storage::{Bucket, BucketSettingsError, Homes, Store},
    telemetry,
};

/// How long a start waits for the link to the other nodes. Without Redis the server serves all the same.
const LINK_WAIT: Duration = Duration::from_millis(500);
/// Connections that the kernel holds until they are taken.
const BACKLOG: i32 = 1024;
/// For what has been answered to leave the process.
const LAST_BYTES: Duration = Duration::from_millis(200);
/// How long the end waits for a Postgres that is away, to write when API keys were last used.
const LAST_USES: Duration = Duration::from_secs(1);
/// How long the end waits for a Redis that is away, to write the last counts.
const LAST_COUNTS: Duration = Duration::from_secs(2);

/// Why the server does not start; one line each.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Redis' address.
    #[error("wrong setting redis.url: {0}")]
    Redis(#[from] redis::RedisError),
    /// How mail is sent.
    #[error(transparent)]
    Mail(#[from] MailAddressError),
    /// Where the provider of movies is.
    #[error(transparent)]
    Provider(#[from] ProviderAddressError),
    /// Where another issuer's keys are.
    #[error(transparent)]
    Issuer(#[from] IssuerAddressError),
    /// How background jobs reach the database.
    #[error(transparent)]
    Jobs(#[from] JobsError),
    /// Keys or hash parameters.
    #[error(transparent)]
    Auth(#[from] AuthStartError),
    /// The database did not answer.
    #[error("the database does not answer: {0}")]
    Database(#[from] DbError),
    /// The media folder.
    #[error("cannot use the media folder {folder}: {cause}")]
    Media {
        /// The folder.
        folder: std::path::PathBuf,
        /// What is wrong with it.
        #[source]
        cause: std::io::Error,
    },
    /// Where the bucket is.
    #[error(transparent)]
    Bucket(#[from] BucketSettingsError),
    /// There is only one store.
    #[error("wrong setting storage.bucket: must name the bucket to move to or from")]
    NoBucket,
    /// Another command moves.
    #[error("another command moves bytes of this media folder: let it end first")]
    Moving,
    /// What dead processes left in the store.
    #[error("cannot settle the media folder: {0}")]
    Sweep(#[from] FilesError),
    /// The address.
    #[error("wrong setting http.bind: cannot listen on {address}: {cause}")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// What is wrong with it.
        #[source]
        cause: std::io::Error,
    },
}

/// A server that listens.
pub struct Server {
    serving: ActixServer,
    address: SocketAddr,
    drain: Drain,
    limit: Duration,
    behind: Behind,
}

impl Server {
    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `stop`; then takes no new connection, finishes what runs within the time of the
    /// settings, lets background jobs finish, and tells Redis the last counts. A second `stop` ends it at once.
    ///
    /// # Errors
    /// The server's own.
    pub async fn run(self, mut stop: impl AsyncFnMut()) -> std::io::Result<()> {
        let Self { serving, drain, limit, behind: Behind { tally, jobs, playback, auth }, .. } = self;
        let handle = serving.handle();
        let mut serving = pin!(serving);
        tokio::select! {
            ended = &mut serving => return ended,
            () = stop() => tracing::info!("stopping: finishing what runs"),
        }
        // No new connections from here on. The server itself would wait for idle ones too.
        let dry = async {
            drain.run_dry(limit).await;
            tokio::time::sleep(LAST_BYTES).await;
        };
        let ended = tokio::select! {
            (ended, ()) = async { tokio::join!(&mut serving, handle.stop(true)) } => ended,
            () = dry => Ok(()),
            () = stop() => Ok(()),
        };
        tokio::select! {
            () = jobs.stop() => {}
            () = stop() => {}
        }
        playback.flush().await;
        if tokio::time::timeout(LAST_USES, auth.flush()).await.is_err() {
            tracing::warn!("when API keys were last used was not written: Postgres is away");
        }
        // A worker may still serve a connection: what it answered after the last flush would be lost.
        drain.close(LAST_BYTES).await;
        tokio::select! {
            told = tally.flush_within(LAST_COUNTS) => if told.is_err() {
                tracing::warn!(requests = tally.untold(), "the last counts were not written: Redis is away");
            },
            () = stop() => {}
        }
        ended
    }
}

/// Sees to what the parts of the house would find wrong in the settings, before anything is started for them, and
/// takes the address: connections to it wait until the server that is built with it takes them.
///
/// # Errors
/// The setting that is wrong: [`StartError::Redis`], [`StartError::Mail`], [`StartError::Provider`],
/// [`StartError::Jobs`], [`StartError::Issuer`], [`StartError::Bucket`], [`StartError::Bind`].
pub fn check(settings: &Settings) -> Result<TcpListener, StartError> {
    let (database, redis) = (settings.database.url.expose_secret(), settings.redis.url.expose_secret());
    // Where they are empty, private ones are started.
    if !redis.is_empty() {
        redis::Client::open(redis)?;
    }
    if !database.is_empty() {
        Jobs::check(database)?;
    }
    Mailer::new(&settings.mail)?;
    Provider::check(&settings.provider)?;
    Issuers::check(&settings.auth.issuers)?;
    homes(&settings.storage)?;
    let address = settings.http.bind;
    take(address).map_err(|cause| StartError::Bind { address, cause })
}

fn homes(settings: &StorageSettings) -> Result<Homes, BucketSettingsError> {
    let bucket = Bucket::new(settings)?;
    Ok(bucket.map_or(Homes::Disk, |bucket| Homes::DiskAndBucket { bucket, new: settings.kind }))
}

fn take(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    // Else a server could not start again while connections of the last one linger.
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Builds the house. `settings` name both stores; the schema is the one this binary needs. `listener` is the one
/// of [`check`].
///
/// # Errors
/// See [`StartError`].
pub async fn build(settings: Settings, listener: TcpListener) -> Result<Server, StartError> {
    telemetry::start_metrics();
    let db = Db::start(&settings.database);
    let cache = Cache::start(&settings.redis, &settings.cache)?;
    cache.linked(LINK_WAIT).await;
    let mailer = Mailer::new(&settings.mail)?;
    let provider = Provider::start(&settings.provider)?;
    let auth = Auth::start(AuthParts {
        settings: &settings.auth,
        playback: &settings.playback,
        data_dir: &settings.data_dir,
        keep: Duration::from_secs(settings.cache.ttl_seconds),
        db: db.clone(),
        cache: cache.clone(),
        issuers: Issuers::start(&settings.auth.issuers)?,
        clock: Clock::System,
    })?;
    let homes = homes(&settings.storage)?;
    let store = Store::open(&settings.media_dir, homes)
        .map_err(|cause| StartError::Media { folder: settings.media_dir.clone(), cause })?;
    let tools = Tools::new(&settings.media);
    let framer = Framer::new(&settings.media, tools.clone(), &settings.images);
    let examiners = Examiners { prober: Prober::new(&settings.media, tools), framer: framer.clone() };
    let stores = FileStores { db: db.clone(), cache: cache.clone(), store };
    let files = Files::new(stores, examiners, &settings.media, &settings.images);
    let swept = files.sweep().await?;
    tracing::info!(?swept, "what dead processes left in the store is settled");
    let jobs = Jobs::start(&settings.database, &settings.jobs, handlers(&files, &auth, mailer))?;
    let channels = Channels::new(ChannelParts {
        settings: &settings.channels,
        db: db.clone(),
        cache: cache.clone(),
        files: files.clone(),
        framer: framer.clone(),
        clock: Clock::System,
    });
    let images = Images::new(ImageParts {
        settings: &settings.images,
        db: db.clone(),
        cache: cache.clone(),
        files: files.clone(),
        framer: framer.clone(),
    });
    let posters = Posters::new(PosterParts { db: db.clone(), cache: cache.clone(), files: files.clone(), framer });
    let follower = Follower::start(db.clone(), cache.clone(), &settings.statistics);
    let ledger = Ledger::start(db.clone(), move || follower.poke(), &settings.playback);
    let playback = Playback::start(PlaybackParts {
        settings: &settings.playback,
        db: db.clone(),
        cache: cache.clone(),
        files: files.clone(),
        ledger,
    });
    let behind = auth.clone();
    let watching = playback.clone();
    let tally = Tally::start(cache.clone(), move || watching.gauges());
    let catalog = Catalog::new(db.clone(), cache.clone());
    let house = House {
        auth,
        channels,
        casting: Casting::new(db.clone(), cache.clone(), catalog.clone()),
        catalog,
        collections: Collections::new(db.clone(), cache.clone(), &settings.collections),
        large_bodies: Places::new(settings.collections.large_bodies, 1),
        large_answers: Places::new(settings.collections.large_answers, 2),
        playback: playback.clone(),
        play_limit: PlayLimit::new(&settings.playback, cache.clone()),
        posters,
        images,
        provider,
        operation: Operation::start(db.clone(), cache.clone()).await?,
        files,
        drain: Drain::default(),
        statistics: Statistics::start(cache.clone(), tally.clone(), &settings.statistics),
        tally: tally.clone(),
        db,
        cache,
        settings,
    };
    serve(house, listener, Behind { tally, jobs, playback, auth: behind })
}

/// Who does which job.
fn handlers(files: &Files, auth: &Auth, mailer: Mailer) -> Handlers {
    Handlers::default().on(files.clone(), RemoveFiles::carry_out).on(
        (auth.clone(), mailer),
        async |(auth, mailer): (Auth, Mailer), job: MailResetLink| {
            match auth.mail_reset_link(&mailer, job).await {
                // The server has said that it never will take it.
                Err(ResetMailError::Mail(refused @ MailError::Refused(_))) => Err(Failure::Final(refused.into())),
                done => Ok(done?),
            }
        },
    )
}

/// What ends after the server.
struct Behind {
    tally: Tally,
    jobs: Jobs,
    playback: Playback,
    auth: Auth,
}

fn serve(house: House, listener: TcpListener, behind: Behind) -> Result<Server, StartError> {
    let drain = house.drain.clone();
    let wanted = house.settings.http.bind;
    let limit = Duration::from_secs(house.settings.http.shutdown_seconds);
    let refused = |cause| StartError::Bind { address: wanted, cause };
    let address = listener.local_addr().map_err(refused)?;
    let serving = http::server::serve(house, listener, address).map_err(refused)?;
    Ok(Server { serving, address, drain, limit, behind })
}

/// The API description, as `GET /api-docs/openapi.json` gives it.
///
/// # Errors
/// It cannot be written as JSON.
pub fn openapi() -> Result<String, serde_json::Error> {
    serde_json::to_string_pretty(&http::openapi::document(&http::contracts()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{actors::playback::longest_flush, jobs::GOODBYE};

    #[test]
    fn by_default_the_process_ends_within_thirty_seconds_also_where_both_stores_are_away() {
        let settings = Settings::from_variables(config::Map::new()).unwrap();
        let requests = Duration::from_secs(settings.http.shutdown_seconds) + LAST_BYTES;
        let jobs = Duration::from_secs(settings.jobs.stop_seconds) + GOODBYE;
        // The last try to write the counts may begin when their time ends.
        let counts = LAST_COUNTS + Duration::from_millis(settings.redis.timeout_ms);
        let all = requests + jobs + longest_flush() + LAST_USES + LAST_BYTES + counts;
        assert!(all < Duration::from_secs(30), "{all:?}");
    }
}
