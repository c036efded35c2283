"""Setting up says in one line what is wrong, and leaves nothing half-built that it would trust."""

import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from tools import setup

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """tools.setup working on a copy of what it reads, on a disk with room, without uv."""
    for name in ("requirements.lock", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    python = tmp_path / ".venv" / setup.PYTHON.relative_to(setup.VENV)
    monkeypatch.setattr(setup, "ROOT", tmp_path)
    monkeypatch.setattr(setup, "VENV", tmp_path / ".venv")
    monkeypatch.setattr(setup, "STAMP", tmp_path / ".venv" / setup.STAMP.name)
    monkeypatch.setattr(setup, "LOG", tmp_path / setup.LOG.name)
    monkeypatch.setattr(setup, "PYTHON", python)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=10**12))
    monkeypatch.setattr(shutil, "which", lambda name: None)
    return tmp_path


def finished(folder):
    """A .venv as a finished set-up leaves it, but for the packages."""
    setup.PYTHON.parent.mkdir(parents=True)
    setup.PYTHON.symlink_to(sys.executable)
    setup.STAMP.write_text(setup.json.dumps(setup.wanted_stamp()))


def forbidden(*arguments, **options):
    raise AssertionError("nothing was to be installed")


def test_a_second_call_reuses_what_stands(elsewhere, monkeypatch):
    finished(elsewhere)
    monkeypatch.setattr(setup, "run", forbidden)
    setup.main()


@pytest.mark.parametrize("damage", ["no stamp", "broken stamp", "no python", "another folder"])
def test_a_half_built_environment_is_made_anew(elsewhere, monkeypatch, damage):
    finished(elsewhere)
    left_over = elsewhere / ".venv" / "left over"
    left_over.touch()
    if damage == "no stamp":
        setup.STAMP.unlink()
    elif damage == "broken stamp":
        setup.STAMP.write_text("{")
    elif damage == "no python":
        setup.PYTHON.unlink()
    else:
        stamp = setup.wanted_stamp() | {"folder": "/moved"}
        setup.STAMP.write_text(setup.json.dumps(stamp))
    commands = []
    monkeypatch.setattr(setup, "run", commands.append)
    monkeypatch.setattr(setup, "create_venv", lambda with_pip: setup.VENV.mkdir())
    setup.main()
    assert len(commands) == 1 and not left_over.exists() and setup.STAMP.exists()


def test_a_new_lock_updates_in_place_and_a_failed_update_is_not_trusted(elsewhere, monkeypatch):
    finished(elsewhere)
    kept = elsewhere / ".venv" / "kept"
    kept.touch()
    with open(elsewhere / "requirements.lock", "a") as lock:
        lock.write("new==1\n")

    def fail(command):
        raise setup.SetupError("no package registry answers")

    monkeypatch.setattr(setup, "run", fail)
    with pytest.raises(setup.SetupError):
        setup.main()
    assert kept.exists() and setup.found_stamp() != setup.wanted_stamp()
    commands = []
    monkeypatch.setattr(setup, "run", commands.append)
    setup.main()
    assert len(commands) == 1 and kept.exists()
    assert setup.found_stamp() == setup.wanted_stamp()


def test_without_a_registry_one_line_says_so_and_nothing_is_left(elsewhere, monkeypatch):
    """The real pip, sent to a port of this machine where nobody listens."""
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", "")
    monkeypatch.setenv("PIP_FIND_LINKS", "")
    monkeypatch.setenv("PIP_RETRIES", "0")
    with pytest.raises(setup.SetupError) as error:
        setup.main()
    assert "no package registry answers" in str(error.value) and "\n" not in str(error.value)
    assert not setup.VENV.exists()


def test_a_full_disk_is_told_before_anything_is_made(elsewhere, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=3 * 10**9))
    monkeypatch.setattr(setup, "run", forbidden)
    with pytest.raises(setup.SetupError, match=r"3\.0 GB free of the 9 GB needed"):
        setup.main()
    assert not setup.VENV.exists()


@pytest.mark.parametrize("stop", [KeyboardInterrupt, OSError(28, "No space left on device")])
def test_what_is_interrupted_is_removed(elsewhere, monkeypatch, stop):
    def interrupted(command):
        raise stop

    monkeypatch.setattr(setup, "run", interrupted)
    monkeypatch.setattr(setup, "create_venv", lambda with_pip: setup.VENV.mkdir())
    with pytest.raises((KeyboardInterrupt, OSError)):
        setup.main()
    assert not setup.VENV.exists()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("OSError: [Errno 28] No space left on device", "the disk is full"),
        ("error: failed to write: No space left on device (os error 28)", "the disk is full"),
        ("NewConnectionError(...): [Errno 111] Connection refused", "no package registry"),
        ("error: Failed to fetch: dns error: failed to lookup address", "no package registry"),
        (
            "ERROR: No matching distribution found for torch==2.3.1",
            "no fitting build of torch==2.3.1",
        ),
        ("something\nelse went wrong\n", "else went wrong"),
    ],
)
def test_the_words_of_pip_and_uv_become_one_line(words, told):
    line = setup.explain(words)
    assert told in line and "\n" not in line


def starting(tmp_path, name, script):
    """A program of that name in the folder bin, which make then finds before any other."""
    program = tmp_path / "bin" / name
    program.parent.mkdir(exist_ok=True)
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return program


def made(tmp_path, *arguments):
    """make in a copy of the Makefile, with no other programs than those in bin."""
    shutil.copy(ROOT / "Makefile", tmp_path)
    command = [shutil.which("make"), "--no-print-directory", "-C", tmp_path, *arguments]
    return subprocess.run(
        command, env={"PATH": str(tmp_path / "bin")}, capture_output=True, text=True
    )


def test_make_names_the_python_it_wants(tmp_path):
    """make with a Python that is none: one line, and a non-zero exit."""
    wrong = starting(tmp_path, "python3.9", "exit 1")
    for arguments in ([f"PYTHON={wrong}"], []):
        done = made(tmp_path, "lab", *arguments)
        lines = [line for line in done.stderr.splitlines() if not line.startswith("make")]
        assert done.returncode != 0
        assert len(lines) == 1 and "Python 3.11 to 3.14" in lines[0]
        assert (str(wrong) in lines[0]) == bool(arguments)
    assert not (tmp_path / ".venv").exists()


def test_make_takes_the_first_python_that_starts(tmp_path):
    says = 'case "$1" in -c) exit 0;; *) echo "$0 $1";; esac'
    starting(tmp_path, "python3.11", "exit 127")  # the shim of a version manager
    for newer in ("python3.14", "python3.13"):
        python = starting(tmp_path, newer, says)
        assert made(tmp_path, "setup").stdout == f"{python} tools/setup.py\n"


@pytest.mark.parametrize("brings", [True, False])
def test_without_a_python_uv_brings_one_if_it_can(tmp_path, brings):
    """A stand-in for uv: what the real one downloads cannot be tried everywhere."""
    python = starting(tmp_path, "managed", 'echo "$0 $1"')
    starting(
        tmp_path,
        "uv",
        f'case "$*" in "python install 3.12") exit {int(not brings)};;'
        f' "python find --managed-python 3.12") echo {python};; *) exit 9;; esac',
    )
    done = made(tmp_path, "setup")
    assert (done.stdout == f"{python} tools/setup.py\n") == brings == (done.returncode == 0)
    assert ("This course needs Python" in done.stderr) != brings


@pytest.mark.parametrize(
    ("version", "fits"), [((3, 10), 0), ((3, 11), 1), ((3, 14), 1), ((3, 15), 0), ((4, 0), 0)]
)
def test_a_python_that_does_not_fit_is_refused(elsewhere, monkeypatch, version, fits):
    finished(elsewhere)
    monkeypatch.setattr(sys, "version_info", version)
    if fits:
        return setup.main()
    with pytest.raises(setup.SetupError, match=r"needs Python 3\.11 to 3\.14"):
        setup.main()


def test_a_new_environment_says_which_python_it_stands_on(elsewhere, monkeypatch, capsys):
    monkeypatch.setattr(setup, "run", lambda command: None)
    monkeypatch.setattr(setup, "create_venv", lambda with_pip: setup.VENV.mkdir())
    setup.main()
    assert f"on Python {sys.version.split()[0]}:" in capsys.readouterr().err
