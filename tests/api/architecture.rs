//! The house keeps to its plan: arrows go one way, the schema is the one Diesel believes in,
//! every setting is explained, and no binary serves a database it does not know.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::Read as _,
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};

use diesel::{
    PgConnection, QueryableByName, RunQueryDsl as _, connection::SimpleConnection as _, sql_query, sql_types::Text,
};
use playhouse::{db::migrations, settings::Settings};
use secrecy::ExposeSecret as _;

use crate::support::{app::Plan, stores::TestDb};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// What each part of the house may know. What is not listed knows nobody.
const ARROWS: [(&str, &[&str]); 16] = [
    (
        "startup",
        &[
            "actors",
            "cache",
            "db",
            "domain",
            "http",
            "issuers",
            "jobs",
            "mail",
            "media",
            "provider",
            "services",
            "settings",
            "storage",
            "telemetry",
        ],
    ),
    ("command", &["actors", "cache", "domain"]),
    ("http", &["actors", "cache", "db", "domain", "media", "provider", "settings", "storage", "telemetry"]),
    (
        "actors",
        &["cache", "db", "domain", "issuers", "jobs", "mail", "mailbox", "media", "settings", "storage", "telemetry"],
    ),
    ("jobs", &["db", "domain", "settings"]),
    ("mail", &["domain", "settings"]),
    ("provider", &["settings"]),
    ("issuers", &["settings"]),
    ("db", &["domain", "mailbox", "settings"]),
    ("cache", &["domain", "settings"]),
    ("storage", &["domain", "settings"]),
    ("media", &["domain", "settings"]),
    ("services", &["settings"]),
    ("telemetry", &["settings"]),
    ("settings", &["domain"]),
    ("main", &[]),
];

/// The contracts' folders below `http`; none knows another.
const CONTRACTS: [&str; 7] = ["iptv", "channels", "collections", "images", "casting", "playback", "ops"];

/// Libraries that only some parts may name.
const LIBRARIES: [(&str, &[&str]); 9] = [
    ("diesel", &["db", "actors", "jobs", "services"]),
    ("redis", &["cache", "actors", "services", "startup"]),
    ("actix_web", &["http", "startup", "telemetry", "main"]),
    ("utoipa", &["http"]),
    ("graphile_worker", &["jobs"]),
    ("lettre", &["mail"]),
    // The tests in `http` call a server with it.
    ("reqwest", &["provider", "issuers", "http"]),
    ("backon", &["provider", "storage"]),
    ("object_store", &["storage"]),
];

/// The source without comments and without what is in quotes.
fn code(source: &str) -> String {
    let mut code = String::new();
    for line in source.lines() {
        let line = line.trim_start();
        if line.starts_with("//") {
            continue;
        }
        let mut inside = false;
        let mut last = ' ';
        for letter in line.chars() {
            if letter == '"' && last != '\\' && last != '\'' {
                inside = !inside;
            } else if !inside {
                code.push(letter);
            }
            last = letter;
        }
        code.push('\n');
    }
    code
}

fn is_word(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_'
}

/// The paths that follow `start` (which ends in `::`), with braces opened: two segments of each.
fn paths_from(code: &str, start: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (at, _) in code.match_indices(start) {
        if !code[..at].ends_with(is_word) && !code[..at].ends_with("::") {
            open_braces(&code[at + start.len()..], "", &mut found);
        }
    }
    found
}

/// Reads one path, or one group of paths in braces, and gives what is left.
fn open_braces<'a>(text: &'a str, before: &str, found: &mut BTreeSet<String>) -> &'a str {
    let text = text.trim_start();
    if let Some(mut rest) = text.strip_prefix('{') {
        loop {
            rest = rest.trim_start();
            if let Some(after) = rest.strip_prefix('}') {
                return after;
            }
            if let Some(after) = rest.strip_prefix(',') {
                rest = after;
                continue;
            }
            let after = open_braces(rest, before, found);
            assert!(after.len() < rest.len(), "cannot read {rest:.60}");
            rest = after;
        }
    }
    let end = text.find(|letter| !is_word(letter)).unwrap_or(text.len());
    let (segment, rest) = text.split_at(end);
    let path = if before.is_empty() { segment.to_owned() } else { format!("{before}::{segment}") };
    if let Some(below) = rest.strip_prefix("::") {
        return open_braces(below, &path, found);
    }
    found.insert(path);
    let rest = rest.trim_start();
    // `use x as y`, a glob, or a call: the path has ended all the same.
    match rest.strip_prefix("as ") {
        Some(alias) => alias.trim_start().trim_start_matches(is_word),
        None => rest.strip_prefix('*').unwrap_or(rest),
    }
}

/// The modules of a file: `src/http/iptv/dto.rs` is `[http, iptv, dto]`.
fn modules(path: &Path) -> Vec<String> {
    let relative = path.with_extension("");
    let parts = relative.iter().map(|part| part.to_str().expect("UTF-8").to_owned());
    parts.filter(|part| part != "mod").collect()
}

/// What in this file breaks a rule.
fn broken(file: &Path, source: &str) -> Vec<String> {
    let (code, modules) = (code(source), modules(file));
    let part = modules.first().expect("a part of the house").as_str();
    if part == "lib" {
        return Vec::new();
    }
    let may = ARROWS.iter().find(|(name, _)| *name == part).map_or(&[][..], |(_, may)| *may);
    let mut wrong = Vec::new();
    let mut paths = paths_from(&code, "crate::");
    paths.extend(paths_from(&code, "playhouse::").into_iter().filter(|_| part != "main"));
    for path in &paths {
        let mut segments = path.split("::");
        let known = segments.next().unwrap_or_default();
        // A macro stands at the root whatever module it belongs to; `crate::body!` is http's.
        let is_macro = path == "body" && part == "http";
        if known != part && !may.contains(&known) && !is_macro {
            wrong.push(format!("{} knows {path}", file.display()));
        }
        let (own, other) = (modules.get(1).map_or("", String::as_str), segments.next().unwrap_or_default());
        let apart = CONTRACTS.contains(&own) && CONTRACTS.contains(&other) && own != other;
        if part == "http" && known == "http" && apart {
            wrong.push(format!("{}: a contract knows another, {path}", file.display()));
        }
    }
    // `super::super::…` leads out of a part, and from one contract to another, as well.
    for path in paths_from(&code, &"super::".repeat(modules.len())) {
        let known = path.split("::").next().unwrap_or_default();
        // A glob of its own module, in its tests, is no way out.
        if !known.is_empty() && known != part && !may.contains(&known) {
            wrong.push(format!("{} knows {path} by way of super", file.display()));
        }
    }
    if let ("http", Some(own)) = (part, modules.get(1).filter(|own| CONTRACTS.contains(&own.as_str()))) {
        for path in paths_from(&code, &"super::".repeat(modules.len() - 1)) {
            let other = path.split("::").next().unwrap_or_default();
            if CONTRACTS.contains(&other) && own != other {
                wrong.push(format!("{}: a contract knows another, {path}", file.display()));
            }
        }
    }
    for (library, parts) in LIBRARIES {
        let named = paths_from(&code, &format!("{library}::"));
        // `#[actix_web::test]` runs a unit test anywhere.
        if !parts.contains(&part) && named.iter().any(|path| path != "test") {
            wrong.push(format!("{} names {library}", file.display()));
        }
    }
    wrong
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("the sources").flatten() {
        let path = entry.path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn arrows_go_one_way() {
    let source = root().join("src");
    let mut files = Vec::new();
    sources(&source, &mut files);
    assert!(files.len() > 50, "where are the sources?");
    let mut wrong = Vec::new();
    let mut known = BTreeMap::new();
    for file in &files {
        let relative = file.strip_prefix(&source).unwrap();
        let text = fs::read_to_string(file).unwrap();
        wrong.extend(broken(relative, &text));
        let part = modules(relative)[0].clone();
        known.entry(part).or_insert_with(BTreeSet::new).extend(paths_from(&code(&text), "crate::"));
    }
    assert_eq!(wrong, Vec::<String>::new());
    // The reading does read: these arrows are there.
    assert!(known["http"].iter().any(|path| path.starts_with("actors::")), "{known:?}");
    assert!(known["actors"].iter().any(|path| path.starts_with("db::queries")), "{known:?}");
    assert!(known["db"].contains("domain::ids::SeriesId"), "{known:?}");
}

#[test]
fn a_forbidden_line_is_caught() {
    for (file, line) in [
        ("domain/ids.rs", "use crate::db::Db;"),
        ("domain/ids.rs", "fn f() { crate::http::configure(); }"),
        (
            "domain/listing/parse.rs",
            "use crate::{\n    domain::ids::{SeriesId, GenreId},\n    actors::{auth::{Auth, Clock}},\n};",
        ),
        ("db/mod.rs", "use crate::actors::catalog::Catalog;"),
        ("db/queries/series.rs", "use crate::{db::schema::series, http::{State}};"),
        ("cache/mod.rs", "use crate::db::Db;"),
        ("storage/mod.rs", "use crate::cache::Cache;"),
        ("media/tool.rs", "use crate::storage::Store;"),
        ("actors/auth/mod.rs", "use crate::http::error::ApiError;"),
        ("actors/tally/mod.rs", "use crate::{cache::Cache, startup};"),
        ("mailbox/mod.rs", "use crate::settings::Settings;"),
        ("settings.rs", "use crate::services::Services;"),
        ("command/user.rs", "use crate::db::queries::users;"),
        ("actors/auth/operator.rs", "use crate::command::password;"),
        ("services/mod.rs", "use crate::db::migrations;"),
        ("db/pool.rs", "use super::super::actors::auth::Auth;"),
        ("http/iptv/dto.rs", "use crate::http::playback::routes;"),
        ("http/playback/mod.rs", "use super::iptv::routes;"),
        ("http/iptv/dto.rs", "use super::super::ops::routes;"),
        ("http/iptv/dto.rs", "use crate::{\n    domain::ids::{SeriesId},\n    http::{State, ops::{routes}},\n};"),
        ("http/iptv/dto.rs", "use crate::http::channels::refusal;"),
        ("http/channels/mod.rs", "use super::iptv::routes;"),
        ("http/channels/videos.rs", "use crate::http::playback::routes;"),
        ("http/channels/accounts.rs", "use crate::{jobs::Job, mail::Mailer};"),
        ("http/channels/videos.rs", "use diesel::prelude::*;"),
        ("actors/channels/mod.rs", "use crate::http::channels::refusal;"),
        ("db/queries/videos.rs", "use crate::actors::channels::Channels;"),
        ("jobs/mod.rs", "use crate::actors::auth::MailResetLink;"),
        ("jobs/mod.rs", "use crate::mail::Mailer;"),
        ("mail/mod.rs", "use crate::jobs::Job;"),
        ("provider/mod.rs", "use crate::http::error::ApiError;"),
        ("provider/client.rs", "use crate::cache::Cache;"),
        ("issuers/mod.rs", "use crate::actors::auth::Auth;"),
        ("issuers/client.rs", "use crate::provider::Provider;"),
        ("actors/playback/mod.rs", "use reqwest::Client;"),
        ("actors/playback/mod.rs", "use backon::Retryable as _;"),
        ("http/collections/movies.rs", "use crate::http::channels::refusal;"),
        ("media/frame.rs", "use crate::actors::files::Files;"),
        ("domain/channels.rs", "use crate::db::rows::channel::VideoRow;"),
        ("actors/auth/reset.rs", "use lettre::Message;"),
        ("actors/channels/mod.rs", "use graphile_worker::Worker;"),
        ("http/iptv/dto.rs", "use diesel::prelude::*;"),
        ("http/mod.rs", "async fn f() { redis::cmd(\"GET\"); }"),
        ("actors/auth/mod.rs", "use actix_web::HttpResponse;"),
        ("db/mod.rs", "use playhouse::actors::auth::Auth;"),
    ] {
        assert_ne!(broken(Path::new(file), line), Vec::<String>::new(), "{file}: {line}");
    }
    for (file, line) in [
        ("http/iptv/dto.rs", "use crate::{actors::auth::Auth, http::{State, body::{Id, Json}}};"),
        ("actors/auth/mod.rs", "//! use crate::http::State;\nuse crate::db::{Db, DbError};"),
        ("db/mod.rs", "const TEXT: &str = \"crate::actors::auth\";"),
        ("http/iptv/mod.rs", "use super::routes::Routes;"),
        ("http/channels/mod.rs", "use super::{contract::Contract, routes::Routes};"),
        ("http/contract.rs", "use super::channels;"),
        ("actors/auth/reset.rs", "use crate::{jobs::{self, Job}, mail::{Mail, Mailer}};"),
    ] {
        assert_eq!(broken(Path::new(file), line), Vec::<String>::new(), "{file}: {line}");
    }
}

/// The tables of `schema.rs`: name → columns in order, each `name -> Type`.
fn believed() -> BTreeMap<String, Vec<String>> {
    let text = fs::read_to_string(root().join("src/db/schema.rs")).unwrap();
    let mut tables = BTreeMap::new();
    let mut current: Option<String> = None;
    for line in text.lines().map(str::trim) {
        if let Some((name, keys)) = line.strip_suffix(" {").and_then(|line| line.split_once(" (")) {
            current = Some(name.to_owned());
            tables.insert(name.to_owned(), vec![format!("key {}", keys.trim_end_matches(')'))]);
        } else if let (Some(name), true) = (&current, line.contains(" -> ") && line.ends_with(',')) {
            tables.get_mut(name).unwrap().push(line.trim_end_matches(',').to_owned());
        }
    }
    tables
}

#[derive(QueryableByName)]
struct Column {
    #[diesel(sql_type = Text)]
    table_name: String,
    #[diesel(sql_type = Text)]
    definition: String,
}

/// The tables as they are.
fn found(conn: &mut PgConnection) -> BTreeMap<String, Vec<String>> {
    let keys: Vec<Column> = sql_query(
        "SELECT c.table_name::text, string_agg(c.column_name, ', ' ORDER BY c.ordinal_position) AS definition \
         FROM information_schema.key_column_usage c JOIN information_schema.table_constraints t \
         USING (constraint_name, table_schema) WHERE t.constraint_type = 'PRIMARY KEY' AND c.table_schema = 'public' \
         GROUP BY c.table_name",
    )
    .load(conn)
    .unwrap();
    let columns: Vec<Column> = sql_query(
        "SELECT table_name::text, column_name || ' ' || udt_name || ' ' || is_nullable AS definition \
         FROM information_schema.columns JOIN information_schema.tables USING (table_schema, table_name) \
         WHERE table_schema = 'public' AND table_type = 'BASE TABLE' ORDER BY table_name, ordinal_position",
    )
    .load(conn)
    .unwrap();
    let mut tables: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for Column { table_name, definition } in keys {
        tables.insert(table_name, vec![format!("key {definition}")]);
    }
    for Column { table_name, definition } in columns {
        let words: Vec<&str> = definition.split(' ').collect();
        let kind = match words[1] {
            "uuid" => "Uuid",
            "text" => "Text",
            "bool" => "Bool",
            "int4" => "Int4",
            "int8" => "Int8",
            "float8" => "Float8",
            "timestamptz" => "Timestamptz",
            "date" => "Date",
            "jsonb" => "Jsonb",
            "bytea" => "Bytea",
            "_text" => "Array<Text>",
            "_uuid" => "Array<Uuid>",
            other => other,
        };
        let kind = if words[2] == "YES" { format!("Nullable<{kind}>") } else { kind.to_owned() };
        tables.entry(table_name).or_default().push(format!("{} -> {kind}", words[0]));
    }
    tables.retain(|name, _| !name.starts_with("__diesel"));
    tables
}

#[test]
fn the_schema_is_the_migrated_database_and_migrations_go_both_ways() {
    let db = TestDb::create();
    let mut conn = db.connect();
    let before = found(&mut conn);
    assert_eq!(believed(), before);
    assert!(before.len() >= 10);
    migrations::redo(db.url().expose_secret()).expect("down and up again");
    assert_eq!(found(&mut conn), before);
    migrations::check(db.url().expose_secret()).expect("nothing is pending");
    assert_eq!(migrations::apply(db.url().expose_secret()).expect("a second time"), Vec::<String>::new());
    // A difference does show.
    conn.batch_execute("ALTER TABLE series ALTER name DROP NOT NULL").unwrap();
    assert_ne!(believed(), found(&mut conn));
}

#[test]
fn going_back_lets_nobody_in_and_loses_nobody() {
    let db = TestDb::create();
    let mut conn = db.connect();
    let make = "INSERT INTO users (id, username, password_hash, roles, disabled_at) VALUES (gen_random_uuid(), 'ann',";
    for (account, said) in [("'x', '{}', now())", "disabled accounts"), ("NULL, '{}', NULL)", "without a password")] {
        conn.batch_execute(&format!("{make} {account}")).unwrap();
        let error = migrations::redo(db.url().expose_secret()).expect_err("it goes back over accounts");
        let text =
            format!("{error} {}", std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default());
        assert!(text.contains(said) && text.contains("first"), "{text}");
        // What came after the step that goes no further back comes again; that one stands.
        let again = migrations::apply(db.url().expose_secret()).expect("the later steps");
        assert!(again.iter().all(|name| !name.contains("identities")), "{again:?}");
        assert_eq!(conn.batch_execute("DELETE FROM users"), Ok(()));
    }
    migrations::redo(db.url().expose_secret()).expect("nobody is in the way");
}

#[test]
fn every_migration_has_a_way_back() {
    let mut seen = 0;
    for folder in fs::read_dir(root().join("migrations")).unwrap().flatten().map(|entry| entry.path()) {
        if folder.is_dir() {
            seen += 1;
            for way in ["up.sql", "down.sql"] {
                assert!(!fs::read_to_string(folder.join(way)).unwrap().trim().is_empty(), "{}", folder.display());
            }
        }
    }
    assert!(seen >= 3);
}

#[test]
fn every_setting_is_explained_and_taken() {
    let text = fs::read_to_string(root().join("config/default.toml")).unwrap();
    let (mut section, mut above, mut keys) = (String::new(), "", Vec::new());
    for line in text.lines() {
        if let Some(name) = line.strip_prefix('[') {
            section = format!("{}.", name.trim_end_matches(']'));
        } else if let Some((key, value)) = line.split_once(" = ").filter(|_| !line.starts_with('#')) {
            // One comment may explain keys that follow each other.
            let explained = above.starts_with("# ") || above.contains(" = ");
            assert!(explained, "{section}{key} has no comment");
            keys.push((format!("{section}{key}"), value.to_owned()));
        }
        above = line;
    }
    assert!(keys.len() > 40, "{keys:?}");
    let with = |pairs: &[(String, String)]| Settings::from_variables(pairs.iter().cloned().collect());
    with(&[]).expect("the defaults");
    for (key, value) in keys {
        let name = format!("PLAYHOUSE_{}", key.replace('.', "__").to_uppercase());
        let plain = value.trim_matches(['"', '[', ']']).replace('"', "");
        if !plain.is_empty() {
            with(&[(name.clone(), plain)]).unwrap_or_else(|error| panic!("{key}: {error}"));
        }
        // It is a key that is read: another one beside it is refused by name.
        let error = with(&[(format!("{name}_X"), "1".to_owned())]).expect_err(&key).to_string();
        let bare = key.rsplit('.').next().unwrap();
        assert!(error.contains(&format!("{bare}_x")), "{error}");
    }
    // The file is the list of all: a setting without a default there would not start.
    for other in ["test", "production"] {
        let text = fs::read_to_string(root().join(format!("config/{other}.toml"))).unwrap();
        for line in text.lines().filter(|line| !line.starts_with('#') && line.contains(" = ")) {
            let key = line.split(" = ").next().unwrap();
            assert!(fs::read_to_string(root().join("config/default.toml")).unwrap().contains(&format!("\n{key} = ")));
        }
    }
}

/// What a command that has to end says on standard output and standard error.
fn outcome(plan: &Plan, command: &str) -> (Option<i32>, String, String) {
    let mut child =
        plan.command().arg(command).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program starts");
    let end = Instant::now() + Duration::from_mins(1);
    let code = loop {
        if let Some(status) = child.try_wait().expect("a child") {
            break status.code();
        }
        if Instant::now() > end {
            child.kill().expect("a child");
        }
        std::thread::sleep(Duration::from_millis(10));
    };
    let (mut out, mut err) = (String::new(), String::new());
    child.stdout.take().expect("a pipe").read_to_string(&mut out).expect("text");
    child.stderr.take().expect("a pipe").read_to_string(&mut err).expect("text");
    (code, out, err)
}

#[actix_web::test]
async fn a_database_of_another_version_is_not_served_and_migrate_brings_it_up() {
    let db = TestDb::create();
    let plan = Plan::over(&db);
    let mut conn = db.connect();

    conn.batch_execute("INSERT INTO __diesel_schema_migrations (version) VALUES ('20990101000000')").unwrap();
    for command in ["serve", "migrate"] {
        let (code, out, err) = outcome(&plan, command);
        assert_eq!((code, out.as_str()), (Some(1), ""), "{err}");
        let told = err.lines().filter(|line| line.contains("newer") && line.contains("20990101000000")).count();
        assert_eq!(told, 1, "{err}");
    }
    conn.batch_execute("DELETE FROM __diesel_schema_migrations WHERE version = '20990101000000'").unwrap();

    conn.batch_execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public").unwrap();
    let (code, out, err) = outcome(&plan, "serve");
    assert_eq!((code, out.as_str()), (Some(1), ""), "{err}");
    assert!(err.contains("playhouse migrate") && err.trim().lines().count() == 1, "{err}");
    assert_eq!(found(&mut conn), BTreeMap::new(), "serving has changed the schema");

    let (code, out, err) = outcome(&plan, "migrate");
    assert_eq!(code, Some(0), "{err}");
    assert!(out.contains("applied 20261121000005") && out.ends_with("done\n"), "{out}");
    assert_eq!(found(&mut conn), believed());
    let (code, out, _) = outcome(&plan, "migrate");
    assert_eq!((code, out.trim()), (Some(0), "the schema is up to date"));
    let app = plan.start();
    let owner = app.register().await;
    assert_eq!(app.get("/series", &owner).await.status, 200);
}
