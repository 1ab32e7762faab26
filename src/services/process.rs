//! Store processes: started in a group of their own, kept by a thread, stopped step by step.
//!
//! This is the second place that may start processes (the first is the runner of media tools):
//! stores live as long as the server, tools have a deadline.

use std::{
    ffi::OsStr,
    fmt::Write as _,
    fs::{File, OpenOptions},
    io::{self, Read as _, Seek as _, SeekFrom},
    os::unix::{fs::OpenOptionsExt as _, process::CommandExt as _},
    path::{Path, PathBuf},
    process::{Command, ExitStatus, Stdio},
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};

use super::ServiceError;

/// How often a start looks whether it is done.
pub(super) const POLL: Duration = Duration::from_millis(10);
/// A log above this size is emptied at the next start.
const LARGEST_LOG: u64 = 16 * 1024 * 1024;

/// Tells a start that goes on in another thread to give up. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Cancel(Arc<AtomicBool>);

impl Cancel {
    /// The start ends as soon as it can, with [`ServiceError::Cancelled`].
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    pub(super) fn check(&self) -> Result<(), ServiceError> {
        if self.0.load(Ordering::Relaxed) { Err(ServiceError::Cancelled) } else { Ok(()) }
    }
}

/// Whom a store runs as, where that is not the user of this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct User {
    pub(super) uid: u32,
    pub(super) gid: u32,
}

/// The only maker of commands for stores.
#[expect(clippy::disallowed_methods, reason = "stores live as long as the server; the runner of tools is for tools")]
pub(super) fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command.stdin(Stdio::null()).current_dir("/").env("LC_ALL", "C");
    command
}

/// A command that runs as `user`, and gets `last` when this process dies (as far as `setpriv`,
/// which Linux has, allows).
pub(super) fn command_as(user: Option<User>, last: &str, program: &Path) -> Result<Command, ServiceError> {
    let setpriv = find_in_path("setpriv");
    let (setpriv, user) = match (setpriv, user) {
        (Some(setpriv), user) => (setpriv, user),
        (None, None) => return Ok(command(program)),
        (None, Some(_)) => {
            return Err(ServiceError::Missing { program: "setpriv".to_owned(), looked: "PATH".to_owned() });
        }
    };
    let mut wrapped = command(setpriv);
    if let Some(User { uid, gid }) = user {
        wrapped.arg(format!("--reuid={uid}")).arg(format!("--regid={gid}")).arg("--clear-groups");
    }
    wrapped.args(["--pdeathsig", last, "--"]).arg(program);
    Ok(wrapped)
}

/// The first file of this name in `PATH`.
pub(super) fn find_in_path(name: &str) -> Option<PathBuf> {
    std::env::split_paths(&std::env::var_os("PATH")?).map(|folder| folder.join(name)).find(|path| path.is_file())
}

/// The file a store writes its output to; its end tells why a start failed.
#[derive(Debug)]
pub(super) struct Log {
    path: PathBuf,
    from: u64,
}

impl Log {
    pub(super) fn open(path: PathBuf) -> Result<Self, ServiceError> {
        let size = path.metadata().map_or(0, |meta| meta.len());
        let from = if size > LARGEST_LOG { 0 } else { size };
        let log = Self { path, from };
        if from < size {
            log.writer()?.set_len(0).map_err(ServiceError::io("empty", &log.path))?;
        }
        Ok(log)
    }

    /// Sends all output of `command` here.
    pub(super) fn take(&self, command: &mut Command) -> Result<(), ServiceError> {
        let file = self.writer()?;
        let twin = file.try_clone().map_err(ServiceError::io("open", &self.path))?;
        command.stdout(file).stderr(twin);
        Ok(())
    }

    pub(super) fn ended(&self, program: &'static str) -> ServiceError {
        ServiceError::Ended {
            program,
            reason: self.reason().unwrap_or_else(|| "it said nothing".to_owned()),
            log: self.path.clone(),
        }
    }

    pub(super) fn not_ready(&self, program: &'static str) -> ServiceError {
        ServiceError::NotReady { program, log: self.path.clone() }
    }

    fn writer(&self) -> Result<File, ServiceError> {
        OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o600)
            .open(&self.path)
            .map_err(ServiceError::io("open", &self.path))
    }

    /// The line that says most about a failure: a fatal one, else the last.
    fn reason(&self) -> Option<String> {
        let mut file = File::open(&self.path).ok()?;
        file.seek(SeekFrom::Start(self.from)).ok()?;
        let mut text = Vec::new();
        file.take(64 * 1024).read_to_end(&mut text).ok()?;
        let text = String::from_utf8_lossy(&text).into_owned();
        let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        let fatal = lines.clone().find(|line| ["FATAL", "PANIC", "error:"].iter().any(|word| line.contains(word)));
        fatal.or_else(|| lines.next_back()).map(str::to_owned)
    }
}

/// How a process is ended: each signal with the time it may take.
pub(super) type Ending = &'static [(Signal, Duration)];

#[derive(Debug, Default)]
struct Fate {
    exit: Mutex<Option<ExitStatus>>,
    changed: Condvar,
}

impl Fate {
    fn exit(&self) -> MutexGuard<'_, Option<ExitStatus>> {
        self.exit.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A running store process. Dropping it ends it.
#[derive(Debug)]
pub(super) struct Child {
    pid: Pid,
    fate: Arc<Fate>,
    ending: Ending,
}

impl Child {
    /// Starts `command` in a process group of its own: Ctrl-C reaches the server alone.
    ///
    /// The thread that starts the process stays until the process ends, since the signal of
    /// `setpriv --pdeathsig` comes when that thread ends, not when the process does.
    pub(super) fn start(mut command: Command, name: &'static str, ending: Ending) -> Result<Self, ServiceError> {
        command.process_group(0);
        let program = PathBuf::from(command.get_program());
        let failed = || ServiceError::io("start", program);
        let fate = Arc::new(Fate::default());
        let (tell, told) = mpsc::sync_channel(1);
        let keeper = Keeper { fate: Arc::clone(&fate), name };
        let thread = thread::Builder::new().name(format!("{name}-keeper"));
        match thread.spawn(move || keeper.keep(command, &tell)).map(|_| told.recv()) {
            Ok(Ok(Ok(pid))) => Ok(Self { pid, fate, ending }),
            Ok(Ok(Err(error))) | Err(error) => Err(failed()(error)),
            Ok(Err(mpsc::RecvError)) => Err(failed()(io::ErrorKind::BrokenPipe.into())),
        }
    }

    pub(super) fn pid(&self) -> i32 {
        self.pid.as_raw_pid()
    }

    pub(super) fn exit(&self) -> Option<ExitStatus> {
        *self.fate.exit()
    }

    /// Waits for its end, for `limit` at most.
    pub(super) fn wait(&self, limit: Duration) -> Option<ExitStatus> {
        let guard = self.fate.exit();
        let waited = self.fate.changed.wait_timeout_while(guard, limit, |exit| exit.is_none());
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }

    /// Waits until `is_ready`; gives up when the process ends, `limit` passes or `cancel` says so.
    pub(super) fn until_ready(
        &self,
        limit: Duration,
        cancel: &Cancel,
        is_ready: impl Fn() -> bool,
    ) -> Result<Readiness, ServiceError> {
        let end = Instant::now() + limit;
        while !is_ready() {
            cancel.check()?;
            if self.wait(POLL).is_some() {
                return Ok(Readiness::Ended);
            }
            if Instant::now() > end {
                return Ok(Readiness::Late);
            }
        }
        Ok(Readiness::Ready)
    }

    fn signal(&self, signal: Signal) {
        // The lock keeps the process from being reaped, and its number from being given away.
        let exit = self.fate.exit();
        if exit.is_none()
            && let Err(error) = kill_process(self.pid, signal)
        {
            tracing::debug!(pid = self.pid(), %error, "signal not sent");
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        for &(signal, patience) in self.ending {
            if self.exit().is_some() {
                return;
            }
            self.signal(signal);
            self.signal(Signal::CONT);
            if self.wait(patience).is_some() {
                return;
            }
            tracing::warn!(pid = self.pid(), ?signal, "a store did not end in time");
        }
    }
}

/// How the wait for a start ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Readiness {
    Ready,
    Ended,
    Late,
}

struct Keeper {
    fate: Arc<Fate>,
    name: &'static str,
}

impl Keeper {
    fn keep(self, mut command: Command, tell: &mpsc::SyncSender<io::Result<Pid>>) {
        let started = command.spawn();
        drop(command);
        let mut child = match started {
            Ok(child) => child,
            Err(error) => return tell.send(Err(error)).unwrap_or_default(),
        };
        let pid = Pid::from_child(&child);
        let mut heard = tell.send(Ok(pid)).is_ok();
        while heard {
            // Leaves the process unreaped, so that its number stays its own until the lock is held.
            match waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT) {
                Err(rustix::io::Errno::INTR) => {}
                _ => heard = false,
            }
        }
        let mut exit = self.fate.exit();
        let status = child.wait().unwrap_or_default();
        tracing::debug!(name = self.name, %status, "process ended");
        *exit = Some(status);
        self.fate.changed.notify_all();
    }
}

/// Percent-encodes for an address; of the reserved characters only `kept` stay.
pub(super) fn percent_encoded(text: &str, kept: &[u8]) -> String {
    text.bytes().fold(String::with_capacity(text.len()), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) || kept.contains(&byte) {
            out.push(char::from(byte));
        } else {
            // Writing to a String does not fail.
            write!(out, "%{byte:02X}").unwrap_or_default();
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt as _;

    use super::*;

    const AT_ONCE: Ending = &[(Signal::TERM, Duration::from_millis(200)), (Signal::KILL, Duration::from_secs(5))];

    #[test]
    fn a_process_that_ignores_the_first_signal_is_killed() {
        let ready = std::env::temp_dir().join(format!("playhouse-deaf-{}", uuid::Uuid::new_v4().simple()));
        let mut deaf = command("sh");
        // What is ignored stays ignored in the program the shell becomes.
        deaf.args(["-c", "trap '' TERM; : >\"$0\"; exec sleep 60"]).arg(&ready);
        let child = Child::start(deaf, "deaf", AT_ONCE).unwrap();
        let waited = child.until_ready(Duration::from_secs(5), &Cancel::default(), || ready.exists());
        assert_eq!(waited.unwrap(), Readiness::Ready);
        std::fs::remove_file(&ready).unwrap();
        let fate = Arc::clone(&child.fate);
        drop(child);
        let exit = *fate.exit();
        assert_eq!(exit.and_then(|status| status.signal()), Some(Signal::KILL.as_raw()));
    }

    #[test]
    fn a_program_that_is_missing_is_an_error() {
        let error = Child::start(command("/nonexistent/program"), "none", AT_ONCE).unwrap_err();
        assert!(matches!(error, ServiceError::Io { what: "start", .. }), "{error}");
    }

    #[test]
    fn addresses_hold_any_path() {
        assert_eq!(percent_encoded("/a b/ü?", b""), "%2Fa%20b%2F%C3%BC%3F");
        assert_eq!(percent_encoded("/a b/ü?", b"/"), "/a%20b/%C3%BC%3F");
    }
}
