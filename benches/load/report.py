"""The figures as a table on the terminal and as docs/BENCHMARKS.md."""

import datetime
import os
import platform
import subprocess
from dataclasses import dataclass

KEPT = "<!-- Below this line the text is written by hand, and kept by `make bench`. -->"


@dataclass
class Figure:
    """One goal and how it went."""

    measured: str
    against: str
    value: float
    unit: str
    direction: str
    goal: float

    def met(self):
        return self.value >= self.goal if self.direction == "≥" else self.value <= self.goal

    def result(self):
        return f"{self.value:.3g} {self.unit}" if self.value < 1000 else f"{self.value:.0f} {self.unit}"

    def row(self):
        verdict = "met" if self.met() else "**missed**"
        return f"| {self.measured} | {self.against} | {self.direction} {self.goal:g} {self.unit} | {self.result()} | {verdict} |"


@dataclass
class Block:
    """Sides that were measured in turns."""

    title: str
    connections: int
    sides: list

    def rows(self):
        for side in self.sides:
            cells = [f"{side.median('rps'):.0f}", f"{side.median('mb_s'):.1f}", f"{side.median('p50_ms'):.2f}",
                     f"{side.median('p99_ms'):.2f}", f"{side.median('cpu_s'):.2f}",
                     f"{side.median('cpu_per_10k'):.3f}", f"{side.median('cpu_per_gb'):.2f}",
                     f"{side.median('peak_mb'):.0f}"]
            yield f"| {self.title}, {self.connections} connections | {side.label} | " + " | ".join(cells) + " |"


GOALS = ["| measured | against | goal | result | verdict |", "| --- | --- | --- | --- | --- |"]
SIDES = ["| load | side | requests/s | MB/s | p50 ms | p99 ms | CPU s | CPU s per 10,000 requests | CPU s per GB | peak memory MB |",
         "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |"]


def _tables(figures, blocks):
    return GOALS + [figure.row() for figure in figures], SIDES + [row for block in blocks for row in block.rows()]


def print_table(figures, blocks):
    for table in _tables(figures, blocks):
        print("\n".join(table), end="\n\n")


def _first_line(*command):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return done.stdout.splitlines()[0].strip() if done.stdout else "unknown"


def _cpu_model():
    with open("/proc/cpuinfo") as file:
        return next((line.split(":", 1)[1].strip() for line in file if line.startswith("model name")), platform.machine())


def _memory_gb():
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9


def _machine():
    return [
        f"- {os.cpu_count()} cores, {_cpu_model()}, {_memory_gb():.0f} GB of memory",
        f"- kernel {platform.release()}",
        f"- {_first_line('rustc', '--version')} (release build), {_first_line('nginx', '-v')},"
        f" {_first_line('wrk', '-v').split(' Copyright')[0]}",
        f"- source: commit {_first_line('git', 'describe', '--always', '--dirty')}",
        f"- {datetime.datetime.now(datetime.timezone.utc):%Y-%m-%d %H:%M} UTC",
    ]


TEXT = """# Benchmarks

How fast is Playhouse, and what does it cost? A figure in requests per second says more about the
machine than about the software. So each figure here is a ratio to something well known that was
measured in the same minutes on the same machine:

- *a bare handler*: a program of one function on the same web framework (actix-web), with the same
  number of threads and the same settings, which answers ready text of the same length in JSON. It
  checks no token and knows no database. 1.0 would mean that everything Playhouse does is free.
- *nginx* with `sendfile`, two workers and no log, serving the very file that Playhouse stored. It
  checks no token either.

This file is written by

    {command}

which installs what it needs, starts everything itself on this machine (a Postgres and a Redis on
sockets, as `make run` does; two Playhouse servers of which one has its caches off; nginx; the bare
handler), fills a catalogue with 1,000 series and a 256 MB video over HTTP, and stops it all again.

## Results

{goals}

## Both sides in figures

Medians of {repeats} runs of {seconds} s, each after a warm-up of 1 s. CPU seconds are user and system time
of the server's processes within one run; Postgres and Redis are not in it. Memory is the highest resident
size within a run, summed over a server's processes, so pages that processes share count in each.

{sides}

## How it was measured

- The sides take turns: ours, theirs, ours, theirs. What slows the machine for a while slows both.
- The load comes from [wrk](https://github.com/wg/wrk), over loopback and kept-alive connections.
  **wrk shares the cores with the server it measures**, so on a machine with few cores no figure here
  is the most a server can do, and a ratio is nearer to 1 than it would be with a load from outside.
  CPU seconds do not have that flaw: they count the server alone.
- Every request carries an access token, where the side is Playhouse, and the token is checked each time.
- *Hot* means that the answer is in Playhouse's own cache, or the file in the machine's memory.
  *Caches off* is a second server on the same database with `PLAYHOUSE_CACHE__BYTES=0`, and
  with deadlines of 5 s for the database: with all cores busy, one statement in many thousands is left
  waiting for more than the 0.9 s after which a request is refused by default. It still knows the totals of
  lists (`cache.totals_bytes`), which no page counts.
- Ranges start at random places of the file, at the same ones for both sides.
- *During 64 logins at once*: 64 connections sign in to 64 accounts with the right password, one after
  another without a pause, while 8 further connections read. A login costs a password hash (Argon2id,
  19 MiB), which is slow on purpose.
- *Live sessions*: a Python client opens them over 32 connections, then sends the heartbeat of each every five
  seconds, evenly over time.
- *Clients that stop*: 500 connections with small buffers ask for a video and read none of it, or begin an upload
  and send no more. `/healthz` is asked for every 20 ms from processes of their own, on new and on kept connections.
{pauses}
- A single failed request, or an answer of the wrong length, ends the run without a report.

## The machine

{machine}

"""

NOTES = f"""{KEPT}

## What was missed, and why

Nothing has been written here yet.
"""


def _pauses(blocks, late_ms):
    if late_ms is None:
        return "- Whether the machine stood still within a run was not watched: that takes root."
    runs = [run for block in blocks for side in block.sides for run in side.runs]
    again = sum(run["tries"] - 1 for run in runs)
    left = [run["pause_ms"] for run in runs if run["pause_ms"]]
    stand = f"{len(left)} of {len(runs)} have a pause, of {max(left):.0f} ms at most" if left else "none has a pause"
    return ("- A virtual machine is stopped now and then by what it runs on. A run of the table above within which that "
            f"took\n  over {late_ms:.0f} ms (a real-time thread of each core was not woken in that time) is measured again, a "
            f"few\n  times at most: {again} runs were, and of those that count {stand}.")


def write_report(path, figures, blocks, late_ms, args):
    """Writes the report; what a person wrote below the mark stays."""
    kept = NOTES
    if os.path.exists(path):
        with open(path) as file:
            _, mark, rest = file.read().partition(KEPT)
        kept = mark + rest if mark else NOTES
    goals, sides = _tables(figures, blocks)
    if not args.clone:
        goals.append("| Clone to serving with `make run`, empty target folder | – | ≤ 480 s | not in this run (`--clone`) | – |")
    flags = (f" --seconds {args.seconds}" if args.seconds != 5 else "") + (" --clone" if args.clone else "")
    repeats = len(blocks[0].sides[0].runs) if blocks else 0
    # Before the file is opened: an empty one is a change of the source that is told of.
    text = TEXT.format(command=f"benches/load/run.sh{flags}" if flags else "make bench",
                       goals="\n".join(goals), sides="\n".join(sides), repeats=repeats,
                       seconds=args.seconds, pauses=_pauses(blocks, late_ms), machine="\n".join(_machine()))
    with open(path, "w") as file:
        file.write(text + kept)
    print(f"written: {path}")
