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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tool_opens_files_alone_and_by_one_demuxer_alone() {
        let given = |demuxer: &str| {
            let words = guarded(Path::new("/media/ab/cd"), demuxer).into_iter();
            words.map(|word| word.into_string().unwrap()).collect::<Vec<_>>().join(" ")
        };
        let limits = "-protocol_whitelist file -format_whitelist";
        // What limits an input goes before it.
        assert_eq!(given("matroska"), format!("{limits} matroska -i file:/media/ab/cd"));
        assert_eq!(given("png_pipe"), format!("{limits} png_pipe -f png_pipe -i file:/media/ab/cd"));
    }
}
