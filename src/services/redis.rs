//! The private Redis (or Valkey): no port, a socket for this user alone.

use std::{
    io::{Read as _, Write as _},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    time::Duration,
};

use rustix::process::Signal;
use secrecy::SecretString;

use super::{
    Home, ServiceError, leftover,
    postgres::utf8,
    process::{Cancel, Child, Ending, Readiness, command_as, find_in_path, percent_encoded},
};

const NAME: &str = "Redis";
/// Its socket's name.
pub(super) const SOCKET: &str = "redis.sock";
const PROGRAMS: &[&str] = &["redis-server", "valkey-server"];
/// Loading a large file can take long.
const READY_LIMIT: Duration = Duration::from_mins(2);
/// Above it the answers that would expire first go first; counters have no lifetime and stay.
const MEMORY: &str = "256mb";
const ENDING: Ending = &[(Signal::TERM, Duration::from_secs(15)), (Signal::KILL, Duration::from_secs(5))];

/// Which Redis to run.
#[derive(Debug, Clone)]
pub struct RedisPlan {
    binary: PathBuf,
}

impl RedisPlan {
    /// This program; `redis-server` or `valkey-server` of `PATH` where it is empty.
    #[must_use]
    pub fn new(binary: &Path) -> Self {
        Self { binary: binary.to_owned() }
    }

    pub(super) fn find_program(&self) -> Result<PathBuf, ServiceError> {
        let given = self.binary.as_os_str();
        if given.is_empty() {
            return PROGRAMS.iter().find_map(|name| find_in_path(name)).ok_or_else(|| ServiceError::Missing {
                program: "redis-server (or valkey-server)".to_owned(),
                looked: "PATH".to_owned(),
            });
        }
        let found = if self.binary.components().count() == 1 {
            given.to_str().and_then(find_in_path)
        } else {
            Some(self.binary.clone()).filter(|path| path.is_file())
        };
        found.and_then(|path| std::path::absolute(path).ok()).ok_or_else(|| ServiceError::Missing {
            program: self.binary.display().to_string(),
            looked: "the setting services.redis_binary".to_owned(),
        })
    }
}

/// A running private Redis. Dropping it stops it.
#[derive(Debug)]
pub struct Redis {
    child: Child,
    socket: String,
}

impl Redis {
    /// Stops what an earlier run left, starts Redis, and waits until it answers.
    ///
    /// # Errors
    /// See [`ServiceError`].
    pub fn start(home: &Home, plan: &RedisPlan, cancel: &Cancel) -> Result<Self, ServiceError> {
        let program = plan.find_program()?;
        let folder = home.folder("redis")?;
        let pid_file = folder.join("redis.pid");
        let own_name = program.file_name().and_then(|name| name.to_str()).unwrap_or("redis-server");
        // The kernel keeps 15 bytes of a name.
        let own_name = own_name.get(..15).unwrap_or(own_name);
        let programs = ["redis-server", "valkey-server", own_name];
        leftover::stop(&pid_file, leftover::Look { name: NAME, programs: &programs, folder: &folder }, ENDING)?;

        let socket = home.sockets().join(SOCKET);
        let log = home.log("redis.log")?;
        let mut command = command_as(home.user(), "TERM", &program)?;
        for (option, value) in [("--dir", &folder), ("--unixsocket", &socket), ("--pidfile", &pid_file)] {
            command.arg(option).arg(utf8(value)?);
        }
        command.args(["--port", "0", "--unixsocketperm", "700", "--protected-mode", "yes", "--daemonize", "no"]);
        command.args([
            "--appendonly",
            "yes",
            "--appendfsync",
            "everysec",
            "--maxmemory",
            MEMORY,
            "--maxmemory-policy",
            "volatile-ttl",
        ]);
        // The log is enough; and a Redis that cannot save at its end would not end.
        command.args(["--save", ""]);
        log.take(&mut command)?;
        let redis = Self { child: Child::start(command, NAME, ENDING)?, socket: utf8(&socket)?.to_owned() };
        match redis.child.until_ready(READY_LIMIT, cancel, || answers(&socket))? {
            Readiness::Ready => Ok(redis),
            Readiness::Ended => Err(log.ended(NAME)),
            Readiness::Late => Err(log.not_ready(NAME)),
        }
    }

    /// Its address.
    #[must_use]
    pub fn url(&self) -> SecretString {
        address(&self.socket)
    }

    /// Whether it is gone, by itself or killed.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.child.exit().is_some()
    }

    /// Its process.
    #[must_use]
    pub fn pid(&self) -> i32 {
        self.child.pid()
    }

    /// Lets it save, stops it and waits for its end.
    pub fn stop(self) {
        drop(self);
    }
}

/// The address of the Redis that has this socket.
pub(super) fn address(socket: &str) -> SecretString {
    format!("redis+unix://{}", percent_encoded(socket, b"/")).into()
}

/// While Redis loads its file it answers with an error.
fn answers(socket: &Path) -> bool {
    let ask = || -> std::io::Result<bool> {
        let mut stream = UnixStream::connect(socket)?;
        stream.set_read_timeout(Some(Duration::from_secs(1)))?;
        stream.write_all(b"PING\r\n")?;
        let mut answer = [0; 5];
        stream.read_exact(&mut answer)?;
        Ok(&answer == b"+PONG")
    };
    ask().unwrap_or(false)
}
