//! What heavy tests need: turns, limits, and the memory and descriptors of a process.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{JoinHandle, sleep, spawn},
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

/// Seconds that the process has computed, for itself and in the kernel.
pub fn computed(pid: i32) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("a process");
    let after_name = stat.rsplit(')').next().expect("its state");
    let ticks = after_name.split_whitespace().skip(11).take(2).map(|ticks| ticks.parse::<f64>().expect("a number"));
    ticks.sum::<f64>() / 100.0
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

/// Questions that a [`HealthWatch`] asks at least.
const HEALTH_QUESTIONS: usize = 20;

/// Asks for `/healthz` every 20 ms, on a thread of its own: what the test itself does delays no question.
pub struct HealthWatch {
    end: Arc<AtomicBool>,
    asking: JoinHandle<Vec<Duration>>,
}

impl HealthWatch {
    /// Starts to ask the server at `address`, each time on a new connection.
    pub fn start(address: &str) -> Self {
        let address = address.parse().expect("an address");
        let end = Arc::new(AtomicBool::new(false));
        let ended = Arc::clone(&end);
        Self { end, asking: spawn(move || ask_until(address, &ended)) }
    }

    /// How long each answer took; there are 20 at least, for which this waits.
    pub fn end(self) -> Vec<Duration> {
        self.end.store(true, Ordering::Relaxed);
        self.asking.join().expect("every answer came")
    }
}

fn ask_until(address: SocketAddr, ended: &AtomicBool) -> Vec<Duration> {
    let mut times = Vec::new();
    while times.len() < HEALTH_QUESTIONS || !ended.load(Ordering::Relaxed) {
        let begin = Instant::now();
        let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(10)).expect("a connection");
        stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a limit");
        stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").expect("the request");
        let mut status = [0; 12];
        stream.read_exact(&mut status).expect("an answer");
        times.push(begin.elapsed());
        assert_eq!(&status, b"HTTP/1.1 200");
        sleep(Duration::from_millis(20));
    }
    times
}

/// Bytes that the kernel holds for each established connection of the server at `address`, which listens on IPv4.
pub fn unread(address: &str) -> Vec<u64> {
    let address: SocketAddr = address.parse().expect("an address");
    let port = format!(":{:04X}", address.port());
    let table = fs::read_to_string("/proc/net/tcp").expect("the kernel's table");
    let rows = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let ours = rows.filter(|row| row[1].ends_with(&port) && row[3] == "01");
    ours.map(|row| {
        let (to_send, _) = row[4].split_once(':').expect("two queues");
        u64::from_str_radix(to_send, 16).expect("a number")
    })
    .collect()
}
