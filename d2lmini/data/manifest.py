"""The manifest of the real data: where each part of a set is stored, and whether it is intact.

data/manifest.json holds for each set its address, licence and parts (one file each), and for each
part its rows, bytes and sha256, which are those of the rows after reading: the columns of a row
joined by tabs, each row ended by a newline, in UTF-8.  A part may have several variants (the public
edition, a sample, a shuffled one); null marks what is not known and not checked.
"""

import contextlib
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
    return [*([Path(named).expanduser().absolute()] if named else []), cache_folder()]


def split_name(name: str, split: str) -> str:
    """The course's name of a split; raises ValueError with what there is."""
    parts = known_sets()[name]["parts"]
    splits = dict.fromkeys(part.partition(".")[0] for part in parts)
    found = OTHER_NAMES.get(split, split)
    if found not in splits:
        raise ValueError(f"{name} has no split {split!r}: it has {', '.join(splits)}")
    return found


def editions(name: str, part: str, variant: str | None) -> list[dict]:
    """The entries of a part in the manifest, or only that of one variant."""
    entries = known_sets()[name]["parts"][part]
    return [entry for entry in entries if variant in (None, entry["variant"])]


def locate(name: str, part: str, variant: str | None = None) -> tuple[Path, dict]:
    """Where a part lies and its entry in the manifest: the first variant that some folder holds.

    variant: take only this one.  Raises DataUnavailable with the places and the command.
    """
    entries = editions(name, part, variant)
    for folder in folders():
        for entry in entries:
            if (folder / entry["path"]).is_file():
                return folder / entry["path"], entry
    raise missing(name, " or ".join(entry["path"] for entry in entries))


def read_part(name: str, part: str, variant: str | None = None) -> list[tuple[str, ...]]:
    """The checked rows of one part: tuples of strings, the columns as the manifest names them."""
    path, entry = locate(name, part, variant)
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


def agrees(path: Path, entry: dict) -> bool:
    """Is there a file, and does it hold the rows of its entry?"""
    try:
        read_rows(path, entry)
    except ValueError:
        return False
    return True


def write_rows(path: Path, rows: list[tuple[str, ...]], columns: list[str]) -> None:
    """Write rows as read_rows expects for the path's suffix; equal rows give equal bytes."""
    if path.name.endswith(".csv.gz"):
        file = io.StringIO(newline="")
        csv.writer(file, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows(rows)
        text = file.getvalue()
    else:
        text = rows_text([columns] * path.name.endswith(".tsv.gz") + rows)
    path.write_bytes(gzip.compress(text.encode(), 6, mtime=0))


def check_rows(rows: list[tuple[str, ...]], entry: dict) -> None:
    """Raises ValueError if rows differ from their entry, whose nulls are not checked."""
    wanted = len(entry["columns"])
    if other := {len(row) for row in rows} - {wanted}:
        raise ValueError(f"a row has {min(other)} columns, not {wanted}")
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
    """Is there a file, and has it the known sha256?  For weights, which have no rows."""
    return path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == known["sha256"]


def inventory() -> str:
    """A table of the sets: name, state, rows, size (MB), place, licence.

    All that is there is read and checked.  state: "there", and the variants if not complete;
    "damaged", "1 of 3 parts", "missing".  rows and size are those of the whole set.
    """
    table = [("name", "state", "rows", "MB", "place", "licence")]
    for name, entry in known_sets().items():
        states, rows, sizes, places = zip(*pieces(name, entry), strict=True)
        there = [state for state in states if state != "missing"]
        if not there or "damaged" in states:
            state = "damaged" if there else "missing"
        elif len(there) < len(states):
            state = f"{len(there)} of {len(states)} parts"
        else:
            state = ", ".join(["there", *sorted({*states} - {"complete"})])
        place = ", ".join(dict.fromkeys(str(place) for place in places if place))
        size = f"{sum(sizes) / 1e6:.1f}"
        table.append((name, state, f"{sum(rows):,}", size, place, entry["licence"]))
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in table)


def pieces(name: str, entry: dict):
    """(state, rows, bytes, folder) of each file that a set consists of, as far as is known."""
    for file, known in entry.get("files", {}).items():
        places = [folder for folder in folders() if (folder / name / file).is_file()]
        if places:
            state = "complete" if holds(places[0] / name / file, known) else "damaged"
            yield state, 0, known["bytes"], places[0]
        else:
            yield "missing", 0, known["bytes"], None
    own = [{"set": name, "part": part, "variant": None} for part in entry.get("parts", ())]
    for part in entry.get("mixture", own):
        named = part["set"], part["part"], part["variant"]
        state, this, place = "missing", editions(*named)[0], None
        size = this["bytes"] or 0
        with contextlib.suppress(DataUnavailable):
            path, this = locate(*named)
            place = Path(str(path).removesuffix(this["path"]))
            try:
                state, size = this["variant"], len(rows_text(read_rows(path, this)).encode())
            except ValueError:
                state = "damaged"
        yield state, this["rows"], size, place


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
