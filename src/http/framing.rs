//! Where a request ends in what a connection brings (RFC 9112 §2.1, §6, §7.1). Decodes nothing and refuses nothing:
//! that is the protocol's library, which reads the same bytes.

use std::mem;

/// What of a request comes next.
#[derive(Debug)]
pub(super) enum Framing {
    /// Its head, up to an empty line.
    Head(Section),
    /// So many more bytes of its body.
    Sized(u64),
    /// Its body in chunks.
    Chunked(Chunk),
    /// A body that only the connection ends.
    Endless,
}

/// Lines up to an empty one.
#[derive(Debug, Default)]
pub(super) struct Section {
    /// Some byte has come.
    came: bool,
    /// A line with text has come: an empty one ends the section. Empty lines before a head belong to it (§2.2).
    began: bool,
    /// The line that comes in has text.
    text: bool,
}

/// A line of a trailer section that ends without CR: who takes LF for its end sees another request behind it than who
/// does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a line feed alone in the trailers")]
pub(super) struct BareLineFeed;

/// What of a body in chunks comes next. Sizes are in bytes.
#[derive(Debug)]
pub(super) enum Chunk {
    /// The size that stands in its first line, as far as it has come in.
    Size(u64),
    /// The rest of that line.
    Extension(u64),
    Data(u64),
    /// The line end behind the data.
    DataEnd,
    Trailers(Trailer),
}

/// What of the trailers comes next.
#[derive(Debug, Default)]
pub(super) enum Trailer {
    #[default]
    Line,
    Text,
    LineFeed,
    /// The line feed of the line without text.
    LastLineFeed,
}

impl Default for Framing {
    fn default() -> Self {
        Self::Head(Section::default())
    }
}

impl Framing {
    /// A body in chunks, from its beginning.
    pub(super) const fn chunked() -> Self {
        Self::Chunked(Chunk::Size(0))
    }

    /// Whether nothing of a request has come in yet.
    pub(super) const fn is_between(&self) -> bool {
        matches!(self, Self::Head(Section { came: false, .. }))
    }

    /// Where a head or a body ends in `bytes`, the next that come in: after that a head is expected. Nothing when it
    /// does not end in them.
    ///
    /// # Errors
    /// [`BareLineFeed`].
    pub(super) fn end(&mut self, bytes: &[u8]) -> Result<Option<usize>, BareLineFeed> {
        let end = match self {
            Self::Head(section) => section.end(bytes),
            Self::Sized(left) => passed(left, bytes),
            Self::Chunked(chunk) => chunk.end(bytes)?,
            Self::Endless => None,
        };
        if end.is_some() {
            *self = Self::default();
        }
        Ok(end)
    }
}

impl Section {
    fn end(&mut self, bytes: &[u8]) -> Option<usize> {
        self.came |= !bytes.is_empty();
        let mut from = 0;
        while let Some(rest) = bytes.get(from..) {
            let end = memchr::memchr(b'\n', rest);
            let line = end.map_or(rest, |end| rest.get(..end).unwrap_or_default());
            self.text |= line.iter().any(|byte| *byte != b'\r');
            from = from.saturating_add(end?).saturating_add(1);
            if mem::take(&mut self.text) {
                self.began = true;
            } else if self.began {
                return Some(from);
            }
        }
        None
    }
}

impl Chunk {
    fn end(&mut self, bytes: &[u8]) -> Result<Option<usize>, BareLineFeed> {
        let mut from = 0;
        loop {
            let rest = bytes.get(from..).unwrap_or_default();
            if let Self::Trailers(trailer) = self {
                return Ok(trailer.end(rest)?.map(|end| from.saturating_add(end)));
            }
            let Some((count, next)) = self.pass(rest) else { return Ok(None) };
            from = from.saturating_add(count);
            *self = next;
        }
    }

    /// How many of `bytes` belong to what comes before the trailers, and what comes next. Nothing when all do.
    fn pass(&mut self, bytes: &[u8]) -> Option<(usize, Self)> {
        Some(match self {
            Self::Size(size) => match char::from(*bytes.first()?).to_digit(16) {
                Some(digit) => (1, Self::Size(size.saturating_mul(16).saturating_add(digit.into()))),
                None => (0, Self::Extension(*size)),
            },
            Self::Extension(0) => (line_end(bytes)?, Self::Trailers(Trailer::default())),
            Self::Extension(size) => (line_end(bytes)?, Self::Data(*size)),
            Self::Data(left) => (passed(left, bytes)?, Self::DataEnd),
            Self::DataEnd => (line_end(bytes)?, Self::Size(0)),
            Self::Trailers(_) => return None,
        })
    }
}

impl Trailer {
    fn end(&mut self, bytes: &[u8]) -> Result<Option<usize>, BareLineFeed> {
        for (place, byte) in bytes.iter().enumerate() {
            *self = match (&self, byte) {
                (Self::LastLineFeed, _) => return Ok(Some(place.saturating_add(1))),
                (Self::LineFeed, _) => Self::Line,
                (Self::Line | Self::Text, b'\n') => return Err(BareLineFeed),
                (Self::Line, b'\r') => Self::LastLineFeed,
                (Self::Text, b'\r') => Self::LineFeed,
                (Self::Line | Self::Text, _) => Self::Text,
            };
        }
        Ok(None)
    }
}

/// Takes as much of `left` as `bytes` bring: where it ends in them.
fn passed(left: &mut u64, bytes: &[u8]) -> Option<usize> {
    let end = usize::try_from(*left).ok().filter(|end| *end <= bytes.len());
    *left = left.saturating_sub(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
    end
}

/// Behind the end of the line.
fn line_end(bytes: &[u8]) -> Option<usize> {
    memchr::memchr(b'\n', bytes).map(|end| end.saturating_add(1))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Where `framing` ends in `bytes` that come in pieces of `sizes`, over and over.
    fn end_in_pieces(mut framing: Framing, bytes: &[u8], sizes: &[usize]) -> Option<usize> {
        let (mut from, mut sizes) = (0, sizes.iter().cycle());
        while from < bytes.len() {
            let to = bytes.len().min(from + sizes.next().unwrap());
            if let Some(end) = framing.end(&bytes[from..to]).unwrap() {
                assert!(framing.is_between());
                return Some(from + end);
            }
            from = to;
        }
        None
    }

    fn pieces() -> impl Strategy<Value = Vec<usize>> {
        proptest::collection::vec(1..40_usize, 1..8)
    }

    proptest! {
        #[test]
        fn a_head_ends_with_its_empty_line(
            sizes in pieces(), before in "(\r?\n){0,3}", lines in "([!-~][ -~]{0,9}\r?\n){1,6}", empty in "\r?\n", after in ".*",
        ) {
            let head = format!("{before}{lines}{empty}");
            let end = end_in_pieces(Framing::default(), format!("{head}{after}").as_bytes(), &sizes);
            prop_assert_eq!(end, Some(head.len()));
        }

        #[test]
        fn a_body_ends_with_its_last_byte(sizes in pieces(), length in 1..200_usize, after in 0..100_usize) {
            let framing = Framing::Sized(length.try_into().unwrap());
            prop_assert_eq!(end_in_pieces(framing, &vec![b'\n'; length + after], &sizes), Some(length));
        }

        #[test]
        fn chunks_end_with_the_empty_line_behind_the_last(
            sizes in pieces(),
            chunks in proptest::collection::vec(("[\r\n0-9a-f;]{1,40}", "(;[a-z]{1,3}(=[0-9]{1,3})?)?"), 0..5),
            trailers in "([!-~]{1,9}: [ -~]{0,9}\r\n){0,2}",
            after in "[\r\n0]*",
        ) {
            let chunks = chunks.iter().map(|(data, extension)| format!("{:x}{extension}\r\n{data}\r\n", data.len()));
            let body = format!("{}0\r\n{trailers}\r\n", chunks.collect::<String>());
            let end = end_in_pieces(Framing::chunked(), format!("{body}{after}").as_bytes(), &sizes);
            prop_assert_eq!(end, Some(body.len()));
        }
    }

    #[test]
    fn what_is_not_whole_does_not_end() {
        for head in ["GET / HTTP/1.1\r\nhost: a\r\n", "\r\n\r\n\n\n", "GET / HTTP/1.1\r\n\r"] {
            assert_eq!(Framing::default().end(head.as_bytes()), Ok(None), "{head:?}");
        }
        for body in ["5\r\nabcde\r\n", "0\r\n", "0\r\ntrailer: 1\r\n", "ffffffffffffffffffff\r\n0\r\n\r\n"] {
            assert_eq!(Framing::chunked().end(body.as_bytes()), Ok(None), "{body:?}");
        }
        assert_eq!(Framing::Endless.end(b"\r\n\r\n"), Ok(None));
    }

    #[test]
    fn a_line_feed_alone_ends_no_trailer() {
        for body in ["0\r\n\n", "0\r\ntrailer: 1\n\r\n", "0\r\ntrailer: 1\r\n\n"] {
            assert_eq!(Framing::chunked().end(body.as_bytes()), Err(BareLineFeed), "{body:?}");
        }
    }
}
