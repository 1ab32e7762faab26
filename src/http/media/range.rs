//! The `Range` header (RFC 9110 §14.1–14.2) as this server takes it.

use std::ops::Range;

/// What a `Range` header asks of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Asked {
    /// Nothing that is understood, or several ranges: the whole.
    Whole,
    /// One range, cut to the file's length; not empty.
    Part(Range<u64>),
    /// One range with no byte of the file in it.
    Nothing,
}

/// Reads the value of a `Range` header for a file of `length` bytes.
pub(super) fn parse(value: &str, length: u64) -> Asked {
    let Some((unit, set)) = value.split_once('=') else { return Asked::Whole };
    // Nothing lies in an empty file: it is given whole. RFC 9110 §14.2: space stands around the commas of the set,
    // not before it.
    if !unit.eq_ignore_ascii_case("bytes") || set.starts_with([' ', '\t']) || length == 0 {
        return Asked::Whole;
    }
    // RFC 9110 §5.6.1: a recipient takes empty elements of a list.
    let mut specs = set.split(',').map(|spec| spec.trim_matches([' ', '\t'])).filter(|spec| !spec.is_empty());
    match (specs.next(), specs.next()) {
        (Some(spec), None) => one(spec, length),
        _ => Asked::Whole,
    }
}

/// Whether a value is written in the one plain way, with numbers that fit: what any parser reads alike.
pub(super) fn is_plain(value: &str) -> bool {
    let number = |text: &str| text.len() <= 18 && text.bytes().all(|byte| byte.is_ascii_digit());
    let spec = value.strip_prefix("bytes=").and_then(|spec| spec.split_once('-'));
    spec.is_some_and(|(first, last)| number(first) && number(last))
}

fn one(spec: &str, length: u64) -> Asked {
    let Some((first, last)) = spec.split_once('-') else { return Asked::Whole };
    let part = match (position(first), position(last)) {
        (Position::Empty, Position::At(suffix)) => length.saturating_sub(suffix)..length,
        (Position::At(first), Position::Empty) => first..length,
        (Position::At(first), Position::At(last)) if first <= last => first..last.saturating_add(1).min(length),
        _ => return Asked::Whole,
    };
    if part.start < part.end { Asked::Part(part) } else { Asked::Nothing }
}

enum Position {
    Empty,
    At(u64),
    Malformed,
}

/// Digits only; a number over 64 bits lies beyond any file, like the largest of 64 bits.
fn position(text: &str) -> Position {
    if text.is_empty() {
        return Position::Empty;
    }
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Position::Malformed;
    }
    Position::At(text.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_not_one_well_formed_range_is_the_whole() {
        for value in [
            "",
            "bytes",
            "bytes=",
            "bytes=-",
            "bytes=5-4",
            "bytes=a-b",
            "bytes=0x1-2",
            "bytes=--5",
            "bytes=1-2-3",
            "bytes=+1-2",
            "bytes= 1 - 2",
            "bytes= 0-1",
            "bytes=\t0-1",
            "items=0-1",
            "bytes=,",
            "bytes=0-1,3-4",
            "bytes=0-,0-",
            "bytes=99-,100-",
        ] {
            assert_eq!(parse(value, 10), Asked::Whole, "{value}");
        }
    }

    #[test]
    fn one_range_is_cut_to_the_file() {
        for (value, expected) in [
            ("bytes=0-0", Asked::Part(0..1)),
            ("Bytes=0-", Asked::Part(0..10)),
            ("bytes=9-9,", Asked::Part(9..10)),
            ("bytes=, 9-20", Asked::Part(9..10)),
            ("bytes=-3", Asked::Part(7..10)),
            ("bytes=-99", Asked::Part(0..10)),
            ("bytes=-99999999999999999999999", Asked::Part(0..10)),
            ("bytes=2-99999999999999999999999", Asked::Part(2..10)),
            ("bytes=0-18446744073709551615", Asked::Part(0..10)),
            ("bytes=10-", Asked::Nothing),
            ("bytes=99999999999999999999999-", Asked::Nothing),
            ("bytes=-0", Asked::Nothing),
        ] {
            assert_eq!(parse(value, 10), expected, "{value}");
        }
        for value in ["bytes=0-", "bytes=0-0", "bytes=-1", "bytes=5-"] {
            assert_eq!(parse(value, 0), Asked::Whole, "{value} of an empty file");
        }
    }

    proptest! {
        #[test]
        fn a_range_holds_the_bytes_a_simple_model_picks(first in 0..40_u64, last in 0..40_u64, length in 1..30_u64) {
            let picked: Vec<u64> = (0..length).filter(|byte| (first..=last).contains(byte)).collect();
            let expected = match picked.as_slice() {
                _ if first > last => Asked::Whole,
                [] => Asked::Nothing,
                [start, ..] => Asked::Part(*start..*picked.last().unwrap() + 1),
            };
            prop_assert_eq!(parse(&format!("bytes={first}-{last}"), length), expected);
        }

        #[test]
        fn no_value_makes_it_panic_or_leave_the_file(value in "(bytes=)?[0-9, -]{0,60}", length in any::<u64>()) {
            if let Asked::Part(part) = parse(&value, length) {
                prop_assert!(part.start < part.end && part.end <= length);
            }
        }
    }
}
