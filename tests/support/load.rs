//! What heavy tests need: turns, limits, and the memory and descriptors of a process.

use std::{
    fs,
    time::{Duration, Instant},
};

use tokio::sync::{Mutex, MutexGuard};

static TURN: Mutex<()> = Mutex::const_new(());

/// Waits for the turn of a test that takes much of the machine; such tests run one by one.
pub async fn my_turn() -> MutexGuard<'static, ()> {
    TURN.lock().await
}

/// Lets this process, and what it starts from now on, open as many files as it may.
pub fn raise_descriptors() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let most = limit.maximum.map_or(65536, |most| most.min(65536));
    if limit.current.is_some_and(|now| now < most) {
        setrlimit(Resource::Nofile, Rlimit { current: Some(most), maximum: limit.maximum }).expect("more descriptors");
    }
}

/// Bytes of memory: `VmRSS` (now) or `VmHWM` (the most so far).
pub fn memory(pid: i32, which: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("a process");
    let line = status.lines().find(|line| line.starts_with(which)).expect("a line of it");
    line.split_whitespace().nth(1).expect("a number").parse::<u64>().expect("a number") * 1024
}

/// What the process has open: paths, and words like `socket:[123]`.
pub fn descriptors(pid: i32) -> Vec<String> {
    let open = fs::read_dir(format!("/proc/{pid}/fd")).expect("a process").flatten();
    open.filter_map(|entry| fs::read_link(entry.path()).ok()?.into_os_string().into_string().ok()).collect()
}

/// Open sockets.
pub fn sockets(pid: i32) -> usize {
    descriptors(pid).iter().filter(|name| name.starts_with("socket:")).count()
}

/// The answer of `work`, and how long it took.
pub async fn timed<F: Future>(work: F) -> (F::Output, Duration) {
    let begin = Instant::now();
    let output = work.await;
    (output, begin.elapsed())
}
