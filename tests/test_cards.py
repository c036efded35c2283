"""Each committed card is true: its checkpoint, if it has one, measures as the card says."""

import importlib

import pytest
import torch

from d2lmini import checkpoint
from d2lmini.data import DataUnavailable

CARDS = sorted(p.stem for p in checkpoint.FOLDER.glob("*.json") if "tokenizer" not in p.name)
CHECKPOINTS = sorted(path.stem for path in checkpoint.FOLDER.glob("*.safetensors"))
every_card = pytest.mark.parametrize("name", CARDS)
every_checkpoint = pytest.mark.parametrize("name", CHECKPOINTS)
MEBIBYTES = {  # what the weights may take, by the beginning of the name
    "multi30k_seq2seq": 6,
    "multi30k_bahdanau": 6,
    "multi30k_transformer": 5,
    "imdb_encoder": 6,
    "ag_news_encoder": 3,
    "bert_wikitext2": 12,
    "bert_microworld": 2,
    "nli_bert_own": 12,
    "nli_decomposable": 2,
}


def recipe_of(card):
    return importlib.import_module(card["command"].split()[2])  # python -m recipes.NAME


def loaded(name):
    card = checkpoint.card(name)
    return card, checkpoint.load(name, recipe_of(card).build(**card["model"])).eval()


@every_card
def test_the_card_says_how_it_was_made(name):
    card = checkpoint.card(name)
    assert card["name"] == name
    assert card["command"].replace(" ", "_") == f"python_-m_recipes.{name}"
    for key in ("data", "metrics", "seconds", "machine", "licence", "date"):
        assert card[key], key
    assert (checkpoint.FOLDER.parents[1] / card["recipe"]).is_file()


@every_checkpoint
def test_the_weights_are_as_many_and_as_small_as_they_should_be(name):
    card, model = loaded(name)
    assert card["parameters"] == sum(p.numel() for p in model.parameters())
    (limit,) = (size for key, size in MEBIBYTES.items() if name.startswith(key))
    assert (checkpoint.FOLDER / f"{name}.safetensors").stat().st_size <= limit * 2**20


@every_checkpoint
def test_the_tokeniser_is_the_one_that_it_was_trained_with(name):
    card, tokenizer = checkpoint.card(name), checkpoint.tokenizer(name)
    assert tokenizer.get_vocab_size() == card["model"]["vocab_size"]


def tolerance(metric):
    return 0.3 if metric.startswith("bleu") else 0.005


@every_checkpoint
def test_the_metrics_of_the_card_come_out_again(name):
    card, model = loaded(name)
    torch.set_num_threads(2)
    try:
        again = recipe_of(card).measure(model, checkpoint.tokenizer(name), card, ["test"])
    except DataUnavailable as reason:
        pytest.skip(str(reason))
    expected = card["metrics"]["test"]
    assert again["test"].keys() == expected.keys()
    for metric, value in again["test"].items():
        assert value == pytest.approx(expected[metric], abs=tolerance(metric)), metric


@every_checkpoint
def test_the_readme_says_what_the_card_says(name):
    card = checkpoint.card(name)
    text = (checkpoint.FOLDER.parent / "README.md").read_text(encoding="utf-8")
    (row,) = (line for line in text.splitlines() if line.startswith(f"| `{name}` |"))
    assert f"| `{card['command']}` |" in row
    for metric, value in card["metrics"]["test"].items():
        assert f"{value:.2f}" in row, metric


def test_there_are_checkpoints():
    assert CHECKPOINTS
