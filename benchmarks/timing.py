"""Times taken in turns, so that a busy machine slows all alike, and memory in processes apart."""

import os
import pickle
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

import torch

ROUNDS = 7


def in_turns(jobs, rounds=ROUNDS):
    """{name: seconds of each round}; every job runs once a round, after one round to warm up.

    Every other round goes backwards: what a long job leaves behind slows the same one no longer.
    """
    seconds = {name: [] for name in jobs}
    for number in range(rounds + 1):
        for name, job in list(jobs.items())[:: 1 if number % 2 else -1]:
            started = time.perf_counter()
            job()
            if number:
                seconds[name].append(time.perf_counter() - started)
    return seconds


def ratio(above, below):
    """The median of above / below, round by round."""
    return median(a / b for a, b in zip(above, below, strict=True))


def times_as_fast(seconds):
    """Of {name: seconds of each round}, with two names: the first, compared with the second."""
    first, second = seconds.values()
    return ratio(second, first)


def peak_mebibytes(job, warm_up=None):
    """Of a process of its own that calls job: (what it needs more at its peak than before, in all).

    Both calls are pickled.  warm_up: called first, to load what job does not count as its own.
    """
    freed = {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536"}  # at once
    found = subprocess.run(
        [sys.executable, "-m", "benchmarks.timing"],
        input=pickle.dumps((warm_up, job)),
        stdout=subprocess.PIPE,
        check=True,
        env=os.environ | freed,
    )
    return tuple(map(float, found.stdout.split()))


def print_peak():
    warm_up, job = pickle.load(sys.stdin.buffer)
    if warm_up:
        warm_up()
    Path("/proc/self/clear_refs").write_text("5")  # forget the peak so far; Linux alone
    before = resident("VmRSS")
    _ = job()  # what it returns counts
    print(resident("VmHWM") - before, resident("VmHWM"))


def resident(field):
    """MiB that Linux counts for this process: VmRSS now, VmHWM at the peak."""
    (line,) = (s for s in Path("/proc/self/status").read_text().splitlines() if s.startswith(field))
    return int(line.split()[1]) / 1024


def rows(table):
    """Lines of a table in Markdown."""
    return "\n".join(f"| {' | '.join(map(str, row))} |" for row in table)


if __name__ == "__main__":
    torch.set_num_threads(2)
    print_peak()
