//! The command line: `playhouse serve` (the default), `migrate`, `openapi`, `user`, `store`.
//!
//! Owns the order of start and stop: settings, stores, schema, server; then the server drains and the
//! stores stop. One line on standard error and exit code 1 for a failure, 2 for wrong usage.

use std::{future::poll_fn, io::Write as _, net::TcpListener, process::ExitCode, task::Poll};

use clap::{Parser, Subcommand};
use playhouse::{
    command::{
        store::{StoreCommand, StoreCommandError},
        user::{Hearers, Task, UserCommand, UserCommandError},
    },
    db::migrations::{self, MigrationError},
    services::{Cancel, Needs, ServiceError, Services, Urls},
    settings::{Settings, SettingsError},
    startup::{self, StartError},
    telemetry::{self, TelemetryError},
};
use secrecy::ExposeSecret as _;
use tokio::signal::unix::{Signal, SignalKind, signal};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A streaming media backend.
#[derive(Debug, Parser)]
#[command(version, about)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Clone, Subcommand)]
enum Command {
    /// Start what is missing, and serve (the default).
    Serve,
    /// Bring the database's schema up to this binary's.
    Migrate,
    /// Print the OpenAPI document.
    Openapi,
    /// Manage accounts, with a server running or without.
    #[command(subcommand)]
    User(UserCommand),
    /// Manage the store of bytes, with a server running or without.
    #[command(subcommand)]
    Store(StoreCommand),
}

#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Settings(#[from] SettingsError),
    #[error(transparent)]
    Telemetry(#[from] TelemetryError),
    #[error(transparent)]
    Services(#[from] ServiceError),
    #[error(transparent)]
    Schema(#[from] MigrationError),
    #[error(transparent)]
    Start(#[from] StartError),
    #[error("{0}")]
    Io(#[from] std::io::Error),
    #[error("no OpenAPI document: {0}")]
    OpenApi(#[from] serde_json::Error),
    #[error(transparent)]
    User(#[from] UserCommandError),
    #[error(transparent)]
    Store(#[from] StoreCommandError),
    #[error("the start panicked")]
    Panicked(#[from] tokio::task::JoinError),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    // Huge pages would triple the memory of a server at rest. Redis, a child, wants none either.
    if rustix::thread::disable_transparent_huge_pages(true).is_err() {
        eprintln!("playhouse: transparent huge pages stay on: more memory is used");
    }
    let outcome = match arguments.command.unwrap_or(Command::Serve) {
        Command::Serve => actix_web::rt::System::new().block_on(serve()),
        Command::Migrate => actix_web::rt::System::new().block_on(migrate()),
        Command::Openapi => openapi(),
        Command::User(command) => user(command),
        Command::Store(command) => actix_web::rt::System::new().block_on(store(command)),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("playhouse: {}", failure.to_string().replace('\n', " "));
            ExitCode::FAILURE
        }
    }
}

async fn serve() -> Result<(), Failure> {
    let mut stops = Stops::listen()?;
    let mut settings = Settings::load()?;
    telemetry::start(&settings.log)?;
    let listener = startup::check(&settings)?;
    let Some((services, urls)) = prepare(&settings, &mut stops).await? else { return Ok(()) };
    settings.database.url = urls.database;
    settings.redis.url = urls.redis;
    let outcome = run(settings, listener, &mut stops).await;
    tokio::task::spawn_blocking(move || services.stop()).await?;
    outcome
}

async fn run(settings: Settings, listener: TcpListener, stops: &mut Stops) -> Result<(), Failure> {
    let server = tokio::select! {
        built = startup::build(settings, listener) => built?,
        () = stops.next() => return Ok(()),
    };
    announce(&format!("playhouse listening on http://{}", server.address()))?;
    Ok(server.run(async || stops.next().await).await?)
}

async fn migrate() -> Result<(), Failure> {
    let mut stops = Stops::listen()?;
    let settings = Settings::load()?;
    telemetry::start(&settings.log)?;
    let cancel = Cancel::default();
    let work = {
        let cancel = cancel.clone();
        tokio::task::spawn_blocking(move || -> Result<Vec<String>, Failure> {
            let (services, urls) = Services::start(&settings, Needs::Database, &cancel)?;
            let applied = migrations::apply(urls.database.expose_secret());
            services.stop();
            Ok(applied?)
        })
    };
    let Some(applied) = stops.or_end_of(work, &cancel).await? else { return Ok(()) };
    for name in &applied {
        announce(&format!("applied {name}"))?;
    }
    announce(if applied.is_empty() { "the schema is up to date" } else { "done" })?;
    Ok(())
}

fn openapi() -> Result<(), Failure> {
    Ok(announce(&startup::openapi()?)?)
}

fn user(command: UserCommand) -> Result<(), Failure> {
    let task = command.ask()?;
    actix_web::rt::System::new().block_on(carry_out(task))
}

/// A signal ends the command as it stands: stores it has started end with it.
async fn carry_out(task: Task) -> Result<(), Failure> {
    let (settings, services) = reach().await?;
    let hearers = if services.has_postgres() { Hearers::None } else { Hearers::Expected };
    let outcome = match startup::operator(&settings) {
        Ok(operator) => task.carry_out(&operator, hearers).await.map_err(Failure::from),
        Err(error) => Err(error.into()),
    };
    tokio::task::spawn_blocking(move || services.stop()).await?;
    outcome
}

/// The stores of a running server, else stores that are started for the command; and the settings that name them.
async fn reach() -> Result<(Settings, Services), Failure> {
    let mut settings = Settings::load()?;
    let (services, urls) = {
        let settings = settings.clone();
        tokio::task::spawn_blocking(move || -> Result<(Services, Urls), Failure> {
            let (services, urls) = Services::reach(&settings, &Cancel::default())?;
            see_to_schema(&services, &urls)?;
            Ok((services, urls))
        })
        .await??
    };
    settings.database.url = urls.database;
    settings.redis.url = urls.redis;
    Ok((settings, services))
}

/// As [`carry_out`], with a log: it may take long.
async fn store(command: StoreCommand) -> Result<(), Failure> {
    let mut stops = Stops::listen()?;
    telemetry::start(&Settings::load()?.log)?;
    let (settings, services) = reach().await?;
    let outcome = match startup::mover(&settings) {
        Ok(mover) => tokio::select! {
            done = command.carry_out(&mover) => done.map_err(Failure::from),
            () = stops.next() => Err(Failure::Store(StoreCommandError::GivenUp)),
        },
        Err(error) => Err(error.into()),
    };
    tokio::task::spawn_blocking(move || services.stop()).await?;
    outcome
}

/// A private Postgres that we run is brought up to date, any other has to be.
fn see_to_schema(services: &Services, urls: &Urls) -> Result<(), Failure> {
    let url = urls.database.expose_secret();
    if !services.has_postgres() {
        return Ok(migrations::check(url)?);
    }
    for name in migrations::apply(url)? {
        tracing::info!(name, "migrated");
    }
    Ok(())
}

/// Starts the stores and sees to the schema. Nothing is given when a signal ended it.
async fn prepare(settings: &Settings, stops: &mut Stops) -> Result<Option<(Services, Urls)>, Failure> {
    let cancel = Cancel::default();
    let work = {
        let (settings, cancel) = (settings.clone(), cancel.clone());
        tokio::task::spawn_blocking(move || -> Result<(Services, Urls), Failure> {
            let (services, urls) = Services::start(&settings, Needs::Both, &cancel)?;
            see_to_schema(&services, &urls)?;
            Ok((services, urls))
        })
    };
    stops.or_end_of(work, &cancel).await
}

/// Standard output carries what other programs wait for, and nothing else.
fn announce(line: &str) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}

/// SIGTERM and SIGINT, from the first moment on.
struct Stops {
    terminate: Signal,
    interrupt: Signal,
}

impl Stops {
    fn listen() -> std::io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    fn poll(&mut self, context: &mut std::task::Context<'_>) -> Poll<()> {
        if self.terminate.poll_recv(context).is_ready() || self.interrupt.poll_recv(context).is_ready() {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }

    async fn next(&mut self) {
        poll_fn(|context| self.poll(context)).await;
    }

    /// Waits for `work`; after a signal it is told to give up, and what it made is dropped (which
    /// stops the stores) before this returns nothing.
    async fn or_end_of<T: Send + 'static>(
        &mut self,
        mut work: tokio::task::JoinHandle<Result<T, Failure>>,
        cancel: &Cancel,
    ) -> Result<Option<T>, Failure> {
        tokio::select! {
            done = &mut work => return done?.map(Some),
            () = self.next() => cancel.cancel(),
        }
        match work.await? {
            Ok(made) => {
                tokio::task::spawn_blocking(move || drop(made)).await?;
                Ok(None)
            }
            Err(Failure::Services(ServiceError::Cancelled)) => Ok(None),
            Err(failure) => Err(failure),
        }
    }
}
