//! Makes one still picture of a file with ffmpeg. `frame` and `picture` say which.
//!
//! ffmpeg opens the file as `input` says and writes one picture to its standard output; nothing of
//! the file's metadata goes along.

use std::{
    ffi::OsString,
    fs::File,
    path::{Path, PathBuf},
    sync::Arc,
};

use tokio::sync::Semaphore;

use super::{
    header::NotAnImage,
    input::{GIVEN, guarded},
    tool::{ToolError, ToolOutput, ToolRun, Tools},
};
use crate::settings::{ImageSettings, MediaSettings};

/// Why there is no picture.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// No moving picture in it, or none that can be decoded.
    #[error("no frame can be read from it")]
    NoFrame,
    /// Not the image that its first bytes say, or larger than is taken.
    #[error(transparent)]
    NotAnImage(#[from] NotAnImage),
    /// ffmpeg was killed at its deadline.
    #[error("making the picture took too long")]
    Timeout,
    /// ffmpeg is not on this machine, or others' files keep it busy.
    #[error("pictures cannot be made now")]
    Unavailable(#[source] ToolError),
    /// A fault of ours.
    #[error("making the picture failed")]
    Fault(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl From<ToolError> for FrameError {
    fn from(error: ToolError) -> Self {
        match error {
            ToolError::Missing(_) | ToolError::Busy { .. } => Self::Unavailable(error),
            ToolError::Timeout(_) => Self::Timeout,
            ToolError::TooMuch(_) | ToolError::Fault { .. } => Self::Fault(Box::new(error)),
        }
    }
}

/// ffmpeg, ready to make still pictures. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Framer {
    pub(super) tools: Tools,
    program: PathBuf,
    /// Larger images are refused by their headers, before they are decoded.
    pub(super) limits: ImageSettings,
    /// Who holds one reads a header, parts of which may be as large as the file.
    pub(super) headers: Arc<Semaphore>,
    /// Who holds one has a frame of a file on the disk.
    pub(super) frames: Arc<Semaphore>,
}

/// What a picture is made of.
pub(super) enum Input<'a> {
    /// The file at this path.
    At(&'a Path),
    /// This file, which may have no path.
    Given(File),
}

/// One picture to be made.
pub(super) struct Still<'a> {
    pub(super) file: Input<'a>,
    pub(super) demuxer: &'a str,
    /// As `-max_pixels` takes it: decoders refuse larger pictures by their headers.
    pub(super) most_pixels: &'a str,
    /// Options of the input that say where to begin.
    pub(super) begin: &'a [&'a str],
    pub(super) graph: &'a str,
    /// The encoder and its options.
    pub(super) encoder: &'a [&'a str],
    /// Bytes that the picture may have.
    pub(super) most_bytes: u64,
}

impl Framer {
    /// With the program of section `media`, for images within the limits of section `images`.
    #[must_use]
    pub fn new(settings: &MediaSettings, tools: Tools, limits: &ImageSettings) -> Self {
        let headers = Arc::new(Semaphore::new(settings.tool_parallel));
        let frames = Arc::new(Semaphore::new(settings.tool_parallel));
        Self { tools, program: settings.ffmpeg.clone(), limits: *limits, headers, frames }
    }

    /// Runs ffmpeg; the picture is what it says.
    pub(super) async fn still(&self, still: Still<'_>) -> Result<ToolOutput, FrameError> {
        // What cannot be decoded shows in the output alone: a part of a file may be damaged.
        let start = ["-hide_banner", "-nostdin", "-v", "fatal", "-max_error_rate", "1", "-filter_threads", "1"];
        // Two threads: each holds frames of its own, and memory is limited.
        let input = ["-threads", "2", "-max_pixels", still.most_pixels];
        // `V`: video that is no attached picture.
        let output = ["-map", "0:V:0", "-an", "-sn", "-dn", "-map_metadata", "-1", "-map_chapters", "-1"];
        let plain = ["-frames:v", "1", "-fflags", "+bitexact", "-flags:v", "+bitexact", "-threads", "1", "-c:v"];
        let (path, given) = match still.file {
            Input::At(path) => (path, None),
            Input::Given(file) => (Path::new(GIVEN), Some(file)),
        };
        let words = |words: &[&str]| words.iter().map(OsString::from).collect::<Vec<_>>();
        let arguments = [
            words(&start),
            words(&input),
            words(still.begin),
            guarded(path, still.demuxer),
            words(&output),
            words(&["-vf", still.graph]),
            words(&plain),
            words(still.encoder),
            words(&["-f", "image2pipe", "pipe:1"]),
        ];
        let run = ToolRun {
            name: "ffmpeg",
            program: self.program.clone(),
            arguments: arguments.concat(),
            input: given,
            file_bytes: 0,
            output_bytes: still.most_bytes,
        };
        Ok(self.tools.run(run).await?)
    }
}
