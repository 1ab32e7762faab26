//! What the tests stand on: stores, the running binary, people who call it.

#![allow(dead_code, unreachable_pub, reason = "each test binary takes what it needs")]

pub mod app;
pub mod casting;
pub mod channels;
pub mod home;
pub mod images;
pub mod issuer;
pub mod load;
pub mod media;
pub mod media_folder;
pub mod people;
pub mod pipeline;
pub mod provider;
pub mod raw;
pub mod s3;
pub mod sessions;
pub mod shape;
pub mod smtp;
pub mod stores;
pub mod terminal;
pub mod tokens;
pub mod views;
pub mod webdriver;
