//! The casting contract: every rule of it, over HTTP.

mod calls;
mod costs;
mod fields;
mod films;
mod lists;
mod races;
mod roles;
mod shape;
