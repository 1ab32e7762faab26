//! A Postgres and a Redis for the tests: one pair a test process, shared, or a pair of a test's own.
//!
//! `TEST_DATABASE_URL` (a role that may create databases) and `TEST_REDIS_URL` replace the shared
//! pair. The stores die with the test process, however it ends; the next one removes their folders.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{
        LazyLock,
        atomic::{AtomicU32, Ordering},
    },
};

use diesel::{
    Connection as _, PgConnection, QueryableByName, RunQueryDsl as _, connection::SimpleConnection as _, sql_query,
    sql_types::BigInt,
};
use playhouse::{
    db::migrations,
    services::{Cancel, Durability, Home, Postgres, PostgresPlan, Redis, RedisPlan},
    settings::Settings,
};
use rustix::process::{Pid, Signal, kill_process};
use secrecy::{ExposeSecret as _, SecretString};

/// The stores that tests share.
pub struct Stores {
    admin: String,
    redis: String,
    template: String,
    _own: Option<OwnStores>,
}

static SHARED: LazyLock<Stores> = LazyLock::new(Stores::start);
static NEXT: AtomicU32 = AtomicU32::new(0);

impl Stores {
    /// Started by the first test that asks; its template database is migrated once.
    pub fn shared() -> &'static Self {
        &SHARED
    }

    /// A Postgres and a Redis of the test's own, to stop, kill or pause. Its database is migrated.
    pub fn own() -> OwnStores {
        let own = OwnStores::start();
        migrations::apply(own.database_url().expose_secret()).expect("the schema is made");
        own
    }

    fn start() -> Self {
        let given = |name| std::env::var(name).ok().filter(|url| !url.is_empty());
        let (database, redis) = (given("TEST_DATABASE_URL"), given("TEST_REDIS_URL"));
        let own = (database.is_none() || redis.is_none()).then(OwnStores::start);
        let of_own = |url: fn(&OwnStores) -> SecretString| {
            own.as_ref().map(|own| url(own).expose_secret().to_owned()).expect("stores were started")
        };
        let admin = database.unwrap_or_else(|| of_own(OwnStores::database_url));
        let redis = redis.unwrap_or_else(|| of_own(OwnStores::redis_url));
        let template = unique("template");
        execute(&admin, &format!("CREATE DATABASE {template}"));
        migrations::apply(&with_database(&admin, &template)).expect("the template is migrated");
        Self { admin, redis, template, _own: own }
    }
}

/// A database of one test, made from the template, and a prefix for its keys in Redis.
pub struct TestDb {
    stores: &'static Stores,
    name: String,
}

impl TestDb {
    pub fn create() -> Self {
        let stores = Stores::shared();
        let name = unique("test");
        execute(&stores.admin, &format!("CREATE DATABASE {name} TEMPLATE {}", stores.template));
        Self { stores, name }
    }

    pub fn url(&self) -> SecretString {
        with_database(&self.stores.admin, &self.name).into()
    }

    pub fn connect(&self) -> PgConnection {
        PgConnection::establish(self.url().expose_secret()).expect("the test's database takes connections")
    }

    pub fn redis_url(&self) -> SecretString {
        self.stores.redis.clone().into()
    }

    /// Of the test's keys and channels in the shared Redis.
    pub fn prefix(&self) -> &str {
        &self.name
    }

    /// Points the settings to this database and prefix.
    pub fn apply_to(&self, settings: &mut Settings) {
        settings.database.url = self.url();
        settings.redis.url = self.redis_url();
        self.prefix().clone_into(&mut settings.redis.prefix);
    }
}

impl Drop for TestDb {
    fn drop(&mut self) {
        execute(&self.stores.admin, &format!("DROP DATABASE {} WITH (FORCE)", self.name));
    }
}

/// Stores that belong to one test.
pub struct OwnStores {
    // Dropped in this order: the folder goes after what runs in it.
    postgres: Option<Postgres>,
    redis: Option<Redis>,
    urls: (SecretString, SecretString),
    home: Option<Home>,
    folder: PathBuf,
}

impl OwnStores {
    fn start() -> Self {
        let base = Path::new(env!("CARGO_TARGET_TMPDIR"));
        sweep(base);
        let folder = base.join(unique("stores"));
        let home = Home::open(&folder).expect("the folder for the stores is made");
        let redis = start_redis(&home);
        let postgres = start_postgres(&home);
        let urls = (postgres.url("playhouse"), redis.url());
        Self { postgres: Some(postgres), redis: Some(redis), urls, home: Some(home), folder }
    }

    pub fn database_url(&self) -> SecretString {
        self.urls.0.clone()
    }

    pub fn redis_url(&self) -> SecretString {
        self.urls.1.clone()
    }

    pub fn apply_to(&self, settings: &mut Settings) {
        settings.database.url = self.database_url();
        settings.redis.url = self.redis_url();
    }

    pub fn stop_postgres(&mut self) {
        self.postgres = None;
    }

    pub fn start_postgres(&mut self) {
        self.postgres = None;
        self.postgres = self.home.as_ref().map(start_postgres);
    }

    /// All its processes stop where they are, connections stay open.
    pub fn pause_postgres(&self) {
        signal_tree(self.postgres.as_ref().map(Postgres::pid), Signal::STOP);
    }

    pub fn resume_postgres(&self) {
        signal_tree(self.postgres.as_ref().map(Postgres::pid), Signal::CONT);
    }

    pub fn stop_redis(&mut self) {
        self.redis = None;
    }

    pub fn start_redis(&mut self) {
        self.redis = None;
        self.redis = self.home.as_ref().map(start_redis);
    }

    pub fn pause_redis(&self) {
        signal_tree(self.redis.as_ref().map(Redis::pid), Signal::STOP);
    }

    pub fn resume_redis(&self) {
        signal_tree(self.redis.as_ref().map(Redis::pid), Signal::CONT);
    }
}

impl Drop for OwnStores {
    fn drop(&mut self) {
        self.resume_postgres();
        self.resume_redis();
        self.postgres = None;
        self.redis = None;
        let root = self.home.take().map(|home| home.root().to_owned());
        for folder in root.iter().chain([&self.folder]) {
            fs::remove_dir_all(folder).unwrap_or_default();
        }
    }
}

fn start_postgres(home: &Home) -> Postgres {
    let plan = PostgresPlan::new(Path::new("")).with_durability(Durability::None);
    Postgres::start(home, &plan, &Cancel::default()).expect("Postgres starts")
}

fn start_redis(home: &Home) -> Redis {
    Redis::start(home, &RedisPlan::new(Path::new("")), &Cancel::default()).expect("Redis starts")
}

/// Removes what earlier test processes left, once neither they nor their stores run any more.
fn sweep(base: &Path) {
    for folder in fs::read_dir(base).into_iter().flatten().flatten().map(|entry| entry.path()) {
        let name = folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let mut parts = name.split('_');
        let (Some("stores"), Some(owner)) = (parts.next(), parts.next()) else { continue };
        let root = fs::read_link(folder.join("private")).unwrap_or_else(|_| folder.clone());
        if Path::new("/proc").join(owner).exists() || processes().any(|pid| works_in(pid, &root)) {
            continue;
        }
        fs::remove_dir_all(root).unwrap_or_default();
        fs::remove_dir_all(folder).unwrap_or_default();
    }
}

fn works_in(pid: i32, folder: &Path) -> bool {
    fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|cwd| cwd.starts_with(folder))
}

fn unique(what: &str) -> String {
    format!("{what}_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// The same server, another database: the last part of the path is replaced.
fn with_database(url: &str, name: &str) -> String {
    let (address, query) = url.split_once('?').map_or((url, None), |(address, query)| (address, Some(query)));
    let server = address.rsplit_once('/').map_or(address, |(server, _)| server);
    query.map_or_else(|| format!("{server}/{name}"), |query| format!("{server}/{name}?{query}"))
}

fn execute(url: &str, statement: &str) {
    let mut conn = PgConnection::establish(url).expect("the test's Postgres takes connections");
    conn.batch_execute(statement).expect("the statement is run");
}

/// The parent goes first: it could start new children while the others are paused.
fn signal_tree(pid: Option<i32>, signal: Signal) {
    let Some(pid) = pid else { return };
    // A child may have ended since it was listed.
    kill_process(Pid::from_raw(pid).expect("a process"), signal).unwrap_or_default();
    for child in children(pid) {
        signal_tree(Some(child), signal);
    }
}

fn children(parent: i32) -> Vec<i32> {
    let is_child = |pid: &i32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        // After the name, which is in parentheses: the state, then the parent.
        let rest = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
        rest.split_whitespace().nth(1).and_then(|text| text.parse().ok()) == Some(parent)
    };
    processes().filter(is_child).collect()
}

fn processes() -> impl Iterator<Item = i32> {
    let listed = fs::read_dir("/proc").expect("/proc is there").flatten();
    listed.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    count: i64,
}

/// How many rows there are: `of` is a table, and a condition where there is one.
pub fn count(conn: &mut PgConnection, of: &str) -> i64 {
    sql_query(format!("SELECT count(*) AS count FROM {of}")).get_result::<Count>(conn).expect("a count").count
}
