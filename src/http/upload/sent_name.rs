//! The name that a part of a form gives to its file.

use actix_multipart::Field;
use actix_web::http::header;

/// The name: of `filename*` (RFC 8187), which some clients send, else of `filename`, in which three characters come
/// percent-encoded (the form encoding of HTML, as browsers and curl have it).
pub(super) fn sent_name(field: &Field) -> Option<String> {
    let part = field.content_disposition()?;
    let extended = part.get_filename_ext().and_then(|name| String::from_utf8(name.value.clone()).ok());
    extended.or_else(|| {
        let header = field.headers().get(header::CONTENT_DISPOSITION);
        let header = header.and_then(|value| std::str::from_utf8(value.as_bytes()).ok());
        let plain = header.and_then(quoted).or_else(|| part.get_filename().map(str::to_owned))?;
        Some(plain.replace("%22", "\"").replace("%0D", "\r").replace("%0A", "\n"))
    })
}

/// The parameter `filename` where it stands in quotes. (The library's reading drops single backslashes.)
fn quoted(header: &str) -> Option<String> {
    let mut rest = header.split_once(';')?.1;
    loop {
        let (name, value) = rest.split_once('=')?;
        let (text, after) = match value.trim_start().strip_prefix('"') {
            Some(begun) => {
                let (text, after) = until_quote(begun)?;
                (Some(text), after)
            }
            None => (None, value),
        };
        if name.trim().eq_ignore_ascii_case("filename") {
            return text;
        }
        rest = after.split_once(';')?.1;
    }
}

/// What comes before the closing quote, and after it. Browsers and curl write a backslash as it is, others twice, as
/// HTTP has it: it stands for itself but before a quote and another one.
fn until_quote(begun: &str) -> Option<(String, &str)> {
    let mut text = String::new();
    let mut letters = begun.char_indices().peekable();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return begun.get(at + 1..).map(|after| (text, after)),
            '\\' => {
                let escaped = letters.next_if(|(_, next)| matches!(next, '"' | '\\'));
                text.push(escaped.map_or(letter, |(_, next)| next));
            }
            _ => text.push(letter),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_in_quotes_is_read_as_browsers_and_as_others_write_it() {
        for (header, name) in [
            (r#"form-data; name="file"; filename="a.png""#, Some("a.png")),
            (r#"form-data; filename="a;b=c.png"; name="file""#, Some("a;b=c.png")),
            (r#"form-data; name="a;b=\"c"; FileName= "写 真.png""#, Some("写 真.png")),
            (r#"form-data; filename="C:\films\a.png""#, Some(r"C:\films\a.png")),
            (r#"form-data; filename="C:\\films\\a.png""#, Some(r"C:\films\a.png")),
            (r#"form-data; filename="say \"hi\".png""#, Some(r#"say "hi".png"#)),
            (r#"form-data; filename="""#, Some("")),
            (r#"form-data; size=1; filename="a""#, Some("a")),
            (r#"form-data; name="filename=\"b\"""#, None),
            ("form-data; filename=token.png", None),
            (r#"form-data; filename="no end"#, None),
            (r#"form-data; name="file""#, None),
            ("form-data", None),
            ("", None),
        ] {
            assert_eq!(quoted(header).as_deref(), name, "{header}");
        }
    }
}
