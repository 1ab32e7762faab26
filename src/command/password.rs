//! Passwords from the person at the terminal, or from the first line of standard input. Never from an argument:
//! those stand in the list of processes and in the history of the shell.

use std::{
    io::{self, IsTerminal as _, Read, Write as _, stderr, stdin},
    os::fd::{AsFd as _, BorrowedFd},
};

use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr};
use secrecy::zeroize::Zeroizing;
use tokio::signal::unix::{SignalKind, signal};

use crate::domain::text::{Invalid, NewPassword};

/// A line is read up to this many bytes; the longest password is shorter.
const LONGEST_LINE: usize = 4096;
/// What Ctrl-C types.
const INTERRUPT: u8 = 3;

/// Why there is no password; its text is one line and shows nothing of what was typed.
#[derive(Debug, thiserror::Error)]
pub enum PasswordError {
    /// Nothing came before the end of the input.
    #[error("no password was given: type it at the prompt, or give it as the first line of standard input")]
    Missing,
    /// It breaks a rule.
    #[error("the password {0}")]
    Wrong(#[from] Invalid),
    /// It is not text.
    #[error("the password is not UTF-8, or longer than {LONGEST_LINE} bytes")]
    NotText,
    /// What was typed the second time is not what was typed the first time.
    #[error("the two passwords differ")]
    Differ,
    /// Ctrl-C.
    #[error("given up at the prompt")]
    GivenUp,
    /// The terminal or the input failed.
    #[error("cannot read the password: {0}")]
    Io(#[from] io::Error),
}

/// Where a line comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    /// A person types.
    Terminal,
    /// A file or a pipe.
    Stream,
}

/// Reads a new password: where standard input is a terminal, twice and without showing it; else its first line.
/// Blocks.
///
/// # Errors
/// See [`PasswordError`].
pub fn read_new() -> Result<NewPassword, PasswordError> {
    let input = stdin();
    if !input.is_terminal() {
        return Ok(NewPassword::parse(&line(input.lock(), Source::Stream)?)?);
    }
    let quiet = Quiet::keep(input.as_fd())?;
    let first = ask("New password: ")?;
    // A password that does not do need not be typed again.
    let password = NewPassword::parse(&first)?;
    let second = ask("The same again: ")?;
    drop(quiet);
    if *first == *second { Ok(password) } else { Err(PasswordError::Differ) }
}

/// Standard output carries results; the prompt goes beside it.
fn ask(prompt: &str) -> Result<Zeroizing<String>, PasswordError> {
    stderr().write_all(prompt.as_bytes())?;
    let typed = line(stdin().lock(), Source::Terminal);
    // The line end that was typed is not shown either.
    stderr().write_all(b"\n")?;
    typed
}

/// Reads up to the end of a line and no further.
fn line(mut input: impl Read, source: Source) -> Result<Zeroizing<String>, PasswordError> {
    // Made in full at once: a buffer that grows leaves copies behind.
    let mut typed = Zeroizing::new(Vec::with_capacity(LONGEST_LINE));
    let mut byte = [0];
    loop {
        let [letter] = byte;
        match (input.read(&mut byte), source) {
            (Ok(0), _) if typed.is_empty() => return Err(PasswordError::Missing),
            (Ok(0), _) => break,
            (Ok(_), _) if byte == *b"\n" => break,
            (Ok(_), Source::Terminal) if byte == [INTERRUPT] => return Err(PasswordError::GivenUp),
            (Ok(_), _) if typed.len() == LONGEST_LINE => return Err(PasswordError::NotText),
            (Ok(_), _) => typed.extend(byte),
            (Err(error), _) if error.kind() == io::ErrorKind::Interrupted => byte = [letter],
            (Err(error), _) => return Err(error.into()),
        }
    }
    // The line end of other systems.
    if source == Source::Stream && typed.last() == Some(&b'\r') {
        typed.pop();
    }
    let text = std::str::from_utf8(&typed).map_err(|_| PasswordError::NotText)?;
    Ok(Zeroizing::new(text.to_owned()))
}

/// A terminal that shows nothing of what is typed, until this is dropped.
///
/// Ctrl-C sends no signal meanwhile, which would leave the terminal so: it ends the line instead. A signal that
/// someone else sends puts the terminal back before it ends the program.
struct Quiet<'a> {
    terminal: BorrowedFd<'a>,
    before: Termios,
}

impl<'a> Quiet<'a> {
    fn keep(terminal: BorrowedFd<'a>) -> io::Result<Self> {
        let before = tcgetattr(terminal)?;
        let mut quiet = before.clone();
        quiet.local_modes.remove(LocalModes::ECHO | LocalModes::ECHONL | LocalModes::ISIG);
        quiet.local_modes.insert(LocalModes::ICANON);
        quiet.special_codes[SpecialCodeIndex::VEOL] = INTERRUPT;
        // What was typed before the prompt was shown, and so seen by all, is dropped.
        restore_at_signal(before.clone())?;
        tcsetattr(terminal, OptionalActions::Flush, &quiet)?;
        Ok(Self { terminal, before })
    }
}

impl Drop for Quiet<'_> {
    fn drop(&mut self) {
        if let Err(error) = tcsetattr(self.terminal, OptionalActions::Flush, &self.before) {
            tracing::warn!(%error, "the terminal stays as it is: `stty sane` mends it");
        }
    }
}

/// From now on a signal that ends programs puts the terminal of standard input back, and ends this one at once, as it
/// would have without us.
fn restore_at_signal(before: Termios) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let (listening, listens) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        runtime.block_on(async {
            let kinds = [SignalKind::terminate(), SignalKind::hangup(), SignalKind::interrupt(), SignalKind::quit()];
            let signals: io::Result<Vec<_>> = kinds.into_iter().map(|kind| Ok((kind, signal(kind)?))).collect();
            let mut signals = match signals {
                Ok(signals) => signals,
                Err(error) => return listening.send(Err(error)).unwrap_or_default(),
            };
            listening.send(Ok(())).unwrap_or_default();
            let came = signals.iter_mut().map(|(kind, signal)| Box::pin(async { (signal.recv().await, *kind).1 }));
            let (kind, ..) = futures_util::future::select_all(came).await;
            tcsetattr(stdin().as_fd(), OptionalActions::Flush, &before).unwrap_or_default();
            // As a shell tells of a program that a signal has ended.
            std::process::exit(128 + kind.as_raw_value());
        });
    });
    listens.recv().unwrap_or_else(|_| Err(io::Error::other("nobody listens to signals")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_is_the_password_whatever_ends_it() {
        for input in ["correct horse\nsecond line\n", "correct horse\r\n", "correct horse"] {
            assert_eq!(*line(input.as_bytes(), Source::Stream).unwrap(), "correct horse");
        }
        assert_eq!(*line(" a\tb \u{3}\n".as_bytes(), Source::Stream).unwrap(), " a\tb \u{3}");
        assert_eq!(*line("\n".as_bytes(), Source::Stream).unwrap(), "");
    }

    #[test]
    fn what_is_no_line_of_text_is_refused() {
        assert!(matches!(line(&b""[..], Source::Stream), Err(PasswordError::Missing)));
        assert!(matches!(line(&b"caf\xe9 au lait\n"[..], Source::Stream), Err(PasswordError::NotText)));
        assert!(matches!(line(io::repeat(b'x'), Source::Stream), Err(PasswordError::NotText)));
        assert!(matches!(line(&b"half\x03"[..], Source::Terminal), Err(PasswordError::GivenUp)));
    }
}
