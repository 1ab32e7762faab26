//! The first frame of a WebP that moves, taken out as a WebP that does not: the decoder knows no other (RFC 9649,
//! section 2.7).

use std::io::{self, BufRead, ErrorKind, Read, Seek, SeekFrom, Write};

/// Bytes of a frame that come before its picture: where it is on the canvas, its size, how long it is shown.
const FRAME_HEADER: u32 = 16;
/// Bytes of a name and a length.
const CHUNK_HEADER: u32 = 8;
const ANIMATION: u8 = 0x02;
const ALPHA: u8 = 0x10;

/// Where the first frame is, on the canvas and in the file. It may be smaller than the canvas, of which it then leaves
/// the rest transparent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::media) struct FirstFrame {
    /// Pixels from the left.
    pub(in crate::media) left: u32,
    /// Pixels from the top.
    pub(in crate::media) top: u32,
    /// Pixels.
    pub(in crate::media) width: u32,
    /// Pixels.
    pub(in crate::media) height: u32,
    /// Of its picture's chunks, in bytes from the beginning of the file.
    start: u64,
    /// Of its picture's chunks, in bytes.
    length: u32,
}

impl FirstFrame {
    #[cfg(test)]
    pub(in crate::media) const fn of_place(left: u32, top: u32, width: u32, height: u32) -> Self {
        Self { left, top, width, height, start: 0, length: 0 }
    }

    /// Looks for it; `None`: this WebP does not move.
    ///
    /// # Errors
    /// The file's; `UnexpectedEof` where it ends before the frame does, `InvalidData` where a chunk is too short for what
    /// it is.
    pub(super) fn find(webp: &mut (impl BufRead + Seek)) -> io::Result<Option<Self>> {
        let mut start = [0; 12];
        webp.read_exact(&mut start)?;
        let Some((name, length)) = chunk(webp)? else { return Ok(None) };
        if &name != b"VP8X" {
            return Ok(None);
        }
        let rest = length.checked_sub(1).ok_or(ErrorKind::InvalidData)?;
        let [flags] = array(webp)?;
        if flags & ANIMATION == 0 {
            return Ok(None);
        }
        skip(webp, rest, length)?;
        loop {
            let (name, length) = chunk(webp)?.ok_or(ErrorKind::UnexpectedEof)?;
            if &name == b"ANMF" {
                return Self::read(webp, length).map(Some);
            }
            skip(webp, length, length)?;
        }
    }

    fn read(webp: &mut (impl Read + Seek), length: u32) -> io::Result<Self> {
        let length = length.checked_sub(FRAME_HEADER).filter(|length| *length >= CHUNK_HEADER);
        let length = length.ok_or(ErrorKind::InvalidData)?;
        let mut number = || array::<3>(webp).map(|[low, mid, high]| u32::from_le_bytes([low, mid, high, 0]));
        let (left, top, width, height) = (number()? * 2, number()? * 2, number()? + 1, number()? + 1);
        // How long it is shown, and how it goes.
        array::<4>(webp)?;
        let start = webp.stream_position()?;
        if webp.seek(SeekFrom::End(0))? < start + u64::from(length) {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        Ok(Self { left, top, width, height, start, length })
    }

    /// Writes it to `still`, as a WebP of its own, from the file it was found in.
    ///
    /// # Errors
    /// Those of both; `UnexpectedEof` where the file has become shorter.
    pub(in crate::media) fn take_out(&self, webp: &mut (impl Read + Seek), still: &mut impl Write) -> io::Result<()> {
        webp.seek(SeekFrom::Start(self.start))?;
        let mut picture = webp.take(self.length.into());
        let first = array::<4>(&mut picture)?;
        let flags = if &first == b"ALPH" { ALPHA } else { 0 };
        let sides = [self.width - 1, self.height - 1].map(u32::to_le_bytes);
        let sides: Vec<u8> = sides.iter().flat_map(|side| side.iter().take(3)).copied().collect();
        // `WEBP`, and the chunk with the canvas.
        let length = self.length.checked_add(4 + 18).ok_or(ErrorKind::InvalidData)?.to_le_bytes();
        still.write_all(&[b"RIFF", &length[..], b"WEBPVP8X\x0a\0\0\0", &[flags, 0, 0, 0], &sides].concat())?;
        still.write_all(&first)?;
        if io::copy(&mut picture, still)? + 4 < self.length.into() {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        still.flush()
    }
}

/// The name and the length of the next chunk; `None` at the end.
fn chunk(webp: &mut impl Read) -> io::Result<Option<([u8; 4], u32)>> {
    match array::<8>(webp) {
        Ok([name @ .., a, b, c, d]) => Ok(Some((name, u32::from_le_bytes([a, b, c, d])))),
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(None),
        Err(error) => Err(error),
    }
}

/// Passes over the `rest` of a chunk of this length; behind an odd one is a byte of padding.
fn skip(webp: &mut (impl BufRead + Seek), rest: u32, length: u32) -> io::Result<()> {
    webp.seek_relative(i64::from(rest) + i64::from(length % 2))
}

fn array<const N: usize>(bytes: &mut impl Read) -> io::Result<[u8; N]> {
    let mut array = [0; N];
    bytes.read_exact(&mut array)?;
    Ok(array)
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;
    use crate::media::samples::{riff_chunk, webp_canvas, webp_frame, webp_of};

    fn canvas(flags: u8) -> Vec<u8> {
        webp_canvas(flags, 100, 50)
    }

    fn frame(picture: &[u8]) -> Vec<u8> {
        webp_frame([6, 4, 20, 10], picture)
    }

    fn found(bytes: &[u8]) -> Result<Option<FirstFrame>, ErrorKind> {
        FirstFrame::find(&mut Cursor::new(bytes)).map_err(|error| error.kind())
    }

    #[test]
    fn the_first_frame_comes_out_as_a_still_of_its_own_size() {
        for (picture, flags) in [
            (riff_chunk(b"VP8 ", b"lossy"), 0),
            (riff_chunk(b"VP8L", b"lossless"), 0),
            ([riff_chunk(b"ALPH", b"see"), riff_chunk(b"VP8 ", b"lossy")].concat(), ALPHA),
        ] {
            let others = [riff_chunk(b"ICCP", b"odd"), riff_chunk(b"ANIM", &[0; 6])].concat();
            let bytes = webp_of(&[canvas(ANIMATION), others, frame(&picture), frame(&riff_chunk(b"VP8 ", b"second"))]);
            let first = found(&bytes).unwrap().unwrap();
            assert_eq!((first.left, first.top, first.width, first.height), (6, 4, 20, 10));
            let mut still = Vec::new();
            first.take_out(&mut Cursor::new(bytes), &mut still).unwrap();
            let sides = webp_canvas(flags, 20, 10);
            assert_eq!(still, webp_of(&[sides, picture]));
        }
    }

    #[test]
    fn what_does_not_move_has_none_and_what_is_cut_off_is_told() {
        let picture = riff_chunk(b"VP8 ", b"lossy");
        assert_eq!(found(&webp_of(&[canvas(ALPHA), picture.clone()])), Ok(None));
        assert_eq!(found(&webp_of(&[riff_chunk(b"VP8 ", b"a lossy one")])), Ok(None));
        assert_eq!(found(&webp_of(&[canvas(ANIMATION), picture.clone()])), Err(ErrorKind::UnexpectedEof));
        for short in [0, 15, 16, 23] {
            let frame = riff_chunk(b"ANMF", &vec![0; short]);
            assert_eq!(found(&webp_of(&[canvas(ANIMATION), frame])), Err(ErrorKind::InvalidData), "{short}");
        }
        assert_eq!(found(&webp_of(&[riff_chunk(b"VP8X", b""), frame(&picture)])), Err(ErrorKind::InvalidData));
        // What a later edition may put behind the canvas is passed over.
        let longer = riff_chunk(b"VP8X", &[&[ANIMATION, 0, 0, 0, 99, 0, 0, 49, 0, 0][..], b"odd"].concat());
        assert_eq!(found(&webp_of(&[longer, frame(&picture)])).map(|first| first.unwrap().left), Ok(6));
        let whole = webp_of(&[canvas(ANIMATION), frame(&picture)]);
        for length in 0..whole.len() {
            assert_ne!(found(&whole[..length]).map(|first| first.is_some()), Ok(true), "{length}");
        }
        // A chunk that says it is longer than any file.
        let lying = [canvas(ANIMATION), b"ICCP\xff\xff\xff\xff".to_vec(), frame(&picture)];
        assert_eq!(found(&webp_of(&lying)), Err(ErrorKind::UnexpectedEof));
        // One that becomes shorter before it is taken out.
        let first = found(&whole).unwrap().unwrap();
        let short = first.take_out(&mut Cursor::new(&whole[..whole.len() - 4]), &mut Vec::new());
        assert_eq!(short.unwrap_err().kind(), ErrorKind::UnexpectedEof);
    }
}
