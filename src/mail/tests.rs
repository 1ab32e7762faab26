use super::*;

fn settings(smtp_url: &str, from: &str) -> MailSettings {
    MailSettings { smtp_url: smtp_url.into(), from: from.to_owned(), timeout_ms: 1000 }
}

#[test]
fn a_wrong_setting_is_named_in_one_line_without_the_password() {
    for (url, from, name) in [
        ("smtp://user:hush@host:x", "a@b.c", "mail.smtp_url"),
        ("http://user:hush@host", "a@b.c", "mail.smtp_url"),
        ("smtp://user:hush@host?tls=perhaps", "a@b.c", "mail.smtp_url"),
        ("user:hush@host", "a@b.c", "mail.smtp_url"),
        ("", "nobody", "mail.from"),
        ("", "A <a@b.c>\r\nBcc: x@y.z", "mail.from"),
    ] {
        let error = Mailer::new(&settings(url, from)).expect_err(url).to_string();
        assert!(error.starts_with(&format!("wrong setting {name}: ")), "{error}");
        assert!(!error.contains("hush") && !error.contains('\n'), "{error}");
    }
}

#[tokio::test]
async fn ways_with_and_without_tls_are_taken() {
    for url in
        ["smtp://host", "smtp://u:p@host:587?tls=required", "smtp://host?tls=opportunistic", "smtps://u:p@host", ""]
    {
        assert!(Mailer::new(&settings(url, "Playhouse <playhouse@localhost>")).is_ok(), "{url}");
    }
}

#[test]
fn a_subject_adds_no_header() {
    let mailer = Mailer::new(&settings("", "a@example.org")).unwrap();
    let mail = Mail {
        to: Email::parse("b@example.org").unwrap(),
        subject: "Hello\r\nBcc: c@example.org".to_owned(),
        text: "Text".to_owned(),
    };
    let message = String::from_utf8(mailer.message(mail).unwrap().formatted()).unwrap();
    let (head, _) = message.split_once("\r\n\r\n").unwrap();
    assert!(!head.lines().any(|line| line.to_lowercase().starts_with("bcc")), "{head}");
}
