//! Media that tests make with the real ffmpeg.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

use super::tool::{LITTLE_OUTPUT, ToolRun, Tools};
use crate::settings::{ImageSettings, MediaSettings, Settings};

fn settings() -> Settings {
    Settings::from_variables(config::Map::new()).unwrap()
}

/// The default settings, and a runner with their limits.
pub(super) fn tools() -> (MediaSettings, Tools) {
    let settings = settings().media;
    let tools = Tools::new(&settings);
    (settings, tools)
}

/// What an image may have by default.
pub(super) fn limits() -> ImageSettings {
    settings().images
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

/// A chunk of a RIFF file.
pub(super) fn riff_chunk(name: &[u8], body: &[u8]) -> Vec<u8> {
    let padding: &[u8] = if body.len() % 2 == 1 { &[0] } else { &[] };
    [name, &u32::try_from(body.len()).unwrap().to_le_bytes()[..], body, padding].concat()
}

/// A WebP of these chunks.
pub(super) fn webp_of(chunks: &[Vec<u8>]) -> Vec<u8> {
    riff_chunk(b"RIFF", &[b"WEBP", chunks.concat().as_slice()].concat())
}

/// The chunk that says how large a WebP is, each side below 257 pixels, and what it has.
pub(super) fn webp_canvas(flags: u8, width: u16, height: u16) -> Vec<u8> {
    let [width, height] = [width, height].map(|side| u8::try_from(side - 1).unwrap());
    riff_chunk(b"VP8X", &[flags, 0, 0, 0, width, 0, 0, height, 0, 0])
}

/// The first or a later frame of a WebP that moves: left, top, width and height, and its chunks.
pub(super) fn webp_frame([left, top, width, height]: [u8; 4], chunks: &[u8]) -> Vec<u8> {
    let place = [left / 2, 0, 0, top / 2, 0, 0, width - 1, 0, 0, height - 1, 0, 0, 100, 0, 0, 0];
    riff_chunk(b"ANMF", &[&place[..], chunks].concat())
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
