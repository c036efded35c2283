"""Multi30k for the translation recipes: data, subwords, batches, loss and measure."""

import argparse
import hashlib
import json
import os
import random
import shutil
from functools import partial

import torch

from d2lmini import checkpoint
from d2lmini.data import multi30k
from d2lmini.text import Vocabulary, buckets, pad, tokenizer, train_subwords
from d2lmini.train import seed_everything
from d2lmini.translate import batch_of, beam, bleu, greedy, top_k
from recipes import run

DE_EN = {"de-en": {"lower": True}}
LICENCE = "trained on Multi30k, whose captions are for research; weights CC BY-NC-SA 4.0"


def recipe(program, build, *, arguments, settings, directions=DE_EN):
    """Train build(**arguments), measure it once on the test split, store weights and card.

    settings: seed, vocab_size, max_tokens, num_epochs, learning_rate, weight_decay, ...
    directions: of two or more one is chosen on the command line and ends the checkpoint's name; it
    begins with the two languages.  Each has settings of its own, which replace the common ones and
    the model's arguments: at least lower, whether all text is lower-cased.
    """
    options = read_options(program, directions)
    name, command = program, f"python -m recipes.{program}"
    if len(directions) > 1:
        name, command = f"{program}_{options.direction}", f"{command} {options.direction}"
    source, target = options.direction.split("-")[:2]
    settings = settings | arguments | directions[options.direction]
    arguments = {key: settings[key] for key in arguments}
    settings |= {"source": source, "target": target}
    other = f"{program}_{target}-{source}"
    if settings.get("back_translated"):  # by a checkpoint, so it makes this run what it is
        weights = (checkpoint.FOLDER / f"{other}.safetensors").read_bytes()
        settings["teacher"] = {"name": other, "sha256": hashlib.sha256(weights).hexdigest()}
    folder = run.cache_folder(name)
    if options.epochs:  # a trial leaves alone what the whole run has saved
        settings["num_epochs"] = options.epochs
        folder = run.cache_folder(f"{name}_{options.epochs}_epochs")
    if options.fresh:
        shutil.rmtree(folder, ignore_errors=True)
    rank, world = run.join_processes()
    if world == 1:
        torch.set_num_threads(2)  # torchrun shares the cores out itself
    seed_everything(settings["seed"])
    train, validation = (multi30k(s, source=source, target=target) for s in ("train", "validation"))
    subwords = train_subwords(  # of the training text alone
        [text for pair in train for text in pair],
        vocab_size=settings["vocab_size"],
        lower=settings["lower"],
    )
    model = build(vocab_size=subwords.get_vocab_size(), **arguments)
    optimizer = torch.optim.AdamW(
        model.parameters(),
        lr=settings["learning_rate"],
        betas=(0.9, 0.98),
        weight_decay=settings["weight_decay"],
        foreach=True,  # a few calls for all weights, not a dozen for each
    )
    encoded, held = encode(train, subwords), encode(validation, subwords)
    held_batches = make_batches(held, settings["max_tokens"], seed=0)
    sources, targets = [], []  # other ones than people's
    go_on = partial(
        run.train,
        model,
        name=name,
        settings=settings,
        batches=lambda epoch: epoch_batches(encoded, epoch, settings, sources, targets),
        loss_fn=lambda model, batch: loss_of(model, batch, smoothing=settings["smoothing"]),
        held_out=lambda model: held_out_loss(model, held_batches),
        optimizer=optimizer,
        rate=lambda done: settings["learning_rate"] * warm_up_then_decay(done, settings["warm_up"]),
        num_epochs=settings["num_epochs"],
        patience=settings["patience"],
        average=settings["average"],
        best_from=int(settings.get("distilled_from", 0) * settings["num_epochs"]),
        folder=folder,
    )
    if settings.get("back_translated"):
        teacher = checkpoint.load(other, build(**checkpoint.card(other)["model"]))
        theirs = checkpoint.tokenizer(other)
        sources += once(
            folder / "sources.json",
            settings,
            lambda: back_translations(teacher, theirs, train, subwords, settings),
        )
    if settings.get("distilled") and not options.epochs:  # a trial's model has nothing to teach

        def translations_so_far():
            go_on(until=max(1, int(settings["distilled_from"] * settings["num_epochs"])))
            return own_translations(model, encoded, settings)

        targets += once(folder / "targets.json", settings, translations_so_far)
    history = go_on()
    if rank:
        return  # one process measures and stores
    test = multi30k("test", source=source, target=target)
    results = {
        split: score(model, subwords, pairs, settings)
        for split, pairs in (("validation", validation), ("test", test))
    }
    metrics = {split: rounded(scores) for split, scores in results.items()}
    for split, values in metrics.items():
        print(split, values)
    card = run.card(
        name,
        command=command,
        model=model,
        arguments={"vocab_size": subwords.get_vocab_size(), **arguments},
        history=history,
        seed=settings["seed"],
        settings=settings,
        data={
            "name": f"multi30k {source}-{target}",
            "rows": {"train": len(train), "validation": len(validation), "test": len(test)},
            "sha256": {"train": fingerprint(train), "test": fingerprint(test)},
        },
        metrics=metrics,
        signatures={name: result.signature for name, result in results["test"].items()},
        licence=LICENCE,
    )
    if not options.epochs:
        checkpoint.save(name, model, subwords, card)
        print(f"stored {checkpoint.FOLDER / name}")


def read_options(program, directions):
    parser = argparse.ArgumentParser(prog=f"python -m recipes.{program}")
    if len(directions) > 1:
        parser.add_argument("direction", choices=directions)
    parser.add_argument("--fresh", action="store_true", help="forget a run that was begun")
    parser.add_argument(
        "--epochs", type=int, help="a shorter run, to try: without distillation; stores nothing"
    )
    parser.set_defaults(direction=next(iter(directions)))
    options = parser.parse_args()
    if options.epochs is not None and options.epochs < 1:
        parser.error(f"--epochs must be at least 1, got {options.epochs}")
    return options


def encode(pairs, subwords):
    """[(source ids, <bos> target ids <eos>)]"""
    sources = subwords.encode_batch([pair.source for pair in pairs])
    targets = subwords.encode_batch([pair.target for pair in pairs])
    bos, eos = Vocabulary.bos_id, Vocabulary.eos_id
    return [(s.ids, [bos, *t.ids, eos]) for s, t in zip(sources, targets, strict=True)]


def back_translations(teacher, theirs, pairs, subwords, settings):
    """Other sources for the pairs, three for each: [source ids of all pairs] * 3

    The teacher, a model of the other direction with subwords of its own (theirs), draws them from
    the targets, each word from the ten likeliest (Edunov et al. 2018,
    https://arxiv.org/abs/1808.09381).  It has learned the same pairs, so they add no text to the
    data, but they say the same in other words.
    """
    targets = [found.ids for found in theirs.encode_batch([pair.target for pair in pairs])]
    rank, _ = run.join_processes()
    generator, copies = torch.Generator().manual_seed(settings["seed"] + rank), []
    how = {"generator": generator, "max_length": 60, "batch_size": 256}
    for i in range(3):
        print(f"translating the training set back, {i + 1} of 3", flush=True)
        drawn = run.shared_out(targets, lambda ids: top_k(teacher, ids, **how).ids)
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
    found = run.shared_out(sources, lambda ids: beam(model, ids, **how).ids)
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
    """Cross entropy in nats for each real target token."""
    source, mask, target = batch
    logits, _ = model(source, mask, target[:, :-1])
    return CrossEntropy.apply(logits.flatten(0, 1), target[:, 1:].flatten(), smoothing)


class CrossEntropy(torch.autograd.Function):
    """F.cross_entropy with label smoothing; its gradient takes the place of the logits.

    With tens of millions of logits the time goes into moving them.  So no second tensor of their
    size is made, and a block of rows is finished while the processor's cache holds it.  What comes
    out is what torch gives, bit for bit.
    """

    @staticmethod
    def forward(ctx, logits, target, smoothing, block=64):
        real = (target != Vocabulary.pad_id).to(logits.dtype)
        count, total, vocab_size = real.sum(), 0.0, logits.shape[1]
        true_slope = -real * (1 - smoothing) / count  # of the loss in log p(true)
        any_slope = -real * (smoothing / vocab_size) / count  # and in each log p
        parts = (logits.detach(), *(t.unsqueeze(1) for t in (target, true_slope, any_slope)))
        for scores, true, of_true, of_any in zip(*(t.split(block) for t in parts), strict=True):
            log_probs = scores.log_softmax(dim=-1)
            total += (of_true * log_probs.gather(1, true)).sum()
            total += (of_any[:, 0] * log_probs.sum(dim=-1)).sum()
            slopes = of_any.repeat(1, vocab_size).scatter_add_(1, true, of_true)
            torch.ops.aten._log_softmax_backward_data.out(
                slopes, log_probs, 1, scores.dtype, out=scores
            )
        ctx.save_for_backward(logits)
        return total

    @staticmethod
    def backward(ctx, slope):
        (gradient,) = ctx.saved_tensors
        return gradient if slope == 1 else slope * gradient, None, None, None


def held_out_loss(model, batches):
    """Mean cross entropy of all target tokens, without smoothing."""
    counts = [(batch[2][:, 1:] != Vocabulary.pad_id).sum().item() for batch in batches]
    losses = [loss_of(model, batch).item() * n for batch, n in zip(batches, counts, strict=True)]
    return sum(losses) / sum(counts)


def warm_up_then_decay(done, warm_up):
    """From 0 up in the first share of the run, then straight down to a twentieth."""
    if done < warm_up:
        return done / warm_up
    return 1 - 0.95 * (done - warm_up) / (1 - warm_up)


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
    return {name: round(result.score, 2) for name, result in scores.items()}


def fingerprint(pairs):
    text = "\n".join(f"{pair.source}\t{pair.target}" for pair in pairs)
    return hashlib.sha256(text.encode()).hexdigest()
