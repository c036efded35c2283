"""BERT fine-tuned on 85,221 real pairs in place of SNLI's own train split, from three starts.

python -m recipes.nli_bert random      weights drawn at random; a quarter of an hour on two cores
python -m recipes.nli_bert own         weights of bert_wikitext2; as long
python -m recipes.nli_bert minilm      public weights; 50 minutes; they stay in the cache

random and own have the same pieces, sizes, batches, steps and learning rate: their start alone
differs.  minilm has the same steps, another tokeniser, 7 times the weights, and for its head the
mean of the token vectors, because its makers trained that and not the pooled [CLS].

Two epochs, one pass over the pairs, took minilm 37 minutes; of the test pairs 0.715 were right
then, in place of 0.738.
"""

from functools import partial
from typing import NamedTuple

from torch import Tensor

from d2lmini import checkpoint
from d2lmini.bert import (
    BERTClassifier,
    BERTEncoder,
    PreNormBERTEncoder,
    PreNormBERTModel,
    load_public_weights,
    sizes_of,
)
from d2lmini.data import minilm_folder
from d2lmini.text import batch_of_texts, wordpiece
from recipes import _nli, loop

SETTINGS = {
    "seed": 0,
    "max_length": 64,
    "max_tokens": 3000,
    "parts": 2,  # an epoch is half of the pairs
    "num_epochs": 3,
    "warm_up": 0.1,
    "weight_decay": 0.01,
    "patience": 3,
    "average": 1,
}
LEARNING_RATES = {"random": 3e-4, "own": 3e-4, "minilm": 5e-5}
NOTES = {
    "random": "weights drawn at random; pieces, sizes and learning rate as of nli_bert_own",
    "own": "weights of bert_wikitext2, which no label has taught; its pooler goes on as it is",
    "minilm": (
        "sentence-transformers/all-MiniLM-L6-v2, whose makers tuned it on sentence pairs, "
        "inference data (SNLI and MultiNLI) among them: its score is no proof of pretraining alone"
    ),
}


class MeanClassifier(BERTClassifier):
    """BERTClassifier that reads the mean of the real tokens' vectors, not the pooled [CLS]."""

    def forward(self, tokens, segments=None, mask=None, need_weights=False):
        x, weights = self.encoder(tokens, segments, mask, need_weights)
        return self.output(self.dropout(mean_of_tokens(x, mask))), weights


def mean_of_tokens(x: Tensor, mask: Tensor | None) -> Tensor:
    """(batch, length, d_model), mask (batch, 1, length) -> (batch, d_model)"""
    if mask is None:
        return x.mean(dim=1)
    return (mask.to(x.dtype) @ x).squeeze(1) / mask.sum(dim=-1)


def build(*, start: str, **sizes):
    """The model of a start, with weights drawn at random."""
    if start == "minilm":
        return MeanClassifier(BERTEncoder(**sizes), num_classes=3)
    return BERTClassifier(PreNormBERTEncoder(**sizes), num_classes=3)


def begin_from(start: str):
    """(model, tokeniser, arguments of build)"""
    if start == "minilm":
        folder = minilm_folder()
        arguments = {"start": start} | sizes_of(folder / "config.json")
        model, pieces = build(**arguments), wordpiece(folder / "vocab.txt")
        model.encoder.load_state_dict(load_public_weights(folder).state_dict())
        return model, pieces, arguments
    sizes = checkpoint.card("bert_wikitext2")["model"]
    model = build(start=start, **sizes)
    if start == "own":
        pretrained = checkpoint.load("bert_wikitext2", PreNormBERTModel(**sizes))
        model.encoder.load_state_dict(pretrained.encoder.state_dict())
    return model, checkpoint.tokenizer("bert_wikitext2"), {"start": start} | sizes


class Row(NamedTuple):
    """What batch_of_texts reads of an encoding; the encoding itself takes 30 times the memory."""

    ids: list
    type_ids: list


def encode(pieces, pairs):
    """[CLS] premise [SEP] hypothesis [SEP]; of what is too long the longer side is cut."""
    pieces.enable_truncation(SETTINGS["max_length"], strategy="longest_first")
    rows = []
    for begin in range(0, len(pairs), 4096):
        texts = [pair[:2] for pair in pairs[begin : begin + 4096]]
        rows += [Row(e.ids, e.type_ids) for e in pieces.encode_batch_fast(texts)]
    return rows


READING = _nli.Reading(encode, batch_of_texts, lambda row: len(row.ids))
measure = partial(_nli.measure, reading=READING)


def main():
    parser = loop.parser("nli_bert")
    parser.add_argument("start", choices=LEARNING_RATES)
    options = _nli.options_of(parser)
    name = f"nli_bert_{options.start}" + "_snli" * options.with_snli
    settings = SETTINGS | {"learning_rate": LEARNING_RATES[options.start]}
    settings |= {"with_snli": options.with_snli}
    settings |= {"num_epochs": options.epochs} if options.epochs else {}
    folder = loop.begin(name, options, seed=settings["seed"])
    model, pieces, arguments = begin_from(options.start)
    _nli.recipe(
        name,
        f"python -m recipes.nli_bert {options.start}" + " --with-snli" * options.with_snli,
        options,
        model,
        pieces,
        _nli.training_pairs(options.with_snli),
        READING,
        arguments=arguments,
        settings=settings,
        folder=folder,
        keep=options.start == "own",
        start=NOTES[options.start],
    )


if __name__ == "__main__":
    main()
