//! Behaviour. Each folder owns one part of the business and shows a handle to `http`; an address of
//! an actor is never seen outside. No wire shapes here.

pub mod auth;
pub mod casting;
pub mod catalog;
pub mod channels;
pub mod collections;
pub mod files;
pub mod images;
pub mod operation;
mod pages;
pub mod playback;
pub mod posters;
pub mod statistics;
pub mod tally;
mod turns;
mod write;
