//! The channels contract: every rule of it, over HTTP.

mod accounts;
mod bytes;
mod changes;
mod crashes;
mod lists;
mod pictures;
mod reactions;
mod removals;
mod searches;
mod shape;
mod sign_in;
mod tokens;
mod uploads;
