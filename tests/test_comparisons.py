"""The comparison of translators of captions: what a run tells, and that what is done is kept."""

import json
import sys

import pytest

from d2lmini import checkpoint
from recipes import comparisons

SMALL = {"d": 8, "num_heads": 2, "num_layers": 1}


@pytest.fixture
def tiny(monkeypatch, own_cards):
    """Models of width 8 on few captions, and a function that runs the recipe on them."""
    monkeypatch.setattr(comparisons, "SPLITS", {"train": 40, "held-out": 8})
    monkeypatch.setattr(comparisons, "SEEDS", (0, 1))
    runs = {
        name: (kind, 1, settings | {key: SMALL[key] for key in settings if key in SMALL})
        for name, (kind, _, settings) in comparisons.RUNS.items()
    }
    monkeypatch.setattr(comparisons, "RUNS", runs)

    def start(*arguments):
        monkeypatch.setattr(sys, "argv", ["recipe", *arguments])
        comparisons.main()

    return start


def test_the_card_has_every_run_and_what_is_done_is_kept(tiny, monkeypatch):
    tiny()
    card = checkpoint.card("comparisons")
    assert card["metrics"]["test"].keys() == comparisons.RUNS.keys()
    for found in card["metrics"]["test"].values():
        assert [*found] == [*comparisons.FIGURES]
        assert all(len(found[figure]) == 2 for figure in found)  # one for each seed
        assert all(0 <= value <= 100 for value in found["bleu"])
        assert all(len(quarters) == len(card["mean_words"]) == 4 for quarters in found["quarters"])
    assert card["mean_words"] == sorted(card["mean_words"])
    assert not (checkpoint.FOLDER / "comparisons.safetensors").exists()
    monkeypatch.setattr(comparisons, "run", None)  # nothing is left to do
    tiny()
    assert checkpoint.card("comparisons")["metrics"] == card["metrics"]


def test_a_run_with_other_settings_is_made_anew_and_a_trial_stores_no_card(tiny, monkeypatch):
    tiny("--only", "one vector, 16")
    assert not (checkpoint.FOLDER / "comparisons.json").exists()
    asked = []
    monkeypatch.setattr(comparisons, "run", lambda *item: asked.append(item[:2]) or {})
    tiny("--only", "one vector, 16")
    assert asked == []
    kind, _, settings = comparisons.RUNS["one vector, 16 epochs"]
    monkeypatch.setitem(comparisons.RUNS, "one vector, 16 epochs", (kind, 2, settings))
    tiny("--only", "one vector, 16")
    assert asked == [(kind, 2)] * 2


def test_a_run_is_repeated_by_its_seed(tiny):
    kind, epochs, settings = comparisons.RUNS["Transformer, 8 epochs"]
    first, again, other = (comparisons.run(kind, epochs, settings, seed) for seed in (0, 0, 1))
    assert first == again != other
    assert json.loads(json.dumps(first)) == first


def test_the_transformer_is_as_large_as_the_recurrent_model_and_has_as_many_epochs():
    sizes = {}
    for name in ("attention, 8 epochs", "Transformer, 8 epochs"):
        kind, epochs, settings = comparisons.RUNS[name]
        model = comparisons.build(kind, settings, 209, 269)  # words of both languages, notebook 03
        sizes[epochs, kind] = sum(p.numel() for p in model.parameters())
    assert {epochs for epochs, _ in sizes} == {8}
    assert sizes[8, "Transformer"] == pytest.approx(sizes[8, "attention"], rel=0.02)


def test_quarters_go_from_short_to_long():
    pairs = comparisons.captions("held-out", 10)
    quarters = comparisons.quarters_of(pairs)
    assert sorted(i for rows in quarters for i in rows) == [*range(10)]
    said = [pair.target.lower() for pair in pairs]
    assert comparisons.score(said, pairs) == {"bleu": 100.0, "quarters": [100.0] * 4}
