//! What the program does for an operator besides serving: reads arguments and passwords, prints what came. Starts no
//! store and holds no rule of the business; `actors` do.

pub mod password;
pub mod store;
pub mod user;

use std::{error::Error, fmt::Write as _};

/// An error and its causes in one line.
fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        // Writing to a String does not fail.
        write!(text, ": {error}").unwrap_or_default();
        cause = error.source();
    }
    text
}
