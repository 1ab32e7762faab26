//! How the programs of ffmpeg are made to open a file of a user, in one place: over the `file`
//! protocol only, and only with the demuxer of the type that the bytes showed.

use std::{ffi::OsString, path::Path};

/// The path by which a tool opens what it is given on its standard input.
pub(super) const GIVEN: &str = "/dev/stdin";

/// The words that open the file at `path` (absolute, made by us) as an input. Options of the input
/// go before them.
pub(super) fn guarded(path: &Path, demuxer: &str) -> Vec<OsString> {
    let mut file = OsString::from("file:");
    file.push(path);
    let mut words: Vec<OsString> =
        ["-protocol_whitelist", "file", "-format_whitelist", demuxer].map(OsString::from).into();
    // Of a picture that moves, another one would be taken for the better, and refused: the first frame does.
    if demuxer.ends_with("_pipe") {
        words.extend(["-f", demuxer].map(OsString::from));
    }
    words.extend(["-i".into(), file]);
    words
}
