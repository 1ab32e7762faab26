"""Runs the program that is named behind a folder, and leaves there a folder called after the most memory it had.

The program may write no file; this may make folders: `<program>.<kilobytes>.<process>`.
"""

import os
import sys

folder, *words = sys.argv[1:]
child = os.posix_spawn(words[0], words, {})
_, status, usage = os.wait4(child, 0)
os.mkdir(f"{folder}/{os.path.basename(words[0])}.{usage.ru_maxrss}.{child}")
sys.exit(os.waitstatus_to_exitcode(status) % 256)
