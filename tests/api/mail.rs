//! Mail, against a real SMTP server.

use std::time::{Duration, Instant};

use diesel::{QueryableByName, RunQueryDsl as _, sql_query, sql_types::BigInt};
use playhouse::{
    domain::text::Email,
    mail::{Mail, MailError, Mailer},
};
use serde_json::json;

use crate::support::{
    app::{Plan, eventually},
    smtp::{Mood, Smtp},
    stores::TestDb,
};

fn mail(subject: &str, text: &str) -> Mail {
    Mail { to: Email::parse("ilsa@example.org").unwrap(), subject: subject.to_owned(), text: text.to_owned() }
}

#[tokio::test]
async fn a_mail_arrives_as_it_was_written() {
    let smtp = Smtp::start();
    let mailer = Mailer::new(&smtp.settings()).unwrap();
    let text = "Grüße an 東京 🎬\n.\n.a line that begins with a dot\nhttps://example.org/reset?token=a=b&c=d\n";
    let subject = "Zurück – a subject that is longer than one line of a header may be, with Ünïcödé in it, to the end";
    mailer.send(mail(subject, text)).await.unwrap();
    let mails = smtp.wait_for(1).await;
    assert_eq!(mails[0].subject, subject);
    // The last line end is the message's.
    assert_eq!(mails[0].text.replace("\r\n", "\n").trim_end(), text.trim_end());
    assert_eq!(
        (mails[0].from.as_str(), mails[0].to.as_slice()),
        ("house@example.org", &["ilsa@example.org".to_owned()][..])
    );
    assert_eq!(mails[0].sender, "The House <house@example.org>");
    assert!(mails[0].headers.iter().any(|name| name == "date"), "{:?}", mails[0].headers);
}

#[tokio::test]
async fn a_subject_with_line_ends_adds_no_header_and_no_recipient() {
    let smtp = Smtp::start();
    let mailer = Mailer::new(&smtp.settings()).unwrap();
    mailer.send(mail("Hello\r\nBcc: victor@example.org\r\n\r\nAnother text", "Text\n")).await.unwrap();
    let mails = smtp.wait_for(1).await;
    assert!(!mails[0].headers.contains(&"bcc".to_owned()), "{:?}", mails[0].headers);
    assert_eq!(mails[0].to, ["ilsa@example.org"]);
    assert_eq!(mails[0].text.trim(), "Text");
}

#[tokio::test]
async fn a_refused_mail_is_an_error_that_says_whether_to_come_again() {
    let smtp = Smtp::start();
    let mailer = Mailer::new(&smtp.settings()).unwrap();
    smtp.be(Mood::RefusesForNow);
    let error = mailer.send(mail("One", "1")).await.unwrap_err();
    assert!(matches!(error, MailError::Away(_)), "{error:?}");
    smtp.be(Mood::RefusesForEver);
    let error = mailer.send(mail("Two", "2")).await.unwrap_err();
    assert!(matches!(error, MailError::Refused(_)), "{error:?}");
    smtp.be(Mood::Takes);
    mailer.send(mail("Three", "3")).await.unwrap();
    let mails = smtp.wait_for(1).await;
    assert_eq!(mails.iter().map(|mail| mail.subject.as_str()).collect::<Vec<_>>(), ["Three"]);
}

#[tokio::test]
async fn a_server_that_hangs_or_is_not_there_is_an_error_in_time() {
    let smtp = Smtp::start();
    let mut settings = smtp.settings();
    settings.timeout_ms = 500;
    let mailer = Mailer::new(&settings).unwrap();
    smtp.pause();
    let begun = Instant::now();
    let error = mailer.send(mail("Hung", "")).await.unwrap_err();
    assert!(matches!(error, MailError::TimedOut(_)), "{error:?}");
    let took = begun.elapsed();
    assert!((Duration::from_millis(400)..Duration::from_secs(5)).contains(&took), "{took:?}");
    smtp.resume();
    drop(smtp);
    let error = mailer.send(mail("Gone", "")).await.unwrap_err();
    assert!(matches!(error, MailError::Away(_)), "{error:?}");
}

#[tokio::test]
async fn a_server_without_tls_gets_no_mail_where_tls_is_required() {
    let smtp = Smtp::start();
    let mut settings = smtp.settings();
    settings.smtp_url = format!("{}?tls=required", smtp.url()).into();
    settings.timeout_ms = 3000;
    Mailer::new(&settings).unwrap().send(mail("Open", "secret")).await.unwrap_err();
    assert!(smtp.mails().is_empty());
}

#[derive(QueryableByName)]
struct Waiting {
    #[diesel(sql_type = BigInt)]
    jobs: i64,
    #[diesel(sql_type = BigInt)]
    tries: i64,
}

fn waiting(db: &TestDb) -> Waiting {
    let statement = "SELECT count(*) AS jobs, coalesce(sum(attempts), 0)::bigint AS tries FROM graphile_worker.jobs";
    sql_query(statement).get_result(&mut db.connect()).expect("the queue")
}

#[actix_web::test]
async fn a_link_that_is_refused_for_ever_is_given_up_and_one_refused_for_now_is_not() {
    let (db, smtp) = (TestDb::create(), Smtp::start());
    let app = Plan::over(&db).with("PLAYHOUSE_MAIL__SMTP_URL", &smtp.url()).start();
    let person = app.register().await;
    let ask = async || app.post_open("/password/forgot", json!({"email": person.email})).await.response(200);
    smtp.be(Mood::RefusesForEver);
    ask().await;
    let within = Duration::from_secs(30);
    assert!(eventually(within, async || !smtp.refused().is_empty()).await, "no mail was tried");
    assert!(eventually(within, async || waiting(&db).jobs == 0).await, "it would be tried again");
    smtp.be(Mood::RefusesForNow);
    ask().await;
    let tried = async || matches!(waiting(&db), Waiting { jobs: 1, tries: 1.. });
    assert!(eventually(within, tried).await, "it is not tried again");
    smtp.be(Mood::Takes);
    assert!(smtp.wait_for(1).await[0].text.contains("token="));
}

#[actix_web::test]
async fn a_wrong_mail_setting_stops_the_start_with_one_line() {
    let db = TestDb::create();
    for (name, value, told) in [
        ("PLAYHOUSE_MAIL__SMTP_URL", "http://user:hush@host", "mail.smtp_url"),
        ("PLAYHOUSE_MAIL__FROM", "nobody", "mail.from"),
        ("PLAYHOUSE_MAIL__TIMEOUT_MS", "0", "mail.timeout_ms"),
    ] {
        let output = Plan::over(&db).with(name, value).command().output().expect("the program starts");
        let err = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{err}");
        assert!(err.contains(&format!("wrong setting {told}: ")), "{err}");
        assert!(!err.contains("hush") && err.trim().lines().count() == 1, "{err}");
    }
}
