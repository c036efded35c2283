"""Text classification: split, batches, loss, measures and baselines of its recipes.

Every choice is made on the held-out part of train; the test split is measured once, at the end.
"""

from collections import defaultdict
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F

from d2lmini import checkpoint
from d2lmini.classify import MeanMaxPooling, TextClassifier
from d2lmini.data import Labelled, describe
from d2lmini.text import Special, batch_of, buckets, train_wordpiece
from d2lmini.train import linear_decay
from d2lmini.transformer import PreNormEncoder
from recipes import loop


class Task(NamedTuple):
    """A data set with labels, and what it takes to read it."""

    name: str  # as d2lmini.data knows it
    read: Callable[[str], list[Labelled]]  # "train" or "test"
    classes: tuple[str, ...]
    clean: Callable[[str], str]  # a text
    licence: str
    by_lot: bool = False  # hold out a tenth drawn by lot, to compare; see parts


def build(*, num_classes: int, **sizes) -> TextClassifier:
    """A pre-norm encoder, mean and maximum of its vectors, one layer."""
    encoder, dropout = PreNormEncoder(**sizes), sizes["dropout"]
    return TextClassifier(encoder, MeanMaxPooling(), num_classes=num_classes, dropout=dropout)


def recipe(
    program: str,
    task: Task,
    *,
    arguments: dict,
    settings: dict,
    build: Callable = build,
    learn_pieces: Callable = train_wordpiece,
    with_weights: bool = True,
    more: Callable[[Task, list], dict] = lambda task, rows: {},
) -> None:
    """Train build(**arguments), measure it, store card and, with_weights, weights and pieces.

    learn_pieces(texts, vocab_size=...): the tokeniser; more(task, rows): what else the card holds.
    """
    options = loop.parser(program).parse_args()
    settings = settings | arguments | ({"num_epochs": options.epochs} if options.epochs else {})
    folder = loop.begin(program, options, seed=settings["seed"])
    rows = parts(task)
    pieces = learn_pieces([row.text for row in rows["train"]], vocab_size=settings["vocab_size"])
    sizes = {key: settings[key] for key in arguments} | {"num_classes": len(task.classes)}
    sizes["vocab_size"] = pieces.get_vocab_size()
    model, (train, held) = build(**sizes), (encode(rows[s], pieces, task) for s in SPLITS[:2])

    def held_out(model):
        logits, labels = predict(model, held, settings)
        accuracy = (logits.argmax(dim=-1) == labels).double().mean().item()
        return {"held_out": F.cross_entropy(logits, labels).item(), "accuracy": accuracy}

    history = loop.train(
        model,
        settings=settings,
        batches=lambda epoch: make_batches(train, settings, seed=1000 + epoch),
        loss_fn=loss_of,
        held_out=held_out,
        optimizer=loop.adamw(model, settings, betas=(0.9, 0.999)),
        schedule=linear_decay(warm_up=settings["warm_up"], end=0.02),
        num_epochs=settings["num_epochs"],
        patience=settings["patience"],
        average=settings["average"],
        folder=folder,
    )
    if loop.join_processes()[0] > 0 or options.epochs:  # one process measures and stores
        return
    card = loop.card(
        program,
        command=f"python -m recipes.{program}",
        model=model,
        arguments=sizes,
        history=history,
        settings=settings,
        data=about(task, rows),
        licence=task.licence,
        metrics={},
    )
    card |= judged(model, pieces, rows, task, settings)
    card["baselines"] = bags_of_words(rows)
    card |= more(task, rows)
    print(card["metrics"], card["baselines"])
    stored = (model, pieces) if with_weights else (None, None)
    checkpoint.save(program, *stored, card)
    print(f"stored {checkpoint.FOLDER / program}")


# --- rows --------------------------------------------------------------------------------------

SPLITS = ("train", "held-out", "test")


def parts(task: Task) -> dict[str, list[Labelled]]:
    """{split: cleaned rows}; held-out is the last tenth of each class of train.

    Neighbours in IMDB's files are often about one film, so a tenth in one piece shares fewer films
    with the rest than a tenth drawn by lot.  No text of train is in held-out or test as well.
    With task.by_lot the same rows of train are shared out anew, see drawn_by_lot.
    """
    whole, test = (
        [row._replace(text=task.clean(row.text)) for row in task.read(split)]
        for split in ("train", "test")
    )
    by_class = defaultdict(list)
    for row in whole:
        by_class[row.label].append(row)
    held = [row for rows in by_class.values() for row in rows[-(len(rows) // 10) :]]
    taken = {row.text for row in [*held, *test]}
    last = {id(row) for row in held}
    train = [row for row in whole if id(row) not in last and row.text not in taken]
    rows = {"train": train, "held-out": held, "test": test}
    return drawn_by_lot(rows) if task.by_lot else rows


def drawn_by_lot(rows):
    """The rows that are not for test, shared out by lot, as many held out as before."""
    whole = [*rows["train"], *rows["held-out"]]
    order = torch.randperm(len(whole), generator=torch.Generator().manual_seed(0)).tolist()
    cut = len(rows["held-out"])
    drawn = {"train": [whole[i] for i in order[cut:]], "held-out": [whole[i] for i in order[:cut]]}
    return rows | drawn


def about(task, rows):
    found = {split: describe(task.name, split) for split in ("train", "test")}
    return {
        "name": task.name,
        "variant": found["train"]["variant"],
        "rows": {split: len(part) for split, part in rows.items()},
        "sha256": {split: told["sha256"] for split, told in found.items()},
    }


def encode(rows, pieces, task):
    """[(ids from [CLS] to [SEP], number of the class)]"""
    encoded = pieces.encode_batch([row.text for row in rows])
    pairs = zip(encoded, rows, strict=True)
    return [(np.array(e.ids), task.classes.index(row.label)) for e, row in pairs]


def make_batches(examples, settings, *, seed):
    """[(tokens, mask, labels)], drawn by the seed; some pieces of a text become [MASK]."""
    generator, hide = torch.Generator().manual_seed(seed), settings["word_dropout"]
    batches = []
    for rows in batches_of(examples, settings, generator):
        tokens, mask = batch_of([ends(examples[i][0], settings["max_length"]) for i in rows])
        hidden = torch.rand(tokens.shape, generator=generator) < hide
        tokens = tokens.masked_fill(hidden & (tokens >= len(Special)), Special.MASK)
        batches.append((tokens, mask, torch.tensor([examples[i][1] for i in rows])))
    return batches


def batches_of(examples, settings, generator=None):
    lengths = [min(len(ids), settings["max_length"]) for ids, _ in examples]
    return buckets(lengths, max_tokens=settings["max_tokens"], generator=generator)


def ends(ids, max_length):
    """A text that is too long keeps its first and its last half of max_length."""
    if len(ids) <= max_length:
        return ids
    head = max_length // 2
    return np.concatenate([ids[:head], ids[len(ids) - (max_length - head) :]])


# --- loss and measures -------------------------------------------------------------------------


def loss_of(model, batch):
    """Mean cross entropy in nats, and the number of texts."""
    tokens, mask, labels = batch
    logits, _ = model(tokens, mask=mask)
    return F.cross_entropy(logits, labels), len(labels)


@torch.inference_mode()
def predict(model, examples, settings):
    """Logits (texts, classes) in the order of examples, and labels (texts,)"""
    model.eval()
    labels = torch.tensor([label for _, label in examples])
    logits = None
    for rows in batches_of(examples, settings, torch.Generator().manual_seed(0)):
        tokens, mask = batch_of([ends(examples[i][0], settings["max_length"]) for i in rows])
        found, _ = model(tokens, mask=mask)
        logits = found.new_zeros(len(labels), found.shape[1]) if logits is None else logits
        logits[rows] = found
    return logits.clone(), labels


def measure_of(task, model, pieces, card, splits=SPLITS[1:], rows=None) -> dict:
    """{split: {metric: value}} of a trained model, as its card should have them."""
    rows = parts(task) if rows is None else rows
    return {
        s: scores(*predict_rows(model, rows[s], pieces, task, card["settings"])) for s in splits
    }


def predict_rows(model, rows, pieces, task, settings):
    return predict(model, encode(rows, pieces, task), settings)


def scores(logits, labels):
    accuracy = (logits.argmax(dim=-1) == labels).double().mean().item()
    return {
        "accuracy": round(accuracy, 4),
        "loss": round(F.cross_entropy(logits, labels).item(), 4),
    }


def judged(model, pieces, rows, task, settings):
    """What the card says of both splits: metrics, and of test the confusions (true, said).

    temperature: what the logits are divided by to be calibrated, chosen on the held-out part;
    reliability: of test, before and after, {confidence, accuracy, count} in bins of a tenth.
    """
    (held, true), (logits, labels) = (
        predict_rows(model, rows[split], pieces, task, settings) for split in SPLITS[1:]
    )
    temperature = fitted_temperature(held, true)
    number = len(task.classes)
    confusion = torch.bincount(labels * number + logits.argmax(dim=-1), minlength=number**2)
    return {
        "metrics": {"held-out": scores(held, true), "test": scores(logits, labels)},
        "classes": list(task.classes),
        "confusion": confusion.unflatten(0, (number, number)).tolist(),
        "temperature": temperature,
        "reliability": {
            "before": reliability(logits, labels),
            "after": reliability(logits / temperature, labels),
        },
    }


def fitted_temperature(logits, labels):
    """The temperature with the lowest loss, of 0.25 to 4 in steps of 2 %."""
    tried = [round(1.02**k, 4) for k in range(-70, 71)]
    return min(tried, key=lambda t: F.cross_entropy(logits / t, labels).item())


def reliability(logits, labels, bins=10):
    """[{confidence, accuracy, count}]: means in each bin of confidence that has texts."""
    confidence, said = logits.softmax(dim=-1).max(dim=-1)
    right, place = (said == labels).float(), (confidence * bins).long().clamp(max=bins - 1)
    found = []
    for i in place.unique().tolist():
        here = place == i
        means = {
            "confidence": confidence[here].mean().item(),
            "accuracy": right[here].mean().item(),
        }
        found.append({k: round(v, 4) for k, v in means.items()} | {"count": int(here.sum())})
    return found


# --- bags of words -----------------------------------------------------------------------------


def bags_of_words(rows) -> dict:
    """{name: {split: accuracy}} of logistic regressions on tf-idf of words, and of pairs too.

    The strength C is that of 1, 4 and 16 which is best on the held-out part.
    """
    found = {}
    for name, longest in (("words", 1), ("words and pairs", 2)):
        fits = bag_of_words(rows["train"], longest, (1, 4, 16))
        held = {c: accuracy_of(fit, rows["held-out"]) for c, fit in fits.items()}
        c = max(held, key=held.get)
        test = accuracy_of(fits[c], rows["test"])
        found[name] = {"held-out": held[c], "test": test, "C": c}
    return found


def bag_of_words(rows, longest, strengths):
    """{C: logistic regression on tf-idf of n-grams of up to `longest` words, each twice seen}"""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    counts = TfidfVectorizer(
        ngram_range=(1, longest), min_df=2, sublinear_tf=True, token_pattern=r"\w+|[!?]"
    )
    features, labels = counts.fit_transform([r.text for r in rows]), [r.label for r in rows]
    regressions = {c: LogisticRegression(C=c, max_iter=500) for c in strengths}
    return {c: make_pipeline(counts, r.fit(features, labels)) for c, r in regressions.items()}


def accuracy_of(fit, rows):
    right = fit.score([row.text for row in rows], [row.label for row in rows])
    return round(float(right), 4)


def two_splits(task, rows) -> dict:
    """Two ways of holding out a tenth of train, judged by one bag of words and by the test split.

    {"splits": {"by lot": {"held-out", "test"}, "in one piece": ...}}, accuracies
    """
    found = {}
    for name, split in (("by lot", drawn_by_lot(rows)), ("in one piece", rows)):
        fit = bag_of_words(split["train"], 2, (4,))[4]
        held, test = accuracy_of(fit, split["held-out"]), accuracy_of(fit, rows["test"])
        found[name] = {"held-out": held, "test": test}
    return {"splits": found}
