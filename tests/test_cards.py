"""Each committed checkpoint is what its card says: measured again where the data is at hand."""

import hashlib
import importlib

import pytest
import torch

from d2lmini import checkpoint
from d2lmini.data import DataUnavailable, multi30k
from recipes.multi30k import fingerprint, rounded, score

NAMES = sorted(path.stem for path in checkpoint.FOLDER.glob("*.safetensors"))
every_card = pytest.mark.parametrize("name", NAMES)


def loaded(name):
    card = checkpoint.card(name)
    module = card["command"].split()[2]  # python -m recipes.NAME
    model = importlib.import_module(module).build(**card["model"])
    return card, checkpoint.load(name, model).eval()


@every_card
def test_the_card_fits_the_weights_and_the_command_exists(name):
    card, model = loaded(name)
    assert card["name"] == name
    assert card["command"].replace(" ", "_") == f"python_-m_recipes.{name}"
    assert card["parameters"] == sum(p.numel() for p in model.parameters())
    for key in ("data", "metrics", "signatures", "seconds", "machine", "licence", "date"):
        assert card[key], key
    size = (checkpoint.FOLDER / f"{name}.safetensors").stat().st_size
    assert size < 6.5e6


@every_card
def test_the_tokeniser_is_the_one_that_it_was_trained_with(name):
    card, tokenizer = checkpoint.card(name), checkpoint.tokenizer(name)
    assert tokenizer.get_vocab_size() == card["model"]["vocab_size"]


@every_card
def test_the_metric_of_the_card_comes_out_again(name):
    card, model = loaded(name)
    _, source, target = card["data"]["name"].replace("-", " ").split()
    try:
        pairs = multi30k("test", source=source, target=target)
    except DataUnavailable as reason:
        pytest.skip(str(reason))
    assert fingerprint(pairs) == card["data"]["sha256"]["test"]
    torch.set_num_threads(2)
    again = score(model, checkpoint.tokenizer(name), pairs, card["settings"])
    assert rounded(again) == pytest.approx(card["metrics"]["test"], abs=0.1)
    assert {metric: result.signature for metric, result in again.items()} == card["signatures"]


@every_card
def test_the_readme_says_what_the_card_says(name):
    card = checkpoint.card(name)
    text = (checkpoint.FOLDER.parent / "README.md").read_text(encoding="utf-8")
    (row,) = (line for line in text.splitlines() if line.startswith(f"| `{name}` |"))
    assert f"| `{card['command']}` |" in row
    for measure, value in card["metrics"]["test"].items():
        assert LABELS[measure].format(f"{value:.2f}") in row, measure


LABELS = {
    "bleu_greedy": "{} greedy",
    "bleu": "{} with a beam of 5",
    "bleu_tokenised": "{} tokenised",
    "bleu_cased": "{} where capitals count",
}


@pytest.mark.parametrize("direction", ["de-en", "en-de"])
def test_the_transformers_card_has_the_settings_of_its_recipe(direction):
    """and is as good as was wanted, so that a worse one is noticed"""
    card = checkpoint.card(f"multi30k_transformer_{direction}")
    recipe = importlib.import_module("recipes.multi30k_transformer")
    source, target = direction.split("-")
    wanted = recipe.SETTINGS | recipe.ARGUMENTS | recipe.DIRECTIONS[direction]
    wanted |= {"source": source, "target": target}
    if direction == "en-de":
        name = "multi30k_transformer_de-en"
        weights = (checkpoint.FOLDER / f"{name}.safetensors").read_bytes()
        wanted["teacher"] = {"name": name, "sha256": hashlib.sha256(weights).hexdigest()}
    assert card["settings"] == wanted
    least = {"de-en": {"bleu_greedy": 40, "bleu": 41.5}, "en-de": {"bleu_tokenised": 41}}
    assert all(card["metrics"]["test"][key] >= value for key, value in least[direction].items())


def test_there_are_checkpoints():
    assert NAMES
