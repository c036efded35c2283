"""The proof on a newer Python finds one that starts, keeps its packages, and fails if tests do."""

import shutil
import subprocess
import sys
from types import SimpleNamespace

import pytest

from tools import newer


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A machine without a newer Python, with an empty cache, where commands do nothing.

    .ran: what was asked of subprocess; .answers: part of a command -> (exit code, output).
    """
    found = SimpleNamespace(folder=tmp_path, ran=[], answers={})

    def run(command, **options):
        words = " ".join(map(str, command))
        if "platform" in words:
            return real(command, **options)
        found.ran.append(words)
        if "-m venv" in words:
            inside = tmp_path / f"venv-{newer.VERSION}/bin/python"
            inside.parent.mkdir(parents=True)
            inside.touch()
        code, said = next((a for part, a in found.answers.items() if part in words), (0, ""))
        if code is None:
            raise subprocess.TimeoutExpired(command, 1)
        said = said if options.get("text") else said.encode()
        return SimpleNamespace(returncode=code, stdout=said, stderr="")

    real = subprocess.run
    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.setattr(newer.platformdirs, "user_cache_path", lambda name: tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path / "path"))
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path / "pyenv"))
    return found


def python_at(folder, says):
    program = folder / f"python{newer.VERSION}"
    program.parent.mkdir(parents=True)
    program.write_text(f"#!/bin/sh\n{says}\n")
    program.chmod(0o755)
    return str(program)


def test_without_a_newer_python_one_line_says_so(machine, capsys):
    python_at(machine.folder / "path", "echo 'pyenv: command not found' >&2; exit 127")  # a shim
    python_at(machine.folder / "pyenv/versions/3.13.9/bin", "echo 3.9.1")
    assert newer.main() == 0 and machine.ran == []
    said = capsys.readouterr().out
    assert said.count("\n") == 1 and f"no Python {newer.VERSION} starts" in said


@pytest.fixture
def python(machine):
    return python_at(machine.folder / "pyenv/versions/3.13.0/bin", "echo 3.13.0")


def test_the_packages_are_installed_once_for_a_lock(machine, python, capsys):
    machine.answers = {"-m pytest": (0, "=== 7 passed, 2 skipped, 1 warning in 3.00s ===\n")}
    for _ in range(2):
        assert newer.main() == 0
        said = capsys.readouterr().out.splitlines()[-1]
        assert f"Python 3.13.0 ({python}): 7 package tests passed and 7 cells" in said
    assert sum("pip install" in words for words in machine.ran) == 1
    (machine.folder / f"venv-{newer.VERSION}/lock.sha256").write_text("an older lock")
    newer.main()
    assert sum("pip install" in words for words in machine.ran) == 2


@pytest.mark.parametrize("answer", [(1, "NewConnectionError(...)"), (None, "")])
def test_without_a_registry_one_line_says_so_and_nothing_is_proved(machine, python, capsys, answer):
    machine.answers = {"pip install": answer}
    assert newer.main() == 0
    said = capsys.readouterr().out.splitlines()[-1]
    assert said.startswith("Nothing is proved on Python 3.13: ")
    assert not any("-m pytest" in words for words in machine.ran)


def test_a_lock_that_does_not_install_is_an_error(machine, python):
    machine.answers = {"pip install": (1, "No matching distribution found for torch==9")}
    with pytest.raises(SystemExit, match="no fitting build of torch==9"):
        newer.main()


@pytest.mark.parametrize("part", ["test_vocabulary.py", "--nbval"])
def test_what_fails_is_an_error(machine, python, capsys, part):
    machine.answers = {part: (1, "1 failed, 7 passed in 1.00s"), "-m pytest": (0, "7 passed in 1s")}
    assert newer.main() == 1
    assert capsys.readouterr().out.rstrip().endswith("SOME FAILED.")
    assert all(" -x" in words for words in machine.ran if "-m pytest" in words)


@pytest.mark.parametrize(
    ("part", "told"),
    [
        ("test_vocabulary.py", "the package tests did not end in 12 minutes; none failed."),
        ("--nbval", "7 package tests passed, notebooks 01 and 05 did not end in 12 minutes"),
    ],
)
def test_what_takes_too_long_is_told_and_is_no_failure(machine, python, capsys, part, told):
    machine.answers = {part: (None, ""), "-m pytest": (0, "7 passed in 1.00s")}
    assert newer.main() == 0
    assert told in capsys.readouterr().out.splitlines()[-1]


def test_the_tests_of_long_runs_are_left_out_and_those_of_the_package_are_in():
    names = {path.removeprefix("tests/test_") for path in newer.package_tests()}
    assert names.isdisjoint({"cards.py", "recipes.py", "fetch.py", "benchmarks.py"})
    assert {"attention.py", "vocabulary.py", "bert.py", "train.py"} <= names
    assert len(newer.NOTEBOOKS) == 2


def test_what_our_code_is_warned_of_is_an_error_and_what_others_are_is_not(monkeypatch):
    for module, code in (("d2lmini.train", 1), ("recipes.loop", 1), ("torch.nn", 0)):
        warn = f"import warnings; warnings.warn_explicit('old', FutureWarning, 'x', 1, {module!r})"
        done = subprocess.run(
            [sys.executable, "-c", warn],
            env={"PYTHONWARNINGS": newer.strict()},
            capture_output=True,
        )
        assert done.returncode == code, module
