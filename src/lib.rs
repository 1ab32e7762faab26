//! Playhouse: a streaming media backend.
//!
//! The house has one rule: arrows go one way.
//!
//! ```text
//! request → http (one folder a contract) → actors (auth, catalog, files, operation, playback, statistics, tally)
//!         → db · cache · storage · media (tools) · jobs · mail        domain: plain types that all share
//! ```
//!
//! `startup` builds the house from `settings`; `command` is what the program does for an operator besides serving; `services` runs a private Postgres and Redis when
//! none is given; `mailbox` is the bounded way onto threads of their own; `telemetry` is where logs
//! and metrics go.

pub mod actors;
pub mod cache;
pub mod command;
pub mod db;
pub mod domain;
pub mod http;
pub mod issuers;
pub mod jobs;
pub mod mail;
pub mod mailbox;
pub mod media;
pub mod provider;
pub mod services;
pub mod settings;
pub mod startup;
pub mod storage;
pub mod telemetry;
