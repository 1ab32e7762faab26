//! The private Postgres: one cluster, reached over a socket by this user alone.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use diesel::{Connection as _, PgConnection, RunQueryDsl as _, connection::SimpleConnection as _};
use rustix::process::{Pid, Signal, kill_process};
use secrecy::SecretString;

use super::{
    Home, ServiceError, leftover,
    process::{Cancel, Child, Ending, Readiness, User, command, command_as, find_in_path, percent_encoded},
};

/// The database and the role of ours in the cluster.
pub(super) const DATABASE: &str = "playhouse";
const ROLE: &str = "playhouse";
const NAME: &str = "Postgres";
const PORT: u16 = 5432;
/// Where Debian keeps the programs of each version.
const DEBIAN: &str = "/usr/lib/postgresql";
/// Recovery after a crash can take long.
const READY_LIMIT: Duration = Duration::from_mins(3);
const INITDB_LIMIT: Duration = Duration::from_mins(2);
/// Fast shutdown (ends sessions, writes a checkpoint), immediate shutdown, force.
const ENDING: Ending = &[
    (Signal::INT, Duration::from_secs(20)),
    (Signal::QUIT, Duration::from_secs(3)),
    (Signal::KILL, Duration::from_secs(5)),
];
const AT_ONCE: Ending = &[(Signal::KILL, Duration::from_secs(5))];
/// Given on the command line, so that neither the cluster's file nor `ALTER SYSTEM` opens a port.
const OPTIONS: &[&str] = &[
    "listen_addresses=",
    "unix_socket_permissions=0700",
    "shared_buffers=64MB",
    "max_connections=200",
    "logging_collector=off",
    "log_destination=stderr",
];
const CARELESS_OPTIONS: &[&str] =
    &["fsync=off", "synchronous_commit=off", "full_page_writes=off", "max_connections=300", "autovacuum=off"];

/// What a crash of the machine may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// Nothing that was committed.
    Full,
    /// Everything: for tests.
    None,
}

/// Which Postgres to run, and how.
#[derive(Debug, Clone)]
pub struct PostgresPlan {
    bin_dir: PathBuf,
    durability: Durability,
}

#[derive(Debug)]
pub(super) struct Programs {
    initdb: PathBuf,
    postgres: PathBuf,
}

impl PostgresPlan {
    /// The programs of `bin_dir`; of `PATH` or of Debian's folders where that is empty.
    #[must_use]
    pub fn new(bin_dir: &Path) -> Self {
        Self { bin_dir: bin_dir.to_owned(), durability: Durability::Full }
    }

    /// The same with another durability.
    #[must_use]
    pub fn with_durability(self, durability: Durability) -> Self {
        Self { durability, ..self }
    }

    pub(super) fn find_programs(&self) -> Result<Programs, ServiceError> {
        self.programs_for(None)
    }

    /// A cluster runs under the version that made it only.
    fn programs_for(&self, version: Option<&str>) -> Result<Programs, ServiceError> {
        let (folders, looked) = if self.bin_dir.as_os_str().is_empty() {
            let same = version.map(|version| Path::new(DEBIAN).join(version).join("bin"));
            let path = find_in_path("postgres").and_then(|file| file.parent().map(Path::to_owned));
            let folders = same.into_iter().chain(path).chain(debian_folders()).collect();
            (folders, format!("PATH and {DEBIAN}/*/bin"))
        } else {
            (vec![self.bin_dir.clone()], self.bin_dir.display().to_string())
        };
        let all = folders
            .iter()
            .map(|folder| Programs { initdb: folder.join("initdb"), postgres: folder.join("postgres") })
            .collect::<Vec<_>>();
        let lacks_postgres = !all.iter().any(|programs| programs.postgres.is_file());
        let program = if lacks_postgres { "postgres (the PostgreSQL server)" } else { "initdb (of PostgreSQL)" };
        all.into_iter()
            .find(|programs| programs.initdb.is_file() && programs.postgres.is_file())
            .ok_or_else(|| ServiceError::Missing { program: program.to_owned(), looked })
    }
}

/// Highest version first.
fn debian_folders() -> Vec<PathBuf> {
    let mut found: Vec<(u32, PathBuf)> = fs::read_dir(DEBIAN)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin"))))
        .collect();
    found.sort_by(|one, other| other.cmp(one));
    found.into_iter().map(|(_, folder)| folder).collect()
}

/// A running private Postgres. Dropping it stops it.
#[derive(Debug)]
pub struct Postgres {
    child: Child,
    sockets: String,
    pid_file: PathBuf,
}

impl Postgres {
    /// Stops what an earlier run left, makes the cluster where there is none, starts it, and waits
    /// until it takes connections and has the database.
    ///
    /// # Errors
    /// See [`ServiceError`].
    pub fn start(home: &Home, plan: &PostgresPlan, cancel: &Cancel) -> Result<Self, ServiceError> {
        let folder = home.root().join("postgres");
        let version = fs::read_to_string(folder.join("PG_VERSION")).ok();
        let programs = plan.programs_for(version.as_deref().map(str::trim))?;
        let pid_file = folder.join("postmaster.pid");
        let look = leftover::Look { name: NAME, programs: &["postgres", "postmaster"], folder: &folder };
        leftover::stop(&pid_file, look, ENDING)?;
        if version.is_none() {
            make_cluster(home, &programs, plan, cancel)?;
        }
        write_access_rules(&folder, home.user())?;

        let sockets = utf8(home.sockets())?.to_owned();
        let log = home.log("postgres.log")?;
        let mut command = command_as(home.user(), "INT", &programs.postgres)?;
        command.arg("-D").arg(&folder).args(["-c", &format!("port={PORT}")]);
        command.args(["-c", &format!("unix_socket_directories=\"{}\"", sockets.replace('"', "\"\""))]);
        let careless = if plan.durability == Durability::None { CARELESS_OPTIONS } else { &[] };
        for option in OPTIONS.iter().chain(careless) {
            command.args(["-c", option]);
        }
        without_pg_variables(&mut command);
        log.take(&mut command)?;
        let postgres = Self { child: Child::start(command, NAME, ENDING)?, sockets, pid_file };
        let pid = postgres.pid();
        match postgres
            .child
            .until_ready(READY_LIMIT, cancel, || stage(&postgres.pid_file, pid).as_deref() == Some("ready"))?
        {
            Readiness::Ready => postgres.ensure_database().map(|()| postgres),
            Readiness::Ended => Err(log.ended(NAME)),
            Readiness::Late => Err(log.not_ready(NAME)),
        }
    }

    /// The address of a database of this cluster, for libpq.
    #[must_use]
    pub fn url(&self, database: &str) -> SecretString {
        address(&self.sockets, database).into()
    }

    /// Whether it is gone, by itself or killed.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.child.exit().is_some()
    }

    /// Somebody has told it to stop when its last client leaves, which none of ours does: it stops now.
    pub(super) fn end_what_is_ending(&self) {
        if stage(&self.pid_file, self.pid()).as_deref() != Some("stopping") {
            return;
        }
        if let Some(pid) = Pid::from_raw(self.pid())
            && let Err(error) = kill_process(pid, Signal::INT)
        {
            tracing::debug!(%error, "the private Postgres has ended meanwhile");
        }
    }

    /// Its main process.
    #[must_use]
    pub fn pid(&self) -> i32 {
        self.child.pid()
    }

    /// Stops it (fast shutdown) and waits for its end.
    pub fn stop(self) {
        drop(self);
    }

    fn ensure_database(&self) -> Result<(), ServiceError> {
        let refused = |error: &dyn std::fmt::Display| ServiceError::Refused(error.to_string());
        let conn =
            &mut PgConnection::establish(&address(&self.sockets, "postgres")).map_err(|error| refused(&error))?;
        let known = diesel::sql_query(format!("SELECT 1 FROM pg_database WHERE datname = '{DATABASE}'"))
            .execute(conn)
            .map_err(|error| refused(&error))?;
        if known == 0 {
            conn.batch_execute(&format!("CREATE DATABASE {DATABASE}")).map_err(|error| refused(&error))?;
        }
        Ok(())
    }
}

/// The address of a database of the cluster whose sockets are in this folder.
pub(super) fn address(sockets: &str, database: &str) -> String {
    let host = percent_encoded(sockets, b"");
    format!("postgres://{ROLE}@/{}?host={host}&port={PORT}", percent_encoded(database, b""))
}

/// Made under another name and renamed, so that a cluster is whole or not there.
fn make_cluster(home: &Home, programs: &Programs, plan: &PostgresPlan, cancel: &Cancel) -> Result<(), ServiceError> {
    let draft = home.root().join("postgres.new");
    if draft.exists() {
        // `initdb` was killed, and the Postgres it ran may not have noticed yet.
        leftover::stop_all(leftover::Look { name: "initdb", programs: &["postgres"], folder: &draft }, AT_ONCE)?;
        fs::remove_dir_all(&draft).map_err(ServiceError::io("remove", &draft))?;
    }
    let draft = home.folder("postgres.new")?;
    let log = home.log("postgres.log")?;
    let mut command = command_as(home.user(), "KILL", &programs.initdb)?;
    let locale = if cfg!(target_os = "macos") { "en_US.UTF-8" } else { "C.UTF-8" };
    command.arg("-D").arg(&draft).args(["-U", ROLE, "--encoding=UTF8", "--auth-local=peer", "--auth-host=reject"]);
    command.arg(format!("--locale={locale}"));
    if plan.durability == Durability::None {
        command.arg("--no-sync");
    }
    without_pg_variables(&mut command);
    log.take(&mut command)?;
    let child = Child::start(command, "initdb", AT_ONCE)?;
    let look = leftover::Look { name: "initdb", programs: &["postgres"], folder: &draft };
    let waited = child.until_ready(INITDB_LIMIT, cancel, || false);
    if waited.is_err() {
        drop(child);
        leftover::stop_all(look, AT_ONCE)?;
        return waited.map(drop);
    }
    match waited? {
        Readiness::Ended if child.exit().is_some_and(|status| status.success()) => {}
        Readiness::Late => return Err(log.not_ready("initdb")),
        Readiness::Ended | Readiness::Ready => return Err(log.ended("initdb")),
    }
    let folder = home.root().join("postgres");
    fs::rename(&draft, &folder).map_err(ServiceError::io("make the cluster", folder))
}

/// Only the server's user and the stores' own user come in, as the kernel knows them.
fn write_access_rules(folder: &Path, user: Option<User>) -> Result<(), ServiceError> {
    let ours = rustix::process::geteuid().as_raw();
    let mut map = String::new();
    for uid in [Some(ours), user.map(|user| user.uid)].into_iter().flatten() {
        let name = login_name(uid)?;
        map.extend([ROLE, " \"", &name, "\" ", ROLE, "\n"]);
    }
    for (name, text) in [("pg_hba.conf", format!("local all all peer map={ROLE}\n")), ("pg_ident.conf", map)] {
        let path = folder.join(name);
        // Written in place: the file keeps the owner and mode initdb gave it.
        if fs::read_to_string(&path).ok().as_deref() != Some(&text) {
            fs::write(&path, text).map_err(ServiceError::io("write", &path))?;
        }
    }
    Ok(())
}

fn login_name(uid: u32) -> Result<String, ServiceError> {
    let output = command("id")
        .args(["-un", &uid.to_string()])
        .output()
        .map_err(ServiceError::io("ask for the user's name with", "id"))?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().replace('"', "\"\""))
}

/// How far its start or stop has come: the eighth line of `postmaster.pid`.
fn stage(pid_file: &Path, pid: i32) -> Option<String> {
    let text = fs::read_to_string(pid_file).ok()?;
    let mut lines = text.lines().map(str::trim);
    (lines.next()?.parse() == Ok(pid)).then(|| lines.nth(6).map(str::to_owned))?
}

/// `PGPORT`, `PGDATA` and the like are meant for somebody else.
fn without_pg_variables(command: &mut std::process::Command) {
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("PG") {
            command.env_remove(name);
        }
    }
}

pub(super) fn utf8(path: &Path) -> Result<&str, ServiceError> {
    path.to_str().ok_or_else(|| ServiceError::NotUtf8(path.to_owned()))
}
