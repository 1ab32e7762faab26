//! The house keeps to its plan: arrows go one way.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

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
const LIBRARIES: [(&str, &[&str]); 17] = [
    ("diesel", &["db", "actors", "jobs", "services"]),
    ("redis", &["cache", "actors", "services", "startup"]),
    ("moka", &["cache", "actors"]),
    // Whoever has actors gives out handles: `http` never sees an address.
    ("actix", &["actors", "mailbox", "provider"]),
    ("actix_web", &["http", "startup", "telemetry", "main"]),
    ("actix_cors", &["http"]),
    ("actix_files", &["http"]),
    ("actix_http", &["http"]),
    ("actix_multipart", &["http"]),
    ("actix_server", &["http"]),
    ("actix_service", &["http"]),
    ("utoipa", &["http"]),
    ("graphile_worker", &["jobs"]),
    ("lettre", &["mail"]),
    // The tests in `http` call a server with it.
    ("reqwest", &["provider", "issuers", "http"]),
    ("backon", &["provider", "storage"]),
    ("object_store", &["storage"]),
];

/// Where requests are led to what answers them. Everywhere else operations are declared with `Routes`, which has them
/// described, and in the table that is held against the description.
const ROUTERS: [&str; 2] = ["http/routes.rs", "http/ops/swagger.rs"];

/// Calls that lead requests somewhere, and who may make them beside the routers.
const ROUTING: [(&str, &[&str]); 4] = [
    (".service(", &[]),
    (".route(", &[]),
    (".default_service(", &["http/mod.rs"]),
    (".configure(", &["http/server.rs"]),
];

/// What such calls are given: the names that `actix_web` and its `web` have for it.
const ROUTES: [&str; 20] = [
    "web::resource",
    "web::scope",
    "web::route",
    "web::service",
    "web::redirect",
    "web::get",
    "web::post",
    "web::put",
    "web::patch",
    "web::delete",
    "web::head",
    "web::method",
    "Resource",
    "Route",
    "Scope",
    "get",
    "post",
    "put",
    "patch",
    "delete",
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
        let before = &code[..at];
        // `::actix::…` begins here, `crate::cache::redis::…` does not.
        let is_below = before.strip_suffix("::").is_some_and(|path| path.ends_with(is_word) || path.ends_with('>'));
        if !before.ends_with(is_word) && !is_below {
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
        let renamed = [" as ", ";"].iter().any(|end| code.contains(&format!("use {library}{end}")));
        if !parts.contains(&part) && (renamed || named.iter().any(|path| path != "test")) {
            wrong.push(format!("{} names {library}", file.display()));
        }
    }
    wrong
}

/// What in this file leads requests somewhere, and may not.
fn routing(file: &Path, source: &str) -> Vec<String> {
    // Tests route to what they test; they stand at the end, or in a file of their own.
    let source = source.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    let name = file.to_str().expect("UTF-8");
    if ROUTERS.contains(&name) || name.ends_with("/tests.rs") {
        return Vec::new();
    }
    let code = code(source);
    let calls = ROUTING.iter().filter(|(call, may)| code.contains(call) && !may.contains(&name)).map(|(call, _)| *call);
    let below_web = paths_from(&code, "web::").into_iter().map(|path| format!("web::{path}"));
    let named: BTreeSet<String> = paths_from(&code, "actix_web::").into_iter().chain(below_web).collect();
    let given = ROUTES.iter().filter(|route| named.contains(**route)).copied();
    calls.chain(given).map(|what| format!("{name} leads requests somewhere: {what}")).collect()
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
fn requests_are_led_by_the_declared_routes_alone() {
    let source = root().join("src");
    let mut files = Vec::new();
    sources(&source, &mut files);
    let found = |file: &PathBuf| routing(file.strip_prefix(&source).unwrap(), &fs::read_to_string(file).unwrap());
    assert_eq!(files.iter().flat_map(found).collect::<Vec<_>>(), Vec::<String>::new());
    // Who may does: these names are still the ones.
    for router in ROUTERS {
        let text = code(&fs::read_to_string(source.join(router)).unwrap());
        assert!(text.contains(".service(") && text.contains(".route(") && text.contains("web::scope("), "{router}");
    }
}

#[test]
fn a_route_that_is_not_declared_is_caught() {
    for (file, text) in [
        ("http/mod.rs", "fn f() { config.service(web::resource(\"/x\").to(x)); }"),
        ("http/mod.rs", "fn f() { config.route(\"/x\", x); }"),
        ("http/iptv/files.rs", "fn f() { config\n    .service(files); }"),
        ("http/iptv/files.rs", "fn f() -> Scope { web::scope(\"/x\") }"),
        ("http/iptv/files.rs", "use actix_web::{HttpRequest, web::{self, resource}};"),
        ("http/iptv/files.rs", "use actix_web::{HttpRequest, web};\nfn f() { x(web::get().to(y)); }"),
        ("http/iptv/files.rs", "use actix_web::{Resource, HttpRequest};"),
        ("http/iptv/files.rs", "#[actix_web::get(\"/x\")]\nasync fn x() {}"),
        ("http/ops/mod.rs", "use actix_web::get;\n#[get(\"/x\")]\nasync fn x() {}"),
        ("http/server.rs", "fn f() { App::new().default_service(x); }"),
        ("startup/mod.rs", "fn f() { App::new().configure(x); }"),
    ] {
        assert_ne!(routing(Path::new(file), text), Vec::<String>::new(), "{file}: {text}");
    }
    for (file, text) in [
        ("http/routes.rs", "fn f() { config.service(web::scope(\"/x\")); }"),
        ("http/mod.rs", "fn f() { config.default_service(web::to(routes::no_such_path)); }"),
        ("http/iptv/files.rs", "fn f() { web::block(x); }\n#[cfg(test)]\nmod tests {\n fn f() { x.route(y); } }"),
        ("http/iptv/files.rs", "// x.route(y)\nfn f() { routes.get(\"/files\", list, doc(\".service(\")) }"),
        ("db/mod.rs", "fn f() { std::thread::scope(x); }"),
    ] {
        assert_eq!(routing(Path::new(file), text), Vec::<String>::new(), "{file}: {text}");
    }
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
        ("http/mod.rs", "use actix::Addr;"),
        ("http/iptv/files.rs", "async fn f(clerk: &::actix::Addr<Clerk>) {}"),
        ("http/playback/mod.rs", "use actix::{self as actors, prelude::*};"),
        ("http/playback/mod.rs", "use actix as actors;"),
        ("domain/playback.rs", "use actix::Message;"),
        ("domain/playback.rs", "use actix_web::http::StatusCode;"),
        ("domain/media.rs", "use actix_files::HttpRange;"),
        ("db/pool.rs", "use actix::{Actor, SyncContext};"),
        ("actors/files/mod.rs", "use actix_multipart::Multipart;"),
        ("actors/files/mod.rs", "use actix_files::NamedFile;"),
        ("domain/media.rs", "use actix_http::ConnectionType;"),
        ("domain/listing/mod.rs", "use moka::sync::Cache;"),
        ("http/mod.rs", "use moka::sync::Cache;"),
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
