//! What the chunks of a PNG hold, before anything of its picture is decoded (ISO/IEC 15948, clauses 5 and 11).

use std::io::{self, BufRead, Read};

use flate2::bufread::ZlibDecoder;

const SIGNATURE: u64 = 8;

/// What a PNG holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Held {
    /// Bytes of the picture, deflated.
    pub(super) picture: u64,
    /// Bytes besides it, inflated: texts, and a profile of its colours. A decoder reads all of them, and of a byte
    /// deflate makes 1032 at most.
    pub(super) besides: u64,
}

/// Goes through the chunks, until more than so many bytes are besides the picture. A file that ends early has those
/// that are there.
///
/// # Errors
/// The file's.
pub(super) fn held(mut bytes: impl BufRead, most_besides: u64) -> io::Result<Held> {
    let mut held = Held::default();
    drain(bytes.by_ref().take(SIGNATURE))?;
    while held.besides <= most_besides {
        let mut start = [0; 8];
        match bytes.read_exact(&mut start) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => break,
            other => other?,
        }
        let [a, b, c, d, name @ ..] = start;
        let mut body = bytes.by_ref().take(u32::from_be_bytes([a, b, c, d]).into());
        match &name {
            // What comes behind the end is no picture.
            b"IEND" => break,
            b"IDAT" => held.picture = held.picture.saturating_add(drain(&mut body)?),
            b"tEXt" => held.besides = held.besides.saturating_add(drain(&mut body)?),
            // A keyword, the method, and what is deflated.
            b"zTXt" | b"iCCP" => {
                skip_text(&mut body)?;
                drain(body.by_ref().take(1))?;
                held.besides = held.besides.saturating_add(inflated(&mut body, most_besides));
            }
            b"iTXt" => held.besides = held.besides.saturating_add(international(&mut body, most_besides)?),
            _ => {}
        }
        drain(body)?;
        // Its check.
        drain(bytes.by_ref().take(4))?;
    }
    Ok(held)
}

/// A keyword, whether the text is deflated, the method, a language, the keyword in that, and the text.
fn international(body: &mut impl BufRead, most: u64) -> io::Result<u64> {
    skip_text(body)?;
    let mut flags = Vec::new();
    body.take(2).read_to_end(&mut flags)?;
    skip_text(body)?;
    skip_text(body)?;
    match flags.first() {
        Some(1) => Ok(inflated(body, most)),
        _ => drain(body),
    }
}

fn skip_text(body: &mut impl BufRead) -> io::Result<()> {
    body.skip_until(0).map(drop)
}

fn drain(mut bytes: impl Read) -> io::Result<u64> {
    io::copy(&mut bytes, &mut io::sink())
}

/// What a deflated part counts for at least, in bytes: to begin with each costs a decoder about as much.
const LEAST: u64 = 1024;

/// So many bytes it makes, one more than `most` at most; of what is damaged, those before.
fn inflated(body: &mut impl BufRead, most: u64) -> u64 {
    let mut pieces = ZlibDecoder::new(body).take(most.saturating_add(1));
    let (mut all, mut piece) = (0, [0; 8192]);
    while let Ok(count @ 1..) = pieces.read(&mut piece) {
        all += u64::try_from(count).unwrap_or_default();
    }
    all.max(LEAST)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::{Compression, write::ZlibEncoder};

    use super::*;

    const MOST: u64 = 4 * 1024 * 1024;

    fn chunk(name: &[u8], body: &[u8]) -> Vec<u8> {
        [&u32::try_from(body.len()).unwrap().to_be_bytes()[..], name, body, b"CRC!"].concat()
    }

    fn deflated(length: usize) -> Vec<u8> {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(&vec![b'a'; length]).unwrap();
        encoder.finish().unwrap()
    }

    fn held_in(chunks: &[Vec<u8>]) -> (u64, u64) {
        let held = held(&[b"\x89PNG\r\n\x1a\n".as_slice(), &chunks.concat()].concat()[..], MOST).unwrap();
        (held.picture, held.besides)
    }

    #[test]
    fn what_is_besides_the_picture_counts_as_it_is_inflated() {
        let of = |name: &[u8], before: &[u8], body: &[u8]| chunk(name, &[before, body].concat());
        let (header, end) = (chunk(b"IHDR", &[0; 13]), chunk(b"IEND", b""));
        let (picture, more) = (chunk(b"IDAT", &[0; 100]), chunk(b"IDAT", &[0; 11]));
        let packed = deflated(10_000);
        assert_eq!(held_in(&[header.clone(), picture.clone(), more, end.clone()]), (111, 0));
        for (part, besides) in [
            (of(b"tEXt", b"Comment\0", b"plain"), 13),
            (of(b"zTXt", b"Comment\0\0", &packed), 10_000),
            (of(b"iCCP", b"sRGB\0\0", &packed), 10_000),
            (of(b"iTXt", b"Comment\0\x01\0en\0Comment\0", &packed), 10_000),
            (of(b"iTXt", b"Comment\0\0\0en\0Comment\0", b"plain"), 5),
            (of(b"eXIf", b"", &[0; 50]), 0),
            (of(b"zTXt", b"Comment\0\0", b"not deflated"), LEAST),
            (of(b"zTXt", b"Comment", b""), LEAST),
            (of(b"iTXt", b"Comment\0", b""), 0),
        ] {
            // Wherever it stands.
            assert_eq!(held_in(&[header.clone(), part.clone(), picture.clone(), end.clone()]), (100, besides));
            assert_eq!(held_in(&[header.clone(), picture.clone(), part.clone(), end.clone()]), (100, besides));
            assert_eq!(held_in(&[picture.clone(), part.clone(), part]), (100, 2 * besides));
        }
    }

    #[test]
    fn no_more_is_inflated_than_may_be() {
        let bomb = [b"Comment\0\0".as_slice(), &deflated(64 * 1024 * 1024)].concat();
        assert!(bomb.len() < 100_000);
        assert_eq!(held_in(&[chunk(b"zTXt", &bomb), chunk(b"IDAT", b"not reached")]), (0, MOST + 1));
        // Nor in small portions.
        let portion = chunk(b"iCCP", &[b"p\0\0".as_slice(), &deflated(1_000_000)].concat());
        let (_, besides) = held_in(&vec![portion; 100]);
        assert_eq!(besides, 5_000_000);
    }

    #[test]
    fn a_png_that_ends_early_has_what_is_there() {
        let whole = [chunk(b"IHDR", &[0; 13]), chunk(b"IDAT", &[0; 100]), chunk(b"tEXt", b"a\0b")].concat();
        for length in 0..whole.len() {
            let (picture, besides) = held_in(&[whole[..length].to_vec()]);
            assert!(picture <= 100 && besides <= 3, "{length}");
        }
        let lying = [&u32::MAX.to_be_bytes()[..], b"IDAT", &[0; 10]].concat();
        assert_eq!(held_in(&[lying]), (10, 0));
    }
}
