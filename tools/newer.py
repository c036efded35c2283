"""Prove the package and two notebooks on Python 3.13 as well: python -m tools.newer

Looks for a Python 3.13 that starts, on the PATH and among pyenv's versions, and installs
requirements.lock for it in the user's cache, to be used again until the lock changes.  Where there
is no such Python, or no registry to install from, one line says so, and nothing is proved; where
the time is up first, as it may be after an installation, one line says what did not end.
Left out are the tests of long runs: cards, recipes, downloads and benchmarks.
"""

import os
import re
import shutil
import subprocess
import sys
import time
from hashlib import sha256
from pathlib import Path

import platformdirs

from tools.setup import ROOT, explain

VERSION = "3.13"
MINUTES = 12  # for all of it, the installation too
NOTEBOOKS = sorted(
    path for number in ("01", "05") for path in ROOT.glob(f"notebooks/{number}_*.ipynb")
)


class Skip(Exception):
    """One line: why nothing can be proved here."""


def pythons() -> list[str]:
    """Where a Python of that version may stand: a version manager's shim need not start."""
    name = f"python{VERSION}"
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    on_path = [Path(folder) / name for folder in os.get_exec_path()]
    return [str(path) for path in (*on_path, *sorted(pyenv.glob(f"{VERSION}*/bin/{name}")))]


def find() -> tuple[str, str]:
    """The first that starts, and its full version."""
    ask = "import platform, venv; print(platform.python_version())"
    for python in pythons():
        try:
            done = subprocess.run([python, "-c", ask], capture_output=True, text=True, timeout=60)
        except OSError:
            continue
        if done.stdout.startswith(f"{VERSION}."):
            return python, done.stdout.strip()
    raise Skip(f"no Python {VERSION} starts, neither on the PATH nor among pyenv's versions")


def environment(python: str, limit: float) -> Path:
    """The Python of an environment that holds what the lock names, made within limit seconds."""
    lock = ROOT / "requirements.lock"
    folder = platformdirs.user_cache_path("d2lmini") / f"venv-{VERSION}"
    inside, stamp = folder / "bin/python", folder / "lock.sha256"
    wanted = sha256(lock.read_bytes()).hexdigest()
    if not (inside.exists() and stamp.exists() and stamp.read_text() == wanted):
        shutil.rmtree(folder, ignore_errors=True)
        print(f"Installing what Python {VERSION} needs into {folder} ...", flush=True)
        pip = [inside, "-m", "pip", "install", "--disable-pip-version-check", "-r", lock]
        if uv := shutil.which("uv"):
            pip = [uv, "pip", "install", "--python", inside, "-r", lock]
        for command in ([python, "-m", "venv", folder], pip):
            done = subprocess.run(command, capture_output=True, text=True, timeout=limit)
            if done.returncode:
                why = explain(done.stdout + done.stderr)
                raise (Skip if "no package registry answers" in why else SystemExit)(why)
        stamp.write_text(wanted)
    return inside


def package_tests() -> list[str]:
    """The files of tests that neither fetch, nor read cards, nor import recipes or benchmarks."""
    long = r"^(from|import) (recipes|benchmarks)\b"
    return [
        str(path.relative_to(ROOT))
        for path in sorted(ROOT.glob("tests/test_*.py"))
        if path.stem not in ("test_cards", "test_fetch")
        and not re.search(long, path.read_text(encoding="utf-8"), re.MULTILINE)
    ]


def strict() -> str:
    """For PYTHONWARNINGS: what our own code is warned of as deprecated is an error."""
    modules = [
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for folder in ("d2lmini", "recipes")
        for path in sorted(ROOT.glob(f"{folder}/**/*.py"))
    ]
    kinds = ("DeprecationWarning", "PendingDeprecationWarning", "FutureWarning")
    return ",".join(f"error::{kind}:{module}" for kind in kinds for module in modules)


def passed(command: list, path: str, limit: float) -> int | None:
    """Run pytest up to the first failure, show what it says, and return how many tests passed.

    0 if one failed; None if the time was up before.
    """
    settings = os.environ | {"PYTHONPATH": path, "PYTHONWARNINGS": strict()}
    command = [*command, "-q", "-x", "-p", "no:cacheprovider"]
    try:
        done = subprocess.run(
            command, cwd=ROOT, env=settings, stdout=subprocess.PIPE, timeout=limit
        )
    except subprocess.TimeoutExpired as late:
        print((late.stdout or b"").decode(), flush=True)
        return None
    said = done.stdout.decode()
    print(said, flush=True)
    count = re.findall(r"^(?:=+ )?(?:.*, )?(\d+) passed", said, re.MULTILINE)
    return 0 if done.returncode else int(count[-1])


def main() -> int:
    end = time.monotonic() + 60 * MINUTES
    try:
        python, version = find()
        inside = environment(python, end - time.monotonic())
    except (Skip, subprocess.TimeoutExpired) as why:
        print(f"Nothing is proved on Python {VERSION}: {why}.")
        return 0
    pytest = [inside, "-m", "pytest"]
    tests = passed([*pytest, *package_tests()], str(ROOT), end - time.monotonic())
    cells = tests and passed(
        [*pytest, "--nbval", "--nbval-sanitize-with", "tests/nbval.cfg", *NOTEBOOKS],
        os.pathsep.join(map(str, (ROOT / "tests/offline", ROOT))),
        end - time.monotonic(),
    )
    names = " and ".join(path.name[:2] for path in NOTEBOOKS)
    if None in (tests, cells):
        what = f"{tests} package tests passed, notebooks {names}" if tests else "the package tests"
        print(f"Python {version} ({python}): {what} did not end in {MINUTES} minutes; none failed.")
        return 0
    minutes = (time.monotonic() - end) / 60 + MINUTES
    print(
        f"Python {version} ({python}): {tests} package tests passed and"
        f" {cells} cells of notebooks {names}, in {minutes:.0f} minutes"
        + ("." if tests and cells else "; SOME FAILED.")
    )
    return int(not (tests and cells))


if __name__ == "__main__":
    sys.exit(main())
