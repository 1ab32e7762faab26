//! Plain types that every layer shares: what a value is and what makes it valid.
//! No actix, no SQL, no Redis here.

pub mod access;
pub mod account;
pub mod api_key;
pub mod casting;
pub mod catalog;
pub mod channels;
pub mod collections;
pub mod ids;
pub mod images;
pub mod listing;
pub mod media;
pub mod playback;
pub mod search;
pub mod statistics;
pub mod text;
pub mod viewing;
