//! Mail: one text to one address, handed to an SMTP server.
//!
//! Owns the way there: the server's address, TLS, the time it may take. It keeps nothing and tries nothing
//! again: who wants a mail to arrive sends it from a job. It knows no text that is sent.

use std::{error::Error, fmt, time::Duration};

use lettre::{
    AsyncSmtpTransport, AsyncTransport as _, Message, Tokio1Executor,
    message::{Mailbox, header::ContentType},
};
use secrecy::ExposeSecret as _;

use crate::{
    domain::text::Email,
    settings::{MailSettings, millis},
};

/// A wrong setting, in one line.
#[derive(Debug, thiserror::Error)]
pub enum MailAddressError {
    /// The sender.
    #[error("wrong setting mail.from: {0}")]
    From(#[from] lettre::address::AddressError),
    /// The server. The address itself is not shown: it holds a password.
    #[error("wrong setting mail.smtp_url: {0}")]
    Server(String),
}

/// Why a mail was not handed over.
#[derive(Debug, thiserror::Error)]
pub enum MailError {
    /// As things are it never will be: the address has a form that mail cannot carry, or the server refuses
    /// for good (no such mailbox).
    #[error("the mail is refused")]
    Refused(#[source] Box<dyn Error + Send + Sync>),
    /// It was not now: the server is away, asks to come again later, or does not take our sign-in.
    #[error("the mail server does not take the mail now")]
    Away(#[source] Box<dyn Error + Send + Sync>),
    /// The server did not answer in time. It may have the mail all the same.
    #[error("the mail server did not answer within {} ms", .0.as_millis())]
    TimedOut(Duration),
}

/// A mail of plain text.
#[derive(Clone)]
pub struct Mail {
    /// To whom.
    pub to: Email,
    /// One line; any character, line ends become part of the text of that line.
    pub subject: String,
    /// Lines of any characters.
    pub text: String,
}

/// What a mail says may be a secret.
impl fmt::Debug for Mail {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Mail").field("subject", &self.subject).finish_non_exhaustive()
    }
}

/// Sends mail. Cheap to clone.
#[derive(Clone)]
pub struct Mailer {
    from: Mailbox,
    way: Way,
    limit: Duration,
}

#[derive(Clone)]
enum Way {
    Smtp(AsyncSmtpTransport<Tokio1Executor>),
    /// Without a server, so that an installation can be tried out.
    Log,
}

/// Without the way, which holds a password.
impl fmt::Debug for Mailer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Mailer").field("from", &self.from).finish_non_exhaustive()
    }
}

impl Mailer {
    /// Connects to nobody yet.
    ///
    /// # Errors
    /// The setting that is wrong.
    pub fn new(settings: &MailSettings) -> Result<Self, MailAddressError> {
        let limit = millis(settings.timeout_ms);
        let url = settings.smtp_url.expose_secret();
        let way = if url.is_empty() {
            Way::Log
        } else {
            let transport = AsyncSmtpTransport::<Tokio1Executor>::from_url(url).map_err(|error| wrong_url(&error))?;
            Way::Smtp(transport.timeout(Some(limit)).build())
        };
        Ok(Self { from: settings.from.parse()?, way, limit })
    }

    /// Hands `mail` to the server, over a connection of its own; `Ok` when the server has taken it.
    ///
    /// # Errors
    /// See [`MailError`]; it takes no longer than `mail.timeout_ms`.
    pub async fn send(&self, mail: Mail) -> Result<(), MailError> {
        let transport = match &self.way {
            Way::Smtp(transport) => transport,
            Way::Log => {
                let Mail { to, subject, text } = mail;
                tracing::info!(to = to.as_str(), subject, text, "MAIL NOT SENT: no mail.smtp_url is set");
                return Ok(());
            }
        };
        let message = self.message(mail)?;
        match tokio::time::timeout(self.limit, transport.send(message)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) if error.is_permanent() && !is_about_us(&error) => Err(MailError::Refused(error.into())),
            Ok(Err(error)) if error.is_timeout() => Err(MailError::TimedOut(self.limit)),
            Ok(Err(error)) => Err(MailError::Away(error.into())),
            Err(_) => Err(MailError::TimedOut(self.limit)),
        }
    }

    fn message(&self, mail: Mail) -> Result<Message, MailError> {
        let to = mail.to.as_str().parse().map_err(|error| MailError::Refused(Box::new(error)))?;
        Message::builder()
            .from(self.from.clone())
            .to(Mailbox::new(None, to))
            .subject(mail.subject)
            .header(ContentType::TEXT_PLAIN)
            .body(mail.text)
            .map_err(|error| MailError::Refused(Box::new(error)))
    }
}

/// Whether a reply is about how we sign in, which an operator can mend (RFC 4954 §6: 530, 534, 535, 538).
fn is_about_us(error: &lettre::transport::smtp::Error) -> bool {
    error.status().is_some_and(|code| matches!(u16::from(code), 530..=538))
}

fn wrong_url(error: &lettre::transport::smtp::Error) -> MailAddressError {
    let cause = error.source().map_or_else(|| error.to_string(), ToString::to_string);
    MailAddressError::Server(cause.replace('\n', " "))
}

#[cfg(test)]
mod tests;
