"""Loaders and the manifest; what needs real data is skipped where D2LMINI_DATA names none."""

import contextlib
import gzip
import os
import re
import shutil
import socket
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from d2lmini import data
from d2lmini.data import DataUnavailable, fetch, manifest

proven = settings(derandomize=True, deadline=None, max_examples=80)
REAL = os.environ.get("D2LMINI_DATA")
real_data = pytest.mark.skipif(not REAL, reason="D2LMINI_DATA names no folder with real data")
column = st.text(st.characters(codec="utf-8", exclude_characters="\t\n"), max_size=8)
FORMS = {"rows.tsv.gz": ["a", "b"], "rows.csv.gz": ["a", "b"], "rows.gz": ["a", "b"], "x.gz": ["a"]}


@pytest.fixture
def nothing_here(monkeypatch, tmp_path):
    """No folder with data, an empty cache, no way out."""

    def refuse(*_):
        raise AssertionError("a loader opened a connection")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setenv("D2LMINI_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("D2LMINI_DATA", raising=False)
    return tmp_path


def entry_of(rows, columns, path="rows.tsv.gz"):
    content = manifest.rows_text(rows).encode()
    sha256 = manifest.rows_sha256(rows)
    known = {"rows": len(rows), "bytes": len(content), "sha256": sha256}
    return {"variant": "complete", "path": path, "columns": columns, **known}


# What installs with the course


def test_the_strings_of_jupyterlab_are_pairs_of_different_lines():
    pairs = data.jupyterlab_strings()
    assert 2500 < len(pairs) < 3500
    assert len(set(pairs)) == len(pairs)
    assert ("Run All Cells", "Exécuter toutes les cellules") in pairs
    for source, target in pairs:
        assert source != target
        assert source == " ".join(source.split()) and target == " ".join(target.split())
        assert "\x04" not in source
        assert data.placeholders(source) == data.placeholders(target)


def test_a_language_without_a_pack_is_named_with_those_that_are_there():
    with pytest.raises(ValueError, match=r"target='tlh'.*there is .*\bfr\b"):
        data.jupyterlab_strings("tlh")


def test_placeholders_are_counted_whatever_their_order():
    assert data.placeholders("%2 of %1 in {} {name}") == ["%1", "%2", "{name}", "{}"]
    assert data.placeholders('{ "id": 1 } 100%') == []


def test_the_python_reference_is_a_long_english_text():
    text = data.python_reference()
    assert 40_000 < len(text.split()) < 120_000
    assert text.count("the") > 1000 and text.endswith("\n")


# What is missing, unknown or damaged


@pytest.mark.parametrize("name", ["multi30k", "imdb", "ag_news", "snli", "rte", "nli", "wikitext2"])
def test_an_unknown_split_is_named_with_those_that_exist(name):
    with pytest.raises(ValueError, match=f"{name} has no split 'tset': it has train, "):
        data.LOADERS[name]("tset")


def test_an_unknown_language_is_named_with_those_that_exist():
    with pytest.raises(ValueError, match="no language 'cs': it has en, de, fr"):
        data.multi30k("train", source="cs", target="en")


def test_an_unknown_name_is_named_with_those_that_exist():
    with pytest.raises(ValueError, match="'mnli': there are multi30k, "):
        data.describe("mnli", "train")


@pytest.mark.parametrize("name", data.LOADERS)
def test_missing_data_says_what_where_and_how_and_opens_no_connection(name, nothing_here):
    splits = [] if name in ("tatoeba", "hansards") else ["train"]
    with pytest.raises(DataUnavailable) as error:
        data.LOADERS[name](*splits)
    message = str(error.value)
    assert str(nothing_here / "cache") in message and "D2LMINI_DATA names no folder" in message
    assert re.search(r"python -m d2lmini\.data fetch \w+", message)
    assert ".gz" in message
    assert not (nothing_here / "cache").exists()  # looking for data leaves no trace


def test_missing_weights_are_named_and_damaged_ones_refused(nothing_here, monkeypatch):
    with pytest.raises(DataUnavailable, match=r"python -m d2lmini\.data fetch minilm"):
        data.minilm_folder()
    folder = nothing_here / "cache" / "minilm"
    folder.mkdir(parents=True)
    known = {
        "bytes": 3,
        "sha256": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    }
    monkeypatch.setattr(data, "known_sets", lambda: {"minilm": {"files": {"vocab.txt": known}}})
    (folder / "vocab.txt").write_text("abc")
    assert data.minilm_folder() == folder
    (folder / "vocab.txt").write_text("abd")
    with pytest.raises(DataUnavailable, match=r"vocab\.txt is damaged"):
        data.minilm_folder()


def test_the_folder_of_the_user_comes_before_the_cache(nothing_here, monkeypatch):
    rows = [("in the folder",)]
    sets = {"tiny": {"parts": {"all": [entry_of(rows, ["line"], "tiny/all.gz")]}}}
    monkeypatch.setattr(manifest, "known_sets", lambda: sets)
    for place, content in (("cache", [("in the cache",)]), ("folder", rows)):
        path = nothing_here / place / "tiny" / "all.gz"
        path.parent.mkdir(parents=True)
        manifest.write_rows(path, content, ["line"])
    with pytest.raises(DataUnavailable, match=re.escape(str(nothing_here / "cache"))):
        manifest.read_part("tiny", "all")
    monkeypatch.setenv("D2LMINI_DATA", str(nothing_here / "folder"))
    assert manifest.read_part("tiny", "all") == rows


@pytest.mark.parametrize("path", FORMS)
@proven
@given(rows=st.lists(st.tuples(column, column), min_size=1, max_size=5))
def test_rows_are_read_as_they_were_written(path, rows, tmp_path_factory):
    columns = FORMS[path]
    rows = [row[: len(columns)] for row in rows]
    if path.endswith(".csv.gz"):  # csv cannot tell an end of line in a text from its own
        rows = [tuple(cell.replace("\r", "") for cell in row) for row in rows]
    file = tmp_path_factory.mktemp("rows") / path
    manifest.write_rows(file, rows, columns)
    assert manifest.read_rows(file, entry_of(rows, columns)) == rows


@proven
@given(st.integers(0, 10**6), st.integers(1, 255), st.booleans())
def test_a_damaged_file_is_refused_or_still_holds_the_same_rows(tmp_path_factory, where, by, cut):
    rows = [("neutral", f"A cat sits on mat {i}.", "It is raining.") for i in range(20)]
    columns = ["gold_label", "sentence1", "sentence2"]
    file = tmp_path_factory.mktemp("damage") / "rows.tsv.gz"
    manifest.write_rows(file, rows, columns)
    content = bytearray(file.read_bytes())
    where %= len(content)
    content[where] ^= by
    file.write_bytes(content[:where] if cut else content)
    with contextlib.suppress(ValueError):  # what passes had a byte of gzip's header changed
        assert manifest.read_rows(file, entry_of(rows, columns)) == rows


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a\tb\n1\t2\n", "1 rows, not 2"),
        ("a\tb\n1\t2\n3\t5\n", "sha256"),
        ("a\tb\n1\t2\n3\t44\n", "bytes"),
        ("a\tb\n1\t2\n3\n", "1 columns, not 2"),
        ("a\tc\n1\t2\n3\t4\n", "header is not a b"),
        ("a\tb\n1\t2\n3\t4", "last line has no end"),
        ("", "cannot be read|header"),
    ],
)
def test_rows_that_are_not_those_of_the_manifest_are_refused(tmp_path, text, reason):
    entry = entry_of([("1", "2"), ("3", "4")], ["a", "b"])
    (tmp_path / "rows.tsv.gz").write_bytes(gzip.compress(text.encode()))
    with pytest.raises(ValueError, match=reason):
        manifest.read_rows(tmp_path / "rows.tsv.gz", entry)


@pytest.mark.parametrize("content", [b"", b"no gzip", gzip.compress(b"\xff\xfe\n"), None])
def test_what_is_no_gzip_or_no_utf8_is_refused(tmp_path, content):
    path = tmp_path / "rows.gz"
    path.mkdir() if content is None else path.write_bytes(content)
    with pytest.raises(ValueError, match=r"cannot be read|rows, not"):
        manifest.read_rows(path, entry_of([("a",)], ["a"]))


# The manifest itself


def test_every_entry_of_the_manifest_can_be_used():
    for name, entry in manifest.known_sets().items():
        assert entry["licence"]
        for variants in entry.get("parts", {}).values():
            for variant in variants:
                assert set(variant) == {"variant", "path", "columns", "rows", "bytes", "sha256"}
                assert variant["sha256"] is None or len(variant["sha256"]) == 64
                assert (variant["sha256"] is None) <= (variant["variant"] == "public")
                path = Path(variant["path"] or "mixture")
                assert not path.is_absolute() and ".." not in path.parts
        for archive in entry.get("archives", []):
            assert archive["reader"] in fetch.READERS and archive["url"].startswith("http")
            known = [entry["parts"][part][0]["bytes"] or 0 for part in archive["members"]]
            assert sum(known) < archive["limit"]
            assert all(re.compile(member) for member in archive["members"].values())
        assert ("archives" in entry) + ("cannot_fetch" in entry) + ("package" in entry) == 1, name
    assert set(data.LOADERS) < set(manifest.known_sets())


def test_two_variants_of_a_part_never_share_a_file():
    paths = [
        variant["path"]
        for name, entry in manifest.known_sets().items()
        for variants in entry.get("parts", {}).values()
        for variant in variants
        if name != "nli"
    ]
    assert [path for path, count in Counter(paths).items() if count > 1] == []


def test_importing_the_loaders_reads_nothing_and_fetches_nothing():
    code = """
import socket, sys, pathlib
socket.socket = pathlib.Path.open = pathlib.Path.read_text = None
import d2lmini.data
assert not {"requests", "pooch", "d2lmini.data.fetch"} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True)


# Real data

COUNTS = [
    ("multi30k", "train", 29_000),
    ("multi30k", "validation", 1_014),
    ("multi30k", "test", 1_000),
    ("tatoeba", None, 167_130),
    ("wikitext2", "train", 36_718),
    ("wikitext2", "validation", 3_760),
    ("wikitext2", "test", 4_358),
    ("imdb", "train", 25_000),
    ("imdb", "test", 25_000),
    ("ag_news", "test", 7_600),
    ("snli", "validation", 9_842),
    ("snli", "test", 9_824),
    ("rte", "train", 2_490),
    ("rte", "validation", 277),
    ("hansards", None, 447),
]


def load(name, split=None):
    """A loader's rows, or a skip where this part is not at hand."""
    try:
        return data.LOADERS[name](*[split] * (split is not None))
    except DataUnavailable as error:
        if "is not on this machine" in str(error):
            pytest.skip(str(error))
        raise


@real_data
@pytest.mark.parametrize(("name", "split", "count"), COUNTS)
def test_real_data_has_the_published_number_of_rows(name, split, count):
    rows = load(name, split)
    assert len(rows) == count
    card = data.describe(name, split)
    assert (card["name"], card["rows"], len(card["sha256"])) == (name, count, 64)
    assert card["variant"] in ("complete", "public", "shuffled")


@real_data
@pytest.mark.parametrize(
    ("name", "split", "labels"),
    [
        ("imdb", "train", {"neg": 12_500, "pos": 12_500}),
        ("imdb", "test", {"neg": 12_500, "pos": 12_500}),
        ("ag_news", "test", dict.fromkeys(data.TOPICS, 1_900)),
    ],
)
def test_classes_are_balanced_and_named(name, split, labels):
    rows = load(name, split)
    assert Counter(row.label for row in rows) == labels
    assert all(row.text == row.text.strip() != "" for row in rows)


@real_data
def test_labels_of_pairs_are_those_that_the_module_names():
    for name, split, labels in (
        ("snli", "validation", data.LABELS),
        ("snli", "test", data.LABELS),
        ("nli", "train", data.LABELS),
        ("rte", "train", data.RTE_LABELS),
    ):
        assert {row.label for row in load(name, split)} == set(labels)


@real_data
def test_a_sample_says_that_it_is_one():
    for name, rows in (("ag_news", {4_999, 120_000}), ("snli", {3_660, 549_367})):
        load(name, "train")
        card = data.describe(name, "train")
        assert card["rows"] in rows
        assert (card["variant"] == "sample") == (card["rows"] == min(rows))


@real_data
def test_a_set_knows_its_splits_by_their_own_names():
    assert data.describe("snli", "dev") == data.describe("snli", "validation")
    assert load("multi30k", "val") == load("multi30k", "validation")


@real_data
def test_both_languages_of_multi30k_can_be_swapped():
    load("multi30k", "test")
    there = data.multi30k("test", source="en", target="fr")
    back = data.multi30k("test", source="fr", target="en")
    assert [(target, source) for source, target in there] == [tuple(pair) for pair in back]
    card = data.describe("multi30k", "test", source="en", target="fr")
    assert card["split"] == "test.en-fr"


@real_data
def test_wikitext_has_the_published_number_of_words():
    assert sum(len(line.split()) for line in load("wikitext2", "train")) == 2_051_910


def test_articles_are_lists_of_sentences_without_headings(monkeypatch):
    lines = [
        " ",
        " = The <unk> = ",
        " ",
        " It was a sea @-@ green thing . It ",
        " = = Uses = = ",
        " ",
    ]
    lines += [' Why ? " It works . " All saw it ', " Won ; D ", " = Drawn ; L = ", " Lost ", " "]
    lines += [" ", " = Another = ", " ", " It cost 1 @,@ 000 <unk> . ", " "]
    monkeypatch.setattr(data, "wikitext2", lambda split: lines)
    assert data.wikitext2_articles("train") == [
        [
            "It was a sea-green thing .",
            "It",
            'Why ? "',
            'It works . "',
            "All saw it",
            "Won ; D",
            "Lost",
        ],
        ["It cost 1,000 [UNK] ."],
    ]


@real_data
@pytest.mark.parametrize(("split", "count"), [("train", 600), ("validation", 60), ("test", 60)])
def test_wikitext_has_the_published_number_of_articles(split, count):
    load("wikitext2", split)
    articles = data.wikitext2_articles(split)
    assert len(articles) == count and all(len(article) > 10 for article in articles)
    assert not any(sentence.startswith("= ") for article in articles for sentence in article)


@real_data
def test_the_mixture_is_what_the_manifest_says_and_holds_nothing_of_the_evaluation():
    train = load("nli", "train")
    mixture = manifest.known_sets()["nli"]
    assert len(set(train)) == len(train) == sum(part["adds"] for part in mixture["mixture"])
    assert manifest.rows_sha256(row[:3] for row in train) == mixture["parts"]["train"][0]["sha256"]
    held_out = load("nli", "validation") + load("nli", "test")
    assert not {row[:2] for row in train} & {row[:2] for row in held_out}
    assert not {row.premise for row in train} & {row.premise for row in held_out}
    assert load("nli", "validation") == load("snli", "validation")
    assert data.describe("nli", "train")["variant"] == "mixture"


@real_data
def test_training_and_test_rows_do_not_overlap():
    for name in ("ag_news", "snli", "multi30k"):
        train, test = set(load(name, "train")), set(load(name, "test"))
        assert len(train & test) <= 1, name


@real_data
def test_links_of_the_hansards_point_at_words():
    rows = load("hansards")
    for row in rows:
        source, target = row.source.split(), row.target.split()
        assert row.sure <= row.possible
        assert all(0 <= i < len(source) and 0 <= j < len(target) for i, j in row.possible)
    assert sum(len(row.sure) for row in rows) == 4_038
    assert sum(len(row.possible) for row in rows) == 17_438
    assert data.describe("hansards")["sha256"] == data.describe("hansards")["sha256"]


@real_data
def test_a_file_damaged_in_the_users_folder_is_refused_with_its_name(tmp_path, monkeypatch):
    load("rte", "validation")
    path, entry = manifest.locate("rte", "validation")
    copy = tmp_path / entry["path"]
    copy.parent.mkdir(parents=True)
    shutil.copyfile(path, copy)
    monkeypatch.setenv("D2LMINI_DATA", str(tmp_path))
    assert len(data.rte("validation")) == 277
    copy.write_bytes(copy.read_bytes()[:-100])
    with pytest.raises(DataUnavailable, match=re.escape(f"{copy} is damaged")) as error:
        data.rte("validation")
    assert "python -m d2lmini.data fetch rte" in str(error.value)
