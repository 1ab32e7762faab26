//! What the header of an image says, read before anything of the image is decoded; and whether the file can hold that
//! much at all. Reads files: call it where blocking is allowed.

mod avif;
mod hopping;
mod jpeg;
mod png;
mod webp;

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Seek as _},
    path::Path,
};

pub(super) use self::webp::FirstFrame;
use self::{hopping::Hopping, jpeg::Coded};
use crate::{domain::media::MediaType, settings::ImageSettings};

/// Bytes of a PNG up to the colour type in its header.
const PNG_START: usize = 26;
/// Scans of a progressive JPEG as most encoders make them. Those of the most eager have some fifty.
const USUAL_SCANS: u32 = 10;

/// Why a file is not taken for the image that its first bytes say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotAnImage {
    /// It has no readable header, or cannot be decoded.
    #[error("no picture can be read from it")]
    Unreadable,
    /// More pixels than are taken.
    #[error("it has more than {0} pixels")]
    TooManyPixels(u32),
    /// The header promises more than the file can hold.
    #[error("its header says more than there is")]
    Lies,
    /// It ends before its end.
    #[error("it is cut off")]
    CutOff,
    /// A JPEG that is decoded over and over.
    #[error("it has more than {0} scans")]
    TooManyScans(u32),
    /// A JPEG of more pieces than any has.
    #[error("it has more than {0} segments")]
    TooManySegments(u32),
    /// An AVIF of more pieces than any has.
    #[error("it has more than {0} boxes")]
    TooManyBoxes(u32),
    /// A PNG whose texts or profile become more than is taken.
    #[error("it has more than {0} bytes besides its picture")]
    TooMuchBesides(u64),
}

/// How a picture is to be turned so that it stands upright: the value of EXIF's `Orientation`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Orientation {
    #[default]
    Upright,
    Mirrored,
    UpsideDown,
    MirroredUpsideDown,
    Transposed,
    QuarterTurn,
    Transversed,
    ThreeQuarterTurn,
}

impl Orientation {
    const fn of_exif(value: u32) -> Self {
        match value {
            2 => Self::Mirrored,
            3 => Self::UpsideDown,
            4 => Self::MirroredUpsideDown,
            5 => Self::Transposed,
            6 => Self::QuarterTurn,
            7 => Self::Transversed,
            8 => Self::ThreeQuarterTurn,
            _ => Self::Upright,
        }
    }

    /// Whether it makes the height the width.
    pub(super) const fn lies_down(self) -> bool {
        matches!(self, Self::Transposed | Self::QuarterTurn | Self::Transversed | Self::ThreeQuarterTurn)
    }

    /// The filters of ffmpeg that turn it.
    pub(super) const fn filters(self) -> &'static str {
        match self {
            Self::Upright => "null",
            Self::Mirrored => "hflip",
            Self::UpsideDown => "hflip,vflip",
            Self::MirroredUpsideDown => "vflip",
            Self::Transposed => "transpose=cclock_flip",
            Self::QuarterTurn => "transpose=clock",
            Self::Transversed => "transpose=clock_flip",
            Self::ThreeQuarterTurn => "transpose=cclock",
        }
    }
}

/// What a header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    /// Pixels, as stored; of an AVIF that says how it is to be turned, as shown.
    pub(super) width: u32,
    /// Pixels, as the width.
    pub(super) height: u32,
    pub(super) orientation: Orientation,
    /// What the decoder is given of a WebP that moves.
    pub(super) first_frame: Option<FirstFrame>,
}

impl Header {
    /// Pixels in all.
    fn pixels(&self) -> u64 {
        u64::from(self.width) * u64::from(self.height)
    }

    /// Width and height of what the decoder is given.
    pub(super) fn decoded(&self) -> (u32, u32) {
        self.first_frame.map_or((self.width, self.height), |first| (first.width, first.height))
    }
}

/// Reads the header of the image at `path`, whose first bytes show it to be of `kind`.
///
/// # Errors
/// See [`NotAnImage`].
pub(super) fn read(path: &Path, kind: MediaType, limits: &ImageSettings) -> Result<Header, NotAnImage> {
    let open = || File::open(path).map_err(|_| NotAnImage::Unreadable);
    let jpeg = match kind {
        MediaType::Jpeg => Some(walk_jpeg(open()?, limits.max_jpeg_segments)?),
        MediaType::Avif => {
            walk_avif(open()?, limits.max_avif_boxes)?;
            None
        }
        _ => None,
    };
    let (width, height) = if let Some(coded) = &jpeg {
        (coded.sides.0.into(), coded.sides.1.into())
    } else {
        let said = imagesize::reader_size(Hopping::new(open()?)).map_err(|_| NotAnImage::Unreadable)?;
        let side = |pixels: usize| u32::try_from(pixels).map_err(|_| NotAnImage::Unreadable);
        (side(said.width)?, side(said.height)?)
    };
    if width == 0 || height == 0 {
        return Err(NotAnImage::Unreadable);
    }
    let mut header = Header { width, height, orientation: Orientation::Upright, first_frame: None };
    if header.pixels() > u64::from(limits.max_pixels) {
        return Err(NotAnImage::TooManyPixels(limits.max_pixels));
    }
    match &jpeg {
        Some(coded) => jpeg_holds(coded, &header, limits)?,
        None => holds(BufReader::new(open()?), kind, &header, limits.max_png_metadata_bytes)?,
    }
    if kind == MediaType::WebP {
        header.first_frame = first_frame(&mut BufReader::new(open()?), &header)?;
    }
    header.orientation = orientation(Hopping::new(open()?));
    Ok(header)
}

/// Refuses a JPEG that is cut off, or of too many segments.
fn walk_jpeg(file: File, most: u32) -> Result<Coded, NotAnImage> {
    let coded = jpeg::coded(BufReader::new(file), most).map_err(|_| NotAnImage::CutOff)?;
    if coded.segments > most { Err(NotAnImage::TooManySegments(most)) } else { Ok(coded) }
}

/// Refuses an AVIF of too many boxes.
fn walk_avif(file: File, most: u32) -> Result<(), NotAnImage> {
    let boxes = avif::boxes(&mut BufReader::new(file), most).map_err(|_| NotAnImage::Unreadable)?;
    if boxes > most { Err(NotAnImage::TooManyBoxes(most)) } else { Ok(()) }
}

/// Refuses a JPEG that cannot hold so many pixels, or costs more than they do.
fn jpeg_holds(coded: &Coded, header: &Header, limits: &ImageSettings) -> Result<(), NotAnImage> {
    let pixels = header.pixels();
    let most = most_scans(pixels, limits);
    if coded.scans > most {
        return Err(NotAnImage::TooManyScans(most));
    }
    // A block of 8 by 8 takes a bit at least.
    if coded.bytes >= pixels / 64 / 8 { Ok(()) } else { Err(NotAnImage::Lies) }
}

/// Scans that a JPEG of so many pixels may have.
fn most_scans(pixels: u64, limits: &ImageSettings) -> u32 {
    let affordable = u32::try_from(limits.max_jpeg_scanned_pixels / pixels.max(1)).unwrap_or(u32::MAX);
    affordable.max(USUAL_SCANS).min(limits.max_jpeg_scans)
}

/// Refuses a file that cannot hold so many pixels, or costs more than they do. (WebP and AVIF say a surface of one
/// colour in a few bytes.)
fn holds(mut file: BufReader<File>, kind: MediaType, header: &Header, most_besides: u64) -> Result<(), NotAnImage> {
    let unreadable = |_| NotAnImage::Unreadable;
    let pixels = header.pixels();
    let enough = match kind {
        MediaType::Png => {
            let bits = bits_a_pixel(&mut file).map_err(unreadable)?;
            file.rewind().map_err(unreadable)?;
            let held = png::held(file, most_besides).map_err(unreadable)?;
            if held.besides > most_besides {
                return Err(NotAnImage::TooMuchBesides(most_besides));
            }
            // Deflate makes of a byte 1032 at most.
            held.picture >= pixels.saturating_mul(bits) / 8 / 1032
        }
        // A code of 12 bits stands for 4096 pixels at most.
        MediaType::Gif => file.get_ref().metadata().map_err(unreadable)?.len() >= pixels / 2731,
        _ => true,
    };
    if enough { Ok(()) } else { Err(NotAnImage::Lies) }
}

/// That of a WebP that moves, which is on its canvas.
fn first_frame(webp: &mut BufReader<File>, canvas: &Header) -> Result<Option<FirstFrame>, NotAnImage> {
    let found = FirstFrame::find(webp).map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => NotAnImage::CutOff,
        _ => NotAnImage::Unreadable,
    })?;
    let is_on =
        |first: &FirstFrame| first.left + first.width <= canvas.width && first.top + first.height <= canvas.height;
    if found.as_ref().is_none_or(is_on) { Ok(found) } else { Err(NotAnImage::Lies) }
}

fn bits_a_pixel(mut png: impl io::Read) -> io::Result<u64> {
    let mut start = [0; PNG_START];
    png.read_exact(&mut start)?;
    let [.., depth, colour] = start;
    let samples = match colour {
        2 => 3,
        4 => 2,
        6 => 4,
        _ => 1,
    };
    Ok(u64::from(depth) * samples)
}

/// As its EXIF data says; upright where there is none.
fn orientation(mut file: impl BufRead + io::Seek) -> Orientation {
    let Ok(exif) = exif::Reader::new().read_from_container(&mut file) else { return Orientation::Upright };
    let field = exif.get_field(exif::Tag::Orientation, exif::In::PRIMARY);
    field.and_then(|field| field.value.get_uint(0)).map_or(Orientation::Upright, Orientation::of_exif)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::samples::{Folder, limits, webp_canvas, webp_frame, webp_of};

    fn read_bytes(bytes: &[u8], kind: MediaType) -> Result<Header, NotAnImage> {
        read_within(bytes, kind, &limits())
    }

    fn read_within(bytes: &[u8], kind: MediaType, limits: &ImageSettings) -> Result<Header, NotAnImage> {
        let folder = Folder::new();
        let path = folder.join("image");
        std::fs::write(&path, bytes).unwrap();
        read(&path, kind, limits)
    }

    #[test]
    fn each_limit_is_that_of_its_setting() {
        let limits = ImageSettings {
            max_bytes: 1,
            max_pixels: 11,
            max_jpeg_scans: 12,
            max_jpeg_scanned_pixels: 1,
            max_jpeg_segments: 17,
            max_avif_boxes: 15,
            max_png_metadata_bytes: 16,
        };
        let refused = |bytes: &[u8], kind| read_within(bytes, kind, &limits).unwrap_err();
        assert_eq!(refused(&png(4, 3, 8, 6, 100), MediaType::Png), NotAnImage::TooManyPixels(11));
        let text = [b"CRC!", &17_u32.to_be_bytes()[..], b"tEXta\0", &[b'b'; 15], b"CRC!"].concat();
        assert_eq!(refused(&[png(3, 3, 8, 6, 100), text].concat(), MediaType::Png), NotAnImage::TooMuchBesides(16));
        let frame = b"\xff\xd8\xff\xc0\0\x0b\x08\0\x03\0\x03\x01\x01\x11\0".as_slice();
        let jpeg = |segment: &[u8], count| [frame, &segment.repeat(count), b"\xff\xd9"].concat();
        assert_eq!(refused(&jpeg(b"\xff\xfe\0\x02", 16), MediaType::Jpeg), NotAnImage::TooManySegments(17));
        // No pixel is gone over twice, but the usual scans are always taken.
        let scans = |count| jpeg(b"\xff\xda\0\x02", count);
        assert_eq!(refused(&scans(11), MediaType::Jpeg), NotAnImage::TooManyScans(10));
        assert!(read_within(&scans(10), MediaType::Jpeg, &limits).is_ok());
        let plenty = ImageSettings { max_jpeg_scanned_pixels: 1000, ..limits };
        let error = read_within(&scans(13), MediaType::Jpeg, &plenty).unwrap_err();
        assert_eq!(error, NotAnImage::TooManyScans(12));
        let avif = [b"\0\0\0\x10ftypavif\0\0\0\0".as_slice(), &b"\0\0\0\x08free".repeat(15)].concat();
        assert_eq!(refused(&avif, MediaType::Avif), NotAnImage::TooManyBoxes(15));
    }

    /// With so many bytes of a picture, all of them zero.
    fn png(width: u32, height: u32, depth: u8, colour: u8, picture: u32) -> Vec<u8> {
        let mut bytes = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR".to_vec();
        bytes.extend(width.to_be_bytes());
        bytes.extend(height.to_be_bytes());
        bytes.extend([depth, colour, 0, 0, 0]);
        bytes.extend(b"CRC!");
        bytes.extend(picture.to_be_bytes());
        bytes.extend(b"IDAT");
        bytes.resize(bytes.len() + usize::try_from(picture).unwrap(), 0);
        bytes
    }

    #[test]
    fn a_header_that_promises_more_than_the_file_can_hold_lies() {
        let read_png = |bytes: &[u8]| read_bytes(bytes, MediaType::Png).map(|header| (header.width, header.height));
        assert_eq!(read_png(&png(7000, 7000, 8, 6, 100)), Err(NotAnImage::Lies));
        let stuffed = [png(7000, 7000, 8, 6, 100), vec![0; 200_000]].concat();
        assert_eq!(read_png(&stuffed), Err(NotAnImage::Lies), "what is no picture does not count");
        assert_eq!(read_png(&png(7000, 7000, 8, 6, 200_000)), Ok((7000, 7000)));
        assert_eq!(read_png(&png(7000, 7000, 1, 0, 7000)), Ok((7000, 7000)), "one bit a pixel takes little");
        assert_eq!(read_png(&png(16_000, 16_000, 1, 0, 750_000)), Err(NotAnImage::TooManyPixels(50_000_000)));
        assert_eq!(read_png(&png(u32::MAX, u32::MAX, 8, 6, 0)), Err(NotAnImage::TooManyPixels(50_000_000)));
        assert_eq!(read_png(&png(0, 10, 8, 6, 0)), Err(NotAnImage::Unreadable));
        let gif = |width: u16, more: usize| {
            let mut bytes = b"GIF89a".to_vec();
            bytes.extend([width.to_le_bytes(), width.to_le_bytes()].concat());
            bytes.resize(13 + more, 0);
            read_bytes(&bytes, MediaType::Gif).map(|header| header.width)
        };
        assert_eq!((gif(7000, 0), gif(7000, 18_000)), (Err(NotAnImage::Lies), Ok(7000)));
    }

    #[test]
    fn the_first_frame_of_a_webp_that_moves_is_on_its_canvas() {
        let webp = |flags: u8, frame: &[u8]| {
            let bytes = webp_of(&[webp_canvas(flags, 10, 10), frame.to_vec()]);
            read_bytes(&bytes, MediaType::WebP).map(|header| header.first_frame.is_some())
        };
        let at = |left, top, width, height| webp_frame([left, top, width, height], b"VP8 \0\0\0\0");
        assert_eq!(webp(0x10, &at(0, 0, 11, 11)), Ok(false), "it does not move");
        for (frame, expected) in [
            (at(0, 0, 10, 10), Ok(true)),
            (at(4, 2, 6, 8), Ok(true)),
            (at(6, 0, 6, 1), Err(NotAnImage::Lies)),
            (at(0, 6, 1, 6), Err(NotAnImage::Lies)),
            (at(0, 0, 10, 10)[..23].to_vec(), Err(NotAnImage::CutOff)),
            (Vec::new(), Err(NotAnImage::CutOff)),
        ] {
            assert_eq!(webp(0x12, &frame), expected, "{frame:?}");
        }
    }
}
