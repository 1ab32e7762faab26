//! Copies of uploaded images that fit, for channels and for who asks for an image in a smaller size.

mod fit;

use std::{
    fs::File,
    io::{self, Seek as _},
    path::{Path, PathBuf},
};

use tokio::sync::OwnedSemaphorePermit;

pub use self::fit::Fit;
use super::{
    header::{self, FirstFrame, Header, NotAnImage},
    still::{FrameError, Framer, Input, Still},
};
use crate::{
    domain::media::{FileKind, MediaFacts, MediaType},
    settings::ImageSettings,
};

/// Bytes a copy may have. One of the largest size with nothing but noise in it has a third of that.
const MOST_BYTES: u64 = 16 * 1024 * 1024;
/// What a picture is made to, that is decoded only to see whether it can be: pixels a side.
const TRIAL_SIDE: usize = 16;
const WHOLE_TRIAL: usize = TRIAL_SIDE * TRIAL_SIDE;
const HALF_TRIAL: usize = WHOLE_TRIAL / 2;

/// A copy of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    /// The WebP file; 16 MiB at most.
    pub webp: Vec<u8>,
}

impl Framer {
    /// The image at `path`, which is absolute and made by us, without an ending that says another
    /// type; `kind` is what its bytes showed. Its first frame, scaled down where it does not fit, upright as its
    /// EXIF data says, with its transparency and without its metadata.
    ///
    /// # Errors
    /// See [`FrameError`]. With `NotAnImage` it is none that is taken.
    pub async fn picture(&self, path: &Path, kind: MediaType, fit: Fit) -> Result<Picture, FrameError> {
        let header = self.header(path, kind).await?;
        let turns = header.orientation.filters();
        let fitted = match header.first_frame {
            None => format!("{turns},{}", fit.scale()),
            Some(first) => {
                let fit = if header.orientation.lies_down() { fit.turned() } else { fit };
                format!("{},{turns}", fit.canvas(&header, first))
            }
        };
        // `bgra`: so libwebp itself makes its colours, and sees whether anything is transparent.
        let graph = format!("{fitted},setsar=1,format=bgra,sidedata=mode=delete");
        let encoder = ["libwebp", "-quality", "85"];
        let webp = self.decoded(path, kind, &header, Made { graph: &graph, encoder: &encoder }).await?;
        Ok(Picture { webp })
    }

    /// Looks whether the file at `path` is an image that is taken: by its header, and then by decoding it. Gives
    /// the facts of its header.
    ///
    /// # Errors
    /// As [`Framer::picture`].
    pub async fn examine(&self, path: &Path, kind: MediaType) -> Result<MediaFacts, FrameError> {
        let header = self.header(path, kind).await?;
        let (width, height) = header.decoded();
        // Half as wide where it has not the size that its header says.
        let graph = format!("scale=w='{TRIAL_SIDE}/if(eq(iw,{width})*eq(ih,{height}),1,2)':h={TRIAL_SIDE},format=gray");
        let pixels = self.decoded(path, kind, &header, Made { graph: &graph, encoder: &["rawvideo"] }).await?;
        match (pixels.len(), kind) {
            // An AVIF may say that it is to be turned, or cut.
            (WHOLE_TRIAL, _) | (HALF_TRIAL, MediaType::Avif) => {}
            (HALF_TRIAL, _) => return Err(NotAnImage::Lies.into()),
            _ => return Err(NotAnImage::Unreadable.into()),
        }
        Ok(MediaFacts {
            width: i32::try_from(header.width).ok(),
            height: i32::try_from(header.height).ok(),
            video_codec: kind.image_codec().map(str::to_owned),
            ..MediaFacts::default()
        })
    }

    async fn header(&self, path: &Path, kind: MediaType) -> Result<Header, FrameError> {
        if kind.kind() != FileKind::Image {
            return Err(NotAnImage::Unreadable.into());
        }
        let (path, limits): (PathBuf, ImageSettings) = (path.to_owned(), self.limits);
        let place = self.tools.place(&self.headers, "header").await?;
        let read = move || {
            // Free when it has been read, also where nobody waits for it any more.
            let _place = place;
            header::read(&path, kind, &limits)
        };
        // A panic in the reading of a hostile header is the header's fault.
        let read = tokio::task::spawn_blocking(read).await;
        Ok(read.unwrap_or(Err(NotAnImage::Unreadable))?)
    }

    /// The frame that was found in the WebP at `path`, on the same disk.
    async fn taken_out(&self, first: FirstFrame, path: &Path) -> Result<TakenOut, FrameError> {
        let path = path.to_owned();
        let place = self.tools.place(&self.frames, "ffmpeg").await?;
        let take_out = move || {
            let mut file = tempfile::tempfile_in(path.parent().unwrap_or(&path))?;
            first.take_out(&mut File::open(path)?, &mut file)?;
            file.rewind()?;
            Ok(TakenOut { file, place })
        };
        let taken = tokio::task::spawn_blocking(take_out).await.map_err(io::Error::other);
        taken.and_then(|taken| taken).map_err(|error: io::Error| match error.kind() {
            io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => NotAnImage::Unreadable.into(),
            _ => FrameError::Fault(Box::new(error)),
        })
    }

    /// What ffmpeg makes of the first frame, which is no larger than its header said.
    async fn decoded(
        &self,
        path: &Path,
        kind: MediaType,
        header: &Header,
        made: Made<'_>,
    ) -> Result<Vec<u8>, FrameError> {
        let demuxer = kind.demuxers().ok_or(NotAnImage::Unreadable)?;
        // Decoders count whole blocks.
        let padded = |side: u32| u64::from(side).next_multiple_of(64);
        let (width, height) = header.decoded();
        let most_pixels = (padded(width) * padded(height)).to_string();
        let taken_out = match header.first_frame {
            None => None,
            Some(first) => Some(self.taken_out(first, path).await?),
        };
        let (file, _place) = taken_out.map_or((Input::At(path), None), |TakenOut { file, place }| {
            // Held until it is decoded.
            (Input::Given(file), Some(place))
        });
        let still = Still {
            file,
            demuxer,
            most_pixels: &most_pixels,
            // It is turned by what all types say in the same way.
            begin: &["-noautorotate"],
            graph: made.graph,
            encoder: made.encoder,
            most_bytes: MOST_BYTES,
        };
        let output = self.still(still).await?;
        if !output.status.success() || output.stdout.is_empty() {
            return Err(NotAnImage::Unreadable.into());
        }
        Ok(output.stdout)
    }
}

/// The first frame of a WebP that moves, in a file without a name, which is gone when it is closed.
struct TakenOut {
    file: File,
    /// So few of them are on the disk at once.
    place: OwnedSemaphorePermit,
}

/// What is made of a frame.
struct Made<'a> {
    graph: &'a str,
    encoder: &'a [&'a str],
}

#[cfg(test)]
mod tests;
