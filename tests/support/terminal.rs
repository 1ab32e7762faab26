//! A person at a terminal: `script` of util-linux gives one.

use std::{
    io::{Read as _, Write as _},
    process::{Child, ChildStdin, Stdio},
    sync::mpsc,
    time::{Duration, Instant},
};

use super::app::Plan;

/// Somebody at a terminal in which a shell runs.
pub struct Terminal {
    child: Child,
    keys: ChildStdin,
    bytes: mpsc::Receiver<Vec<u8>>,
    shown: String,
    secrets: &'static [&'static str],
}

impl Terminal {
    #[allow(clippy::disallowed_methods, reason = "a terminal of the test's own")]
    /// Runs `line` with the settings of `plan`; `$PROGRAM` is the program. None of the `secrets` may be shown.
    pub fn with(plan: &Plan, line: &str, secrets: &'static [&'static str]) -> Self {
        let mut command = std::process::Command::new("script");
        command.args(["--quiet", "--flush", "--return", "--command", line, "/dev/null"]).env_clear();
        command.envs(plan.command().get_envs().filter_map(|(name, value)| Some((name, value?))));
        command.env("SHELL", "/bin/sh").env("PROGRAM", env!("CARGO_BIN_EXE_playhouse"));
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("script starts");
        let (keys, mut screen) = (child.stdin.take().expect("a pipe"), child.stdout.take().expect("a pipe"));
        let (tell, bytes) = mpsc::channel();
        std::thread::spawn(move || {
            let mut buffer = [0; 1024];
            while let Ok(length @ 1..) = screen.read(&mut buffer) {
                if tell.send(buffer[..length].to_vec()).is_err() {
                    break;
                }
            }
        });
        Self { child, keys, bytes, shown: String::new(), secrets }
    }

    /// Waits until the screen shows this, behind what was seen before; gives what it showed in between.
    pub fn sees(&mut self, text: &str) -> String {
        let end = Instant::now() + Duration::from_mins(1);
        while !self.shown.contains(text) {
            let rest = end.saturating_duration_since(Instant::now());
            let Ok(bytes) = self.bytes.recv_timeout(rest) else { panic!("no {text:?} in {:?}", self.shown) };
            self.shown.push_str(&String::from_utf8_lossy(&bytes));
            assert!(!self.secrets.iter().any(|secret| self.shown.contains(secret)), "shown: {:?}", self.shown);
        }
        let behind = self.shown.find(text).expect("it is there") + text.len();
        self.shown.drain(..behind).collect()
    }

    pub fn types(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).expect("a terminal");
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
