"""Packages of the npm registry, pinned by version and sha512, packed once and kept in build/npm.

Only the slides and the browser tests need them; no notebook and no test of `make test` does.
"""

import base64
import hashlib
import shutil
import subprocess
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SHA512 = {  # what `npm view NAME@VERSION dist.integrity` gives
    "reveal.js@5.2.1": (
        "r7//6mIM5p34hFiDMvYfXgyjXqGRta+/psd9YtytsgRlrpRzFv4RbH76TXd2qD+7ZPZEbpBDhdRhJaFgfQ7zNQ=="
    ),
    "mathjax@3.2.2": (
        "Bt+SSVU8eBG27zChVewOicYs7Xsdt40qm4+UpHyX7k0/O9NliPc+x77k1/FEsPsjKPZGJvtRZM1vO+geW0OhGw=="
    ),
    "axe-core@4.10.3": (
        "Xm7bpRXnDSX2YE2YFfBk2FnF0ep6tmG7xPh8iHee8MIcrgq762Nkce856dYtJYLkuIoYZvGfTs/PbZhideTcEg=="
    ),
}


class PackageError(Exception):
    """One line: which package could not be had, and what to do."""


def package(spec: str, folder: Path = ROOT / "build/npm") -> Path:
    """The folder with the files of NAME@VERSION; `npm pack` fetches it the first time.

    Raises PackageError if there is no npm, or if the registry does not give the package or gives
    one whose sha512 is not the one in SHA512.
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
        digest = base64.b64encode(hashlib.sha512(packed[0].read_bytes()).digest()).decode()
        if digest != SHA512.get(spec):
            raise PackageError(f"{spec} came with a sha512 that is not in tools/npm.py")
        shutil.unpack_archive(packed[0], scratch, filter="data")
        # Only a complete folder gets the name that counts.
        (Path(scratch) / "package").rename(unpacked)
    return unpacked
