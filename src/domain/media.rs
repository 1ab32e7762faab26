//! Files and what their bytes are.

use chrono::{DateTime, Utc};

use super::ids::{FileId, UserId};

/// The broad kind of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names say it")]
pub enum FileKind {
    Image,
    Video,
    Audio,
    Subtitle,
    Other,
}

impl FileKind {
    /// All kinds.
    pub const ALL: [Self; 5] = [Self::Image, Self::Video, Self::Audio, Self::Subtitle, Self::Other];

    /// The name on the wire and in the database.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::Video => "video",
            Self::Audio => "audio",
            Self::Subtitle => "subtitle",
            Self::Other => "other",
        }
    }

    /// The kind of this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// How far a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names say it")]
pub enum FileState {
    Uploading,
    Processing,
    Ready,
    Failed,
}

impl FileState {
    /// All states.
    pub const ALL: [Self; 4] = [Self::Uploading, Self::Processing, Self::Ready, Self::Failed];

    /// The name on the wire and in the database.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Uploading => "uploading",
            Self::Processing => "processing",
            Self::Ready => "ready",
            Self::Failed => "failed",
        }
    }

    /// The state of this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }
}

/// A stored file.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "the names say it")]
pub struct StoredFile {
    pub id: FileId,
    /// As the client sent it; never a path.
    pub original_name: String,
    pub kind: FileKind,
    pub mime_type: String,
    /// Bytes.
    pub size: u64,
    /// Lower-case hexadecimal.
    pub sha256: String,
    pub owner_id: Option<UserId>,
    pub state: FileState,
    pub facts: MediaFacts,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

/// What the probe found, of an image what its header says; empty for what has no such property.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct MediaFacts {
    /// Length in seconds.
    pub duration_seconds: Option<f64>,
    /// Pixels, as stored; of an AVIF that says how it is to be turned, as shown.
    pub width: Option<i32>,
    /// Pixels, as the width.
    pub height: Option<i32>,
    /// ffprobe's short name, e.g. `h264`.
    pub video_codec: Option<String>,
    /// ffprobe's short name, e.g. `aac`.
    pub audio_codec: Option<String>,
}

/// What the bytes of an accepted file are. Nothing else is taken in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names say it")]
pub enum MediaType {
    Mp4,
    Mov,
    Matroska,
    WebM,
    MpegTs,
    Mp3,
    /// AAC in ADTS frames.
    Aac,
    Ogg,
    Flac,
    Wav,
    WebVtt,
    Srt,
    Jpeg,
    Png,
    Gif,
    WebP,
    Avif,
}

impl MediaType {
    /// All types.
    pub const ALL: [Self; 17] = [
        Self::Mp4,
        Self::Mov,
        Self::Matroska,
        Self::WebM,
        Self::MpegTs,
        Self::Mp3,
        Self::Aac,
        Self::Ogg,
        Self::Flac,
        Self::Wav,
        Self::WebVtt,
        Self::Srt,
        Self::Jpeg,
        Self::Png,
        Self::Gif,
        Self::WebP,
        Self::Avif,
    ];

    /// The kind that files of this type usually are; a container may turn out to hold sound only.
    #[must_use]
    pub const fn kind(self) -> FileKind {
        match self {
            Self::Mp4 | Self::Mov | Self::Matroska | Self::WebM | Self::MpegTs => FileKind::Video,
            Self::Mp3 | Self::Aac | Self::Ogg | Self::Flac | Self::Wav => FileKind::Audio,
            Self::WebVtt | Self::Srt => FileKind::Subtitle,
            Self::Jpeg | Self::Png | Self::Gif | Self::WebP | Self::Avif => FileKind::Image,
        }
    }

    /// The media type on the wire.
    #[must_use]
    pub const fn mime(self) -> &'static str {
        self.mime_as(self.kind())
    }

    /// The media type on the wire of a file that was found to be of `kind`: a container of moving
    /// pictures that holds sound only is `audio/…`, and an Ogg with pictures `video/ogg`.
    #[must_use]
    pub const fn mime_as(self, kind: FileKind) -> &'static str {
        let sound = matches!(kind, FileKind::Audio);
        match self {
            Self::Mp4 if sound => "audio/mp4",
            Self::Mp4 => "video/mp4",
            Self::Mov => "video/quicktime",
            Self::Matroska if sound => "audio/x-matroska",
            Self::Matroska => "video/x-matroska",
            Self::WebM if sound => "audio/webm",
            Self::WebM => "video/webm",
            Self::MpegTs => "video/mp2t",
            Self::Mp3 => "audio/mpeg",
            Self::Aac => "audio/aac",
            Self::Ogg if matches!(kind, FileKind::Video) => "video/ogg",
            Self::Ogg => "audio/ogg",
            Self::Flac => "audio/flac",
            Self::Wav => "audio/wav",
            Self::WebVtt => "text/vtt; charset=utf-8",
            Self::Srt => "application/x-subrip; charset=utf-8",
            Self::Jpeg => "image/jpeg",
            Self::Png => "image/png",
            Self::Gif => "image/gif",
            Self::WebP => "image/webp",
            Self::Avif => "image/avif",
        }
    }

    /// The type of moving pictures that goes by this media type on the wire.
    #[must_use]
    pub fn of_video(mime: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|media| media.mime_as(FileKind::Video) == mime)
    }

    /// The image type that goes by this media type on the wire.
    #[must_use]
    pub fn of_image(mime: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|media| media.kind() == FileKind::Image && media.mime() == mime)
    }

    /// The usual ending of a file's name, without the dot.
    #[must_use]
    pub const fn extension(self) -> &'static str {
        match self {
            Self::Mp4 => "mp4",
            Self::Mov => "mov",
            Self::Matroska => "mkv",
            Self::WebM => "webm",
            Self::MpegTs => "ts",
            Self::Mp3 => "mp3",
            Self::Aac => "aac",
            Self::Ogg => "ogg",
            Self::Flac => "flac",
            Self::Wav => "wav",
            Self::WebVtt => "vtt",
            Self::Srt => "srt",
            Self::Jpeg => "jpg",
            Self::Png => "png",
            Self::Gif => "gif",
            Self::WebP => "webp",
            Self::Avif => "avif",
        }
    }

    /// How such an image is coded, by ffprobe's short name; `None`: it is no image.
    #[must_use]
    pub const fn image_codec(self) -> Option<&'static str> {
        match self {
            Self::Jpeg => Some("mjpeg"),
            Self::Png => Some("png"),
            Self::Gif => Some("gif"),
            Self::WebP => Some("webp"),
            Self::Avif => Some("av1"),
            Self::Mp4
            | Self::Mov
            | Self::Matroska
            | Self::WebM
            | Self::MpegTs
            | Self::Mp3
            | Self::Aac
            | Self::Ogg
            | Self::Flac
            | Self::Wav
            | Self::WebVtt
            | Self::Srt => None,
        }
    }

    /// The one demuxer of ffmpeg that may open such a file; `None`: no tool opens it.
    #[must_use]
    pub const fn demuxers(self) -> Option<&'static str> {
        match self {
            Self::Mp4 | Self::Mov | Self::Avif => Some("mov"),
            Self::Matroska | Self::WebM => Some("matroska"),
            Self::MpegTs => Some("mpegts"),
            Self::Mp3 => Some("mp3"),
            Self::Aac => Some("aac"),
            Self::Ogg => Some("ogg"),
            Self::Flac => Some("flac"),
            Self::Wav => Some("wav"),
            Self::Jpeg => Some("jpeg_pipe"),
            Self::Png => Some("png_pipe"),
            Self::Gif => Some("gif"),
            Self::WebP => Some("webp_pipe"),
            Self::WebVtt | Self::Srt => None,
        }
    }
}
