"""Starts, measures and stops the servers of a run: every process started here ends with the run."""

import glob
import os
import re
import shutil
import signal
import socket
import subprocess
import time
import urllib.parse


class BenchError(Exception):
    """The run cannot go on, or a figure would be worth nothing."""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def program(name, *patterns):
    """The path of a program: from PATH, else the newest that matches a pattern."""
    found = shutil.which(name) or next(iter(sorted(sum(map(glob.glob, patterns), []), reverse=True)), None)
    if not found:
        raise BenchError(f"{name} is not installed")
    return found


class Server:
    """A child process, its log, and what /proc says of it."""

    def __init__(self, name, command, folder, env=None, stop=signal.SIGTERM, user=None):
        self.name, self.stop_signal = name, stop
        self.log = os.path.join(folder, f"{name}.log")
        owner = {"user": user, "group": user, "extra_groups": []} if user else {}
        with open(self.log, "wb") as log:
            # A session of its own: Ctrl-C reaches this script alone, which then stops each in order.
            self.child = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=log, env={**os.environ, **(env or {})},
                start_new_session=True, cwd="/" if user else None, **owner)
        self.url = None

    def wait_for_url(self):
        """Reads `… listening on http://…` from standard output."""
        for line in self.child.stdout:
            found = re.search(rb"listening on (http://\S+)", line)
            if found:
                self.url = found.group(1).decode()
                return self
        raise BenchError(f"{self.name} ended before it listened; its log: {self.log}\n{self.tail()}")

    def wait_for_port(self, port):
        return self._wait_for(socket.AF_INET, ("127.0.0.1", port))

    def wait_for_socket(self, path):
        return self._wait_for(socket.AF_UNIX, path)

    def _wait_for(self, family, address, seconds=15):
        end = time.monotonic() + seconds
        while time.monotonic() < end and self.child.poll() is None:
            with socket.socket(family) as probe:
                if probe.connect_ex(address) == 0:
                    return self
            time.sleep(0.02)
        raise BenchError(f"{self.name} does not listen; its log: {self.log}\n{self.tail()}")

    def tail(self):
        with open(self.log, "rb") as log:
            return log.read()[-2000:].decode(errors="replace")

    def stop(self):
        if self.child.poll() is None:
            self.child.send_signal(self.stop_signal)
            try:
                self.child.wait(40)
            except subprocess.TimeoutExpired:
                os.killpg(self.child.pid, signal.SIGKILL)
                self.child.wait()
        self.child.stdout.close()

    def family(self):
        """This process and its descendants (nginx serves from children)."""
        parents = {}
        for path in glob.glob("/proc/[0-9]*/stat"):
            try:
                with open(path) as stat:
                    pid, rest = int(path.split("/")[2]), stat.read().rsplit(")", 1)[1].split()
                parents.setdefault(int(rest[1]), []).append(pid)
            except (FileNotFoundError, ProcessLookupError):
                continue  # it ended while we looked
        pids, queue = [], [self.child.pid]
        while queue:
            pids.append(queue.pop())
            queue += parents.get(pids[-1], [])
        return pids

    def cpu_seconds(self):
        return sum(_cpu_ticks(pid) for pid in self.family()) / os.sysconf("SC_CLK_TCK")

    def memory_mb(self, field):
        """`VmRSS` (now) or `VmHWM` (peak) in MB of 10⁶ bytes; shared pages count once a process."""
        return sum(_status_kib(pid, field) for pid in self.family()) * 1024 / 1e6

    def reset_peak(self):
        for pid in self.family():
            with open(f"/proc/{pid}/clear_refs", "w") as file:
                file.write("5")


def _cpu_ticks(pid):
    with open(f"/proc/{pid}/stat") as stat:
        fields = stat.read().rsplit(")", 1)[1].split()
    return int(fields[11]) + int(fields[12])  # utime, stime


def _status_kib(pid, field):
    with open(f"/proc/{pid}/status") as status:
        return next((int(line.split()[1]) for line in status if line.startswith(field + ":")), 0)


class Stores:
    """A Postgres and a Redis for this run alone, so that several Playhouse servers can share them."""

    def __init__(self, folder, keep):
        initdb = program("initdb", "/usr/lib/postgresql/*/bin/initdb")
        # Postgres refuses to run as root; Debian's package brings a user for it.
        self.user = "postgres" if os.geteuid() == 0 else None
        cluster = os.path.join(folder, "cluster")
        os.mkdir(cluster, 0o700)
        if self.user:
            shutil.chown(cluster, self.user, self.user)
        owner = {"user": self.user, "group": self.user, "extra_groups": []} if self.user else {}
        made = subprocess.run([initdb, "-D", cluster, "-U", "playhouse", "-A", "trust", "-E", "UTF8", "--no-sync"],
                              capture_output=True, text=True, cwd="/", **owner)
        if made.returncode:
            raise BenchError(f"initdb failed: {made.stderr}")
        # On sockets and no port, as those that `make run` starts.
        postgres = os.path.join(os.path.dirname(os.path.realpath(initdb)), "postgres")
        keep(Server("postgres", [postgres, "-D", cluster, "-h", "", "-k", cluster, "-p", "5432"], folder, stop=signal.SIGINT,
                    user=self.user)).wait_for_socket(os.path.join(cluster, ".s.PGSQL.5432"))
        redis, redis_socket = shutil.which("redis-server") or program("valkey-server"), os.path.join(folder, "redis.sock")
        keep(Server("redis", [redis, "--port", "0", "--unixsocket", redis_socket, "--save", "", "--appendonly", "no",
                              "--dir", folder, "--logfile", "redis.log"], folder)).wait_for_socket(redis_socket)
        self.env = {"DATABASE_URL": f"postgres://playhouse@/postgres?host={urllib.parse.quote(cluster, safe='')}&port=5432",
                    "REDIS_URL": f"redis+unix://{urllib.parse.quote(redis_socket)}"}


NGINX = """
daemon off; pid {folder}/nginx.pid; error_log {folder}/nginx-error.log; worker_processes 2; {user}
events {{ worker_connections 1024; }}
http {{
    access_log off; sendfile on; tcp_nopush on; tcp_nodelay on;
    keepalive_timeout 75s; keepalive_requests 1000000000;
    client_body_temp_path {folder}/t1; proxy_temp_path {folder}/t2; fastcgi_temp_path {folder}/t3;
    uwsgi_temp_path {folder}/t4; scgi_temp_path {folder}/t5;
    server {{ listen 127.0.0.1:{port}; root {root}; }}
}}
"""


def start_nginx(folder, root, keep):
    """nginx as one would set it up to serve large files, over the files in `root`."""
    port, config = free_port(), os.path.join(folder, "nginx.conf")
    with open(config, "w") as file:
        # The stored files are readable by their owner alone, so nginx reads as the same user.
        file.write(NGINX.format(folder=folder, root=root, port=port, user="user root;" if os.geteuid() == 0 else ""))
    server = Server("nginx", [program("nginx", "/usr/sbin/nginx"), "-p", folder, "-c", config], folder)
    keep(server).wait_for_port(port)
    server.url = f"http://127.0.0.1:{port}"
    return server
