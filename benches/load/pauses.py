"""When the machine itself stood still: a virtual one shares its processors, and is stopped where it has used its share.

One process a core asks to be woken every few milliseconds, before everything else there is (SCHED_FIFO). When it is
woken late, nothing ran on that core that the kernel could have put aside: no program that is measured caused it.
"""

import os
import subprocess
import sys
import time

STEP_S = 0.004
LATE_S = 0.020


def watch(core, path):
    """Writes a line (beginning, end; seconds of the monotonic clock) for each pause, until it is killed."""
    os.sched_setaffinity(0, {core})
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(50))
    with open(path, "w", buffering=1) as file:
        file.write("watching\n")
        last = time.monotonic()
        while True:
            time.sleep(STEP_S)
            now = time.monotonic()
            if now - last > LATE_S:
                file.write(f"{last} {now}\n")
            last = now


class Pauses:
    """Watches all cores; knows nothing where it may not run before others (that takes root)."""

    def __init__(self, folder):
        self.paths = {core: os.path.join(folder, f"pauses-{core}.log") for core in sorted(os.sched_getaffinity(0))}
        self.watchers = [subprocess.Popen([sys.executable, __file__, str(core), path], stderr=subprocess.DEVNULL)
                         for core, path in self.paths.items()]
        time.sleep(0.5)

    def known(self):
        return all(watcher.poll() is None for watcher in self.watchers)

    def within(self, began, ended):
        """The longest pause between two instants of the monotonic clock, in milliseconds; 0 without one."""
        if not self.known():
            return 0
        longest = 0
        for path in self.paths.values():
            with open(path) as file:
                pauses = [tuple(map(float, line.split())) for line in file.read().splitlines()[1:] if line.count(".") == 2]
            longest = max([longest] + [end - begin for begin, end in pauses if end > began and begin < ended])
        return longest * 1000

    def stop(self):
        for watcher in self.watchers:
            watcher.kill()
            watcher.wait()


if __name__ == "__main__":
    watch(int(sys.argv[1]), sys.argv[2])
