//! A forgotten password: a link by mail sets a new one, once, within its time.
//!
//! Asking does the same work for every address, known or not: it stores a job, and answers. The job
//! looks whether there is an account, so that neither text nor time of the answer tells.

use std::net::IpAddr;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use diesel::Connection as _;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{Auth, AuthError, accounts};
use crate::{
    db::{
        queries::{families, resets, users},
        rows::user::{CredentialsRow, UserChangeRow},
    },
    domain::{
        ids::UserId,
        text::{Email, NewPassword},
    },
    jobs::{self, Job},
    mail::{Mail, MailError, Mailer},
};

/// Bytes of randomness in a link.
const SECRET_BYTES: usize = 32;

/// Mails a link to an address, if an account has it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct MailResetLink {
    /// As it was asked for.
    pub email: String,
}

impl Job for MailResetLink {
    const NAME: &'static str = "mail_reset_link";
    // Some hours: a link that comes later than that is no help.
    const ATTEMPTS: i16 = 10;
}

/// Why a link was not mailed; worth trying again.
#[derive(Debug, thiserror::Error)]
pub enum ResetMailError {
    /// The database.
    #[error(transparent)]
    Store(#[from] AuthError),
    /// The mail.
    #[error(transparent)]
    Mail(#[from] MailError),
}

impl Auth {
    /// Asks for a link. Says nothing about whether there is such an account.
    ///
    /// # Errors
    /// [`AuthError::TooManyResets`] for this address of the network or of mail; [`AuthError::Store`].
    pub async fn forgot_password(&self, address: IpAddr, email: Email) -> Result<(), AuthError> {
        self.resets.take(address, &email).await?;
        let job = MailResetLink { email: email.into_string() };
        self.db.run(move |conn| Ok(jobs::add(conn, &job)?)).await
    }

    /// Mails a new link, where an account has the address and is not disabled. Links of the account that were not used stay
    /// until their time is over.
    ///
    /// # Errors
    /// See [`ResetMailError`].
    pub async fn mail_reset_link(&self, mailer: &Mailer, job: MailResetLink) -> Result<(), ResetMailError> {
        let secret: [u8; SECRET_BYTES] = rand::random();
        let token = URL_SAFE_NO_PAD.encode(secret);
        let (digest, now) = (digest_of(&token), self.clock.now());
        let ends = now + chrono::Duration::seconds(self.reset_seconds.into());
        let forget = self.db.run(move |conn| Ok::<_, AuthError>(resets::forget_ended(conn, now)?));
        forget.await?;
        let found = self.db.run(move |conn| {
            conn.transaction(|conn| -> Result<Option<String>, AuthError> {
                let found = users::credentials_by_name(conn, &job.email)?;
                // Who signs in elsewhere forgot no password, and does not get one; nor does who is shut out.
                let open = |row: &CredentialsRow| row.password_hash.is_some() && row.disabled_at.is_none();
                let Some(row) = found.filter(open) else { return Ok(None) };
                resets::insert(conn, &digest, row.user.id, ends)?;
                Ok(row.user.email)
            })
        });
        // The account's own address, and never the one that was asked for: two spellings that the database
        // takes for one can lead to two mailboxes.
        let Some(to) = found.await?.and_then(|email| Email::parse(&email).ok()) else {
            tracing::debug!("a reset link was asked for an address that no account has that may sign in");
            return Ok(());
        };
        let link = self.reset_link.replace("{token}", &token);
        let minutes = self.reset_seconds.div_ceil(60);
        let text = format!(
            "Someone, probably you, asked to set a new password for your account.\n\n\
            To set it, open this link within {minutes} minutes; it works once:\n\n{link}\n\n\
            If it was not you, there is nothing to do: your password stays as it is.\n"
        );
        let sent = mailer.send(Mail { to, subject: "Set a new password".to_owned(), text }).await;
        if matches!(sent, Err(MailError::Refused(_) | MailError::Away(_))) {
            // Nobody has this link, and the next try makes another.
            self.db.run(move |conn| Ok::<_, AuthError>(resets::take(conn, &digest, now)?)).await?;
        }
        Ok(sent?)
    }

    /// Sets a new password by a link's token, which ends all tokens of the account and its other links. A
    /// lockout of the account for `address` ends with it.
    ///
    /// # Errors
    /// [`AuthError::WrongResetToken`], [`AuthError::Busy`], [`AuthError::Store`].
    pub async fn reset_password(
        &self,
        address: IpAddr,
        token: &SecretString,
        password: NewPassword,
    ) -> Result<(), AuthError> {
        let digest = digest_of(token.expose_secret());
        let now = self.clock.now();
        let account = self.db.run(move |conn| Ok::<_, AuthError>(resets::account_of(conn, &digest, now)?)).await?;
        // A hash costs much: only who has a link makes us do it.
        let account = UserId::from(account.ok_or(AuthError::WrongResetToken)?);
        let change = UserChangeRow {
            password_hash: Some(self.passwords.hash(password.into_secret()).await?),
            ..UserChangeRow::default()
        };
        self.ending_with(account, vec![accounts::ALL_ACCOUNTS], move |conn| {
            conn.transaction(|conn| {
                let before = users::credentials_locked(conn, account)?.ok_or(AuthError::WrongResetToken)?;
                if before.disabled_at.is_some() || !resets::take(conn, &digest, now)? {
                    return Err(AuthError::WrongResetToken);
                }
                resets::delete_of(conn, account)?;
                families::delete_of_user(conn, account)?;
                let change = UserChangeRow { epoch: Some(accounts::next_epoch(&before)), ..change };
                users::update(conn, account, &change)?;
                Ok(())
            })
        })
        .await?;
        self.lockout.forgive(address, &account.to_string()).await;
        Ok(())
    }
}

/// What is stored of a token.
fn digest_of(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}
