//! The one test binary: the running server over HTTP, against real stores. A file a subject.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a test fails by panicking"
)]

#[path = "../support/mod.rs"]
mod support;

mod accounts;
mod architecture;
mod bad_input;
mod browser;
mod bucket;
mod bucket_upkeep;
mod caches;
mod casting;
mod channels;
mod collections;
mod crashes;
mod docs;
mod failures;
mod files;
mod files_store;
mod hostile_files;
mod images;
mod iptv;
mod issuers;
mod jobs;
mod keys;
mod ledger;
mod lists;
mod mail;
mod maintenance;
mod me;
mod one_film;
mod operation;
mod passwords;
mod pipelining;
mod play;
mod players;
mod plays;
mod posters;
mod provider;
mod ranges;
mod request_count;
mod routes;
mod schema;
mod search;
mod sessions;
mod settings;
mod soak_views;
mod stalls;
mod statistics;
mod store_move;
mod stores;
mod tokens;
mod totals;
mod tour;
mod uploads;
mod user_command;
mod walks;
