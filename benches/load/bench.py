#!/usr/bin/env python3
"""`make bench`: measures Playhouse against yardsticks in one run on one machine; see docs/BENCHMARKS.md.

Every comparison repeats ours, theirs, ours, theirs, …, and reports medians, so that whatever slows the
machine for a while slows both. A run with a single failed request is thrown away as a whole.
"""

import argparse
import contextlib
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import time
import urllib.request

import sessions
import stalls
from catalogue import LOGIN_ACCOUNTS, PASSWORD, Catalogue
from pauses import LATE_S, Pauses
from processes import BenchError, Server, Stores, free_port, start_nginx
from report import Block, Figure, print_table, write_report

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
REPEATS = 3
# How often a run is measured again because the machine stood still within it.
TRIES = 3
STARTS = 5
SESSIONS = 10_000
SESSION_SECONDS = 30
MEGABYTE = 1 << 20
JSON = {"BENCH_MODE": "get"}


class Side:
    """One of the compared: a server, the URL it is asked for, and what wrk sends."""

    def __init__(self, label, server, path, load):
        self.label, self.server, self.url, self.load = label, server, server.url + path, load
        self.runs = []

    def median(self, key):
        return statistics.median(run[key] for run in self.runs)


def wrk_command(url, connections, seconds):
    threads = 2 if connections >= 16 else 1
    return ["wrk", f"-t{threads}", f"-c{connections}", f"-d{seconds}s", "--timeout", "30s",
            "-s", os.path.join(HERE, "load.lua"), url]


def wrk_result(label, output):
    line = next((line for line in output.splitlines() if line.startswith("RESULT ")), None)
    if line is None:
        raise BenchError(f"{label}: wrk gave no result: {output[-500:]}")
    result = json.loads(line.removeprefix("RESULT "))
    if any(result["errors"].values()) or not result["requests"]:
        raise BenchError(f"{label}: requests failed ({result['errors']}, `status` counts answers of 400 and above)")
    return result


def run_wrk(side, connections, seconds):
    done = subprocess.run(wrk_command(side.url, connections, seconds), env={**os.environ, **side.load},
                          capture_output=True, text=True)
    return wrk_result(f"{side.label} {side.url}", done.stdout + done.stderr)


def measure(side, connections, seconds):
    """One warmed run and its figures."""
    run_wrk(side, connections, 1)
    side.server.reset_peak()
    before, began = side.server.cpu_seconds(), time.monotonic()
    result = run_wrk(side, connections, seconds)
    ended, cpu, took = time.monotonic(), side.server.cpu_seconds() - before, result["duration_us"] / 1e6
    return {
        "began": began, "ended": ended,
        "rps": result["requests"] / took, "mb_s": result["bytes"] / 1e6 / took,
        "p50_ms": result["p50_us"] / 1000, "p99_ms": result["p99_us"] / 1000,
        "cpu_s": cpu, "cpu_per_gb": cpu / (result["bytes"] / 1e9), "cpu_per_10k": cpu / result["requests"] * 1e4,
        "peak_mb": side.server.memory_mb("VmHWM"),
    }


class Bench:
    """The servers of one run and the measurements over them."""

    def __init__(self, args, folder, stack):
        self.seconds, self.folder, self.stack, self.binaries = args.seconds, folder, stack, args.binaries
        self.media_dir = os.path.join(folder, "media")
        self.stores = Stores(folder, self.keep)
        self.figures, self.blocks = [], []
        self.pauses = self.keep(Pauses(folder))
        migrated = subprocess.run([self.binary("playhouse"), "migrate"], env={**os.environ, **self.settings("first")},
                                  capture_output=True, text=True)
        if migrated.returncode:
            raise BenchError(f"playhouse migrate failed: {migrated.stderr[-2000:]}")

    def keep(self, server):
        self.stack.callback(server.stop)
        return server

    def add_run(self, side, run):
        """Adds to the side what `run` measures: of some tries, the first within which the machine did not stand still,
        else the one with the shortest pause."""
        tries = []
        while len(tries) < TRIES and not (tries and tries[-1]["pause_ms"] == 0):
            measured = run()
            tries.append({**measured, "pause_ms": self.pauses.within(measured["began"], measured["ended"])})
            if tries[-1]["pause_ms"]:
                print(f"    the machine stood still for {tries[-1]['pause_ms']:.0f} ms", file=sys.stderr)
        side.runs.append({**min(tries, key=lambda measured: measured["pause_ms"]), "tries": len(tries)})

    def compare(self, title, sides, connections):
        for turn in range(REPEATS):
            for side in sides:
                print(f"  {title}: {side.label} ({turn + 1}/{REPEATS})", file=sys.stderr)
                self.add_run(side, lambda side=side: measure(side, connections, self.seconds))
        return Block(title, connections, sides)

    def binary(self, name):
        return os.path.join(self.binaries, name)

    def settings(self, name):
        return {**self.stores.env, "PLAYHOUSE_HTTP__BIND": "127.0.0.1:0", "PLAYHOUSE_MEDIA_DIR": self.media_dir,
                "PLAYHOUSE_DATA_DIR": os.path.join(self.folder, f"data-{name}"),
                # Both servers must take the same token.
                "PLAYHOUSE_AUTH__TOKEN_SECRET": "benchmark-" * 4}

    def playhouse(self, name, **more):
        return Server(name, [self.binary("playhouse")], self.folder, {**self.settings(name), **more})

    def start(self):
        """Starts to the first answer, and the memory of a server that nobody has asked for anything else."""
        took, memory = [], []
        for _ in range(STARTS):
            began = time.monotonic()
            server = self.playhouse("first")
            try:
                server.wait_for_url()
                urllib.request.urlopen(server.url + "/healthz", timeout=10).read()
                took.append((time.monotonic() - began) * 1000)
                time.sleep(1)
                memory.append(server.memory_mb("VmRSS"))
            finally:
                server.stop()
        self.figures += [
            Figure("Memory at rest, one second after the start", "–", statistics.median(memory), "MB", "≤", 40),
            Figure(f"Start to first answer, stores already running (median of {STARTS})", "–",
                   statistics.median(took), "ms", "≤", 300)]

    def serve(self):
        self.cached = self.keep(self.playhouse("playhouse")).wait_for_url()
        # Saturated cores make a statement in many thousands miss the deadline; what is measured is throughput.
        patient = {"PLAYHOUSE_DATABASE__DEADLINE_MS": "5000", "PLAYHOUSE_DATABASE__STATEMENT_TIMEOUT_MS": "5000"}
        self.uncached = self.playhouse("playhouse-uncached", PLAYHOUSE_CACHE__BYTES="0", **patient)
        self.keep(self.uncached).wait_for_url()
        print("  filling the catalogue", file=sys.stderr)
        self.catalogue = Catalogue(self.cached.url, self.folder, self.media_dir)
        self.token = {"BENCH_TOKEN": self.catalogue.client.token}
        root = os.path.join(self.folder, "root")
        os.mkdir(root)
        os.symlink(self.catalogue.stored, os.path.join(root, "video.mp4"))
        self.nginx = start_nginx(self.folder, root, self.keep)

    def json(self):
        for name, path, hot, cold in (("GET /series/{id}", self.catalogue.one, 0.65, 0.15),
                                      ("GET /series?genre_id=…&sort=-name&limit=10", self.catalogue.page, 0.60, 0.04)):
            size = self.catalogue.size(path)
            bare = self.keep(Server("bare", [self.binary("bare"), str(size)], self.folder)).wait_for_url()
            load = {**JSON, **self.token}
            sides = [Side("Playhouse", self.cached, path, load), Side("Playhouse, caches off", self.uncached, path, load),
                     Side("bare handler", bare, "/", JSON)]
            self.blocks.append(self.compare(f"`{name}`, {size} bytes", sides, 64))
            bare.stop()
            ours, cold_side, theirs = (side.median("rps") for side in sides)
            against = f"a bare actix-web handler answering {size} bytes of JSON: requests/s"
            self.figures += [
                Figure(f"`{name}`, with a token, hot, 64 connections", against, ours / theirs, "×", "≥", hot),
                Figure("the same with caches off", against, cold_side / theirs, "×", "≥", cold)]

    def _ranges(self, title, length, connections):
        load = {"BENCH_MODE": "range", "BENCH_SIZE": str(self.catalogue.media_bytes), "BENCH_LENGTH": str(length)}
        sides = [Side("Playhouse", self.cached, self.catalogue.media, {**load, **self.token}),
                 Side("nginx", self.nginx, "/video.mp4", load)]
        self.blocks.append(self.compare(title, sides, connections))
        for side in sides:
            # wrk takes any answer below 400; a whole file or an empty answer shows in the bytes.
            body = side.median("mb_s") * 1e6 / side.median("rps")
            if not length <= body <= length + 2000:
                raise BenchError(f"{title}: {side.label} answers {body:.0f} bytes for a range of {length}")
        return sides

    def media(self):
        ours, nginx = self._ranges("`GET /media/{id}`, random ranges of 1 MiB", MEGABYTE, 16)
        what = "`GET /media/{id}`, random ranges of 1 MiB, 16 connections, hot"
        self.figures += [
            Figure(f"{what}: throughput", "nginx with sendfile", ours.median("mb_s") / nginx.median("mb_s"), "×", "≥", 0.8),
            Figure(f"{what}: CPU seconds per GB", "nginx with sendfile",
                   ours.median("cpu_per_gb") / nginx.median("cpu_per_gb"), "×", "≤", 2.0)]

    def bytes(self):
        ours, nginx = self._ranges("`GET /media/{id}`, random ranges of 1 byte", 1, 64)
        self.figures.append(Figure("`GET /media/{id}`, ranges of 1 byte, 64 connections: p99", "nginx with sendfile",
                                   ours.median("p99_ms") / nginx.median("p99_ms"), "×", "≤", 1.0))

    def logins(self):
        """A JSON route's latency alone, and while 64 accounts sign in again and again."""
        path, load = self.catalogue.one, {**JSON, **self.token}
        idle = Side("no logins", self.cached, path, load)
        busy = Side("during 64 logins at once", self.cached, path, load)
        env = {**os.environ, "BENCH_MODE": "login", "BENCH_PASSWORD": PASSWORD, "BENCH_ACCOUNTS": str(LOGIN_ACCOUNTS)}

        def during_logins():
            # The probe warms up for a second of its own; the logins outlast it by another.
            command = wrk_command(self.cached.url + "/users/login", LOGIN_ACCOUNTS, self.seconds + 3)
            with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as login:
                time.sleep(0.5)
                measured = measure(busy, 8, self.seconds)
                if login.poll() is not None:
                    raise BenchError("the logins ended before the probe did")
                result = wrk_result("logins", login.communicate()[0])
            print(f"    {result['requests'] / result['duration_us'] * 1e6:.0f} logins/s", file=sys.stderr)
            return measured

        for turn in range(REPEATS):
            print(f"  a JSON route alone and during logins ({turn + 1}/{REPEATS})", file=sys.stderr)
            self.add_run(idle, lambda: measure(idle, 8, self.seconds))
            self.add_run(busy, during_logins)
        self.blocks.append(Block("`GET /series/{id}` while others sign in", 8, [idle, busy]))
        self.figures.append(Figure("p99 of `GET /series/{id}`, 8 connections, during 64 logins at once",
                                   "the same route without logins: difference",
                                   busy.median("p99_ms") - idle.median("p99_ms"), "ms", "≤", 10))

    def sessions(self):
        """What live viewing sessions cost, on a server that has done nothing else."""
        server = self.playhouse("sessions").wait_for_url()
        try:
            memory, cpu, p99 = sessions.measure(server, self.catalogue.viewers(), self.catalogue.episode(),
                                                SESSIONS, SESSION_SECONDS)
        finally:
            server.stop()
        self.figures += [
            Figure(f"{SESSIONS:,} live sessions: memory they add", "–", memory, "MB", "≤", 100),
            Figure(f"Heartbeats of {SESSIONS:,} sessions every 5 s: share of one core, {SESSION_SECONDS} s long", "–",
                   cpu * 100, "%", "≤", 25),
            Figure("The same: p99 of a heartbeat, as a Python client on the same two cores sees it", "–", p99, "ms", "≤", 100)]

    def stalls(self):
        """How long others wait for an answer while hundreds of clients stop."""
        bearer = f"Host: x\r\nAuthorization: Bearer {self.catalogue.client.token}\r\n"
        reads = f"GET {self.catalogue.media} HTTP/1.1\r\n{bearer}\r\n"
        sends = (f"POST /files HTTP/1.1\r\n{bearer}Content-Type: multipart/form-data; boundary=b\r\n"
                 "Content-Length: 1000000\r\n\r\n--b\r\n")
        size = f"{self.catalogue.media_bytes / 1e6:.0f} MB"
        for who, beginning in ((f"readers of a video of {size} that stop reading", reads),
                               ("senders of an upload that stop sending", sends)):
            print(f"  {stalls.CLIENTS} {who}", file=sys.stderr)
            longest = max(stalls.longest_wait(self.cached, beginning) for _ in range(REPEATS))
            self.figures.append(Figure(f"{stalls.CLIENTS} {who}: longest wait for `/healthz`, of {REPEATS} runs", "–",
                                       longest, "ms", "≤", 100))


def clone_to_serving(folder):
    """Seconds from `git clone` to the line that says it listens, by `make run`, with an empty target folder."""
    checkout = os.path.join(folder, "clone")
    began = time.monotonic()
    subprocess.run(["git", "clone", "-q", ROOT, checkout], check=True)
    server = Server("clone", ["make", "-C", checkout, "run"], folder, {
        "CARGO_TARGET_DIR": os.path.join(folder, "clone-target"), "PLAYHOUSE_HTTP__BIND": f"127.0.0.1:{free_port()}"})
    try:
        server.wait_for_url()
        took = time.monotonic() - began
    finally:
        # make does not hand SIGTERM on to the server, so the whole group gets it.
        os.killpg(server.child.pid, signal.SIGTERM)
        server.stop()
    return Figure("Clone to serving with `make run`, empty target folder", "–", took, "s", "≤", 480)


MEASUREMENTS = ("start", "json", "media", "bytes", "logins", "sessions", "stalls")


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--binaries", default=os.path.join(ROOT, "target", "release"), help="folder of playhouse and bare")
    parser.add_argument("--seconds", type=int, default=5, help="length of one measured run (default 5)")
    parser.add_argument("--only", action="append", choices=MEASUREMENTS, help="this measurement alone; writes no report")
    parser.add_argument("--clone", action="store_true", help="also time a fresh clone until it serves (minutes)")
    args = parser.parse_args()
    args.binaries = os.path.abspath(args.binaries)
    return args


def main():
    args = arguments()
    for name in [name for name in os.environ if name.startswith("PLAYHOUSE_")]:
        del os.environ[name]  # the defaults are what is measured
    folder = os.path.join(ROOT, "target", "bench")
    # Postgres runs as another user where this runs as root, and must get to its folder; an unreadable
    # parent (/root) would stop it, so the run lives in the system's temporary folder then.
    if os.geteuid() == 0:
        folder = "/tmp/playhouse-bench"
    folder = f"{folder}-{os.getpid()}"
    os.makedirs(folder)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with contextlib.ExitStack() as stack:
        bench = Bench(args, folder, stack)
        wanted = args.only or MEASUREMENTS
        if "start" in wanted:
            bench.start()
        if set(wanted) - {"start"}:
            bench.serve()
        for name in wanted:
            if name != "start":
                getattr(bench, name)()
        figures, blocks, watched = bench.figures, bench.blocks, bench.pauses.known()
    if args.clone:
        figures.append(clone_to_serving(folder))
    # Only after a good run: the logs of a failed one are wanted.
    shutil.rmtree(folder)
    print_table(figures, blocks)
    if not args.only:
        write_report(os.path.join(ROOT, "docs", "BENCHMARKS.md"), figures, blocks, LATE_S * 1000 if watched else None, args)


if __name__ == "__main__":
    try:
        main()
    except BenchError as error:
        sys.exit(f"bench: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
