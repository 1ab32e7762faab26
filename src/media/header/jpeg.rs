//! What lies between the segments of a JPEG (ITU-T T.81, B.1).

use std::io::{self, BufRead, Read as _};

/// What is coded in a JPEG.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Coded {
    /// Width and height, as the first frame's header says them (B.2.2); a height of 0 comes behind the first scan.
    pub(super) sides: (u16, u16),
    pub(super) segments: u32,
    pub(super) scans: u32,
    /// Bytes in all of them.
    pub(super) bytes: u64,
}

/// Goes through a JPEG to its end, or to one segment more than it may have: segments are passed over by their lengths,
/// what is coded between them up to the next marker. (Of profiles and the like, which come in pieces of 64 kB, some
/// hundreds are known.)
///
/// # Errors
/// `UnexpectedEof` where it ends before; the file's.
pub(super) fn coded(mut bytes: impl BufRead, most_segments: u32) -> io::Result<Coded> {
    let (mut found, mut in_scan) = (Coded::default(), false);
    loop {
        let passed = bytes.skip_until(0xff)?;
        let mut code = [0xff];
        while code == [0xff] {
            bytes.read_exact(&mut code)?;
        }
        if in_scan {
            let passed = u64::try_from(passed).unwrap_or_default().saturating_sub(1);
            found.bytes = found.bytes.saturating_add(passed + u64::from(code == [0]));
        }
        match code {
            [0xd9] => return Ok(found),
            // A stuffed byte, and markers that stand alone.
            [0x00 | 0x01 | 0xd0..=0xd7] => {}
            [_] if found.segments == most_segments => {
                found.segments += 1;
                return Ok(found);
            }
            // The decoder begins anew.
            [0xd8] => found.segments += 1,
            // The decoder looks for the next marker within these.
            [marker] if !is_passed_over(marker) => {
                found.segments += 1;
                in_scan = false;
            }
            [marker] => {
                found.segments += 1;
                in_scan = marker == 0xda;
                found.scans = found.scans.saturating_add(u32::from(in_scan));
                let mut length = [0; 2];
                bytes.read_exact(&mut length)?;
                let length = u64::from(u16::from_be_bytes(length).saturating_sub(2));
                let mut segment = bytes.by_ref().take(length);
                if is_frame(marker) && found.sides == (0, 0) {
                    let mut header = [0; 5];
                    segment.read_exact(&mut header)?;
                    let [_, high, igh, wide, ide] = header;
                    found.sides = (u16::from_be_bytes([wide, ide]), u16::from_be_bytes([high, igh]));
                }
                let rest = segment.limit();
                if io::copy(&mut segment, &mut io::sink())? < rest {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
            }
        }
    }
}

/// Whether a segment is a frame's header: not a table of codes, nor reserved.
const fn is_frame(marker: u8) -> bool {
    matches!(marker, 0xc0..=0xcf) && !matches!(marker, 0xc4 | 0xc8 | 0xcc)
}

/// Whether the decoder passes a segment over by its length: frames, tables, scans, intervals, applications', comments.
const fn is_passed_over(marker: u8) -> bool {
    is_frame(marker) || matches!(marker, 0xc4 | 0xda | 0xdb | 0xdd | 0xe0..=0xef | 0xfe)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOST: u32 = 10_000;

    fn coded(bytes: &[u8]) -> io::Result<Coded> {
        super::coded(bytes, MOST)
    }

    #[test]
    fn a_jpeg_is_whole_when_its_own_end_is_there() {
        let segment = |code: u8, body: &[u8]| {
            let length = u16::try_from(body.len() + 2).unwrap().to_be_bytes();
            [&[0xff, code], &length[..], body].concat()
        };
        // A small picture within the first segment has an end and a scan of its own.
        let thumbnail = segment(0xe1, b"Exif\0\0\xff\xd8\xff\xc0\0\x0b\x08\0\x01\0\x01\xff\xda\0\x02\xff\xd9");
        let frame = segment(0xc2, &[8, 0x01, 0xe0, 0x02, 0x80, 3, 1, 0x22, 0]);
        let scan = [segment(0xda, b"\x01"), b"\x12\xff\x00\x34\xff\xd0\x56".to_vec()].concat();
        // Any number of 0xff may stand before a marker.
        let begin = [b"\xff\xff\xff\xd8", &thumbnail[..], b"\xff\xff", &frame].concat();
        let whole = [&begin[..], &scan, &segment(0xc4, b"\xff\xd9"), &scan, b"\xff\xd9"].concat();
        let found = Coded { sides: (640, 480), segments: 6, scans: 2, bytes: 2 * 4 };
        assert_eq!(coded(&whole[..]).unwrap(), found);
        assert_eq!(coded(&[&whole[..], b"and more"].concat()[..]).unwrap(), found);
        for length in 0..whole.len() {
            assert!(coded(&whole[..length]).is_err(), "{length}");
        }
        let hidden = segment(0xf0, &segment(0xda, b"").repeat(30));
        assert_eq!(coded(&[b"\xff\xd8", &hidden[..], b"\xff\xd9"].concat()[..]).unwrap().scans, 30);
        let many = [b"\xff\xd8".to_vec(), segment(0xe5, b"").repeat(20_000), b"\xff\xd9".to_vec()].concat();
        assert_eq!(coded(&many[..]).unwrap().segments, MOST + 1);
        let begins = [b"\xff\xd8".repeat(20_000), begin.clone(), b"\xff\xd9".to_vec()].concat();
        assert_eq!(coded(&begins[..]).unwrap().segments, MOST + 1);
    }
}
