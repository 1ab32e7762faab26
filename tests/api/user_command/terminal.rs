//! A person types: `script` of util-linux gives a terminal.

use std::{
    io::{Read as _, Write as _},
    process::{Child, ChildStdin, Stdio},
    sync::mpsc,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

use super::{NEW, PASSWORD};
use crate::support::{app::Plan, stores::TestDb};

/// Somebody at a terminal in which a shell runs.
struct Terminal {
    child: Child,
    keys: ChildStdin,
    bytes: mpsc::Receiver<Vec<u8>>,
    shown: String,
}

impl Terminal {
    #[allow(clippy::disallowed_methods, reason = "a terminal of the test's own")]
    fn with(plan: &Plan, line: &str) -> Self {
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
        Self { child, keys, bytes, shown: String::new() }
    }

    /// Waits until the screen shows this, behind what was seen before.
    fn sees(&mut self, text: &str) {
        let end = Instant::now() + Duration::from_mins(1);
        while !self.shown.contains(text) {
            let rest = end.saturating_duration_since(Instant::now());
            let Ok(bytes) = self.bytes.recv_timeout(rest) else { panic!("no {text:?} in {:?}", self.shown) };
            self.shown.push_str(&String::from_utf8_lossy(&bytes));
            assert!(!self.shown.contains(PASSWORD) && !self.shown.contains(NEW), "shown: {:?}", self.shown);
        }
        let behind = self.shown.find(text).expect("it is there") + text.len();
        self.shown.drain(..behind);
    }

    fn types(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).expect("a terminal");
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[test]
fn a_password_is_asked_for_twice_and_never_shown() {
    let db = TestDb::create();
    let plan = Plan::over(&db);
    let line = r#""$PROGRAM" user make --username ann; echo "left with $?"; stty -a"#;
    let mut terminal = Terminal::with(&plan, line);
    terminal.sees("New password: ");
    terminal.types(&format!("{PASSWORD}\n"));
    terminal.sees("The same again: ");
    terminal.types(&format!("{PASSWORD}\n"));
    terminal.sees("with the roles owner");
    terminal.sees("left with 0");
    // The terminal is as it was.
    terminal.sees("\nisig icanon iexten echo ");
}

#[test]
fn two_passwords_that_differ_or_ctrl_c_change_nothing_and_leave_the_terminal_as_it_was() {
    let db = TestDb::create();
    let plan = Plan::over(&db);
    let line = r#""$PROGRAM" user make --username ann; echo "left with $?"; stty -a"#;
    for (second, said) in [(format!("{NEW}\n"), "the two passwords differ"), ("corr\u{3}".to_owned(), "given up")] {
        let mut terminal = Terminal::with(&plan, line);
        terminal.sees("New password: ");
        terminal.types(&format!("{PASSWORD}\n"));
        terminal.sees("The same again: ");
        terminal.types(&second);
        terminal.sees(said);
        terminal.sees("left with 1");
        terminal.sees("eol = <undef>");
        terminal.sees("\nisig icanon iexten echo ");
    }
    assert_eq!(super::listed(&plan).len(), 0);
}

#[test]
fn a_signal_at_the_prompt_leaves_the_terminal_as_it_was() {
    let db = TestDb::create();
    let plan = Plan::over(&db);
    std::fs::create_dir_all(plan.data_dir()).unwrap();
    let file = plan.data_dir().join("pid");
    let plan = plan.with("PID", file.to_str().unwrap());
    let program = r#"sh -c 'echo $$ >"$PID"; exec "$PROGRAM" user make --username ann'"#;
    let line = format!(r#"{program}; echo "left with $?"; stty -a"#);
    for (signal, code) in [(Signal::TERM, 143), (Signal::HUP, 129)] {
        let mut terminal = Terminal::with(&plan, &line);
        terminal.sees("New password: ");
        let pid = std::fs::read_to_string(&file).unwrap().trim().parse().ok().and_then(Pid::from_raw);
        kill_process(pid.expect("a process"), signal).unwrap();
        terminal.sees(&format!("left with {code}"));
        terminal.sees("eol = <undef>");
        terminal.sees("\nisig icanon iexten echo ");
    }
}
