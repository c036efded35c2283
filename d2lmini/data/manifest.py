"""The manifest of the real data: where each part of a set is stored, and whether it is intact.

data/manifest.json holds for each set its address, licence and parts (one file each), and for each
part its rows, bytes and sha256, which are those of the rows after reading: the columns of a row
joined by tabs, each row ended by a newline, in UTF-8.  A part may have several variants (the public
edition, a sample, a shuffled one); null marks what is not known and not checked.
"""

import csv
import functools
import gzip
import hashlib
import io
import json
import os
import zlib
from pathlib import Path

import platformdirs

OTHER_NAMES = {"val": "validation", "valid": "validation", "dev": "validation"}


class DataUnavailable(Exception):
    """Data that is missing, damaged or could not be fetched; the message says what to do."""


@functools.cache
def known_sets() -> dict:
    """The data sets of data/manifest.json by name."""
    path = Path(__file__).resolve().parents[2] / "data/manifest.json"
    return json.loads(path.read_text("utf-8"))["sets"]


def cache_folder() -> Path:
    """For fetched data and unfinished runs: what D2LMINI_CACHE names, else the user's cache."""
    folder = Path(os.environ.get("D2LMINI_CACHE") or platformdirs.user_cache_path("d2lmini"))
    return folder.expanduser().absolute()


def folders() -> list[Path]:
    """Where data is looked for, in this order: the folder that D2LMINI_DATA names, the cache."""
    named = os.environ.get("D2LMINI_DATA")
    data = [Path(named).expanduser().absolute()] if named else []
    return [*data, cache_folder()]


def split_name(name: str, split: str) -> str:
    """The course's name of a split; raises ValueError with what there is."""
    parts = known_sets()[name]["parts"]
    splits = list(dict.fromkeys(part.partition(".")[0] for part in parts))
    found = OTHER_NAMES.get(split, split)
    if found not in splits:
        raise ValueError(f"{name} has no split {split!r}: it has {', '.join(splits)}")
    return found


def locate(name: str, part: str, *, variant: str | None = None) -> tuple[Path, dict]:
    """Where a part lies and its entry in the manifest: the first variant that some folder holds.

    variant: take only this one.  Raises DataUnavailable with the places and the command.
    """
    entries = known_sets()[name]["parts"][part]
    entries = [entry for entry in entries if variant in (None, entry["variant"])]
    for folder in folders():
        for entry in entries:
            if (folder / entry["path"]).is_file():
                return folder / entry["path"], entry
    raise missing(name, " or ".join(entry["path"] for entry in entries))


def read_part(name: str, part: str, *, variant: str | None = None) -> list[tuple[str, ...]]:
    """The checked rows of one part: tuples of strings, the columns as the manifest names them."""
    path, entry = locate(name, part, variant=variant)
    try:
        return read_rows(path, entry)
    except ValueError as error:
        raise damaged(name, path, str(error)) from error


def read_rows(path: Path, entry: dict) -> list[tuple[str, ...]]:
    """Read one file and compare it with its entry; raises ValueError that says what is wrong.

    .tsv.gz: a header line, columns separated by tabs; .csv.gz: quoted, no header; other .gz: lines,
    separated by tabs if there are several columns.
    """
    columns = entry["columns"]
    try:
        with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
            text = file.read()
        if path.name.endswith(".csv.gz"):
            rows = [tuple(row) for row in csv.reader(io.StringIO(text, newline=""), strict=True)]
        else:
            lines = text.split("\n")  # not splitlines: a text may hold U+0085 or U+2028
            if lines.pop():
                raise ValueError("its last line has no end")
            if path.name.endswith(".tsv.gz") and lines.pop(0) != "\t".join(columns):
                raise ValueError(f"its header is not {' '.join(columns)}")
            rows = [tuple(line.split("\t")) if len(columns) > 1 else (line,) for line in lines]
    except (OSError, EOFError, zlib.error, UnicodeDecodeError, csv.Error, IndexError) as error:
        raise ValueError(f"it cannot be read: {error}") from error
    check_rows(rows, entry)
    return rows


def write_rows(path: Path, rows: list[tuple[str, ...]], columns: list[str]) -> None:
    """Write rows as read_rows expects for the path's suffix; equal rows give equal bytes."""
    with path.open("wb") as raw, gzip.GzipFile("", "wb", 6, raw, mtime=0) as packed:
        file = io.TextIOWrapper(packed, encoding="utf-8", newline="")
        if path.name.endswith(".csv.gz"):
            csv.writer(file, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows(rows)
        else:
            header = [tuple(columns)] * path.name.endswith(".tsv.gz")
            file.writelines("\t".join(row) + "\n" for row in header + rows)
        file.detach().flush()


def check_rows(rows: list[tuple[str, ...]], entry: dict) -> None:
    """Raises ValueError if rows differ from their entry, whose nulls are not checked."""
    wide = next((row for row in rows if len(row) != len(entry["columns"])), None)
    if wide is not None:
        raise ValueError(f"a row has {len(wide)} columns, not {len(entry['columns'])}")
    if len(rows) != entry["rows"]:
        raise ValueError(f"it has {len(rows):,} rows, not {entry['rows']:,}")
    content = rows_text(rows).encode()
    if entry["bytes"] not in (None, len(content)):
        raise ValueError(f"its rows have {len(content):,} bytes, not {entry['bytes']:,}")
    if entry["sha256"] not in (None, hashlib.sha256(content).hexdigest()):
        raise ValueError("the sha256 of its rows is not that of the manifest")


def rows_text(rows) -> str:
    """Rows as one text, columns joined by tabs, each row ended by a newline: what is hashed."""
    return "".join("\t".join(row) + "\n" for row in rows)


def rows_sha256(rows) -> str:
    """The sha256 of rows, tuples of strings, as the manifest counts it."""
    return hashlib.sha256(rows_text(rows).encode()).hexdigest()


def holds(path: Path, known: dict) -> bool:
    """Is there a file, and has it the known bytes and sha256?  For weights, which have no rows."""
    if not path.is_file() or path.stat().st_size != known["bytes"]:
        return False
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() == known["sha256"]


def inventory() -> str:
    """A table of the sets: name, state, rows, size (MB), place, licence.

    All that is there is read and checked.  state: "there", and the variants if not complete;
    "damaged", "1 of 3 parts", "missing".  rows and size are those of the whole set.
    """
    table = [("name", "state", "rows", "MB", "place", "licence")]
    for name, entry in known_sets().items():
        states, rows, sizes, places = zip(*pieces(name, entry), strict=True)
        there = [state for state in states if state != "missing"]
        if not there:
            state = "missing"
        elif "damaged" in states:
            state = "damaged"
        elif len(there) < len(states):
            state = f"{len(there)} of {len(states)} parts"
        else:
            state = ", ".join(dict.fromkeys(["there", *sorted({*states} - {"complete"})]))
        place = ", ".join(dict.fromkeys(str(place) for place in places if place))
        size = f"{sum(sizes) / 1e6:.1f}"
        table.append((name, state, f"{sum(rows):,}", size, place, entry["licence"]))
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    lines = ("  ".join(map(str.ljust, row, widths)).rstrip() for row in table)
    return "\n".join(lines)


def pieces(name: str, entry: dict):
    """(state, rows, bytes, folder) of each file that a set consists of, as far as is known."""
    if "package" in entry:
        for file, known in entry["files"].items():
            found = [folder for folder in folders() if (folder / name / file).is_file()]
            whole = bool(found) and holds(found[0] / name / file, known)
            state = "complete" if whole else "damaged" if found else "missing"
            yield state, 0, known["bytes"], found[0] if found else None
        return
    needed = [(name, part, None) for part in entry["parts"]]
    if "mixture" in entry:
        needed = [(part["set"], part["part"], part["variant"]) for part in entry["mixture"]]
    for home, part, variant in needed:
        try:
            path, this = locate(home, part, variant=variant)
        except DataUnavailable:
            entries = known_sets()[home]["parts"][part]
            this = next(entry for entry in entries if variant in (None, entry["variant"]))
            yield "missing", this["rows"], this["bytes"] or 0, None
            continue
        try:
            rows = read_rows(path, this)
            size = len(rows_text(rows).encode())
            yield (
                this["variant"],
                len(rows),
                size,
                path.parents[len(Path(this["path"]).parents) - 1],
            )
        except ValueError:
            yield "damaged", this["rows"], this["bytes"] or 0, path.parent


def missing(name: str, what: str) -> DataUnavailable:
    """The error for data that was not found."""
    places = ", ".join(map(str, folders()))
    named = "" if os.environ.get("D2LMINI_DATA") else " (D2LMINI_DATA names no folder)"
    return DataUnavailable(
        f"{name} is not on this machine: looked for {what} in {places}{named}. "
        f"To fetch it: python -m d2lmini.data fetch {name}"
    )


def damaged(name: str, path: Path, reason: str) -> DataUnavailable:
    """The error for a file that is not what it should be."""
    return DataUnavailable(
        f"{path} is damaged: {reason}. Delete it, then: python -m d2lmini.data fetch {name}"
    )
