//! What the bytes of a file are: told from the bytes alone, and asked of tools that are kept on a
//! short lead. Knows no row, no store and no wire shape.

pub mod probe;
pub mod sniff;
pub mod tool;
