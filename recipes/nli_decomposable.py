"""Decomposable attention on 85,221 real pairs in place of SNLI's own train split.

python -m recipes.nli_decomposable      about eight minutes on two cores
"""

from functools import partial

from d2lmini.attention import padding_mask
from d2lmini.nli import DecomposableAttention
from d2lmini.text import Special, pad, train_wordpiece
from recipes import _nli, loop

ARGUMENTS = {"d_model": 100, "d_hidden": 160, "dropout": 0.2}
SETTINGS = {
    "seed": 0,
    "vocab_size": 8000,
    "max_length": 64,  # of either text
    "max_tokens": 3000,
    "parts": 1,  # an epoch is the whole of the pairs
    "num_epochs": 8,
    "learning_rate": 1e-3,
    "warm_up": 0.05,
    "weight_decay": 0.01,
    "patience": 3,
    "average": 2,
}

build = DecomposableAttention


def encode(pieces, pairs):
    """[(premise ids, hypothesis ids)], cut at max_length"""
    sides = (
        pieces.encode_batch_fast([pair[side] for pair in pairs], add_special_tokens=False)
        for side in (0, 1)
    )
    length = SETTINGS["max_length"]
    return [(a.ids[:length], b.ids[:length]) for a, b in zip(*sides, strict=True)]


def collate(rows):
    """-> premises, hypotheses, premise_mask, hypothesis_mask"""
    tokens, masks = [], []
    for side in zip(*rows, strict=True):
        ids, lengths = pad(side, Special.PAD)
        tokens.append(ids)
        masks.append(padding_mask(lengths, ids.shape[1]))
    return *tokens, *masks


READING = _nli.Reading(encode, collate, lambda row: max(map(len, row)))
measure = partial(_nli.measure, reading=READING)


def main():
    options = _nli.options_of(loop.parser("nli_decomposable"))
    settings = SETTINGS | ARGUMENTS | {"with_snli": options.with_snli}
    settings |= {"num_epochs": options.epochs} if options.epochs else {}
    name = "nli_decomposable" + "_snli" * options.with_snli
    folder = loop.begin(name, options, seed=settings["seed"])
    train = _nli.training_pairs(options.with_snli)
    texts = [text for pair in train for text in pair[:2]]
    pieces = train_wordpiece(texts, vocab_size=settings["vocab_size"])
    sizes = {"vocab_size": pieces.get_vocab_size()} | {key: settings[key] for key in ARGUMENTS}
    _nli.recipe(
        name,
        "python -m recipes.nli_decomposable" + " --with-snli" * options.with_snli,
        options,
        build(**sizes),
        pieces,
        train,
        READING,
        arguments=sizes,
        settings=settings,
        folder=folder,
        baselines={} if options.epochs else _nli.baselines(train),
    )


if __name__ == "__main__":
    main()
