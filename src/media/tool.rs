//! The one place that starts other programs on media.
//!
//! A tool runs with: no standard input but what its caller gives it, an empty environment, a process group of its own that is
//! killed as a whole (SIGKILL) at the deadline, when its caller goes away and when it ends; limits
//! on memory, processor time, written bytes and open files (`prlimit` of util-linux, which then
//! becomes the tool); bounded output; and no network, where this process may make network
//! namespaces (`unshare`). Where it may not (most containers), the protocol allow-list in the
//! tool's arguments is what keeps it off the network. Arguments are never made of what users say.

use std::{
    ffi::{OsStr, OsString},
    fs::File,
    io,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _},
    process::{Child, Command},
    sync::{OnceCell, OwnedSemaphorePermit, Semaphore},
};

use crate::settings::{MediaSettings, millis};

/// Bytes of standard output that are taken of a tool that says little.
pub const LITTLE_OUTPUT: u64 = 1024 * 1024;
/// Bytes of standard error that are kept; the rest is read and dropped.
const MAX_ERRORS: u64 = 8 * 1024;

/// The outcome of what was not begun.
const BUSY: &str = "busy";

/// Why a tool gave no result.
#[derive(Debug, thiserror::Error)]
pub enum ToolError {
    /// The program, or `prlimit`, is not on this machine.
    #[error("the program {0} was not found")]
    Missing(String),
    /// Others used all places for too long.
    #[error("no place came free for {tool} within {waited:?}")]
    Busy {
        /// Which tool.
        tool: &'static str,
        /// How long it was waited for.
        waited: Duration,
    },
    /// Killed at the deadline.
    #[error("{0} took too long and was killed")]
    Timeout(&'static str),
    /// It said more than is taken.
    #[error("{0} said too much and was killed")]
    TooMuch(&'static str),
    /// It could not be started or watched.
    #[error("{tool} could not be run")]
    Fault {
        /// Which tool.
        tool: &'static str,
        /// The cause.
        #[source]
        source: io::Error,
    },
}

/// What a tool said, and how it ended.
#[derive(Debug)]
pub struct ToolOutput {
    /// How it ended; a tool that a limit ended shows its signal.
    pub status: ExitStatus,
    /// Standard output, whole.
    pub stdout: Vec<u8>,
    /// The beginning of standard error, for the log only.
    pub stderr: String,
}

/// One run of a tool.
#[derive(Debug)]
pub struct ToolRun {
    /// Its name in metrics and errors.
    pub name: &'static str,
    /// The program: a path, or a name looked for in PATH.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<OsString>,
    /// Its standard input; `None`: nothing.
    pub input: Option<File>,
    /// Bytes it may write to any one file.
    pub file_bytes: u64,
    /// Bytes of standard output that are taken; a tool that says more is killed.
    pub output_bytes: u64,
}

/// The runner. Cheap to clone; clones share the limit of parallel runs.
#[derive(Debug, Clone)]
pub struct Tools {
    permits: Arc<Semaphore>,
    patience: Duration,
    deadline: Duration,
    memory: u64,
    jail: Arc<OnceCell<Vec<OsString>>>,
}

impl Tools {
    /// A runner with the limits of section `media`.
    #[must_use]
    pub fn new(settings: &MediaSettings) -> Self {
        Self {
            permits: Arc::new(Semaphore::new(settings.tool_parallel)),
            patience: millis(settings.tool_wait_ms),
            deadline: millis(settings.tool_deadline_ms),
            memory: settings.tool_memory_bytes,
            jail: Arc::new(OnceCell::new()),
        }
    }

    /// Waits for a free place, `media.tool_wait_ms` at most, runs the tool and gives what it said. The deadline counts
    /// from the start of the tool. A dropped future kills the tool.
    ///
    /// # Errors
    /// See [`ToolError`]; a tool that ran and failed is no error here.
    pub async fn run(&self, run: ToolRun) -> Result<ToolOutput, ToolError> {
        let name = run.name;
        let _permit = self.place(&self.permits, name).await?;
        let begin = Instant::now();
        let result = self.limited(run).await;
        let outcome = match &result {
            Ok(output) if output.status.success() => "success",
            Ok(_) => "failure",
            Err(ToolError::Missing(_)) => "missing",
            Err(ToolError::Busy { .. }) => BUSY,
            Err(ToolError::Timeout(_)) => "timeout",
            Err(ToolError::TooMuch(_)) => "too_much",
            Err(ToolError::Fault { .. }) => "fault",
        };
        metrics::histogram!("playhouse_tool_seconds", "tool" => name).record(begin.elapsed().as_secs_f64());
        metrics::counter!("playhouse_tool_runs_total", "tool" => name, "outcome" => outcome).increment(1);
        result
    }

    /// One of `places`, in which something is done for the tool; waited for as [`Tools::run`] does.
    ///
    /// # Errors
    /// [`ToolError::Busy`].
    pub(super) async fn place(
        &self,
        places: &Arc<Semaphore>,
        tool: &'static str,
    ) -> Result<OwnedSemaphorePermit, ToolError> {
        let busy = || {
            metrics::counter!("playhouse_tool_runs_total", "tool" => tool, "outcome" => BUSY).increment(1);
            ToolError::Busy { tool, waited: self.patience }
        };
        let place = tokio::time::timeout(self.patience, Arc::clone(places).acquire_owned()).await;
        place.map_err(|_| busy())?.map_err(|_| busy())
    }

    async fn limited(&self, run: ToolRun) -> Result<ToolOutput, ToolError> {
        let program = find(run.program.as_os_str())?;
        let mut words = self.jail.get_or_init(|| self.find_jail()).await.clone();
        words.push(find(OsStr::new("prlimit"))?.into());
        let seconds = self.deadline.as_secs() + 1;
        let limits = [("as", self.memory), ("cpu", seconds), ("fsize", run.file_bytes), ("core", 0), ("nofile", 64)];
        words.extend(limits.iter().map(|(limit, most)| OsString::from(format!("--{limit}={most}"))));
        words.push("--".into());
        words.push(program.into());
        words.extend(run.arguments);
        let watched = Watched { name: run.name, words: &words, input: run.input, most: run.output_bytes };
        watch(watched, self.deadline).await
    }

    /// The words that put a tool into a network namespace without devices; none where that fails.
    async fn find_jail(&self) -> Vec<OsString> {
        let (Ok(unshare), Ok(probe)) = (find(OsStr::new("unshare")), find(OsStr::new("true"))) else {
            return Vec::new();
        };
        // Root makes the namespace as itself and keeps its rights on files.
        for flags in [&["--net"][..], &["--user", "--net"]] {
            let mut jail = vec![OsString::from(&unshare)];
            jail.extend(flags.iter().map(OsString::from));
            jail.push("--".into());
            let mut trial = jail.clone();
            trial.push(probe.clone().into());
            let watched = Watched { name: "unshare", words: &trial, input: None, most: LITTLE_OUTPUT };
            if watch(watched, self.deadline).await.is_ok_and(|output| output.status.success()) {
                return jail;
            }
        }
        tracing::info!("no network namespaces here: tools are kept off the network by their protocol allow-list");
        Vec::new()
    }
}

/// An absolute path of `program`, so that the tool needs no PATH of its own.
fn find(program: &OsStr) -> Result<PathBuf, ToolError> {
    let path = Path::new(program);
    let found = if path.components().count() > 1 {
        std::path::absolute(path).ok().filter(|file| file.is_file())
    } else {
        let folders = std::env::var_os("PATH").unwrap_or_default();
        std::env::split_paths(&folders)
            .filter(|folder| folder.is_absolute())
            .map(|folder| folder.join(path))
            .find(|file| file.is_file())
    };
    found.ok_or_else(|| ToolError::Missing(program.to_string_lossy().into_owned()))
}

/// Kills the group when dropped. The leader is not reaped before, so the number is still its own.
struct Group(Pid);

impl Drop for Group {
    fn drop(&mut self) {
        if let Err(error) = kill_process_group(self.0, Signal::KILL) {
            tracing::debug!(%error, "nothing of a tool's group is left");
        }
    }
}

/// A command to be watched.
struct Watched<'a> {
    name: &'static str,
    words: &'a [OsString],
    input: Option<File>,
    /// Bytes of standard output that are taken.
    most: u64,
}

async fn watch(watched: Watched<'_>, deadline: Duration) -> Result<ToolOutput, ToolError> {
    let Watched { name: tool, words, input, most } = watched;
    let fault = |source: io::Error| ToolError::Fault { tool, source };
    let Some((program, arguments)) = words.split_first() else {
        return Err(fault(io::ErrorKind::InvalidInput.into()));
    };
    let mut child = start(program, arguments, input).map_err(fault)?;
    let pid = child.id().and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw);
    let pid = pid.ok_or_else(|| fault(io::ErrorKind::NotFound.into()))?;
    // Declared after `child`, so dropped before it: killed first, reaped later.
    let group = Group(pid);
    let said = tokio::time::timeout(deadline, listen(&mut child, pid, most)).await;
    drop(group);
    let (stdout, stderr) = said.map_err(|_| ToolError::Timeout(tool))?.map_err(fault)?;
    let stdout = stdout.ok_or(ToolError::TooMuch(tool))?;
    let status = child.wait().await.map_err(fault)?;
    Ok(ToolOutput { status, stdout, stderr })
}

fn start(program: &OsStr, arguments: &[OsString], input: Option<File>) -> io::Result<Child> {
    #[expect(clippy::disallowed_methods, reason = "this is the one runner")]
    let mut command = Command::new(program);
    command
        .args(arguments)
        .env_clear()
        .env("LC_ALL", "C")
        .current_dir("/")
        .stdin(input.map_or_else(Stdio::null, Stdio::from))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
}

/// Reads until both pipes and the process have ended. `None`: too much was said.
async fn listen(child: &mut Child, pid: Pid, most: u64) -> io::Result<(Option<Vec<u8>>, String)> {
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let out = async { read_at_most(stdout, most).await };
    let err = async {
        let Some(mut pipe) = stderr else { return Ok(Vec::new()) };
        let start = read_at_most(Some(&mut pipe), MAX_ERRORS).await?;
        tokio::io::copy(&mut pipe, &mut tokio::io::sink()).await?;
        io::Result::Ok(start)
    };
    let listening = async {
        let (out, err) = tokio::join!(out, err);
        Ok::<_, io::Error>((out?, String::from_utf8_lossy(&err?).into_owned()))
    };
    let (stdout, stderr) = listening.await?;
    if u64::try_from(stdout.len()).map_or(true, |length| length > most) {
        return Ok((None, stderr));
    }
    // Left unreaped, so that the group can still be named when it is killed.
    let ended = move || waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT);
    tokio::task::spawn_blocking(ended).await.map_err(io::Error::other)??;
    Ok((Some(stdout), stderr))
}

/// At most `limit` + 1 bytes; the pipe is closed after them.
async fn read_at_most<R: AsyncRead + Unpin>(pipe: Option<R>, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if let Some(pipe) = pipe {
        pipe.take(limit + 1).read_to_end(&mut bytes).await?;
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Settings;

    fn tools(deadline_ms: u64, memory: u64) -> Tools {
        let mut settings = Settings::from_variables(config::Map::new()).unwrap().media;
        settings.tool_deadline_ms = deadline_ms;
        settings.tool_memory_bytes = memory;
        Tools::new(&settings)
    }

    fn shell(script: &str) -> ToolRun {
        let arguments = vec!["-c".into(), script.into()];
        ToolRun {
            name: "shell",
            program: "sh".into(),
            arguments,
            input: None,
            file_bytes: 4096,
            output_bytes: LITTLE_OUTPUT,
        }
    }

    const PLENTY: u64 = 1 << 30;

    #[tokio::test]
    async fn a_tool_has_no_environment_no_input_and_no_network() {
        let output = tools(5000, PLENTY).run(shell("cat; env")).await.unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(!text.contains("HOME=") && !text.contains("CARGO"), "{text}");
        assert!(output.status.success());
        let tools = tools(5000, PLENTY);
        if !tools.find_jail().await.is_empty() {
            let output = tools.run(shell("cat /proc/net/dev")).await.unwrap();
            let devices = String::from_utf8(output.stdout).unwrap().lines().filter(|line| line.contains(": ")).count();
            assert_eq!(devices, 1, "the loopback only");
        }
    }

    #[tokio::test]
    async fn a_tool_opens_what_it_is_given_though_it_has_no_name() {
        let mut file = tempfile::tempfile().unwrap();
        io::Write::write_all(&mut file, b"given").unwrap();
        io::Seek::rewind(&mut file).unwrap();
        let run = ToolRun { input: Some(file), ..shell("cat /dev/stdin /dev/stdin") };
        let output = tools(5000, PLENTY).run(run).await.unwrap();
        assert_eq!((output.status.success(), output.stdout), (true, b"givengiven".to_vec()), "{}", output.stderr);
    }

    #[tokio::test]
    async fn no_more_tools_run_at_once_than_may_and_nobody_waits_for_ever() {
        let mut settings = Settings::from_variables(config::Map::new()).unwrap().media;
        (settings.tool_parallel, settings.tool_wait_ms) = (1, 3000);
        let tools = Tools::new(&settings);
        let marker = std::env::temp_dir().join(format!("playhouse-tool-{}", uuid::Uuid::now_v7()));
        let script = format!("mkdir {0} && sleep 0.3 && rmdir {0}", marker.display());
        let (one, two) = tokio::join!(tools.run(shell(&script)), tools.run(shell(&script)));
        assert!(one.unwrap().status.success() && two.unwrap().status.success(), "they ran at the same time");
        settings.tool_wait_ms = 200;
        let tools = Tools::new(&settings);
        let (one, two) = tokio::join!(tools.run(shell("sleep 1")), tools.run(shell("true")));
        assert!(one.unwrap().status.success());
        assert!(matches!(two, Err(ToolError::Busy { tool: "shell", .. })), "{two:?}");
        assert!(tools.run(shell("true")).await.unwrap().status.success(), "its place is free again");
    }

    #[tokio::test]
    async fn the_deadline_kills_grandchildren_too() {
        let marker = std::env::temp_dir().join(format!("playhouse-tool-{}", uuid::Uuid::now_v7()));
        let script = format!("(sleep 1; echo alive > {}) & sleep 60", marker.display());
        let error = tools(300, PLENTY).run(shell(&script)).await.unwrap_err();
        assert!(matches!(error, ToolError::Timeout("shell")), "{error}");
        tokio::time::sleep(Duration::from_millis(1200)).await;
        assert!(!marker.exists());
    }

    #[tokio::test]
    async fn a_caller_that_goes_away_ends_the_tool_and_what_it_left() {
        let marker = std::env::temp_dir().join(format!("playhouse-tool-{}", uuid::Uuid::now_v7()));
        let script = format!("(sleep 1; echo alive > {}) & sleep 60", marker.display());
        let tools = tools(60_000, PLENTY);
        let run = tokio::time::timeout(Duration::from_millis(300), tools.run(shell(&script))).await;
        assert!(run.is_err());
        // One that ends by itself takes its children along, too.
        let script = format!("(sleep 1; echo alive > {}) >/dev/null 2>&1 & exit 0", marker.display());
        assert!(tools.run(shell(&script)).await.unwrap().status.success());
        tokio::time::sleep(Duration::from_millis(1200)).await;
        assert!(!marker.exists());
    }

    #[tokio::test]
    async fn limits_hold() {
        let output =
            tools(5000, PLENTY).run(shell("ulimit -v; ulimit -f; ulimit -c; ulimit -t; ulimit -n")).await.unwrap();
        assert_eq!(String::from_utf8(output.stdout).unwrap(), "1048576\n8\n0\n6\n64\n");
        let error = tools(5000, PLENTY).run(shell("while :; do echo aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa; done")).await;
        assert!(matches!(error, Err(ToolError::TooMuch(_))));
        let mut missing = shell("");
        missing.program = "no-such-program".into();
        assert!(matches!(tools(5000, PLENTY).run(missing).await, Err(ToolError::Missing(_))));
    }
}
