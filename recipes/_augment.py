"""More to learn from than the pairs of people: what a translation recipe may add to them.

Back-translation, distillation, and epochs that train both directions; the recipe that uses them
(multi30k_transformer.py, English to German) names their papers.
"""

import json
import os
import random

import torch

from d2lmini import checkpoint
from d2lmini.text import Vocabulary
from d2lmini.translate import beam, top_k
from recipes import loop
from recipes._multi30k import Run, encode, make_batches, train


def train_augmented(run: Run, build) -> dict:
    """Train on more than the pairs, as the settings say; return the history.

    settings["teacher"]: the checkpoint of the other direction, which build makes.
    """
    settings, encoded = run.settings, encode(run.train, run.subwords)
    name = settings["teacher"]["name"]
    teacher = checkpoint.load(name, build(**checkpoint.card(name)["model"]))
    theirs = checkpoint.tokenizer(name)
    sources = once(
        run.folder / "sources.json",
        settings,
        lambda: back_translations(teacher, theirs, run.train, run.subwords, settings),
    )
    targets, first = [], int(settings["distilled_from"] * settings["num_epochs"])

    def batches(epoch):
        return epoch_batches(encoded, epoch, settings, sources, targets)

    def translations_so_far():
        train(run, batches, best_from=first, until=max(1, first))
        return own_translations(run.model, encoded, settings)

    if not run.trial:  # its model has nothing to teach
        targets += once(run.folder / "targets.json", settings, translations_so_far)
    return train(run, batches, best_from=first)


def back_translations(teacher, theirs, pairs, subwords, settings):
    """Other sources for the pairs, three for each: [source ids of all pairs] * 3

    The teacher, a model of the other direction with subwords of its own (theirs), draws them from
    the targets, each word from the ten likeliest (Edunov et al. 2018,
    https://arxiv.org/abs/1808.09381).  It has learned the same pairs, so they add no text to the
    data, but they say the same in other words.
    """
    targets = [found.ids for found in theirs.encode_batch([pair.target for pair in pairs])]
    rank, _ = loop.join_processes()
    generator, copies = torch.Generator().manual_seed(settings["seed"] + rank), []
    how = {"generator": generator, "max_length": 60, "batch_size": 256}
    for i in range(3):
        print(f"translating the training set back, {i + 1} of 3", flush=True)
        drawn = loop.shared_out(targets, lambda ids: top_k(teacher, ids, **how).ids)
        texts = theirs.decode_batch(drawn)
        if not settings["lower"]:
            texts = [text[:1].upper() + text[1:] for text in texts]  # the teacher has no capitals
        copies.append([found.ids for found in subwords.encode_batch(texts)])
    return copies


def own_translations(model, pairs, settings):
    """Another target for each pair: what the model's beam makes of the source."""
    print("translating the training set", flush=True)
    sources, bos, eos = [source for source, _ in pairs], Vocabulary.bos_id, Vocabulary.eos_id
    how = {"width": settings["beam"], "length_penalty": settings["length_penalty"]}
    how |= {"max_length": 80, "batch_size": 64}
    found = loop.shared_out(sources, lambda ids: beam(model, ids, **how).ids)
    return [[bos, *ids, eos] for ids in found]


def once(path, settings, make):
    """What make() gives; from the file, if an earlier start with these settings has made it."""
    settings = json.loads(json.dumps(settings))  # as they are read again
    if path.is_file():
        stored = json.loads(path.read_text())
        if stored["settings"] == settings:
            return stored["made"]
    path.parent.mkdir(parents=True, exist_ok=True)
    half = path.with_suffix(f".{os.getpid()}")  # under torchrun each process writes its own
    half.write_text(json.dumps({"settings": settings, "made": make()}))
    os.replace(half, path)
    return json.loads(path.read_text())["made"]


def epoch_batches(pairs, epoch, settings, sources=(), targets=()):
    """The batches of one epoch, from encoded pairs.

    settings["both_ways"]: the share of the epochs, the first ones, that learn both directions.
    Such an epoch has half the batches that the two give together, so as many steps as any other.
    settings["back_translated"]: the share of pairs that get one of their other sources afterwards.
    settings["distilled"]: the share that get their other target, once settings["distilled_from"] of
    the epochs are done.
    """
    size, seed, done = settings["max_tokens"], 1000 + epoch, epoch / settings["num_epochs"]
    if done >= settings.get("both_ways", 0):
        late = targets and done >= settings["distilled_from"]
        pairs = varied(pairs, sources, targets if late else (), settings, seed=seed)
        return make_batches(pairs, size, seed=seed)
    bos, eos = Vocabulary.bos_id, Vocabulary.eos_id
    turned = [(target[1:-1], [bos, *source, eos]) for source, target in pairs]
    both = make_batches(pairs + turned, size, seed=seed)
    return both[: len(both) // 2]


def varied(pairs, sources, targets, settings, *, seed):
    """The pairs, a share of them with one of their other sources, a share with their other target.

    sources: lists of one for each pair; targets: one for each pair; either may be empty.
    """
    from_sources = settings["back_translated"] if sources else 0
    from_targets = settings["distilled"] if targets else 0
    chance, found = random.Random(seed), []
    for i, (source, target) in enumerate(pairs):
        drawn = chance.random()
        if drawn < from_sources:
            source = chance.choice(sources)[i]
        elif drawn < from_sources + from_targets:
            target = targets[i]
        found.append((source, target))
    return found
