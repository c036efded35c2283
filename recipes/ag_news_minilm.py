"""A public BERT, MiniLM, fine-tuned on the same rows of AG News; only its card is stored.

python -m recipes.ag_news_minilm      a quarter of an hour on two cores for 4,999 rows of train
"""

from functools import partial

from d2lmini.bert import BERTClassifier, load_public_weights
from d2lmini.data import minilm_folder
from d2lmini.text import wordpiece
from recipes import _classification, ag_news_encoder

SETTINGS = ag_news_encoder.SETTINGS | {
    "vocab_size": None,  # that of the public weights
    "max_tokens": 16 * 96,
    "num_epochs": 3,
    "learning_rate": 1e-4,
    "warm_up": 0.1,
    "weight_decay": 0.01,
    "word_dropout": 0.0,
    "average": 1,
}
ARGUMENTS = {"dropout": 0.1, "max_length": 96}
TASK = ag_news_encoder.TASK._replace(licence="weights MiniLM's, Apache-2.0; they are not stored")

measure = partial(_classification.measure_of, TASK)


def build(*, num_classes, dropout, **fixed):
    """fixed: vocab_size and max_length, which the public weights know."""
    encoder = load_public_weights(minilm_folder())
    return BERTClassifier(encoder, num_classes=num_classes, dropout=dropout)


def public_pieces(texts, vocab_size):
    return wordpiece(minilm_folder() / "vocab.txt")


if __name__ == "__main__":
    _classification.recipe(
        "ag_news_minilm",
        TASK,
        arguments=ARGUMENTS,
        settings=SETTINGS,
        build=build,
        learn_pieces=public_pieces,
        with_weights=False,
    )
