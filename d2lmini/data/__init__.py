"""Real data as plain rows, read from this machine only and checked before it is used.

A loader reads the folder that the environment variable D2LMINI_DATA names, then the cache folder,
and never the network.  The cache is the user's own for d2lmini, or the folder that D2LMINI_CACHE
names.  `python -m d2lmini.data` lists what is there, `python -m d2lmini.data fetch NAME` fetches.

Rows are checked against data/manifest.json (manifest.py says how); what does not agree is refused
with DataUnavailable, and so is what is missing.

Splits are "train", "validation" and "test"; a set's own names (val, valid, dev) work as well.
"""

import json
import re
from importlib import metadata, resources
from pathlib import Path
from typing import NamedTuple

from d2lmini.data.manifest import DataUnavailable as DataUnavailable
from d2lmini.data.manifest import cache_folder as cache_folder
from d2lmini.data.manifest import (
    damaged,
    folders,
    holds,
    known_sets,
    locate,
    missing,
    read_part,
    rows_sha256,
    split_name,
)
from d2lmini.data.manifest import inventory as inventory
from d2lmini.microworld import LABELS as LABELS  # of snli and nli
from d2lmini.microworld import Inference

RTE_LABELS = ("entailment", "not_entailment")
SENTIMENTS = ("neg", "pos")  # IMDB
TOPICS = ("World", "Sports", "Business", "Sci/Tech")  # AG News, in the order of its numbers 1 to 4


class Pair(NamedTuple):
    """A sentence and its translation."""

    source: str
    target: str


class Labelled(NamedTuple):
    """A text and the name of its class."""

    text: str
    label: str


class AlignedPair(NamedTuple):
    """A sentence, its translation, and the links (source word, target word), counted from 0.

    Words are what str.split gives.  possible includes the sure links, by definition.
    """

    source: str
    target: str
    sure: frozenset
    possible: frozenset


def jupyterlab_strings(target: str = "fr") -> list[Pair]:
    """The English strings of JupyterLab's menus and their translations: about 3,000 for French.

    People translated them.  They install with the course (jupyterlab-language-pack-fr-FR), so they
    are always there.  A string is one line, with single spaces; of a plural only the singular is
    given, because the catalogues have no English plural; placeholders (%1, {}) are kept.  Left out
    are pairs with different placeholders, and translations equal to their source: names ("CSS")
    and strings that nobody translated.
    Raises ValueError if no language pack for target is installed.
    """
    installed = metadata.entry_points(group="jupyterlab.languagepack")
    packs = {pack.name.partition("_")[0]: pack for pack in installed}
    if target not in packs:
        raise ValueError(
            f"target={target!r}: no such language pack of JupyterLab is installed; "
            f"there is {', '.join(sorted(packs)) or 'none'}"
        )
    pack = packs[target]
    folder = resources.files(pack.value) / "locale" / pack.name / "LC_MESSAGES"
    pairs = {}  # a dict keeps the order and drops what comes twice
    for catalogue in sorted(folder.glob("*.json")):
        for key, forms in json.loads(catalogue.read_text("utf-8")).items():
            if key == "":  # the catalogue's own header
                continue
            source = " ".join(key.rpartition("\x04")[2].split())  # before \x04 stands the context
            translation = " ".join(forms[0].split())
            same_slots = placeholders(source) == placeholders(translation)
            if source and translation and source != translation and same_slots:
                pairs[Pair(source, translation)] = None
    return list(pairs)


def placeholders(text: str) -> list[str]:
    """The sorted placeholders of a text, which a program fills in: %1, %2, {}, {name}."""
    return sorted(re.findall(r"%\d|\{\w*\}", text))


def python_reference() -> str:
    """The Python language reference as pydoc knows it: about 65,000 words of English.

    The topics in alphabetical order, separated by blank lines.  It comes with Python and
    differs between its versions, so it has neither a hash nor an exact count.
    """
    from pydoc_data.topics import topics

    return "\n\n".join(topics[name].strip() for name in sorted(topics)) + "\n"


def multi30k(split: str, *, source: str = "de", target: str = "en") -> list[Pair]:
    """Captions in "en", "de" and "fr": train 29,000, validation 1,014, test 1,000 (2016).

    Paper: Elliott et al. 2016, "Multi30K", https://arxiv.org/abs/1605.00459
    Raises ValueError for another split or language.
    """
    split = split_name("multi30k", split)
    languages = [part.partition(".")[2] for part in known_sets()["multi30k"]["parts"]]
    for language in (source, target):
        if language not in languages:
            known = ", ".join(dict.fromkeys(languages))
            raise ValueError(f"multi30k has no language {language!r}: it has {known}")
    columns = (read_part("multi30k", f"{split}.{language}") for language in (source, target))
    return [Pair(x, y) for (x,), (y,) in zip(*columns, strict=True)]


def tatoeba() -> list[Pair]:
    """English-French pairs of Tatoeba, 167,130, sorted by length, as the d2l book ships them.

    French has no-break spaces, U+202F or U+00A0, before some punctuation marks.
    """
    return [Pair(*row) for row in read_part("tatoeba", "all")]


def wikitext2(split: str) -> list[str]:
    """Lines of WikiText-2: train 36,718, validation 3,760, test 4,358.

    Words are separated by spaces; <unk> replaces rare ones.  A line is a paragraph, a heading
    " = Title = " or blank.  The articles of train are in the public order, or shuffled in another
    edition of the same text: `describe` tells which.
    Paper: Merity et al. 2017, https://arxiv.org/abs/1609.07843
    """
    return [line for (line,) in read_part("wikitext2", split_name("wikitext2", split))]


def wikitext2_articles(split: str) -> list[list[str]]:
    """The articles of wikitext2, each a list of sentences, for BERT: 600, 60 and 60.

    A sentence ends at a lone " . ", " ! " or " ? " and the quotation mark behind it.  Headings are
    left out; "<unk>" is written "[UNK]", and "@-@", which stood for a hyphen within a word, "-".
    """
    text = "\n\n" + "\n".join(map(str.strip, wikitext2(split)))
    articles = []
    for article in re.split(r"\n\n= [^=].* =\n\n", text)[1:]:  # within tables stands "= Won , D ="
        article = re.sub(r" @(.)@ ", r"\1", article).replace("<unk>", "[UNK]")
        lines = [line for line in article.split("\n") if line and not line.startswith("= ")]
        ends = r"(?<= [.!?]) (?![\")])|(?<= [.!?] [\")]) "
        articles.append([sentence for line in lines for sentence in re.split(ends, line)])
    return articles


def imdb(split: str) -> list[Labelled]:
    """Film reviews: train and test 25,000 each, half "neg", half "pos", and sorted that way.

    "<br />" is in the source; 24,904 and 24,801 of the texts are distinct.
    Paper: Maas et al. 2011, https://aclanthology.org/P11-1015/
    """
    rows = read_part("imdb", split_name("imdb", split))
    return [Labelled(text, label) for label, _rating, _id, text in rows]


def ag_news(split: str) -> list[Labelled]:
    """News with one of TOPICS: train 120,000 or a sample of 4,999 (`describe` tells), test 7,600.

    A text is title and opening words.  The source has a backslash for a line break, "#36;" for "$".
    Paper: Zhang et al. 2015, https://arxiv.org/abs/1509.01626
    """
    rows = read_part("ag_news", split_name("ag_news", split))
    return [Labelled(" ".join(map(str.strip, texts)), TOPICS[int(n) - 1]) for n, *texts in rows]


def snli(split: str) -> list[Inference]:
    """Captions and what follows from them: train 549,367, or a sample of 3,660 (`describe` tells).

    validation 9,842, test 9,824.  Pairs on which the annotators did not agree (label "-") are left
    out; labels are LABELS.
    Paper: Bowman et al. 2015, https://arxiv.org/abs/1508.05326
    """
    return inferences(read_part("snli", split_name("snli", split)))


def rte(split: str) -> list[Inference]:
    """Recognising textual entailment: train 2,490, validation 277; labels are RTE_LABELS.

    It is part of GLUE, which keeps the labels of its test split.
    Paper: Wang et al. 2018, https://arxiv.org/abs/1804.07461
    """
    return inferences(read_part("rte", split_name("rte", split)))


def nli(split: str) -> list[Inference]:
    """A mixture to train on where SNLI's own train split is missing: 85,221 pairs, LABELS.

    LingNLI, three sets from Wikipedia, SICK, counterfactual pairs and a sample of SNLI; the
    manifest says how many rows each adds (repeated ones are left out).  validation and test are
    SNLI's; no pair of theirs, and no premise, is in train.
    """
    split = split_name("nli", split)
    if split != "train":
        return snli(split)
    rows = {}  # a dict keeps the order and drops what comes twice
    for part in known_sets()["nli"]["mixture"]:
        found = read_part(part["set"], part["part"], part["variant"])
        rows.update(dict.fromkeys(row[:3] for row in found))  # SICK has a fourth column
    return inferences(rows)


def hansards() -> list[AlignedPair]:
    """447 English-French sentences of the Canadian parliament, with words aligned by hand.

    4,038 links are sure, 17,438 possible (the sure ones are among them).
    Source: Och and Ney 2003, https://aclanthology.org/J03-1002/
    """
    pairs = []
    texts, links = read_part("hansards", "sentences"), read_part("hansards", "links")
    for (text,), (line,) in zip(texts, links, strict=True):
        source, target = map(str.strip, text.split("|||"))
        sure, possible = (
            frozenset((int(i) - 1, int(j) - 1) for i, j in re.findall(rf"(\d+){kind}(\d+)", line))
            for kind in ("-", "[-p]")
        )
        pairs.append(AlignedPair(source, target, sure, possible))
    return pairs


def minilm_folder() -> Path:
    """The folder with the public MiniLM-L6 weights: config.json, vocab.txt and model.safetensors.

    Raises DataUnavailable if they are missing or damaged.
    """
    files = known_sets()["minilm"]["files"]
    for folder in (place / "minilm" for place in folders()):
        if all((folder / name).is_file() for name in files):
            for name, known in files.items():
                if not holds(folder / name, known):
                    raise damaged("minilm", folder / name, "its sha256 is not the manifest's")
            return folder
    raise missing("minilm", " and ".join(f"minilm/{name}" for name in files))


def describe(
    name: str, split: str | None = None, *, source: str = "de", target: str = "en"
) -> dict:
    """What a loader returns, for a result card: {name, split, rows, sha256, variant}.

    sha256 is that of the loader's rows, written as in the manifest (links as 0-2 1-1, sorted).
    variant tells editions apart: "complete", "public", "shuffled", "sample", "mixture".
    split is None for a loader that takes none; source and target are for multi30k alone.
    Raises ValueError for an unknown name or split, TypeError for one missing or too many.
    """
    if name not in LOADERS:
        raise ValueError(f"no loader for a data set {name!r}: there are {', '.join(LOADERS)}")
    languages = {"source": source, "target": target} if name == "multi30k" else {}
    rows = LOADERS[name](*[split] * (split is not None), **languages)
    split = split and split_name(name, split)
    if languages:
        parts, split = [f"{split}.{source}", f"{split}.{target}"], f"{split}.{source}-{target}"
    else:
        parts = [part for part in known_sets()[name]["parts"] if split in (None, part)]
    if (name, split) == ("nli", "train"):  # it has no file of its own
        variants = {"mixture"}
    else:
        variants = {locate(name, part)[1]["variant"] for part in parts}
    variant = " and ".join(sorted(variants))
    sha256 = rows_sha256(map(text_columns, rows))
    return {"name": name, "split": split, "rows": len(rows), "sha256": sha256, "variant": variant}


def text_columns(row) -> tuple[str, ...]:
    """A row of any loader as strings; links are written 0-2 1-1, sorted."""
    if isinstance(row, str):
        return (row,)
    links = (" ".join(f"{i}-{j}" for i, j in sorted(column)) for column in row[2:])
    return (*row[:2], *links) if isinstance(row, AlignedPair) else row[:3]


def inferences(rows) -> list[Inference]:
    """Rows (label, premise, hypothesis, ...) as Inference."""
    return [Inference(premise, hypothesis, label) for label, premise, hypothesis in rows]


LOADERS = {
    loader.__name__: loader
    for loader in (multi30k, tatoeba, wikitext2, imdb, ag_news, snli, rte, nli, hansards)
}
