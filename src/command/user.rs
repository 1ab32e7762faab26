//! `playhouse user`: accounts from the command line.

use std::io::{self, Write as _};

use chrono::{DateTime, SecondsFormat, Utc};
use clap::{Args, Subcommand};

use super::{
    password::{PasswordError, read_new},
    with_causes,
};
use crate::{
    actors::auth::{Account, Operator, OperatorError},
    cache::Told,
    domain::{
        access::Role,
        account::{NewUser, OwnChannel},
        text::{Email, Name, NewPassword, Username},
    },
};

/// Manage accounts, with a server running or without.
///
/// A USER is an id, an e-mail address or a username. New passwords are asked for at the terminal; where standard
/// input is no terminal, its first line is the password.
#[derive(Debug, Clone, Subcommand)]
pub enum UserCommand {
    /// Make an account.
    Make(Make),
    /// List all accounts, the oldest first.
    List(List),
    /// Give an account these roles and no others; its tokens end.
    Roles(Roles),
    /// Set a password; all tokens of the account end.
    Password(User),
    /// Shut an account: its tokens end, and until it is enabled its API keys are refused and nobody signs in to it.
    Disable(User),
    /// Open a disabled account again: its API keys hold again, its tokens stay ended.
    Enable(User),
}

/// An account that is to be made.
#[derive(Debug, Clone, Args)]
pub struct Make {
    /// Its username.
    #[arg(long, required_unless_present = "email", value_parser = |text: &str| Username::parse(text))]
    username: Option<Username>,
    /// Its e-mail address.
    #[arg(long, value_parser = |text: &str| Email::parse(text))]
    email: Option<Email>,
    /// The person's first name.
    #[arg(long, value_parser = |text: &str| Name::parse(text))]
    first_name: Option<Name>,
    /// The person's last name.
    #[arg(long, value_parser = |text: &str| Name::parse(text))]
    last_name: Option<Name>,
    /// A role; may be given several times. Without any the account gets what a registration would give it: the
    /// first account of an installation becomes its owner.
    #[arg(long = "role", value_parser = role)]
    roles: Vec<Role>,
}

/// How accounts are listed.
#[derive(Debug, Clone, Copy, Args)]
pub struct List {
    /// As a JSON array.
    #[arg(long)]
    json: bool,
}

/// An account and its roles.
#[derive(Debug, Clone, Args)]
pub struct Roles {
    /// Id, e-mail address or username.
    user: String,
    /// All the roles it shall have.
    #[arg(required = true, value_parser = role)]
    roles: Vec<Role>,
}

/// An account.
#[derive(Debug, Clone, Args)]
pub struct User {
    /// Id, e-mail address or username.
    user: String,
}

/// Why a command failed; its text is one line.
#[derive(Debug, thiserror::Error)]
pub enum UserCommandError {
    /// No password.
    #[error(transparent)]
    Password(#[from] PasswordError),
    /// The accounts' rules, or the database.
    #[error("{}", with_causes(.0))]
    Operator(#[from] OperatorError),
    /// Standard output.
    #[error("cannot write: {0}")]
    Output(#[from] io::Error),
}

/// Whether servers should have heard of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hearers {
    /// They use the stores that the command uses.
    Expected,
    /// The command has started the stores for itself.
    None,
}

/// A command with all that it needs of the person who gave it.
#[derive(Debug)]
pub enum Task {
    /// Make an account.
    Make(Box<NewUser>, Vec<Role>),
    /// List all.
    List(List),
    /// Set roles.
    Roles(Roles),
    /// Set a password.
    Password(User, NewPassword),
    /// Disable.
    Disable(User),
    /// Enable.
    Enable(User),
}

impl UserCommand {
    /// Asks for what is missing: a password. Blocks.
    ///
    /// # Errors
    /// See [`PasswordError`].
    pub fn ask(self) -> Result<Task, UserCommandError> {
        Ok(match self {
            Self::Make(Make { username, email, first_name, last_name, roles }) => {
                let new = NewUser {
                    username,
                    email,
                    first_name,
                    middle_name: None,
                    last_name,
                    birth_date: None,
                    password: read_new()?,
                    channel: OwnChannel::WithFirstVideo,
                };
                Task::Make(Box::new(new), roles)
            }
            Self::List(list) => Task::List(list),
            Self::Roles(roles) => Task::Roles(roles),
            Self::Password(user) => Task::Password(user, read_new()?),
            Self::Disable(user) => Task::Disable(user),
            Self::Enable(user) => Task::Enable(user),
        })
    }
}

impl Task {
    /// Does it, and prints what came of it.
    ///
    /// # Errors
    /// See [`UserCommandError`].
    pub async fn carry_out(self, operator: &Operator, hearers: Hearers) -> Result<(), UserCommandError> {
        let (done, what) = match self {
            Self::Make(new, roles) => {
                let user = operator.make(*new, roles).await?;
                return print(&format!("made {} with the roles {}\n", user.id, names(&user.roles)));
            }
            Self::List(list) => return list.print(operator).await,
            Self::Roles(Roles { user, roles }) => {
                let done = operator.set_roles(&user, &roles).await?;
                let what = format!("has the roles {}", names(&done.user.roles));
                (done, what)
            }
            Self::Password(User { user }, password) => {
                (operator.set_password(&user, password).await?, "has a new password".to_owned())
            }
            Self::Disable(User { user }) => (operator.disable(&user).await?, "is disabled".to_owned()),
            Self::Enable(User { user }) => (operator.enable(&user).await?, "is enabled".to_owned()),
        };
        print(&format!("{} {what}\n", done.user.id))?;
        warn(done.told, hearers)
    }
}

impl List {
    /// Page by page: an installation can have many accounts.
    async fn print(self, operator: &Operator) -> Result<(), UserCommandError> {
        if !self.json {
            print(&columns(["ID", "STATE", "MADE", "ROLES", "USERNAME", "E-MAIL"]))?;
        }
        let (mut opening, between, closing) = if self.json { ("[", ",\n ", "]\n") } else { ("", "", "") };
        let mut after = None;
        loop {
            let accounts = operator.accounts(after).await?;
            let Some(last) = accounts.last() else { break };
            after = Some(last.user.id);
            let mut page = String::new();
            for account in &accounts {
                page.push_str(opening);
                page.push_str(&if self.json { json(account) } else { row(account) });
                opening = between;
            }
            print(&page)?;
        }
        // Nothing came: the array is opened here.
        print(if opening == "[" { "[]\n" } else { closing })
    }
}

fn row(account: &Account) -> String {
    let Account { user, disabled_at } = account;
    let state = if disabled_at.is_some() { "disabled" } else { "active" };
    let (id, made, roles) = (user.id.to_string(), time(user.created_at), names(&user.roles));
    let email = shown(user.email.as_deref().unwrap_or("-"));
    columns([&id, state, &made, &roles, user.username.as_deref().unwrap_or("-"), &email])
}

/// Those that can be long come last.
fn columns([id, state, made, roles, username, email]: [&str; 6]) -> String {
    format!("{id:<36}  {state:<8}  {made:<20}  {roles:<20}  {username:<25}  {email}\n")
}

fn json(account: &Account) -> String {
    let Account { user, disabled_at } = account;
    serde_json::json!({
        "id": user.id,
        "username": user.username,
        "email": user.email,
        "first_name": user.first_name,
        "last_name": user.last_name,
        "roles": user.roles.iter().map(|role| role.name()).collect::<Vec<_>>(),
        "createdAt": time(user.created_at),
        "disabledAt": disabled_at.map(time),
    })
    .to_string()
}

fn time(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// Nothing that steers the terminal.
fn shown(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { '\u{fffd}' } else { letter }).collect()
}

fn names(roles: &[Role]) -> String {
    if roles.is_empty() { "-".to_owned() } else { roles.iter().map(|role| role.name()).collect::<Vec<_>>().join(",") }
}

fn role(name: &str) -> Result<Role, String> {
    Role::parse(name).ok_or_else(|| format!("the roles are {}", names(&Role::ALL)))
}

/// What is stored is done, whoever has heard of it.
fn warn(told: Told, hearers: Hearers) -> Result<(), UserCommandError> {
    let warning = match (told, hearers) {
        (Told::Others, _) | (Told::Nobody, Hearers::None) => return Ok(()),
        (Told::Nobody, Hearers::Expected) => {
            "no server listens to this Redis: one that runs with another takes up to cache.ttl_seconds to notice"
        }
        (Told::Unanswered, _) => {
            "Redis did not answer: nodes that can reach it may take up to cache.ttl_seconds to notice; run this again \
             to tell them at once"
        }
    };
    Ok(io::stderr().write_all(format!("playhouse: {warning}\n").as_bytes())?)
}

/// Whoever reads our output may have seen enough.
fn print(text: &str) -> Result<(), UserCommandError> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}
