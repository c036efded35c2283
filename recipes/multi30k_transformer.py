"""A small Transformer on Multi30k, German to English or English to German.

python -m recipes.multi30k_transformer de-en      45 minutes on two cores that do nothing else
python -m recipes.multi30k_transformer en-de      55 minutes; it writes capitals

From English the first third of the epochs trains both directions, so that the weights learn from
each pair in two ways (Ding, Wu and Tao 2021, https://arxiv.org/abs/2109.07780).  Afterwards half of
the pairs get another English caption, which the checkpoint of the first direction has drawn from
the German one: back-translation (Sennrich, Haddow and Birch 2016, https://arxiv.org/abs/1511.06709),
here of the training set itself (Nguyen et al. 2020, https://arxiv.org/abs/1911.01986).  And in the
last quarter of the epochs a quarter of the pairs get the model's own translation as target, which
is plainer than people's: distillation (Kim and Rush 2016, https://arxiv.org/abs/1606.07947).
"""

from d2lmini.transformer import PreNormTransformer
from recipes._augment import train_augmented
from recipes._multi30k import measure as measure
from recipes._multi30k import recipe, train_plainly

ARGUMENTS = {"d_model": 128, "d_hidden": 256, "num_heads": 4, "num_layers": 4, "dropout": 0.3}
SETTINGS = {
    "seed": 0,
    "vocab_size": 5000,
    "max_tokens": 3000,
    "num_epochs": 50,
    "learning_rate": 5e-3,
    "warm_up": 0.08,
    "weight_decay": 0.01,
    "smoothing": 0.1,
    "patience": 8,
    "average": 8,
    "beam": 5,
    "length_penalty": 1.0,  # of 0.6 and 1.0 the better on the validation split, either way
}
DIRECTIONS = {
    "de-en": {"lower": True},
    "en-de": {
        "lower": False,
        "vocab_size": 10_000,
        "num_epochs": 48,
        "teacher": "multi30k_transformer_de-en",
        "both_ways": 1 / 3,
        "back_translated": 1 / 2,
        "distilled": 1 / 4,
        "distilled_from": 3 / 4,
        "patience": 12,
        "dropout": 0.2,
    },
}


def build(*, vocab_size, **arguments):
    """Both embeddings and the output layer are one, for the languages share their subwords."""
    model = PreNormTransformer(
        source_vocab_size=vocab_size, target_vocab_size=vocab_size, **arguments
    )
    model.encoder.embedding = model.decoder.embedding
    return model


def train(run):
    """English to German has a teacher, and learns from more than the pairs."""
    return train_augmented(run, build) if "teacher" in run.settings else train_plainly(run)


if __name__ == "__main__":
    recipe(
        "multi30k_transformer",
        build,
        arguments=ARGUMENTS,
        settings=SETTINGS,
        directions=DIRECTIONS,
        how=train,
    )
