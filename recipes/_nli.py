"""Natural language inference: data, batches, loss, baselines and measure of its recipes.

Train on data.nli, choose the epoch on SNLI's validation split, measure once on its test split.
A row is what a model reads of a pair; encode(pieces, pairs) makes rows, collate(rows) their
tensors, and size(row) counts the tokens that padding is about.
"""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F

from d2lmini import checkpoint
from d2lmini.data import LABELS, DataUnavailable, cache_folder, describe, nli, snli
from d2lmini.text import buckets
from d2lmini.train import linear_decay
from recipes import loop

SPLITS = ("train", "validation", "test")
LICENCE = (
    "trained on LingNLI (no licence stated), Wikipedia's text, SICK (CC BY-NC-SA 3.0), "
    "counterfactual pairs and SNLI (CC BY-SA 4.0), for research and teaching; "
    "weights CC BY-NC-SA 4.0"
)


class Reading(NamedTuple):
    """How a kind of model reads pairs."""

    encode: Callable
    collate: Callable
    size: Callable


def options_of(parser):
    """The options of these recipes, from the parser of loop.parser."""
    parser.add_argument(
        "--with-snli",
        action="store_true",
        help="train on SNLI's own train split, too, where all of it is at hand; "
        "what comes out stays in the cache",
    )
    return parser.parse_args()


def training_pairs(with_snli: bool) -> list:
    """data.nli's; with SNLI's own train split, if it is complete, else DataUnavailable."""
    pairs = nli("train")
    if with_snli:
        found = describe("snli", "train")
        if found["variant"] != "complete":
            raise DataUnavailable(f"SNLI's train split is not whole here: {found['rows']:,} rows")
        pairs = list(dict.fromkeys(pairs + snli("train")))
    return pairs


def recipe(
    name: str,
    command: str,
    options,
    model,
    pieces,
    train: list,
    reading: Reading,
    *,
    arguments: dict,
    settings: dict,
    folder: Path,
    keep: bool = True,
    **about,
) -> None:
    """Train the model on pairs, choose, measure once, store weights and card.

    folder: of the run's state.  keep: whether the weights go into the repository; else they go
    into the cache, and the card into both.  about: what else the card says.
    """
    encoded = list(zip(reading.encode(pieces, train), labels_of(train), strict=True))
    held_pairs = nli("validation")
    held = list(zip(reading.encode(pieces, held_pairs), labels_of(held_pairs), strict=True))
    held = make_batches(held, reading, settings["max_tokens"], seed=0)

    def batches(epoch):
        turn, part = divmod(epoch, settings["parts"])
        return make_batches(encoded, reading, settings["max_tokens"], seed=1000 + turn)[
            part :: settings["parts"]
        ]

    def held_out(model):
        found = torch.cat([outcomes(model, batch) for batch in held])
        accuracy = found[:, 0].mean().item()
        return {
            "held_out": 1 - accuracy,
            "accuracy": accuracy,
            "dev_loss": found[:, 1].mean().item(),
        }

    history = loop.train(
        model,
        settings=settings,
        batches=batches,
        loss_fn=loss_of,
        held_out=held_out,
        optimizer=loop.adamw(model, settings),
        schedule=linear_decay(warm_up=settings["warm_up"]),
        num_epochs=settings["num_epochs"],
        patience=settings["patience"],
        average=settings["average"],
        folder=folder,
    )
    if loop.join_processes()[0] > 0 or options.epochs:  # one process measures and stores
        return
    data = {split: describe("nli", split) for split in SPLITS}
    card = loop.card(
        name,
        command=command,
        model=model,
        arguments=arguments,
        history=history,
        settings=settings,
        steps=sum(len(batches(epoch)) for epoch in range(len(history["epochs"]))),
        data={
            "name": "nli, and all of SNLI" if options.with_snli else "nli",
            "rows": {s: found["rows"] for s, found in data.items()} | {"train": len(train)},
            "sha256": {s: found["sha256"] for s, found in data.items()},
        },
        metrics={},
        licence=LICENCE,
        **about,
    )
    results = {s: predictions(model, pieces, nli(s), reading) for s in ("validation", "test")}
    card["metrics"] = {s: {"accuracy": accuracy_of(*found)} for s, found in results.items()}
    card["test"] = details(*results["test"])
    print(card["metrics"], card["test"]["interval"])
    if not keep or options.with_snli:
        place = cache_folder() / "checkpoints"
        checkpoint.save(name, model, pieces, card, folder=place)
        print(f"stored the weights in {place / name}")
    if not options.with_snli:
        checkpoint.save(name, *(model, pieces) if keep else (None, None), card)
        print(f"stored {checkpoint.FOLDER / name}")


# --- batches and loss --------------------------------------------------------------------------


def labels_of(pairs):
    return [LABELS.index(pair.label) for pair in pairs]


def make_batches(rows, reading, max_tokens, *, seed):
    """[(inputs ..., labels)], of similar length, shuffled by the seed.  rows: [(row, label)]"""
    generator = torch.Generator().manual_seed(seed)
    sizes = [reading.size(row) for row, _ in rows]
    return [
        (*reading.collate([rows[i][0] for i in some]), torch.tensor([rows[i][1] for i in some]))
        for some in buckets(sizes, max_tokens=max_tokens, generator=generator)
    ]


def loss_of(model, batch):
    """Mean cross entropy in nats per pair, and the number of pairs."""
    *inputs, labels = batch
    return F.cross_entropy(model(*inputs)[0], labels), len(labels)


@torch.no_grad()
def outcomes(model, batch):
    """Whether each pair is right, and its loss in nats: (batch, 2)"""
    *inputs, labels = batch
    logits = model(*inputs)[0]
    losses = F.cross_entropy(logits, labels, reduction="none")
    return torch.stack([(logits.argmax(-1) == labels).float(), losses], dim=1)


# --- measure -----------------------------------------------------------------------------------


@torch.no_grad()
def predictions(model, pieces, pairs, reading, max_tokens=8000):
    """Probabilities (pairs, 3) and gold labels (pairs,), in the order of pairs."""
    model.eval()
    rows = reading.encode(pieces, pairs)
    found = torch.zeros(len(rows), len(LABELS))
    for some in buckets([reading.size(row) for row in rows], max_tokens=max_tokens):
        logits = model(*reading.collate([rows[i] for i in some]))[0]
        found[some] = logits.softmax(dim=-1)
    return found, torch.tensor(labels_of(pairs))


def accuracy_of(probabilities, labels):
    return round((probabilities.argmax(-1) == labels).double().mean().item(), 4)


def measure(model, pieces, card, splits=("validation", "test"), *, reading):
    """{split: {metric: value}} of a trained model, as its card should have them."""
    return {
        s: {"accuracy": accuracy_of(*predictions(model, pieces, nli(s), reading))} for s in splits
    }


def details(probabilities, labels):
    """What a card tells of the test split beside the accuracy.

    interval: of 95 %, by the normal approximation; per_class: precision, recall and F1;
    confusion: pairs by gold label (row) and predicted one; calibration: for each tenth of the
    range of the highest probability pairs, its mean and the share that is right; right: 1 or 0
    for each pair, in the order of the test split, for comparisons in pairs.
    """
    highest, said = probabilities.max(dim=-1)
    right = said == labels
    n, accuracy = len(labels), right.double().mean().item()
    margin = 1.96 * (accuracy * (1 - accuracy) / n) ** 0.5
    size = len(LABELS)
    confusion = torch.bincount(labels * size + said, minlength=size**2).view(size, size)
    tenths = (highest * 10).long().clamp(max=9)
    calibration = [
        [
            here.sum().item(),
            round(highest[here].mean().item(), 4),
            round(right[here].double().mean().item(), 4),
        ]
        for here in (tenths == k for k in range(10))
        if here.any()
    ]
    return {
        "interval": [round(accuracy - margin, 4), round(accuracy + margin, 4)],
        "per_class": {label: scores_of_class(confusion, i) for i, label in enumerate(LABELS)},
        "confusion": confusion.tolist(),
        "calibration": calibration,
        "right": "".join(str(int(r)) for r in right),
    }


def scores_of_class(confusion, i):
    both, gold, said = (
        confusion[i, i].item(),
        confusion[i].sum().item(),
        confusion[:, i].sum().item(),
    )
    found = {"precision": both / max(said, 1), "recall": both / max(gold, 1)}
    found["f1"] = 2 * both / max(said + gold, 1)
    return {name: round(value, 4) for name, value in found.items()}


def baselines(train, seed=0):
    """Accuracies on the test split of who always says what is most frequent in train, and of a
    bag of the hypothesis's words, by logistic regression.
    """
    from sklearn.feature_extraction.text import CountVectorizer
    from sklearn.linear_model import LogisticRegression

    test, most = nli("test"), Counter(pair.label for pair in train).most_common(1)[0][0]
    bag = CountVectorizer(binary=True, min_df=5, token_pattern=r"\b\w+\b")
    words = bag.fit_transform([pair.hypothesis for pair in train])
    linear = LogisticRegression(C=0.1, max_iter=100, random_state=seed)
    linear.fit(words, [pair.label for pair in train])
    gold = [pair.label for pair in test]
    said = {
        "majority": [most] * len(test),
        "hypothesis_only": linear.predict(bag.transform([pair.hypothesis for pair in test])),
    }
    share = lambda guesses: sum(a == b for a, b in zip(guesses, gold, strict=True)) / len(gold)  # noqa: E731
    return {name: round(share(guesses), 4) for name, guesses in said.items()}
