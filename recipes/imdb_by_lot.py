"""The encoder on IMDB once more, but for the texts that are held out: a tenth drawn by lot.

python -m recipes.imdb_by_lot      about twenty minutes on two cores that do nothing else

How far is the accuracy on held-out texts from that on test?  Only the card is stored.
"""

from functools import partial

from recipes import _classification, imdb_encoder
from recipes._classification import build as build

TASK = imdb_encoder.TASK._replace(by_lot=True, licence="figures MIT, no texts")

measure = partial(_classification.measure_of, TASK)


if __name__ == "__main__":
    _classification.recipe(
        "imdb_by_lot",
        TASK,
        arguments=imdb_encoder.ARGUMENTS,
        settings=imdb_encoder.SETTINGS | {"held_out": "by lot"},
        with_weights=False,
    )
