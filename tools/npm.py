"""Packages of the npm registry, pinned by version, packed once and kept in build/npm.

Only the slides and the browser tests need them; no notebook and no test of `make test` does.
"""

import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


class PackageError(Exception):
    """One line: which package could not be had, and what to do."""


def package(spec: str, folder: Path = ROOT / "build/npm") -> Path:
    """The folder with the files of NAME@VERSION; `npm pack` fetches it the first time.

    Raises PackageError if there is no npm or if the registry does not give the package.
    """
    unpacked = folder / spec.replace("/", "+")
    if unpacked.is_dir():
        return unpacked
    npm = shutil.which("npm")
    if npm is None:
        raise PackageError(f"{spec} is fetched by npm, which is not installed: see README.md")
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        done = subprocess.run([npm, "pack", spec], cwd=scratch, capture_output=True, text=True)
        packed = list(Path(scratch).glob("*.tgz"))
        if done.returncode or len(packed) != 1:
            *_, last = done.stderr.strip().splitlines() or ["it gave no reason"]
            raise PackageError(f"npm did not fetch {spec}: check the network ({last})")
        with tarfile.open(packed[0]) as archive:
            archive.extractall(scratch, filter="data")
        # Only a complete folder gets the name that counts.
        (Path(scratch) / "package").rename(unpacked)
    return unpacked
