//! Queries: free functions that take a connection, one file an aggregate. Callers own the
//! transaction where they need one around several; a function here that needs one opens it.

pub mod api_keys;
pub mod casting;
pub mod channels;
pub mod collections;
pub mod episodes;
pub mod families;
pub mod files;
pub mod genres;
pub mod identities;
pub mod images;
pub mod installation;
pub mod jobs;
pub mod ledger;
pub mod me;
pub mod posters;
pub mod references;
pub mod resets;
pub mod search;
pub mod seasons;
pub mod series;
pub mod statistics;
pub mod streams;
pub mod titles;
pub mod users;
pub mod videos;
pub mod ways;
