"""The recipes that classify texts: split, batches, measures, and a whole run on few rows."""

import sys
from collections import Counter

import numpy as np
import pytest
import torch
from sklearn.metrics import confusion_matrix

from d2lmini import checkpoint
from d2lmini.data import Labelled
from d2lmini.microworld import ACTORS, statements
from d2lmini.text import Special
from recipes import _classification, ag_news_encoder, imdb_encoder

SETTINGS = {"max_length": 12, "max_tokens": 150, "word_dropout": 0.5}


def few_rows(split):
    """Statements, train sorted by label as IMDB is, with texts that come twice."""
    count, seed = {"train": (240, 1), "test": (80, 2)}[split]
    rows = [Labelled(s.text, s.label) for s in statements(count, seed=seed)]
    if split == "train":
        rows = sorted([*rows, *few_rows("test")[:4]], key=lambda row: row.label)
    return rows


TASK = _classification.Task(
    name="statements",
    read=few_rows,
    classes=ACTORS,
    clean=lambda text: text.replace(".", " !"),
    licence="none",
)


@pytest.fixture(scope="module")
def rows():
    return _classification.parts(TASK)


def test_the_held_out_part_is_the_end_of_each_class_and_shares_no_text(rows):
    texts = {split: [row.text for row in part] for split, part in rows.items()}
    assert all(text.endswith("!") for part in texts.values() for text in part)
    assert not {*texts["train"]} & {*texts["held-out"], *texts["test"]}
    assert Counter(row.label for row in rows["held-out"]) == dict.fromkeys(ACTORS, 12)
    for label in ACTORS:
        whole = [row for row in few_rows("train") if row.label == label]
        held = [row.text for row in rows["held-out"] if row.label == label]
        assert held == [TASK.clean(row.text) for row in whole[-12:]]
    assert len(rows["test"]) == 80


def test_by_lot_the_same_rows_of_train_are_shared_out_anew(rows):
    drawn = _classification.parts(TASK._replace(by_lot=True))
    assert drawn["test"] == rows["test"]
    assert {split: len(part) for split, part in drawn.items()} == {
        split: len(part) for split, part in rows.items()
    }
    together = [Counter([*found["train"], *found["held-out"]]) for found in (rows, drawn)]
    assert together[0] == together[1] and drawn["held-out"] != rows["held-out"]


def test_a_long_text_keeps_both_ends():
    ids = np.arange(11)
    assert _classification.ends(ids, 5).tolist() == [0, 1, 8, 9, 10]
    assert _classification.ends(ids, 11).tolist() == [*range(11)]


def test_batches_are_drawn_by_their_seed_and_hide_words_but_no_special(rows):
    pieces = _classification.train_wordpiece([r.text for r in rows["train"]], vocab_size=80)
    examples = _classification.encode(rows["train"], pieces, TASK)
    first, again, other = (
        _classification.make_batches(examples, SETTINGS, seed=seed) for seed in (1, 1, 2)
    )
    for batch, same in zip(first, again, strict=True):
        assert all(torch.equal(a, b) for a, b in zip(batch, same, strict=True))
    assert not all(
        a[0].shape == b[0].shape and torch.equal(a[0], b[0])
        for a, b in zip(first, other, strict=False)
    )
    tokens, real = (torch.cat([b[i].flatten() for b in first]) for i in (0, 1))
    assert sum(len(labels) for *_, labels in first) == len(examples)
    hidden = (tokens == Special.MASK)[real].double().mean()
    assert 0.35 < hidden < 0.55 and not (tokens == Special.MASK)[~real].any()
    assert (torch.cat([b[0][:, 0] for b in first]) == Special.CLS).all()


def test_temperature_confusion_and_bins_are_those_counted_by_hand():
    torch.manual_seed(0)
    labels = torch.randint(0, 3, (4000,))
    calibrated = torch.randn(4000, 3)
    labels = torch.distributions.Categorical(logits=calibrated).sample()
    assert _classification.fitted_temperature(3 * calibrated, labels) == pytest.approx(3, rel=0.1)
    bins = _classification.reliability(calibrated, labels)
    assert sum(b["count"] for b in bins) == 4000
    confidence, said = calibrated.softmax(dim=-1).max(dim=-1)
    here = (confidence >= 0.6) & (confidence < 0.7)
    (found,) = [b for b in bins if 0.6 <= b["confidence"] < 0.7]
    assert found["count"] == here.sum()
    assert found["accuracy"] == pytest.approx(
        (said == labels)[here].double().mean().item(), abs=1e-4
    )
    assert all(abs(b["confidence"] - b["accuracy"]) < 0.1 for b in bins)


@pytest.fixture
def small_run(monkeypatch, tmp_path):
    """Run the recipe on few rows; return what it stored."""
    monkeypatch.setenv("D2LMINI_CACHE", str(tmp_path))
    stored = {}
    save = lambda name, model, pieces, card: stored.update({name: (model, pieces, card)})  # noqa: E731
    monkeypatch.setattr(checkpoint, "save", save)
    monkeypatch.setattr(_classification, "about", lambda task, rows: {"name": task.name})

    def start(*arguments, **more):
        monkeypatch.setattr(sys, "argv", ["recipe", *arguments])
        sizes = {"d_model": 16, "d_hidden": 24, "num_heads": 2, "num_layers": 1}
        few = {"vocab_size": 80, "num_epochs": 3, "max_tokens": 600, "word_dropout": 0.1}
        _classification.recipe(
            "tiny",
            TASK,
            arguments=sizes | {"dropout": 0.1, "max_length": 80},
            settings=imdb_encoder.SETTINGS | few,
            more=_classification.two_splits,
            **more,
        )
        return stored

    return start


def test_a_recipe_stores_what_can_be_measured_again(small_run):
    model, pieces, card = small_run()["tiny"]
    assert card["command"] == "python -m recipes.tiny" and card["epochs"] == 3
    assert card["history"]["epochs"][0].keys() == {"loss", "held_out", "accuracy", "seconds"}
    again = imdb_encoder.build(**card["model"])
    again.load_state_dict(model.state_dict())
    measured = _classification.measure_of(TASK, again, pieces, card)
    assert measured == card["metrics"]
    examples = _classification.encode(_classification.parts(TASK)["test"], pieces, TASK)
    logits, labels = _classification.predict(model, examples, card["settings"])
    expected = confusion_matrix(labels, logits.argmax(dim=-1), labels=[0, 1]).tolist()
    assert card["confusion"] == expected and card["classes"] == list(ACTORS)
    assert sum(b["count"] for b in card["reliability"]["after"]) == 80
    alone = [model.eval()(torch.tensor(ids[None]))[0][0] for ids, _ in examples[:9]]
    torch.testing.assert_close(torch.stack(alone), logits[:9])
    bags = card["baselines"]
    assert bags.keys() == {"words", "words and pairs"}
    assert bags["words"]["test"] == 0.5  # nothing but order tells
    assert card["splits"].keys() == {"by lot", "in one piece"}


def test_it_goes_on_where_it_was_left_and_a_card_may_be_all(small_run, capsys):
    assert small_run("--epochs", "1") == {}
    whole = small_run()["tiny"][0].state_dict()
    model, pieces, _ = small_run(with_weights=False)["tiny"]
    assert model is None and pieces is None
    assert "going on after epoch 3" in capsys.readouterr().out
    again = small_run("--fresh")["tiny"][0].state_dict()
    assert all(torch.equal(again[name], weights) for name, weights in whole.items())


def test_the_texts_are_cleaned():
    assert imdb_encoder.TASK.clean("A film.<br /><br />Good") == "A film.  Good"
    assert ag_news_encoder.TASK.clean(r"$1\ costs #36;1") == "$1  costs $1"
