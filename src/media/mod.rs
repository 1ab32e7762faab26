//! What the bytes of a file are: told from the bytes alone, and asked of tools that are kept on a
//! short lead. Knows no row, no store and no wire shape.

pub mod frame;
pub mod header;
pub mod identicon;
mod input;
pub mod picture;
mod place;
pub mod probe;
#[cfg(test)]
mod samples;
pub mod sniff;
mod still;
pub mod tool;
