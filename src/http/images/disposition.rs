//! The name of a file as `Content-Disposition` tells it (RFC 6266): in letters that every client reads, and whole, in
//! any language (RFC 8187).

use actix_web::http::header::HeaderValue;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// All but the `attr-char` of RFC 8187 §3.2.1.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'!')
    .remove(b'#')
    .remove(b'$')
    .remove(b'&')
    .remove(b'+')
    .remove(b'-')
    .remove(b'.')
    .remove(b'^')
    .remove(b'_')
    .remove(b'`')
    .remove(b'|')
    .remove(b'~');

/// Says that the answer is to be kept under `name`, and not shown. Whatever `name` is, nothing of it ends the header.
/// In the first of the two, nothing has to be escaped, and nothing looks like an escape or a path: not every client knows
/// what to do with these (RFC 6266, appendix D).
pub(super) fn attachment(name: &str) -> HeaderValue {
    let mut text = String::from("attachment; filename=\"");
    let escapes = |at: usize| {
        let digits = name.as_bytes().get(at + 1..at + 3);
        digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    };
    text.extend(name.char_indices().map(|(at, letter)| match letter {
        '"' | '\\' | '/' => '_',
        '%' if escapes(at) => '_',
        ' '..='~' => letter,
        _ => '_',
    }));
    text.push_str("\"; filename*=UTF-8''");
    text.extend(utf8_percent_encode(name, ENCODED));
    HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static("attachment"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_name_is_told_twice() {
        for (name, header) in [
            ("a.png", r#"attachment; filename="a.png"; filename*=UTF-8''a.png"#),
            ("two words.png", r#"attachment; filename="two words.png"; filename*=UTF-8''two%20words.png"#),
            ("../100%41.png", r#"attachment; filename=".._100_41.png"; filename*=UTF-8''..%2F100%2541.png"#),
            ("100% a%.png", r#"attachment; filename="100% a%.png"; filename*=UTF-8''100%25%20a%25.png"#),
            ("写.png", r#"attachment; filename="_.png"; filename*=UTF-8''%E5%86%99.png"#),
            (r#"a"b\c\"#, "attachment; filename=\"a_b_c_\"; filename*=UTF-8''a%22b%5Cc%5C"),
            ("a\r\nX-Evil: 1", "attachment; filename=\"a__X-Evil: 1\"; filename*=UTF-8''a%0D%0AX-Evil%3A%201"),
        ] {
            assert_eq!(attachment(name), header, "{name:?}");
        }
    }

    proptest! {
        #[test]
        fn every_name_comes_back_whole_and_ends_no_header(name in any::<String>()) {
            let header = attachment(&name);
            let text = header.to_str().unwrap();
            prop_assert!(text.bytes().all(|byte| (b' '..=b'~').contains(&byte)));
            let (_, encoded) = text.split_once("filename*=UTF-8''").unwrap();
            let decoded = percent_encoding::percent_decode_str(encoded).decode_utf8().unwrap();
            prop_assert_eq!(decoded, name);
        }
    }
}
