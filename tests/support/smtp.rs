//! A real mail server on a free port, which keeps what it is sent (`smtp.py`, with aiosmtpd).

use std::{
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Stdio},
    sync::{Arc, Mutex},
    time::Duration,
};

use playhouse::settings::MailSettings;
use rustix::process::{Pid, Signal, kill_process};
use serde::Deserialize;

use super::app::eventually;

/// A mail as it arrived.
#[derive(Debug, Clone, Deserialize)]
pub struct Received {
    /// The envelope's.
    pub from: String,
    /// The envelope's.
    pub to: Vec<String>,
    /// The header's, with the name.
    pub sender: String,
    pub subject: String,
    /// The names of all headers, in lower case.
    pub headers: Vec<String>,
    pub text: String,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Line {
    Port { port: u16 },
    Refused { refused: String },
    Mail(Received),
}

#[derive(Debug, Default)]
struct Seen {
    mails: Vec<Received>,
    refused: Vec<String>,
}

/// What the server says to a recipient.
#[derive(Debug, Clone, Copy)]
pub enum Mood {
    Takes,
    /// 451
    RefusesForNow,
    /// 550
    RefusesForEver,
}

/// A mail server; killed when dropped.
pub struct Smtp {
    child: Child,
    port: u16,
    mode_file: PathBuf,
    seen: Arc<Mutex<Seen>>,
}

impl Smtp {
    /// Starts one that takes everything.
    #[allow(clippy::disallowed_methods, reason = "a test starts the server it needs")]
    pub fn start() -> Self {
        let name = format!("smtp-{}", uuid::Uuid::new_v4().simple());
        let mode_file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        std::fs::write(&mode_file, "").expect("a file");
        let mut child = std::process::Command::new("/usr/bin/python3")
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/smtp.py"))
            .arg(&mode_file)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3 starts");
        let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        let first = lines.next().expect("`make test` installs aiosmtpd").expect("text");
        let Ok(Line::Port { port }) = serde_json::from_str(&first) else { panic!("it said {first}") };
        let seen = Arc::new(Mutex::new(Seen::default()));
        let inbox = Arc::clone(&seen);
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let mut seen = inbox.lock().expect("the inbox");
                match serde_json::from_str(&line).expect("a line of JSON") {
                    Line::Mail(mail) => seen.mails.push(mail),
                    Line::Refused { refused } => seen.refused.push(refused),
                    Line::Port { .. } => {}
                }
            }
        });
        Self { child, port, mode_file, seen }
    }

    /// For `mail.smtp_url`.
    pub fn url(&self) -> String {
        format!("smtp://127.0.0.1:{}", self.port)
    }

    /// Settings that send here.
    pub fn settings(&self) -> MailSettings {
        MailSettings {
            smtp_url: self.url().into(),
            from: "The House <house@example.org>".to_owned(),
            timeout_ms: 10_000,
        }
    }

    pub fn be(&self, mood: Mood) {
        let mode = match mood {
            Mood::Takes => "",
            Mood::RefusesForNow => "again",
            Mood::RefusesForEver => "never",
        };
        // Renamed, so that the server never reads half of it.
        let draft = self.mode_file.with_extension("new");
        std::fs::write(&draft, mode).expect("a file");
        std::fs::rename(draft, &self.mode_file).expect("a file");
    }

    /// Takes connections, as the kernel does, and says nothing.
    pub fn pause(&self) {
        self.signal(Signal::STOP);
    }

    pub fn resume(&self) {
        self.signal(Signal::CONT);
    }

    /// All mails so far, in the order of their arrival.
    pub fn mails(&self) -> Vec<Received> {
        self.seen.lock().expect("the inbox").mails.clone()
    }

    /// Recipients that were refused so far.
    pub fn refused(&self) -> Vec<String> {
        self.seen.lock().expect("the inbox").refused.clone()
    }

    /// Waits until so many have arrived in all.
    pub async fn wait_for(&self, count: usize) -> Vec<Received> {
        let arrived = eventually(Duration::from_mins(1), async || self.mails().len() >= count).await;
        let mails = self.mails();
        assert!(arrived, "{} of {count} mails arrived", mails.len());
        mails
    }

    fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).expect("a pid");
        kill_process(pid, signal).expect("the server is there");
    }
}

impl Drop for Smtp {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
        drop(std::fs::remove_file(&self.mode_file));
    }
}
