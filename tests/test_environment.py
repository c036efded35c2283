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


def locked_in(name):
    return [Requirement(line) for line in (ROOT / name).read_text().split("\n") if line]


LOCK = locked_in("requirements.lock")
FOR_SITE = PROJECT["dependency-groups"]["site"]
SITE_LOCK = locked_in("requirements-site.lock")
PYTHONS = ["3.11", "3.12", "3.13", "3.14"]
every_python = pytest.mark.parametrize("python", PYTHONS)
ENVIRONMENT = yaml.safe_load((ROOT / "environment.yml").read_text())


def canonical(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def holds(line, python, *, system="linux"):
    """Whether a line of the lock or of the project is for that Python on that system."""
    here = {"python_version": python, "python_full_version": f"{python}.6"}
    here |= {"sys_platform": system, "platform_machine": "x86_64"}
    return line.marker is None or line.marker.evaluate(here)


@pytest.mark.parametrize(("wanted", "lock"), [(WANTED, LOCK), (FOR_SITE, [*LOCK, *SITE_LOCK])])
@every_python
def test_the_lock_holds_one_version_of_all_that_the_project_wants(python, wanted, lock):
    locked = {}
    for line in (line for line in lock if holds(line, python)):
        version = next(iter(line.specifier)).version
        assert locked.setdefault(canonical(line.name), version) == version, line
    for line in (line for line in map(Requirement, wanted) if holds(line, python)):
        version = locked.get(canonical(line.name))
        assert version, f"the lock has no {line.name}: run make lock"
        assert line.specifier.contains(version), (line, version)


@every_python
def test_torchtext_and_the_torch_it_needs_are_there_up_to_python_3_12(python):
    locked = {line.name: str(line.specifier) for line in LOCK if holds(line, python)}
    assert ("torchtext" in locked) == (locked["torch"] == "==2.3.1") == (python <= "3.12")


def test_the_pythons_that_the_project_allows_are_those_that_make_looks_for():
    allowed = SpecifierSet(PROJECT["project"]["requires-python"])
    assert [f"3.{minor}" for minor in range(30) if allowed.contains(f"3.{minor}.1")] == PYTHONS
    searched = "".join(f"python{python} " for python in PYTHONS)
    assert f",{searched}python3 python)" in (ROOT / "Makefile").read_text()


def test_every_line_of_the_lock_is_one_exact_version():
    for line in (*LOCK, *SITE_LOCK):
        assert [spec.operator for spec in line.specifier] == ["=="], line
        assert line.url is None, line


def test_packages_for_one_platform_say_for_which():
    """Without its marker an nvidia line would stop the installation on macOS and Windows."""
    special = [line for line in LOCK if re.match("nvidia|triton|cuda", line.name)]
    assert len(special) > 25
    for line in special:
        assert any(holds(line, python) for python in PYTHONS), line
        for system in ("darwin", "win32"):
            assert not any(holds(line, python, system=system) for python in PYTHONS), line


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
