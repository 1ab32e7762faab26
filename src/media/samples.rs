//! Media that tests make with the real ffmpeg.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

use super::tool::{LITTLE_OUTPUT, ToolRun, Tools};
use crate::settings::{MediaSettings, Settings};

/// The default settings, and a runner with their limits.
pub(super) fn tools() -> (MediaSettings, Tools) {
    let settings = Settings::from_variables(config::Map::new()).unwrap().media;
    let tools = Tools::new(&settings);
    (settings, tools)
}

/// A folder that goes away with its value.
pub(super) struct Folder(PathBuf);

impl Folder {
    pub(super) fn new() -> Self {
        let path = std::env::temp_dir().join(format!("playhouse-media-{}", uuid::Uuid::now_v7()));
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }

    pub(super) fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            eprintln!("{} stays: {error}", self.0.display());
        }
    }
}

/// Runs ffmpeg with these `words` and then `file`, which it makes.
pub(super) async fn make(tools: &Tools, words: &str, file: &Path) {
    let arguments = "-v error -nostdin -y".split(' ').chain(words.split_whitespace()).map(OsString::from);
    let arguments = arguments.chain([file.into()]).collect();
    let run = ToolRun {
        name: "ffmpeg",
        program: "ffmpeg".into(),
        arguments,
        input: None,
        file_bytes: 1 << 28,
        output_bytes: LITTLE_OUTPUT,
    };
    let output = tools.run(run).await.unwrap();
    assert!(output.status.success(), "{words}: {}", output.stderr);
}

/// The first frame of `file` as ffmpeg decodes it, in RGBA, after the filters of `graph`.
pub(super) async fn pixels(tools: &Tools, file: &Path, graph: &str) -> Vec<u8> {
    let words = ["-v", "error", "-nostdin", "-i"].map(OsString::from);
    let more = ["-frames:v", "1", "-vf", graph, "-pix_fmt", "rgba", "-f", "rawvideo", "pipe:1"].map(OsString::from);
    let arguments = words.into_iter().chain([file.into()]).chain(more).collect();
    let run = ToolRun {
        name: "ffmpeg",
        program: "ffmpeg".into(),
        arguments,
        input: None,
        file_bytes: 0,
        output_bytes: LITTLE_OUTPUT,
    };
    let output = tools.run(run).await.unwrap();
    assert!(output.status.success(), "{}", output.stderr);
    output.stdout
}

/// What ffprobe says of the first stream and of the tags of `file`.
pub(super) async fn facts(tools: &Tools, file: &Path) -> String {
    let words = "-v error -of csv=p=0 -show_entries stream=codec_name,width,height:stream_tags:format_tags -i";
    let arguments = words.split(' ').map(OsString::from).chain([file.into()]).collect();
    let run = ToolRun {
        name: "ffprobe",
        program: "ffprobe".into(),
        arguments,
        input: None,
        file_bytes: 0,
        output_bytes: LITTLE_OUTPUT,
    };
    let output = tools.run(run).await.unwrap();
    assert!(output.status.success(), "{}", output.stderr);
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}
