"""A small encoder, from nothing, on IMDB: is a film review good or bad?

python -m recipes.imdb_encoder      about twenty minutes on two cores that do nothing else
"""

from functools import partial

from d2lmini.data import SENTIMENTS, imdb
from recipes import _classification
from recipes._classification import build as build

ARGUMENTS = {"d_model": 96, "d_hidden": 192, "num_heads": 4, "num_layers": 1}
ARGUMENTS |= {"dropout": 0.2, "max_length": 512}
SETTINGS = {
    "seed": 0,
    "vocab_size": 20_000,
    "max_tokens": 32 * 512,
    "num_epochs": 16,
    "learning_rate": 1e-3,
    "warm_up": 0.05,
    "weight_decay": 0.05,
    "word_dropout": 0.3,
    "patience": 4,
    "average": 3,
}
TASK = _classification.Task(
    name="imdb",
    read=imdb,
    classes=SENTIMENTS,
    clean=lambda text: text.replace("<br />", " "),
    licence="trained on IMDB's reviews, free for research, whose texts are not here; weights MIT",
)

measure = partial(_classification.measure_of, TASK)


if __name__ == "__main__":
    _classification.recipe(
        "imdb_encoder",
        TASK,
        arguments=ARGUMENTS,
        settings=SETTINGS,
        more=_classification.two_splits,
    )
