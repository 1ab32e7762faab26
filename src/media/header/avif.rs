//! The boxes of an AVIF (ISO/IEC 14496-12, 4.2): how many there are. A decoder goes through all of them.

use std::io::{self, BufRead, ErrorKind, Seek, SeekFrom};

/// Boxes of boxes. What else a decoder goes through is for its limits in time.
const CONTAINERS: [&[u8; 4]; 22] = [
    b"meta", b"moov", b"trak", b"mdia", b"minf", b"stbl", b"dinf", b"edts", b"udta", b"mvex", b"moof", b"traf",
    b"tref", b"sinf", b"schi", b"wave", b"cmov", b"iprp", b"ipco", b"grpl", b"ilst", b"hoov",
];
const DEEPEST: u32 = 16;

/// Counts them, to one more than there may be. (A picture in a hundred tiles has some hundreds; each frame of one that
/// moves is no box.)
///
/// # Errors
/// The file's. (One that ends within a box has those before.)
pub(super) fn boxes(avif: &mut (impl BufRead + Seek), most: u32) -> io::Result<u32> {
    let end = avif.seek(SeekFrom::End(0))?;
    avif.rewind()?;
    let mut walk = Walk { avif, at: 0, count: 0, most };
    match walk.through(end, DEEPEST) {
        Err(error) if error.kind() != ErrorKind::UnexpectedEof => Err(error),
        _ => Ok(walk.count),
    }
}

struct Walk<'a, R> {
    avif: &'a mut R,
    at: u64,
    count: u32,
    most: u32,
}

impl<R: BufRead + Seek> Walk<'_, R> {
    /// Goes over the boxes up to `end`.
    fn through(&mut self, end: u64, deeper: u32) -> io::Result<()> {
        while end.saturating_sub(self.at) >= 8 {
            let begin = self.at;
            let [a, b, c, d, name @ ..] = self.array::<8>()?;
            self.count += 1;
            if self.count > self.most {
                return Ok(());
            }
            let length = match u32::from_be_bytes([a, b, c, d]) {
                // To the end.
                0 => end - begin,
                1 if end - self.at >= 8 => u64::from_be_bytes(self.array()?),
                length => length.into(),
            };
            // What is shorter than its header is passed over; decoders differ.
            let next = begin.saturating_add(length).clamp(self.at, end);
            if deeper > 0 && CONTAINERS.contains(&&name) {
                if &name == b"meta" {
                    self.enter_meta(next)?;
                }
                self.through(next, deeper - 1)?;
            }
            self.go_to(next)?;
        }
        Ok(())
    }

    /// To the first box, which says what the others are, and is looked for as the decoder does; where there is none,
    /// behind a version and flags.
    fn enter_meta(&mut self, end: u64) -> io::Result<()> {
        let begin = self.at;
        while end - self.at >= 4 {
            if &self.array::<4>()? == b"hdlr" {
                return self.go_to((self.at - 8).max(begin));
            }
        }
        self.go_to(begin.saturating_add(4).min(end))
    }

    fn go_to(&mut self, place: u64) -> io::Result<()> {
        let hop = i64::try_from(i128::from(place) - i128::from(self.at)).map_err(|_| ErrorKind::UnexpectedEof)?;
        self.avif.seek_relative(hop)?;
        self.at = place;
        Ok(())
    }

    fn array<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let mut array = [0; N];
        self.avif.read_exact(&mut array)?;
        self.at = array.len().try_into().map_or(u64::MAX, |length: u64| self.at.saturating_add(length));
        Ok(array)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    const MOST: u32 = 10_000;

    fn nested(name: &[u8], body: &[u8]) -> Vec<u8> {
        [&u32::try_from(body.len() + 8).unwrap().to_be_bytes()[..], name, body].concat()
    }

    fn counted(bytes: &[u8]) -> u32 {
        boxes(&mut Cursor::new(bytes), MOST).unwrap()
    }

    #[test]
    fn boxes_are_counted_wherever_a_decoder_looks_for_them() {
        let free = nested(b"free", b"");
        let start = nested(b"ftyp", b"avif\0\0\0\0");
        let meta = |body: &[u8]| nested(b"meta", &[b"\0\0\0\0", body].concat());
        let properties = nested(b"iprp", &nested(b"ipco", &free.repeat(5)));
        let whole = [&start[..], &meta(&[&free[..], &properties].concat()), &nested(b"mdat", &free.repeat(9))].concat();
        assert_eq!(counted(&whole), 11, "what is in mdat is no box");
        for length in 0..whole.len() {
            assert!(counted(&whole[..length]) <= 11, "{length}");
        }
        let many = free.repeat(20_000);
        for bytes in [
            [&start[..], &many].concat(),
            [&start[..], &meta(&many)].concat(),
            [&start[..], &nested(b"meta", b""), &many].concat(),
            [&start[..], &nested(b"meta", &[&nested(b"hdlr", b"pict")[..], &many].concat())].concat(),
            [&start[..], &nested(b"meta", &[&b"\0\0\0\0\0\x10\0\0free"[..], b"skip\0\0\0\x08hdlr", &many].concat())]
                .concat(),
            [&start[..], &nested(b"moov", b"\0\0\0\x01trak"), &many].concat(),
            [&start[..], &meta(&nested(b"iprp", &nested(b"ipco", &many)))].concat(),
            [&start[..], &b"\0\0\0\0meta\0\0\0\0"[..], &many].concat(),
            [&start[..], &b"\0\0\0\x01moov\0\0\0\0\0\x10\0\0"[..], &many].concat(),
            // Too short to be boxes.
            [&start[..], &b"\0\0\0\x02free".repeat(20_000)].concat(),
        ] {
            assert_eq!(counted(&bytes), MOST + 1);
        }
        // Nor is a stack needed for what is nested for ever.
        let mut deep = free;
        for _ in 0..10_000 {
            deep = nested(b"moov", &deep);
        }
        assert!(counted(&deep) <= 1 + DEEPEST);
    }
}
