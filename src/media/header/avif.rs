//! The boxes of an AVIF (ISO/IEC 14496-12, 4.2): how many there are. A decoder goes through all of them.

use std::io::{self, BufRead, ErrorKind, Read, Seek};

/// Boxes that an AVIF may have. A picture in a hundred tiles has some hundreds; each frame of one that moves is no box.
pub(super) const MOST_BOXES: u32 = 10_000;
/// What boxes are within boxes, that the decoder looks into.
const CONTAINERS: [&[u8; 4]; 20] = [
    b"meta", b"moov", b"trak", b"mdia", b"minf", b"stbl", b"dinf", b"edts", b"udta", b"mvex", b"moof", b"traf",
    b"tref", b"sinf", b"schi", b"wave", b"cmov", b"iprp", b"ipco", b"grpl",
];
const DEEPEST: u32 = 16;

/// Counts them, to one more than there may be.
///
/// # Errors
/// The file's. (One that ends within a box has those before.)
pub(super) fn boxes(avif: &mut (impl BufRead + Seek)) -> io::Result<u32> {
    let mut count = 0;
    match walk(avif, u64::MAX, DEEPEST, &mut count) {
        Err(error) if error.kind() != ErrorKind::UnexpectedEof => Err(error),
        _ => Ok(count),
    }
}

/// Goes over the boxes in the next `room` bytes.
fn walk(avif: &mut (impl BufRead + Seek), mut room: u64, deeper: u32, count: &mut u32) -> io::Result<()> {
    while room >= 8 && *count <= MOST_BOXES {
        let [a, b, c, d, name @ ..] = array::<8>(avif)?;
        *count += 1;
        let (length, header) = match u32::from_be_bytes([a, b, c, d]) {
            // To the end.
            0 => (room, 8),
            1 => (u64::from_be_bytes(array(avif)?), 16),
            length => (length.into(), 8),
        };
        let length = length.min(room);
        // A length that is not even that of its header: the decoder goes on behind that.
        let mut body = length.saturating_sub(header);
        if deeper > 0 && CONTAINERS.contains(&&name) {
            if &name == b"meta" {
                // A version and flags.
                array::<4>(avif)?;
                body = body.saturating_sub(4);
            }
            walk(avif, body, deeper - 1, count)?;
        } else {
            avif.seek_relative(i64::try_from(body).map_err(|_| ErrorKind::UnexpectedEof)?)?;
        }
        room -= length.max(header).min(room);
    }
    if *count <= MOST_BOXES {
        avif.seek_relative(i64::try_from(room).map_err(|_| ErrorKind::UnexpectedEof)?)?;
    }
    Ok(())
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

    fn nested(name: &[u8], body: &[u8]) -> Vec<u8> {
        [&u32::try_from(body.len() + 8).unwrap().to_be_bytes()[..], name, body].concat()
    }

    fn counted(bytes: &[u8]) -> u32 {
        boxes(&mut Cursor::new(bytes)).unwrap()
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
            [&start[..], &meta(&nested(b"iprp", &nested(b"ipco", &many)))].concat(),
            [&start[..], &b"\0\0\0\0meta\0\0\0\0"[..], &many].concat(),
            [&start[..], &b"\0\0\0\x01moov\0\0\0\0\0\x10\0\0"[..], &many].concat(),
            // Too short to be boxes.
            [&start[..], &b"\0\0\0\x02free".repeat(20_000)].concat(),
        ] {
            assert_eq!(counted(&bytes), MOST_BOXES + 1);
        }
        // Nor is a stack needed for what is nested for ever.
        let mut deep = free;
        for _ in 0..10_000 {
            deep = nested(b"moov", &deep);
        }
        assert!(counted(&deep) <= 1 + DEEPEST);
    }
}
