"""Make .venv hold exactly what requirements.lock names.  `make` calls this first, every time.

A finished .venv carries a stamp: the hash of the lock and the folder it was made in.  Without a
stamp it is half-built and made anew; with an older one it is brought up to date in place.
Whatever goes wrong is told in one line; what pip or uv said stands in .setup.log.
"""

import hashlib
import itertools
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VENV = ROOT / ".venv"
STAMP = VENV / "course-stamp.json"
LOG = ROOT / ".setup.log"
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
# On Linux .venv keeps 6, because torch brings its CUDA libraries, and pip caches 3.
GIGABYTES = 9
STEP = r"(?:Collecting|Building wheel for| ?Downloading|Installing) (\S+)"

REASONS = [  # what pip and uv write -> what it means and what to do
    (r"No space left|os error 28", f"the disk is full: free {GIGABYTES} GB, then run it again"),
    (
        r"NewConnectionError|ConnectTimeout|ReadTimeout|Max retries|name resolution|ProxyError"
        r"|dns error|error sending request|Connection refused|Network is unreachable",
        "no package registry answers: check the network or the proxy, then run it again",
    ),
    (
        r"requirement (\S+) .*from versions: none",
        "no package registry answers, or it has no {match} for this platform: check the network",
    ),
    (
        r"No matching distribution found for (\S+)|no wheels? with a matching",
        "this platform or registry has no fitting build of {match}: see README.md",
    ),
]


class SetupError(Exception):
    """One line: what is wrong and what to do."""


def wanted_stamp():
    parts = [(ROOT / name).read_bytes() for name in ("requirements.lock", "pyproject.toml")]
    return {"folder": str(ROOT), "lock": hashlib.sha256(b"".join(parts)).hexdigest()}


def found_stamp():
    """What the last finished set-up left, or {} where .venv is missing, broken or half-built."""
    try:
        subprocess.run([PYTHON, "-c", ""], check=True, capture_output=True)
        return json.loads(STAMP.read_text())
    except (OSError, ValueError, subprocess.CalledProcessError):
        return {}


def require_space():
    for folder, gigabytes in ((ROOT, GIGABYTES), (tempfile.gettempdir(), 2)):
        free = shutil.disk_usage(folder).free / 1e9
        if free < gigabytes:
            raise SetupError(
                f"the disk is full: {folder} has {free:.1f} GB free of the {gigabytes} GB needed"
            )


def run(command):
    """Run pip or uv, keep its words in the log and show the package it is at."""
    with open(LOG, "a", encoding="utf-8") as log:
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        process = subprocess.Popen(command, **pipes, text=True, errors="replace")
        steps = itertools.count(1)
        for line in process.stdout:
            log.write(line)
            if found := re.match(STEP, line):
                show(f"{next(steps):4d}  {found[1].rsplit('/', 1)[-1]}")
    show("")
    if process.wait():
        raise SetupError(explain(LOG.read_text(encoding="utf-8", errors="replace")))


def show(text):
    """One status line, rewritten in place on a terminal and silent elsewhere."""
    if sys.stderr.isatty():
        print(f"\r\033[K{text[:78]}", end="", file=sys.stderr, flush=True)


def explain(words):
    for pattern, reason in REASONS:
        if found := re.search(pattern, words):
            return reason.format(match=found.group(found.lastindex or 0))
    last = [line.strip() for line in words.splitlines() if line.strip()][-1:]
    return f"the installation stopped: {' '.join(last)} (all of it: {LOG.name})"


def build(found, wanted):
    """Install into .venv; a new one that fails is removed, an old one stays but loses its stamp."""
    fresh = found.get("folder") != wanted["folder"]
    uv = shutil.which("uv")
    pip = [PYTHON, "-m", "pip", "install", "--disable-pip-version-check"]
    if uv:
        pip = [uv, "pip", "install", "--python", PYTHON]
    LOG.write_text("")
    if fresh:
        shutil.rmtree(VENV, ignore_errors=True)
        require_space()
        print(
            f"Setting up .venv on Python {platform.python_version()}: once, some minutes,"
            f" about 3 GB of packages ...",
            file=sys.stderr,
        )
    else:
        STAMP.write_text(json.dumps(found | {"lock": "being updated"}))
        print("Bringing .venv up to date ...", file=sys.stderr)
    try:
        if fresh:
            create_venv(with_pip=not uv)
        run([*pip, "-r", ROOT / "requirements.lock", "-e", ROOT])
        STAMP.write_text(json.dumps(wanted))
    except BaseException:  # Ctrl-C included: a half-built .venv must not stay
        if fresh:
            shutil.rmtree(VENV, ignore_errors=True)
        raise


def create_venv(*, with_pip):
    try:
        venv.create(VENV, with_pip=with_pip, symlinks=os.name != "nt")
    except subprocess.CalledProcessError as error:
        raise SetupError(
            "this Python cannot make environments: install its venv package"
            " (Debian and Ubuntu: apt install python3-venv), then run it again"
        ) from error


def main():
    if not (3, 11) <= sys.version_info[:2] <= (3, 14):
        here = platform.python_version()
        raise SetupError(f"this course needs Python 3.11 to 3.14, this is {here}")
    wanted, found = wanted_stamp(), found_stamp()
    if found != wanted:
        build(found, wanted)


if __name__ == "__main__":
    try:
        main()
    except SetupError as error:
        sys.exit(f"Set-up failed: {error}.")
    except OSError as error:
        sys.exit(f"Set-up failed: {explain(str(error))}.")
    except KeyboardInterrupt:
        sys.exit("Set-up stopped; nothing half-built is left. Run it again to start over.")
