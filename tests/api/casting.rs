//! The casting contract: every rule of it, over HTTP.

mod bounds;
mod calls;
mod costs;
mod fields;
mod films;
mod isolation;
mod letting_go;
mod lists;
mod races;
mod roles;
mod shape;
