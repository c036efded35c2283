"""A very small BERT on the microworld's stories and captions, for other tasks to start from.

python -m recipes.bert_microworld      about a quarter of an hour on two cores
"""

from functools import partial
from hashlib import sha256

from d2lmini.bert import PreNormBERTModel
from d2lmini.microworld import stories, translations
from recipes import _pretraining

ARGUMENTS = {"d_model": 128, "d_hidden": 384, "num_heads": 4, "num_layers": 4}
ARGUMENTS |= {"dropout": 0.0, "max_length": 64}
SETTINGS = {
    "seed": 0,
    "vocab_size": 1200,
    "max_tokens": 64 * 64,
    "num_epochs": 10,
    "learning_rate": 2e-3,
    "warm_up": 0.06,
    "weight_decay": 0.01,
    "patience": 3,
    "average": 2,
}
SPLITS = {"train": (1, 10_000), "validation": (2, 1000), "test": (3, 1000)}  # seed, stories
CAPTIONS = 4  # for each story

build = PreNormBERTModel


def documents(split):
    """Stories, and captions of one sentence each; they have all words, stories only some."""
    seed, count = SPLITS[split]
    captions = translations(CAPTIONS * count, seed=seed, lexicon="full")
    told = stories(count, seed=seed, lexicon="full")
    return told + [[caption.source] for caption in captions]


measure = partial(_pretraining.measure, documents)


def about():
    texts = {split: [" ".join(text) for text in documents(split)] for split in SPLITS}
    return {
        "name": "microworld stories and captions",
        "rows": {split: len(rows) for split, rows in texts.items()},
        "sha256": {s: sha256("\n".join(rows).encode()).hexdigest() for s, rows in texts.items()},
    }


if __name__ == "__main__":
    _pretraining.recipe(
        "bert_microworld",
        build,
        documents,
        arguments=ARGUMENTS,
        settings=SETTINGS,
        about=about,
        licence="weights MIT, as the text is made by this project",
    )
