//! Rows as Diesel reads them. Never serialised: each turns into a domain type.

pub mod api_key;
pub mod casting;
mod catalog;
pub mod channel;
pub mod collection;
pub mod file;
pub mod session;
pub mod user;
pub mod viewing;

pub use catalog::{EpisodeRow, GenreRow, SeasonRow, SeriesRow, StreamRow};
