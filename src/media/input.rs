//! How the programs of ffmpeg are made to open a file of a user, in one place: over the `file`
//! protocol only, and only with the demuxer of the type that the bytes showed.

use std::{ffi::OsString, path::Path};

/// The words that open the file at `path` (absolute, made by us) as an input. Options of the input
/// go before them.
pub(super) fn guarded(path: &Path, demuxer: &str) -> [OsString; 6] {
    let mut file = OsString::from("file:");
    file.push(path);
    ["-protocol_whitelist".into(), "file".into(), "-format_whitelist".into(), demuxer.into(), "-i".into(), file]
}
