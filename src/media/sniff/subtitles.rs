//! Subtitles are text: told by their first lines, and read to the end before they are believed.

use std::io::{self, Read};

use crate::domain::media::MediaType;

/// Text is read in pieces of so many bytes.
const PIECE_BYTES: u64 = 64 * 1024;

/// The head as text.
fn text(head: &[u8]) -> Option<&str> {
    plain(head).map(|text| text.strip_prefix('\u{feff}').unwrap_or(text))
}

/// A piece as text: valid UTF-8 but for a character cut off at its end, no control characters.
fn plain(piece: &[u8]) -> Option<&str> {
    let text = match std::str::from_utf8(piece) {
        Ok(text) => text,
        Err(error) if error.error_len().is_none() => std::str::from_utf8(piece.get(..error.valid_up_to())?).ok()?,
        Err(_) => return None,
    };
    text.chars().all(|c| !c.is_control() || matches!(c, '\n' | '\r' | '\t')).then_some(text)
}

/// The form of subtitles that a file with this head is in.
pub(super) fn subtitle(head: &[u8]) -> Option<MediaType> {
    let text = text(head)?;
    if let Some(rest) = text.strip_prefix("WEBVTT") {
        return rest.chars().next().is_none_or(|c| matches!(c, ' ' | '\t' | '\n' | '\r')).then_some(MediaType::WebVtt);
    }
    let mut lines = text.lines().map(str::trim).skip_while(|line| line.is_empty());
    let number = lines.next()?;
    let numbered = !number.is_empty() && number.len() <= 9 && number.bytes().all(|byte| byte.is_ascii_digit());
    let (from, to) = lines.next()?.split_once("-->")?;
    let timed = is_srt_time(from.trim()) && to.split_whitespace().next().is_some_and(is_srt_time);
    (numbered && timed).then_some(MediaType::Srt)
}

/// `01:02:03,456`; a point in place of the comma is common.
fn is_srt_time(text: &str) -> bool {
    let Some((clock, millis)) = text.split_once([',', '.']) else { return false };
    let digits = |part: &str, most: usize| (1..=most).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
    let mut parts = clock.split(':');
    let clock_fits = parts.next().is_some_and(|hours| digits(hours, 4))
        && parts.next().is_some_and(|minutes| digits(minutes, 2))
        && parts.next().is_some_and(|seconds| digits(seconds, 2))
        && parts.next().is_none();
    clock_fits && digits(millis, 3)
}

/// Whether the whole of a subtitle file is text. Reads it, piece by piece: call it where blocking is allowed.
///
/// # Errors
/// The disk's.
pub fn is_text_throughout(mut file: impl Read) -> io::Result<bool> {
    let mut piece = Vec::new();
    loop {
        // What is there of a character that the piece before cut off comes first.
        let cut_off = piece.len();
        (&mut file).take(PIECE_BYTES).read_to_end(&mut piece)?;
        if piece.len() == cut_off {
            return Ok(cut_off == 0);
        }
        let Some(text) = plain(&piece) else { return Ok(false) };
        let read = text.len();
        piece.drain(..read);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives its bytes, and tells how many were asked for at once.
    struct Asked<'a>(&'a [u8], usize);

    impl Read for Asked<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.1 = self.1.max(buffer.len());
            self.0.read(buffer)
        }
    }

    #[test]
    fn text_is_read_in_pieces_to_its_end() {
        let piece = usize::try_from(PIECE_BYTES).unwrap();
        // Three bytes a character: each piece ends at another place in one.
        let text = "映".repeat(piece);
        let mut asked = Asked(text.as_bytes(), 0);
        assert!(is_text_throughout(&mut asked).unwrap());
        assert!(asked.0.is_empty() && asked.1 <= piece, "{} at once", asked.1);
        for (end, expected) in [(&b""[..], true), (b"\n", true), (b"\0", false), (b"\xff", false), (b"\xe6\x98", false)]
        {
            let bytes = [text.as_bytes(), end].concat();
            assert_eq!(is_text_throughout(&*bytes).unwrap(), expected, "{end:?}");
        }
        assert!(is_text_throughout(&b""[..]).unwrap());
    }
}
