"""pyproject.toml, requirements.lock, environment.yml and the Makefile say the same."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
WANTED = [*PROJECT["project"]["dependencies"], *PROJECT["dependency-groups"]["dev"]]
LOCK = [Requirement(line) for line in (ROOT / "requirements.lock").read_text().split("\n") if line]
ENVIRONMENT = yaml.safe_load((ROOT / "environment.yml").read_text())


def canonical(name):
    return re.sub(r"[-_.]+", "-", name).lower()


@pytest.mark.parametrize("wanted", WANTED)
def test_the_lock_holds_a_version_that_the_project_allows(wanted):
    wanted = Requirement(wanted)
    versions = [
        next(iter(line.specifier)).version
        for line in LOCK
        if canonical(line.name) == canonical(wanted.name)
    ]
    assert versions, f"requirements.lock has no {wanted.name}: run make lock"
    assert all(wanted.specifier.contains(version) for version in versions), versions


def test_every_line_of_the_lock_is_one_exact_version():
    for line in LOCK:
        assert [spec.operator for spec in line.specifier] == ["=="], line
        assert line.url is None, line
    assert "://" not in (ROOT / "requirements.lock").read_text()


def test_packages_for_one_platform_say_for_which():
    """Without its marker an nvidia line would stop the installation on macOS and Windows."""
    special = [line for line in LOCK if re.match("nvidia|triton", line.name)]
    assert len(special) > 5
    for line in special:
        assert line.marker is not None, line
        for system, wanted in (("linux", True), ("darwin", False), ("win32", False)):
            here = {"sys_platform": system, "platform_machine": "x86_64"}
            here["python_full_version"] = "3.11.7"
            assert line.marker.evaluate(here) == wanted, (line, system)


def test_every_folder_of_the_package_is_installed():
    folders = {path.parent.relative_to(ROOT) for path in ROOT.glob("d2lmini/**/__init__.py")}
    packages = PROJECT["tool"]["setuptools"]["packages"]
    assert sorted(packages) == sorted(".".join(folder.parts) for folder in folders)


def test_conda_installs_the_lock_and_the_package_on_a_python_that_the_project_allows():
    *packages, pip = ENVIRONMENT["dependencies"]
    assert pip == {"pip": ["-r requirements.lock", "-e ."]}
    versions = [p.removeprefix("python=") for p in packages if p.startswith("python=")]
    assert versions == ["3.11"]
    assert SpecifierSet(PROJECT["project"]["requires-python"]).contains(versions[0] + ".0")


def test_conda_and_make_set_the_same_allocator_and_threads():
    makefile = (ROOT / "Makefile").read_text()
    made = dict(re.findall(r"^export ([MG]\w+) = (\S+)", makefile, flags=re.MULTILINE))
    assert made == ENVIRONMENT["variables"] and len(made) == 3


def test_bare_pytest_finds_tools_and_recipes_from_the_root(monkeypatch):
    monkeypatch.delenv("PYTHONPATH", raising=False)
    command = [Path(sys.executable).with_name("pytest"), "--collect-only", "-q"]
    done = subprocess.run([*command, "tests/test_quote.py"], cwd=ROOT, capture_output=True)
    assert done.returncode == 0, done.stdout
