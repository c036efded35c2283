"""Multi30k for the translation recipes: data, subwords, batches, loss and measure."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F
from tokenizers import Tokenizer
from torch import nn

from d2lmini import checkpoint
from d2lmini.data import Pair, describe, multi30k
from d2lmini.text import Vocabulary, batch_of, buckets, pad, tokenizer, train_subwords
from d2lmini.train import evaluate, linear_decay
from d2lmini.translate import beam, bleu, greedy
from recipes import loop

DE_EN = {"de-en": {"lower": True}}
SPLITS = ("train", "validation", "test")
LICENCE = "trained on Multi30k, whose captions are for research; weights CC BY-NC-SA 4.0"


class Run(NamedTuple):
    """What is trained, on what, and all that makes the run what it is."""

    settings: dict
    folder: Path  # of its saved state
    trial: bool  # a short run that stores nothing
    arguments: dict  # of the model
    model: nn.Module
    optimizer: torch.optim.Optimizer
    subwords: Tokenizer
    train: list[Pair]
    validation: list[Pair]


def train_plainly(run: Run) -> dict:
    """Train on the pairs as they are; return the history."""
    encoded, size = encode(run.train, run.subwords), run.settings["max_tokens"]
    return train(run, lambda epoch: make_batches(encoded, size, seed=1000 + epoch))


def recipe(
    program: str,
    build: Callable,
    *,
    arguments: dict,
    settings: dict,
    directions: dict = DE_EN,
    how: Callable[[Run], dict] = train_plainly,
) -> None:
    """Train build(**arguments), measure it once on the test split, store weights and card.

    settings: seed, vocab_size, max_tokens, num_epochs, learning_rate, weight_decay, ...
    directions: of two or more one is chosen on the command line and ends the checkpoint's name; it
    begins with the two languages.  Each has settings of its own, which replace the common ones and
    the model's arguments: at least lower, whether all text is lower-cased.
    how(run) trains it, and returns the history.
    """
    options = read_options(program, directions)
    name, command = program, f"python -m recipes.{program}"
    if len(directions) > 1:
        name, command = f"{program}_{options.direction}", f"{command} {options.direction}"
    settings = settings_of(options, settings | arguments | directions[options.direction])
    run = prepare(name, build, [*arguments], settings, options)
    history = how(run)
    if loop.join_processes()[0] == 0 and not run.trial:  # one process measures and stores
        checkpoint.save(name, run.model, run.subwords, card_of(run, name, command, history))
        print(f"stored {checkpoint.FOLDER / name}")


def read_options(program, directions):
    parser = loop.parser(program)
    if len(directions) > 1:
        parser.add_argument("direction", choices=directions)
    parser.set_defaults(direction=next(iter(directions)))
    return parser.parse_args()


def settings_of(options, settings):
    """The settings with the languages, and the sha256 of the teacher that is named."""
    source, target = options.direction.split("-")[:2]
    settings = settings | {"source": source, "target": target}
    if options.epochs:
        settings["num_epochs"] = options.epochs
    if "teacher" in settings:
        weights = (checkpoint.FOLDER / f"{settings['teacher']}.safetensors").read_bytes()
        sha256 = hashlib.sha256(weights).hexdigest()
        settings["teacher"] = {"name": settings["teacher"], "sha256": sha256}
    return settings


def prepare(name, build, arguments, settings, options):
    """Seed, read the data, learn subwords of the training text alone, build model and optimiser."""
    folder = loop.begin(name, options, seed=settings["seed"])
    train, validation = (pairs_of(split, settings) for split in ("train", "validation"))
    subwords = train_subwords(
        [text for pair in train for text in pair],
        vocab_size=settings["vocab_size"],
        lower=settings["lower"],
    )
    arguments = {"vocab_size": subwords.get_vocab_size()} | {k: settings[k] for k in arguments}
    model = build(**arguments)
    optimizer = torch.optim.AdamW(
        model.parameters(),
        lr=settings["learning_rate"],
        betas=(0.9, 0.98),
        weight_decay=settings["weight_decay"],
        foreach=True,  # a few calls for all weights, not a dozen for each
    )
    how = settings, folder, bool(options.epochs), arguments
    return Run(*how, model, optimizer, subwords, train, validation)


def pairs_of(split, settings):
    return multi30k(split, source=settings["source"], target=settings["target"])


def train(run: Run, batches: Callable[[int], list], **more) -> dict:
    """Train on batches(epoch) as the settings say; more: what else loop.train takes."""
    settings = run.settings
    held = make_batches(encode(run.validation, run.subwords), settings["max_tokens"], seed=0)
    return loop.train(
        run.model,
        settings=settings,
        batches=batches,
        loss_fn=lambda model, batch: loss_of(model, batch, smoothing=settings["smoothing"]),
        held_out=lambda model: evaluate(model, held, loss_fn=loss_of),
        optimizer=run.optimizer,
        schedule=linear_decay(warm_up=settings["warm_up"], end=0.05),
        num_epochs=settings["num_epochs"],
        patience=settings["patience"],
        average=settings["average"],
        folder=run.folder,
        **more,
    )


def card_of(run, name, command, history):
    settings, scores = run.settings, scores_of(run.model, run.subwords, run.settings, SPLITS[1:])
    languages = {"source": settings["source"], "target": settings["target"]}
    data = {split: describe("multi30k", split, **languages) for split in SPLITS}
    return loop.card(
        name,
        command=command,
        model=run.model,
        arguments=run.arguments,
        history=history,
        settings=settings,
        data={
            "name": f"multi30k {settings['source']}-{settings['target']}",
            "rows": {split: about["rows"] for split, about in data.items()},
            "sha256": {split: about["sha256"] for split, about in data.items()},
        },
        metrics=rounded(scores),
        signatures={name: result.signature for name, result in scores["test"].items()},
        licence=LICENCE,
    )


def measure(model, subwords, card: dict, splits=SPLITS[1:]) -> dict:
    """{split: {metric: value}} of a trained model, as its card should have them."""
    return rounded(scores_of(model, subwords, card["settings"], splits))


def scores_of(model, subwords, settings, splits):
    return {s: score(model, subwords, pairs_of(s, settings), settings) for s in splits}


def encode(pairs, subwords):
    """[(source ids, <bos> target ids <eos>)]"""
    sources = subwords.encode_batch([pair.source for pair in pairs])
    targets = subwords.encode_batch([pair.target for pair in pairs])
    bos, eos = Vocabulary.bos_id, Vocabulary.eos_id
    return [(s.ids, [bos, *t.ids, eos]) for s, t in zip(sources, targets, strict=True)]


def make_batches(pairs, max_tokens, *, seed):
    """[(source, mask, target)], shuffled by the seed."""
    generator = torch.Generator().manual_seed(seed)
    lengths = [max(len(source), len(target)) for source, target in pairs]
    places = buckets(lengths, max_tokens=max_tokens, generator=generator)
    return [
        (*batch_of([pairs[i][0] for i in rows]), pad([pairs[i][1] for i in rows], 0)[0])
        for rows in places
    ]


def loss_of(model, batch, *, smoothing=0.0):
    """Mean cross entropy in nats per real target token, and the number of these."""
    source, mask, target = batch
    logits, _ = model(source, mask, target[:, :-1])
    true, pad_id = target[:, 1:].flatten(), Vocabulary.pad_id
    loss = F.cross_entropy(
        logits.flatten(0, 1), true, ignore_index=pad_id, label_smoothing=smoothing
    )
    return loss, (true != pad_id).sum().item()


def score(model, subwords, pairs, settings):
    """Results of translate.bleu: {"bleu_greedy": ..., and with settings["beam"] "bleu"}.

    Both are lower-cased.  Of a beam's German also "bleu_tokenised": lower-cased words as spaCy
    splits them (its signature says "none", for sacreBLEU splits nothing), because papers report
    BLEU of tokenised text; and where the model writes capitals, "bleu_cased".  They count different
    n-grams: no figure of one kind can be compared with one of another.
    """
    sources = [subwords.encode(pair.source).ids for pair in pairs]
    references = [pair.target for pair in pairs]
    outputs = {"bleu_greedy": subwords.decode_batch(greedy(model, sources).ids)}
    if settings.get("beam"):
        found = beam(
            model, sources, width=settings["beam"], length_penalty=settings["length_penalty"]
        )
        outputs["bleu"] = subwords.decode_batch(found.ids)
    scores = {name: bleu(said, references, lowercase=True) for name, said in outputs.items()}
    if settings["target"] == "de" and "bleu" in outputs:
        split = tokenizer("de", lower=True)
        said, true = ([" ".join(split(t)) for t in ts] for ts in (outputs["bleu"], references))
        scores["bleu_tokenised"] = bleu(said, true, lowercase=True, tokenize="none")
        if not settings["lower"]:
            scores["bleu_cased"] = bleu(outputs["bleu"], references)
    return scores


def rounded(scores):
    """{split: {metric: value}} from the results of score for each split"""
    return {s: {k: round(result.score, 2) for k, result in rs.items()} for s, rs in scores.items()}
