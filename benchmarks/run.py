"""Side by side with d2l 1.0.3, torch's modules and transformers: make bench writes RESULTS.md.

What is compared runs in one process, in turns, and the medians and their ratio are printed: a busy
machine slows all of them.  Every contestant has the same loss, optimiser and threads, and the same
sentences, in batches of its own kind.  A ratio below its bound makes the run fail.

A section is a module with measure(); compare(*measured), which gives {what is compared: (times as
fast, aim, what makes the run fail)}; and page(*measured), its Markdown.
python -m benchmarks.run bert      one section, printed and not stored
"""

import argparse
import os
import platform
import sys
from pathlib import Path

import torch

from benchmarks import bert, inference, transformer
from benchmarks.timing import rows

RESULTS = Path(__file__).with_name("RESULTS.md")
SECTIONS = {"transformer": transformer, "bert": bert, "inference": inference}
PAGE = """# Benchmarks

Made by `make bench`: in turns, medians of the rounds, ratios round by round. All in one process;
memory alone in a process for each.
Machine: {machine}.

| times as fast | found | aim | fails below |
|---|---:|---:|---:|
{found}

{sections}"""


def main(names=()):
    torch.set_num_threads(2)
    found, sections = {}, []
    for name in names or SECTIONS:
        section = SECTIONS[name]
        measured = section.measure()
        found |= section.compare(*measured)
        sections.append(section.page(*measured))
    text = PAGE.format(
        machine=f"{platform.machine()}, {os.cpu_count()} cores, torch {torch.__version__} with "
        f"{torch.get_num_threads()} threads, Python {platform.python_version()}",
        found=rows((text, f"{value:.2f}", *bounds) for text, (value, *bounds) in found.items()),
        sections="\n".join(sections),
    )
    print(text)
    if not names:
        RESULTS.write_text(text, encoding="utf-8")
    slow = {text: row for text, row in found.items() if row[0] < row[2]}
    for text, (value, _, bound) in slow.items():
        print(f"too slow: {text}: {value:.2f}, at least {bound} is wanted", file=sys.stderr)
    return int(bool(slow))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.run")
    parser.add_argument("sections", nargs="*", help=f"of {', '.join(SECTIONS)}; none: all")
    names = parser.parse_args().sections
    if unknown := set(names) - set(SECTIONS):
        parser.error(f"no section {', '.join(sorted(unknown))}; there are {', '.join(SECTIONS)}")
    sys.exit(main(names))
