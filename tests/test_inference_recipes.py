"""The inference recipes: rows and batches, measure and baselines, and a run that goes on."""

import sys
from collections import Counter

import pytest
import torch
import torch.nn.functional as F

from d2lmini import checkpoint
from d2lmini.bert import PreNormBERTModel
from d2lmini.data import LABELS, DataUnavailable
from d2lmini.microworld import Inference, inferences
from d2lmini.text import Special, train_wordpiece
from recipes import _nli, nli_bert, nli_decomposable

COUNTS = {"train": (1, 120), "validation": (2, 30), "test": (3, 40)}
SIZES = {"d_model": 16, "d_hidden": 24, "num_heads": 2, "num_layers": 1, "max_length": 64}


def few_pairs(split):
    seed, count = COUNTS[split]
    return [Inference(*pair[:3]) for pair in inferences(count, seed=seed)]


@pytest.fixture(scope="module")
def pieces():
    return train_wordpiece([text for p in few_pairs("train") for text in p[:2]], vocab_size=150)


@pytest.fixture
def small(monkeypatch, tmp_path, pieces):
    """Few pairs in place of the real ones, a tiny bert_wikitext2, and what is stored, by place."""
    monkeypatch.setenv("D2LMINI_CACHE", str(tmp_path))
    monkeypatch.setattr(_nli, "nli", few_pairs)
    about = lambda name, split: {"rows": COUNTS[split][1], "sha256": split, "variant": "sample"}  # noqa: E731
    monkeypatch.setattr(_nli, "describe", about)
    torch.manual_seed(7)
    pretrained = PreNormBERTModel(vocab_size=150, **SIZES)
    monkeypatch.setattr(checkpoint, "card", lambda name: {"model": {"vocab_size": 150} | SIZES})
    monkeypatch.setattr(checkpoint, "tokenizer", lambda name: pieces)
    monkeypatch.setattr(
        checkpoint,
        "load",
        lambda name, model: model.load_state_dict(pretrained.state_dict()) and model,
    )
    stored = {}

    def save(name, model, tokenizer, card, *, folder=None):
        stored[name, "cache" if folder else "repository"] = model, tokenizer, card

    monkeypatch.setattr(checkpoint, "save", save)
    for recipe in (nli_bert, nli_decomposable):
        few = {"num_epochs": 2, "max_tokens": 400, "max_length": 40, "vocab_size": 150}
        monkeypatch.setattr(recipe, "SETTINGS", recipe.SETTINGS | few)
    monkeypatch.setattr(
        nli_decomposable, "ARGUMENTS", {"d_model": 8, "d_hidden": 8, "dropout": 0.1}
    )

    def start(recipe, *arguments):
        stored.clear()
        monkeypatch.setattr(sys, "argv", ["recipe", *arguments])
        recipe.main()
        return stored

    start.pretrained = pretrained
    return start


def test_the_longer_text_is_cut_and_rows_are_as_wordpiece_packs_them(pieces, monkeypatch):
    monkeypatch.setattr(nli_bert, "SETTINGS", nli_bert.SETTINGS | {"max_length": 12})
    long, short = "the dog and the cat sleep in the old park and sleep", "the dog sleeps"
    one, two = nli_bert.encode(pieces, [(long, short, "neutral"), (short, long, "neutral")])
    sizes = [len(pieces.encode(text, add_special_tokens=False).ids) for text in (long, short)]
    assert sizes[0] > 9 - sizes[1] > sizes[1]
    for row, first in ((one, 9 - sizes[1]), (two, sizes[1])):
        assert len(row.ids) == 12 and row.ids[0] == Special.CLS
        assert [i for i, token in enumerate(row.ids) if token == Special.SEP] == [first + 1, 11]
        assert row.type_ids == [0] * (first + 2) + [1] * (10 - first)


@pytest.mark.parametrize("recipe", [nli_bert, nli_decomposable])
def test_batches_hold_each_pair_once_with_its_label_and_the_model_ignores_padding(recipe, pieces):
    pairs, reading = few_pairs("train"), recipe.READING
    rows = reading.encode(pieces, pairs)
    marked = list(zip(rows, range(len(pairs)), strict=True))  # a number in the place of a label
    batches = _nli.make_batches(marked, reading, 300, seed=4)
    again = _nli.make_batches(marked, reading, 300, seed=4)
    other = _nli.make_batches(marked, reading, 300, seed=5)
    assert sorted(i for batch in batches for i in batch[-1].tolist()) == list(range(len(pairs)))
    assert all(torch.equal(a[-1], b[-1]) for a, b in zip(batches, again, strict=True))
    assert [b[-1].tolist() for b in batches] != [b[-1].tolist() for b in other]
    torch.manual_seed(0)
    if recipe is nli_bert:
        model = nli_bert.build(start="own", vocab_size=150, **SIZES).eval()
    else:
        model = nli_decomposable.build(vocab_size=150, d_model=8, d_hidden=8).eval()
    alone, _ = _nli.predictions(model, pieces, pairs, reading, max_tokens=1)
    together, labels = _nli.predictions(model, pieces, pairs, reading, max_tokens=900)
    torch.testing.assert_close(alone, together)
    assert [LABELS[i] for i in labels] == [pair.label for pair in pairs]
    *inputs, places = batches[0]
    torch.testing.assert_close(model(*inputs)[0].softmax(-1), together[places])


def test_the_mean_head_reads_the_mean_of_real_tokens(pieces):
    torch.manual_seed(0)
    sizes = {"vocab_size": 150, "num_segments": 2} | SIZES
    model = nli_bert.build(start="minilm", **sizes).eval()
    rows = nli_bert.encode(pieces, few_pairs("test")[:3])
    inputs = nli_bert.READING.collate(rows)
    logits = model(*inputs)[0]
    for row, expected in zip(rows, logits, strict=True):
        x, _ = model.encoder(torch.tensor([row.ids]), torch.tensor([row.type_ids]))
        torch.testing.assert_close(model.output(x[0].mean(dim=0)), expected)
        one = torch.tensor([row.ids]), torch.tensor([row.type_ids])
        torch.testing.assert_close(model(*one)[0][0], expected)


def test_details_are_those_counted_by_hand():
    torch.manual_seed(0)
    probabilities, gold = torch.randn(200, 3).mul(2).softmax(-1), torch.randint(3, (200,))
    found = _nli.details(probabilities, gold)
    said = probabilities.argmax(-1).tolist()
    counts = Counter(zip(gold.tolist(), said, strict=True))
    assert found["confusion"] == [[counts[i, j] for j in range(3)] for i in range(3)]
    right = [a == b for a, b in zip(said, gold.tolist(), strict=True)]
    assert found["right"] == "".join("01"[r] for r in right)
    share = sum(right) / 200
    low, high = found["interval"]
    assert low < share < high and (high - low) / 2 == pytest.approx(
        1.96 * (share * (1 - share) / 200) ** 0.5, abs=1e-4
    )
    for i, label in enumerate(LABELS):
        both, gold_i = counts[i, i], sum(counts[i, j] for j in range(3))
        said_i = sum(counts[j, i] for j in range(3))
        wanted = {"precision": both / said_i, "recall": both / gold_i}
        wanted["f1"] = 2 / (1 / wanted["precision"] + 1 / wanted["recall"])
        assert found["per_class"][label] == pytest.approx(wanted, abs=1e-4)
    assert sum(n for n, *_ in found["calibration"]) == 200
    assert sum(n * share for n, _, share in found["calibration"]) == pytest.approx(
        sum(right), abs=0.1
    )
    highest = probabilities.max(-1).values
    n, mean, _ = found["calibration"][-1]
    assert n == (highest >= 0.9).sum() and mean == pytest.approx(
        highest[highest >= 0.9].mean().item(), abs=1e-4
    )


def test_the_baselines_know_the_hypothesis_alone(monkeypatch):
    """Here "not" tells a contradiction; the most frequent label of train is neutral."""
    texts = {"contradiction": "it is not so", "neutral": "it may be so", "entailment": "it is so"}
    times = {"contradiction": 200, "neutral": 300, "entailment": 100}
    train = [Inference("any", texts[label], label) for label in LABELS for _ in range(times[label])]
    test = [Inference("other", texts[label], label) for label in LABELS]
    monkeypatch.setattr(_nli, "nli", lambda split: {"test": test}[split])
    assert _nli.baselines(train) == {"majority": round(1 / 3, 4), "hypothesis_only": 1.0}


def test_decomposable_attention_stores_what_can_be_measured_again(small):
    ((name, place), (model, pieces, card)), *others = small(nli_decomposable).items()
    assert (name, place, others) == ("nli_decomposable", "repository", [])
    assert card["command"] == "python -m recipes.nli_decomposable"
    assert card["epochs"] == 2 and card["baselines"].keys() == {"majority", "hypothesis_only"}
    assert card["data"]["rows"] == {"train": 120, "validation": 30, "test": 40}
    assert pieces.get_vocab_size() == card["model"]["vocab_size"]
    assert len(card["test"]["right"]) == 40
    best = card["history"]["epochs"][card["history"]["best_epoch"] - 1]
    assert best["held_out"] == pytest.approx(1 - best["accuracy"], abs=2e-4)
    again = nli_decomposable.build(**card["model"])
    again.load_state_dict(model.state_dict())
    assert nli_decomposable.measure(again, pieces, card) == card["metrics"]
    assert nli_decomposable.measure(again, pieces, card, ["test"]).keys() == {"test"}


def test_own_begins_with_the_pretrained_encoder_and_random_with_none(small):
    models = {}
    for start in ("random", "own"):
        torch.manual_seed(0)
        models[start], _, arguments = nli_bert.begin_from(start)
        assert nli_bert.build(**arguments).state_dict().keys() == models[start].state_dict().keys()
    pretrained = small.pretrained.encoder.state_dict()
    own, random = (models[start].encoder.state_dict() for start in ("own", "random"))
    assert all(torch.equal(own[name], weights) for name, weights in pretrained.items())
    assert not torch.equal(random["embedding.weight"], pretrained["embedding.weight"])
    assert torch.equal(models["own"].output.weight, models["random"].output.weight)


def test_own_and_random_differ_in_their_start_alone(small):
    own = small(nli_bert, "own")["nli_bert_own", "repository"]
    stored = small(nli_bert, "random")
    random = stored["nli_bert_random", "cache"]
    assert stored["nli_bert_random", "repository"][0] is None  # its weights stay in the cache
    cards = own[2], random[2]
    assert cards[0]["settings"] == cards[1]["settings"] and cards[0]["steps"] == cards[1]["steps"]
    assert cards[0]["start"] != cards[1]["start"]
    assert cards[0]["command"] == "python -m recipes.nli_bert own"
    again = nli_bert.build(**cards[0]["model"])
    again.load_state_dict(own[0].state_dict())
    assert nli_bert.measure(again, own[1], cards[0]) == cards[0]["metrics"]


def test_two_epochs_go_once_through_the_pairs(small, monkeypatch):
    """parts is 2: what the first epoch leaves out the second one has."""
    seen = []
    loss_of = _nli.loss_of

    def watched(model, batch):
        seen.append(len(batch[-1]))
        return loss_of(model, batch)

    monkeypatch.setattr(_nli, "loss_of", watched)
    card = small(nli_bert, "own")["nli_bert_own", "repository"][2]
    assert sum(seen) == 120 and card["steps"] == len(seen)


@pytest.mark.parametrize("arguments", [(nli_bert, "own"), (nli_decomposable,)])
def test_a_run_goes_on_where_it_was_left_and_a_trial_stores_nothing(small, arguments, capsys):
    assert small(*arguments, "--epochs", "1") == {}
    (whole, *_), *_ = small(*arguments).values()
    whole = whole.state_dict()
    small(*arguments)
    assert "going on after epoch 2" in capsys.readouterr().out
    (again, *_), *_ = small(*arguments, "--fresh").values()
    assert all(torch.equal(again.state_dict()[name], weights) for name, weights in whole.items())


def test_all_of_snli_is_an_argument_and_what_comes_out_stays_in_the_cache(small, monkeypatch):
    with pytest.raises(DataUnavailable, match="not whole here: 120 rows"):
        small(nli_bert, "own", "--with-snli")
    whole = lambda name, split: {"rows": 1, "sha256": split, "variant": "complete"}  # noqa: E731
    monkeypatch.setattr(_nli, "describe", whole)
    extra = [Inference("a dog sleeps", f"it is {i}", "neutral") for i in range(30)]
    monkeypatch.setattr(_nli, "snli", lambda split: few_pairs(split)[:5] + extra)
    stored = small(nli_bert, "own", "--with-snli")
    assert list(stored) == [("nli_bert_own_snli", "cache")]
    card = stored["nli_bert_own_snli", "cache"][2]
    assert card["data"]["rows"]["train"] == 150 and card["command"].endswith("own --with-snli")


def test_the_loss_is_a_mean_over_pairs(pieces):
    rows = nli_decomposable.encode(pieces, few_pairs("test")[:6])
    torch.manual_seed(0)
    model = nli_decomposable.build(vocab_size=150, d_model=8, d_hidden=8)
    labels = torch.tensor([0, 1, 2, 0, 1, 2])
    batch = (*nli_decomposable.collate(rows), labels)
    loss, count = _nli.loss_of(model, batch)
    found = _nli.outcomes(model, batch)
    torch.testing.assert_close(found[:, 1].mean(), loss.detach())
    expected = F.cross_entropy(model(*batch[:-1])[0], labels)
    torch.testing.assert_close(loss, expected)
    assert count == 6
