"""Pretraining a small BERT: pieces, examples, loss, baselines and measure of both recipes.

A document is a list of sentences; one of a single sentence has no pair and is for masking alone.
"""

from collections import Counter
from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F

from d2lmini import checkpoint
from d2lmini.text import (
    Special,
    batch_of_pairs,
    buckets,
    mask_tokens,
    pretraining_pairs,
    train_wordpiece,
)
from d2lmini.train import linear_decay
from recipes import loop

NO_PAIR = -100  # the label that cross_entropy ignores


def recipe(
    program: str,
    build: Callable,
    documents: Callable[[str], list],
    *,
    arguments: dict,
    settings: dict,
    about: Callable[[], dict],
    licence: str,
) -> None:
    """Train build(**arguments), measure it once on the test split, store weights and card.

    documents(split): what is read; about(): name, rows and sha256 of it for the card.
    """
    options = loop.parser(program).parse_args()
    settings = settings | arguments | ({"num_epochs": options.epochs} if options.epochs else {})
    folder = loop.begin(program, options, seed=settings["seed"])
    texts = documents("train")
    pieces = train_wordpiece(
        [sentence.replace("[UNK]", "") for text in texts for sentence in text],
        vocab_size=settings["vocab_size"],
    )
    sizes = {"vocab_size": pieces.get_vocab_size(), **{key: settings[key] for key in arguments}}
    model, train = build(**sizes), encode(texts, pieces)
    unigrams = log_unigrams(train, sizes["vocab_size"])
    with torch.no_grad():
        model.mask_lm.bias.copy_(unigrams)  # it need not learn first which words are frequent
    baselines = unigrams, common_pieces(train, sizes["vocab_size"])
    held = held_out_batches(documents("validation"), pieces, settings)

    def batches(epoch):
        return make_batches(train, sizes["vocab_size"], settings, seed=1000 + epoch)

    def held_out(model):
        found = score(model, held, *baselines)
        wanted = ("mlm_loss", "mlm_accuracy", "nsp_accuracy")
        return {"held_out": found["loss"]} | {key: found[key] for key in wanted}

    history = loop.train(
        model,
        settings=settings,
        batches=batches,
        loss_fn=loss_of,
        held_out=held_out,
        optimizer=loop.adamw(model, settings),
        schedule=linear_decay(warm_up=settings["warm_up"], end=0.02),
        num_epochs=settings["num_epochs"],
        patience=settings["patience"],
        average=settings["average"],
        folder=folder,
    )
    if loop.join_processes()[0] > 0 or options.epochs:  # one process measures and stores
        return
    seen = sum(tokens_in(batches(epoch)) for epoch in range(len(history["epochs"])))
    card = loop.card(
        program,
        command=f"python -m recipes.{program}",
        model=model,
        arguments=sizes,
        history=history,
        seed=settings["seed"],
        settings=settings,
        tokens=seen,
        data=about(),
        licence=licence,
        metrics={},
    )
    card["metrics"] = measure(documents, model, pieces, card)
    print(card["metrics"])
    checkpoint.save(program, model, pieces, card)
    print(f"stored {checkpoint.FOLDER / program}")


# --- examples ----------------------------------------------------------------------------------


def encode(documents, pieces):
    """Documents as lists of arrays of ids, one for each sentence."""
    sentences = [sentence for document in documents for sentence in document]
    encoded = iter(pieces.encode_batch(sentences, add_special_tokens=False))
    return [[np.array(next(encoded).ids, dtype=int) for _ in document] for document in documents]


def make_batches(documents, vocab_size, settings, *, seed):
    """[(inputs, segments, mask, positions, targets, labels)], all drawn by the seed.

    targets: the true ids at positions, [PAD] where there is none; labels of the pairs, or NO_PAIR.
    """
    generator, length = torch.Generator().manual_seed(seed), settings["max_length"]
    texts = [document for document in documents if len(document) > 1]
    examples = pretraining_pairs(texts, max_length=length, generator=generator)
    single = [document[0][: length - 2] for document in documents if len(document) == 1]
    examples += [(ids, [], NO_PAIR) for ids in single]
    lengths = [len(first) + len(second) + 3 for first, second, _ in examples]
    batches = []
    for rows in buckets(lengths, max_tokens=settings["max_tokens"], generator=generator):
        tokens, segments, mask = batch_of_pairs([examples[i] for i in rows])
        masked = mask_tokens(tokens, vocab_size=vocab_size, generator=generator)
        labels = torch.tensor([examples[i][2] for i in rows])
        inputs, positions, targets = masked
        batches.append((inputs, segments, mask, positions, targets, labels))
    return batches


def held_out_batches(documents, pieces, settings):
    """The same each time, so that curves are smooth and a card can be checked."""
    return make_batches(encode(documents, pieces), pieces.get_vocab_size(), settings, seed=0)


def tokens_in(batches):
    """The number of real tokens, [CLS] and [SEP] included."""
    return sum(mask.sum().item() for _, _, mask, *_ in batches)


# --- loss, baselines, measure ------------------------------------------------------------------


def losses_of(model, batch):
    """Summed losses in nats, logits and numbers of both tasks: (loss, logits, number) each."""
    inputs, segments, mask, positions, targets, labels = batch
    words, pairs, _ = model(inputs, segments, mask, positions)
    word_loss = F.cross_entropy(
        words.flatten(0, 1), targets.flatten(), ignore_index=Special.PAD, reduction="sum"
    )
    pair_loss = F.cross_entropy(pairs, labels, ignore_index=NO_PAIR, reduction="sum")
    num_pairs = (labels != NO_PAIR).sum()
    return (word_loss, words, (targets != Special.PAD).sum()), (pair_loss, pairs, num_pairs)


def loss_of(model, batch):
    """Mean loss of a masked token plus mean loss of a pair, in nats, and the number of masked."""
    (word_loss, _, masked), (pair_loss, _, pairs) = losses_of(model, batch)
    return word_loss / masked.clamp(min=1) + pair_loss / pairs.clamp(min=1), masked.item()


def log_unigrams(documents, vocab_size):
    """Log probabilities of pieces by their counts, each one more than it is; specials have none."""
    ids = np.concatenate([sentence for document in documents for sentence in document])
    counts = np.bincount(ids[ids >= len(Special)], minlength=vocab_size) + 1
    return torch.from_numpy(np.log(counts / counts.sum())).float()


def common_pieces(documents, vocab_size, share=0.05):
    """Which pieces are in more than a share of the sentences, or special: (vocab,), bool

    Of shares from 0.001 to 0.2 the one with which the rule of sharing is best, in both recipes.
    """
    sentences = [sentence for document in documents for sentence in document]
    counts = Counter(i for sentence in sentences for i in {*sentence.tolist()})
    common = torch.arange(vocab_size) < len(Special)
    common[[i for i, count in counts.items() if count > share * len(sentences)]] = True
    return common


def sharing(batch, common):
    """Labels by a rule: a second text follows the first if both have an uncommon piece."""
    inputs, segments, _, positions, targets, _ = batch
    tokens = inputs.scatter(1, positions, targets)  # as they were, but for some [CLS]
    first, second = (
        torch.zeros(len(tokens), len(common), dtype=torch.bool).scatter(
            1, tokens.masked_fill(segments != segment, Special.PAD), True
        )
        for segment in (0, 1)
    )
    return (~(first & second & ~common).any(dim=1)).long()


@torch.no_grad()
def score(model, batches, unigrams, common):
    """Means over masked tokens and over pairs; a loss is in nats, "loss" that of both tasks.

    mlm_unigram_loss: what the same masked tokens cost who only knows how frequent each piece is.
    nsp_overlap_accuracy: of the rule of sharing, on the same pairs.
    """
    model.eval()
    sums = Counter()
    for batch in batches:
        *_, targets, labels = batch
        (word_loss, words, masked), (pair_loss, pairs, num_pairs) = losses_of(model, batch)
        real, asked = targets != Special.PAD, labels != NO_PAIR
        sums["masked"] += masked.item()
        sums["mlm_loss"] += word_loss.item()
        sums["mlm_unigram_loss"] -= unigrams[targets[real]].sum().item()
        sums["mlm_accuracy"] += (words.argmax(-1) == targets)[real].sum().item()
        sums["pairs"] += num_pairs.item()
        sums["nsp_loss"] += pair_loss.item()
        sums["nsp_accuracy"] += (pairs.argmax(-1) == labels)[asked].sum().item()
        sums["nsp_overlap_accuracy"] += (sharing(batch, common) == labels)[asked].sum().item()
    counts = {"mlm": sums.pop("masked"), "nsp": sums.pop("pairs")}
    means = {name: total / counts[name[:3]] for name, total in sums.items()}
    return means | {"loss": means["mlm_loss"] + means["nsp_loss"]}


METRICS = ("mlm_loss", "mlm_unigram_loss", "mlm_accuracy", "nsp_accuracy", "nsp_overlap_accuracy")


def measure(documents, model, pieces, card, splits=("validation", "test")) -> dict:
    """{split: {metric: value}} of a trained model, as its card should have them."""
    train, vocab_size = encode(documents("train"), pieces), pieces.get_vocab_size()
    baselines = log_unigrams(train, vocab_size), common_pieces(train, vocab_size)
    found = {}
    for split in splits:
        batches = held_out_batches(documents(split), pieces, card["settings"])
        means = score(model, batches, *baselines)
        found[split] = {name: round(means[name], 4) for name in METRICS}
    return found
