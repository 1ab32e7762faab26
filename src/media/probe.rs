//! Asks ffprobe for the facts of a stored file.
//!
//! ffprobe opens one file by an absolute path of ours, over the `file` protocol only, and only
//! with the demuxer of the type that the bytes showed: a playlist or a script that names other
//! files is refused by its format before any name in it is read.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

use serde::Deserialize;

use super::{
    input::guarded,
    tool::{LITTLE_OUTPUT, ToolError, ToolRun, Tools},
};
use crate::{
    domain::media::{FileKind, MediaFacts, MediaType},
    settings::MediaSettings,
};

/// How much is read of a file to see that there is something in it: pictures of a cover and the like come first.
const FIRST_PACKETS: &str = "%+#64";

/// Why there are no facts.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// Readable, but with neither sound nor pictures: no stream of them, none whose form is known, or no packet.
    #[error("no audio or video in it")]
    NotMedia,
    /// Not readable as what its first bytes say.
    #[error("not readable as its type")]
    Malformed,
    /// The probe was killed at its deadline.
    #[error("the probe took too long")]
    Timeout,
    /// The probe program is not on this machine, or others' files keep it busy.
    #[error("the probe is not available")]
    Unavailable(#[source] ToolError),
    /// A fault of ours.
    #[error("the probe failed")]
    Fault(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl From<ToolError> for ProbeError {
    fn from(error: ToolError) -> Self {
        match error {
            ToolError::Missing(_) | ToolError::Busy { .. } => Self::Unavailable(error),
            ToolError::Timeout(_) => Self::Timeout,
            // No film has so much to say.
            ToolError::TooMuch(_) => Self::Malformed,
            ToolError::Fault { .. } => Self::Fault(Box::new(error)),
        }
    }
}

/// What the probe found.
#[derive(Debug, Clone, PartialEq)]
pub struct Probed {
    /// By what is in it: a container of moving pictures with sound only is audio.
    pub kind: FileKind,
    /// The facts.
    pub facts: MediaFacts,
}

/// ffprobe, ready to be asked. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Prober {
    tools: Tools,
    program: PathBuf,
}

#[derive(Deserialize)]
struct Report {
    #[serde(default)]
    streams: Vec<Stream>,
    #[serde(default)]
    format: Format,
}

#[derive(Deserialize, Default)]
struct Format {
    duration: Option<String>,
}

#[derive(Deserialize)]
struct Stream {
    #[serde(default)]
    codec_type: String,
    codec_name: Option<String>,
    width: Option<i32>,
    height: Option<i32>,
    sample_rate: Option<String>,
    duration: Option<String>,
    nb_read_packets: Option<String>,
    #[serde(default)]
    disposition: Disposition,
}

impl Stream {
    /// Whether it is sound or pictures of a known form. A few bytes that look like a frame have none.
    fn is_played(&self) -> bool {
        let count = |text: &Option<String>| text.as_deref().and_then(|text| text.parse::<u64>().ok()).unwrap_or(0);
        let known = match self.codec_type.as_str() {
            "audio" => count(&self.sample_rate) > 0,
            "video" => self.width.zip(self.height).is_some_and(|(width, height)| width > 0 && height > 0),
            _ => false,
        };
        known && self.disposition.attached_pic == 0 && count(&self.nb_read_packets) > 0
    }
}

#[derive(Deserialize, Default)]
struct Disposition {
    #[serde(default)]
    attached_pic: u8,
}

impl Prober {
    /// With the program and the limits of section `media`.
    #[must_use]
    pub fn new(settings: &MediaSettings, tools: Tools) -> Self {
        Self { tools, program: settings.ffprobe.clone() }
    }

    /// The facts of the film or the sound at `path`, which is absolute and made by us.
    ///
    /// # Errors
    /// See [`ProbeError`]. With `NotMedia` and `Malformed` the file is not what it seemed.
    pub async fn probe(&self, path: &Path, kind: MediaType) -> Result<Probed, ProbeError> {
        let is_played = matches!(kind.kind(), FileKind::Video | FileKind::Audio);
        let demuxer = kind.demuxers().filter(|_| is_played).ok_or(ProbeError::NotMedia)?;
        let output = self.tools.run(self.command(path, demuxer)).await?;
        if !output.status.success() {
            // With the path of the file: for the log alone.
            tracing::debug!(said = output.stderr.lines().last(), "the probe cannot read a file");
            return Err(ProbeError::Malformed);
        }
        let report =
            serde_json::from_slice::<Report>(&output.stdout).map_err(|error| ProbeError::Fault(error.into()))?;
        judge(report)
    }

    fn command(&self, path: &Path, demuxer: &str) -> ToolRun {
        let entries = "format=duration:stream=codec_type,codec_name,width,height,sample_rate,duration,nb_read_packets:\
            stream_disposition=attached_pic";
        let words = ["-v", "error", "-hide_banner", "-print_format", "json", "-show_entries", entries];
        let packets = ["-count_packets", "-read_intervals", FIRST_PACKETS];
        let arguments = words.into_iter().chain(packets).map(OsString::from).chain(guarded(path, demuxer)).collect();
        ToolRun {
            name: "ffprobe",
            program: self.program.clone(),
            arguments,
            input: None,
            file_bytes: 0,
            output_bytes: LITTLE_OUTPUT,
        }
    }
}

fn judge(report: Report) -> Result<Probed, ProbeError> {
    let Report { streams, format } = report;
    let of = |wanted: &str| {
        streams.iter().find(|stream| stream.codec_type == wanted && stream.disposition.attached_pic == 0)
    };
    let (video, audio) = (of("video"), of("audio"));
    let seconds = |text: &Option<String>| {
        text.as_deref().and_then(|text| text.parse::<f64>().ok()).filter(|value| value.is_finite() && *value >= 0.0)
    };
    let pixels = |value: Option<i32>| value.filter(|count| *count > 0);
    let facts = MediaFacts {
        duration_seconds: seconds(&format.duration)
            .or_else(|| [video, audio].iter().flatten().find_map(|s| seconds(&s.duration))),
        width: video.and_then(|stream| pixels(stream.width)),
        height: video.and_then(|stream| pixels(stream.height)),
        video_codec: video.and_then(|stream| stream.codec_name.clone()),
        audio_codec: audio.and_then(|stream| stream.codec_name.clone()),
    };
    // A duration is no proof: formats that are written as they are recorded have none.
    if !streams.iter().any(Stream::is_played) {
        return Err(ProbeError::NotMedia);
    }
    let found = if video.is_some() { FileKind::Video } else { FileKind::Audio };
    Ok(Probed { kind: found, facts })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::{
        samples::{self, Folder},
        sniff::{HEAD_BYTES, sniff},
    };

    fn prober() -> (Prober, Tools) {
        let (settings, tools) = samples::tools();
        (Prober::new(&settings, tools.clone()), tools)
    }

    /// Two seconds of a test picture with a tone, in the format that `words` ask for.
    async fn make(tools: &Tools, file: &Path, words: &str) {
        let start = "-f lavfi -i testsrc=d=2:s=160x90:r=10 -f lavfi -i sine=d=2 -t 2";
        samples::make(tools, &format!("{start} {words}"), file).await;
    }

    #[tokio::test]
    async fn every_type_of_film_and_sound_is_sniffed_and_probed() {
        let (prober, tools) = prober();
        let folder = Folder::new();
        for (name, words, kind) in [
            ("a.mp4", "-c:v libx264 -c:a aac", FileKind::Video),
            ("a.mov", "-c:v libx264 -c:a aac", FileKind::Video),
            ("a.mkv", "-c:v libx264 -c:a aac", FileKind::Video),
            ("a.webm", "-c:v libvpx -c:a libopus", FileKind::Video),
            ("a.ts", "-c:v libx264 -c:a aac", FileKind::Video),
            ("b.mp4", "-vn -c:a aac", FileKind::Audio),
            ("a.mp3", "-vn", FileKind::Audio),
            ("a.aac", "-vn", FileKind::Audio),
            ("a.ogg", "-vn", FileKind::Audio),
            ("a.flac", "-vn", FileKind::Audio),
            ("a.wav", "-vn", FileKind::Audio),
        ] {
            let file = folder.join(name);
            make(&tools, &file, words).await;
            let bytes = std::fs::read(&file).unwrap();
            let kind_of_bytes = sniff(&bytes[..bytes.len().min(HEAD_BYTES)]).unwrap_or_else(|| panic!("{name}"));
            assert_eq!(kind_of_bytes.extension(), file.extension().unwrap(), "{name}");
            // The name must not matter.
            let plain = folder.join("plain");
            std::fs::rename(&file, &plain).unwrap();
            let found = prober.probe(&plain, kind_of_bytes).await.unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!(found.kind, kind, "{name}");
            let seconds = found.facts.duration_seconds;
            assert!(seconds.is_some_and(|s| (1.8..2.3).contains(&s)), "{name}: {seconds:?}");
            assert_eq!(found.facts.width.zip(found.facts.height).is_some(), kind != FileKind::Audio, "{name}");
            assert!(found.facts.audio_codec.is_some(), "{name}");
        }
    }

    #[tokio::test]
    async fn a_playlist_is_refused_whatever_it_is_called() {
        let (prober, tools) = prober();
        let folder = Folder::new();
        let real = folder.join("real.ts");
        make(&tools, &real, "-c:v libx264 -c:a aac").await;
        let path = folder.join("hostile");
        let playlist = format!("#EXTM3U\n#EXT-X-TARGETDURATION:3\n#EXTINF:2,\n{}\n#EXT-X-ENDLIST\n", real.display());
        for text in [playlist, format!("ffconcat version 1.0\nfile {}\n", real.display())] {
            std::fs::write(&path, text).unwrap();
            let is_probed = |kind: &MediaType| matches!(kind.kind(), FileKind::Video | FileKind::Audio);
            for kind in MediaType::ALL.into_iter().filter(is_probed) {
                let error = prober.probe(&path, kind).await.unwrap_err();
                assert!(matches!(error, ProbeError::Malformed | ProbeError::NotMedia), "{kind:?}: {error}");
            }
        }
    }

    #[tokio::test]
    async fn a_recording_without_a_duration_is_media_and_what_has_no_packet_is_not() {
        let (prober, tools) = prober();
        let folder = Folder::new();
        let live = folder.join("live.webm");
        samples::make(&tools, "-f lavfi -i sine=d=2 -c:a libopus -live 1 -f webm", &live).await;
        let found = prober.probe(&live, MediaType::WebM).await.unwrap();
        assert_eq!((found.kind, found.facts.duration_seconds), (FileKind::Audio, None));

        let whole = folder.join("whole.mkv");
        make(&tools, &whole, "-c:v libx264 -c:a aac").await;
        let bytes = std::fs::read(&whole).unwrap();
        let cluster = bytes.windows(4).position(|word| word == b"\x1f\x43\xb6\x75").expect("a cluster");
        let empty = folder.join("empty.mkv");
        std::fs::write(&empty, &bytes[..cluster]).unwrap();
        let sync_word = folder.join("sync.aac");
        std::fs::write(&sync_word, b"\xff\xf1#EXTM3U\n#EXTINF:1,\n").unwrap();
        for (file, kind) in [(empty, MediaType::Matroska), (sync_word, MediaType::Aac)] {
            let error = prober.probe(&file, kind).await.unwrap_err();
            assert!(matches!(error, ProbeError::NotMedia | ProbeError::Malformed), "{kind:?}: {error}");
        }
    }
}
