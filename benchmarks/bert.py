"""BERT's examples and pretraining on WikiText-2 beside d2l 1.0.3 and transformers."""

import time
from functools import partial
from itertools import chain
from statistics import median
from unittest import mock

import torch
import torch.nn.functional as F

from benchmarks.peers import D2LBERT, TransformersBERT
from benchmarks.timing import in_turns, peak_mebibytes, ratio, rows
from d2lmini.bert import BERTModel
from d2lmini.data import wikitext2
from d2lmini.text import train_wordpiece
from d2lmini.train import fit, seed_everything
from recipes._pretraining import encode, loss_of, make_batches, tokens_in
from recipes.bert_wikitext2 import ARGUMENTS, SETTINGS
from recipes.loop import adamw

LENGTH, NUM_PIECES = ARGUMENTS["max_length"], SETTINGS["vocab_size"]
BATCH_SIZE = SETTINGS["max_tokens"] // LENGTH  # of d2l: as many positions as a batch of ours
NUM_BATCHES = 4  # of the 437 of an epoch
ROUNDS = {"examples": 3, "training": 5}


def measure():
    seed_everything(0)
    texts = paragraphs()
    prepared, batches = examples(texts)
    return (len(texts), sum(map(len, texts))), prepared, training(some(batches))


# --- examples ----------------------------------------------------------------------------------


def paragraphs():
    """Lower-cased lines of WikiText-2 with two sentences or more, split at " . " as d2l does."""
    lines = [line.strip().lower().split(" . ") for line in wikitext2("train")]
    return [sentences for sentences in lines if len(sentences) > 1]


def by_pieces(texts):
    """Tokenise as the recipe does -> a function without arguments that makes an epoch's batches."""
    texts = [[text.replace("<unk>", "[UNK]") for text in sentences] for sentences in texts]
    known = (text.replace("[UNK]", "") for text in chain.from_iterable(texts))
    documents = encode(texts, train_wordpiece(known, vocab_size=NUM_PIECES))
    return partial(make_batches, documents, NUM_PIECES, SETTINGS | ARGUMENTS, seed=0)


def by_words(texts):
    """Split and count as d2l does -> a function without arguments that makes d2l's data set."""
    from d2l import torch as d2l

    words = [d2l.tokenize(sentences, token="word") for sentences in texts]
    reserved = ["<pad>", "<mask>", "<cls>", "<sep>"]
    vocabulary = d2l.Vocab(list(chain(*words)), min_freq=5, reserved_tokens=reserved)
    return partial(d2l_examples, words, vocabulary)


def d2l_examples(words, vocabulary):
    """d2l's own class, which finds its words and its vocabulary made."""
    from d2l import torch as d2l

    made = {"tokenize": lambda lines, token: lines, "Vocab": lambda *_, **__: vocabulary}
    with mock.patch.multiple(d2l, **made):
        return d2l._WikiTextDataset(words, LENGTH)


def count(found):
    """(examples, real tokens in them) of either kind."""
    if isinstance(found, list):
        return sum(len(inputs) for inputs, *_ in found), tokens_in(found)
    return len(found), int(sum(found.valid_lens))


def examples(texts):
    """{name: (examples, tokens, seconds of each round, MiB they add and in all, tokenising)}, ours.

    The second is what our way made.
    """
    ways, before, made = {}, {}, {}
    for name, tokenise in {"ours": by_pieces, "d2l": by_words}.items():
        tokenise(texts[:100])  # imports what it needs
        started = time.perf_counter()
        ways[name] = tokenise(texts)
        before[name] = time.perf_counter() - started
    jobs = {name: partial(keep, made, name, way) for name, way in ways.items()}
    seconds = in_turns(jobs, rounds=ROUNDS["examples"])
    return {
        name: (*count(made[name]), seconds[name], peak_mebibytes(way), before[name])
        for name, way in ways.items()
    }, made["ours"]


def keep(made, name, way):
    made[name] = way()


# --- training ----------------------------------------------------------------------------------


def some(batches):
    """NUM_BATCHES of them, from short texts to long ones in equal steps."""
    step = len(batches) // NUM_BATCHES
    return sorted(batches, key=lambda batch: batch[0].shape[1])[step // 2 :: step][:NUM_BATCHES]


def fixed_length(batches):
    """The same examples as d2l has them: each padded to LENGTH, valid lengths in a mask's place."""
    num_masked = round(LENGTH * 0.15)
    wide = [
        (
            *(F.pad(ids, (0, LENGTH - ids.shape[1])) for ids in (inputs, segments)),
            mask.sum(dim=(1, 2)).float(),
            *(F.pad(ids, (0, num_masked - ids.shape[1])) for ids in (positions, targets)),
            labels,
        )
        for inputs, segments, mask, positions, targets, labels in batches
    ]
    columns = (torch.cat(column).split(BATCH_SIZE) for column in zip(*wide, strict=True))
    return list(zip(*columns, strict=True))


def padded_share(batches, tokens):
    return 1 - tokens / sum(inputs.numel() for inputs, *_ in batches)


def training(batches):
    """{name: (real tokens per second of each round, padded share)}"""
    seed_everything(0)
    sizes, fixed = {"vocab_size": NUM_PIECES} | ARGUMENTS, fixed_length(batches)
    contestants = {
        "ours": (BERTModel(**sizes), batches),
        "transformers": (TransformersBERT(**sizes), batches),
        "transformers, masked alone": (TransformersBERT(**sizes, masked_alone=True), batches),
        "d2l": (D2LBERT(**sizes), fixed),
    }
    settings = SETTINGS | {"learning_rate": 1e-4}  # there is no warm-up
    jobs = passes(contestants, settings, loss_of)
    seconds, tokens = in_turns(jobs, rounds=ROUNDS["training"]), tokens_in(batches)
    return {
        name: ([tokens / s for s in seconds[name]], padded_share(own, tokens))
        for name, (_, own) in contestants.items()
    }


def passes(contestants, settings, loss_fn):
    """Jobs for in_turns: one pass of training each.  contestants: {name: (model, batches)}"""
    return {
        name: partial(
            *(fit, model, batches),
            loss_fn=loss_fn,
            optimizer=adamw(model, settings),
            num_epochs=1,
        )
        for name, (model, batches) in contestants.items()
    }


# --- the page ----------------------------------------------------------------------------------

PAGE = """## BERT

Examples: the {texts[0]:,} paragraphs of WikiText-2 for training that have two sentences or more,
{texts[1]:,} sentences, split as d2l does; at most {length} tokens each. Ours are made from ids of
{pieces:,} pieces, anew for each epoch, and are batches; d2l's from words, once for all epochs, by
its own class, each a row of tensors. Tokenising goes before, in seconds: ours learns the pieces
and encodes, d2l splits and counts words.

| | examples | tokens in each | examples/s | tokens/s | MiB added | MiB in all | tokenising |
|---|---:|---:|---:|---:|---:|---:|---:|
{examples}

Pretraining: {sizes}; {num_batches}
batches of ours, of up to {positions:,} positions. transformers' model projects all positions to the
vocabulary; "masked alone" is its encoder, and its heads for the masked positions alone, as in ours.
d2l: the same examples, each padded to {length}, {rows} per batch.

| | real tokens per second | padding |
|---|---:|---:|
{training}
"""


def page(texts, prepared, trained):
    """The results in Markdown."""
    return PAGE.format(
        texts=texts,
        length=LENGTH,
        pieces=NUM_PIECES,
        positions=SETTINGS["max_tokens"],
        num_batches=NUM_BATCHES,
        rows=BATCH_SIZE,
        sizes=", ".join(f"{key} {value}" for key, value in ARGUMENTS.items()),
        examples=rows(
            (
                *(name, f"{number:,}", f"{tokens / number:.1f}"),
                *(f"{total / median(seconds):,.0f}" for total in (number, tokens)),
                *(f"{mebibytes:,.0f}" for mebibytes in peaks),
                f"{before:.1f}",
            )
            for name, (number, tokens, seconds, peaks, before) in prepared.items()
        ),
        training=rows((n, f"{median(r):,.0f}", f"{p:.0%}") for n, (r, p) in trained.items()),
    )


def compare(texts, prepared, trained):
    """{what is compared: (times as fast, aim, what makes the run fail)}"""
    made = {
        name: [number / s for s in seconds] for name, (number, _, seconds, *_) in prepared.items()
    }
    ours = trained["ours"][0]
    return {
        "BERT examples, ours / d2l": (ratio(made["ours"], made["d2l"]), 5, 5),
        "BERT training, ours / transformers": (ratio(ours, trained["transformers"][0]), 1, 1),
        "BERT training, ours / d2l": (ratio(ours, trained["d2l"][0]), 1.2, 1.2),
    }
