//! What the program does for an operator besides serving: reads arguments and passwords, prints what came. Starts no
//! store and holds no rule of the business; `actors` do.

pub mod password;
pub mod user;
