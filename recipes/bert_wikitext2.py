"""A small BERT on WikiText-2: masked words and next sentences.

python -m recipes.bert_wikitext2      about an hour on two cores that do nothing else
"""

from functools import partial

from d2lmini.bert import PreNormBERTModel
from d2lmini.data import describe, wikitext2_articles
from recipes import _pretraining

ARGUMENTS = {"d_model": 256, "d_hidden": 1024, "num_heads": 4, "num_layers": 4}
ARGUMENTS |= {"dropout": 0.0, "max_length": 64}  # each word is hidden once or twice in all
SETTINGS = {
    "seed": 0,
    "vocab_size": 8000,
    "max_tokens": 64 * 64,
    "num_epochs": 12,
    "learning_rate": 1.5e-3,
    "warm_up": 0.06,
    "weight_decay": 0.01,
    "patience": 3,
    "average": 2,
}
LICENCE = "trained on WikiText-2, which is Wikipedia's text (CC BY-SA); weights CC BY-SA 4.0"

build = PreNormBERTModel
measure = partial(_pretraining.measure, wikitext2_articles)


def about():
    found = {split: describe("wikitext2", split) for split in ("train", "validation", "test")}
    return {
        "name": "wikitext2",
        "rows": {split: told["rows"] for split, told in found.items()},
        "sha256": {split: told["sha256"] for split, told in found.items()},
    }


if __name__ == "__main__":
    _pretraining.recipe(
        "bert_wikitext2",
        build,
        wikitext2_articles,
        arguments=ARGUMENTS,
        settings=SETTINGS,
        about=about,
        licence=LICENCE,
    )
