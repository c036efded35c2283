"""What does pretraining save in labels?  Fine-tune from pretrained weights and a random start.

torchrun --nproc-per-node 2 -m recipes.label_curve      45 minutes on two cores
python -m recipes.label_curve      the same points one after the other

Three tasks: words of captions tagged, pairs of captions of the microworld judged, and real pairs,
where WikiText-2's BERT and the data are at hand.  Both starts have the same model, labels, batches
and steps; each has, for each number of labels, the rate that is best on the validation split, where
one more seed tries them all.  A point that is done is kept, and the next call makes the others.
The result is a card without weights: accuracy on the test split for each seed.
"""

import functools
from collections.abc import Iterable
from functools import partial
from hashlib import sha256
from zlib import crc32

import torch
import torch.nn.functional as F

from d2lmini import checkpoint
from d2lmini.bert import BERTClassifier, BERTTagger, PreNormBERTModel
from d2lmini.data import DataUnavailable, describe, nli, snli
from d2lmini.microworld import LABELS, inferences, tag_names, tagged_captions
from d2lmini.text import batch_of_texts, buckets, pad
from d2lmini.train import fit, linear_decay, seed_everything
from recipes import loop

NO_LABEL = -100  # of a word's later pieces; cross_entropy ignores it
STARTS = ("pretrained", "random")
SETTINGS = {
    "seed": 0,  # of the runs that choose the rates
    "seeds": [1, 2, 3, 4, 5],
    "rates": [2e-4, 6e-4, 2e-3],
    "warm_up": 0.1,
    "weight_decay": 0.01,
}
TASKS = {  # steps: by the number of labelled texts
    "tagging": {
        "encoder": "bert_microworld",
        "steps": {4: 100, 16: 100, 64: 100, 256: 200, 1024: 400},
        "max_tokens": 320,
        "held_out": 1000,
    },
    "inference": {
        "encoder": "bert_microworld",
        "steps": {16: 100, 64: 100, 256: 200, 1024: 400, 4096: 800},
        "max_tokens": 400,
        "held_out": 2000,
        "tuned_up_to": 1024,  # more labels take its rates: trying them would take longest
    },
    "real_inference": {
        "encoder": "bert_wikitext2",
        "steps": {256: 64, 1024: 128, 4096: 256, 16384: 512},
        "max_tokens": 768,
        "held_out": 2000,
        "tuned_up_to": 4096,
    },
}
SPLITS = {"validation": 7, "test": 8}  # the microworld's seeds; those of the labels begin at 100


# --- texts and labels ----------------------------------------------------------------------------


@functools.cache
def read(task: str, split: str, count: int, seed: int) -> list:
    """count rows of the task: Tagged or Inference; seed draws those to learn from."""
    number = 100 + seed if split == "train" else SPLITS[split]
    if task == "tagging":
        return tagged_captions(count, seed=number, lexicon="full")
    if task == "inference":
        return inferences(count, seed=number, lexicon="full")
    rows = nli("train") if split == "train" else snli(split)
    order = torch.randperm(len(rows), generator=torch.Generator().manual_seed(number))
    return [rows[i] for i in order[:count].tolist()]


def encode(rows, pieces) -> list[tuple]:
    """(encoding, labels, words) of each row: one label, of the pair, or one for each piece.

    words: a number for the word that has the label.
    """
    if not hasattr(rows[0], "tags"):
        found = pieces.encode_batch([(row.premise, row.hypothesis) for row in rows])
        return [(e, [LABELS.index(r.label)], [0]) for e, r in zip(found, rows, strict=True)]
    number, examples = {tag: i for i, tag in enumerate(tag_names())}, []
    for row in rows:
        encoding, before = pieces.encode([*row.words], is_pretokenized=True), None
        labels, words = [], []
        for place in encoding.word_ids:  # the first piece of a word has its tag
            first = place is not None and place != before
            labels.append(number[row.tags[place]] if first else NO_LABEL)
            words.append(crc32(row.words[place].lower().encode()) if first else 0)
            before = place
        examples.append((encoding, labels, words))
    return examples


def batch_of(examples) -> tuple:
    """tokens, segments, mask, and labels and words (batch, length), or (batch, 1) for pairs"""
    encodings, labels, words = zip(*examples, strict=True)
    shifted, _ = pad([[label - NO_LABEL for label in row] for row in labels], 0)
    return *batch_of_texts(encodings), shifted + NO_LABEL, pad(words, 0)[0]


def batches_of(examples, *, max_tokens: int, steps: int | None, generator=None) -> list[tuple]:
    """Batches of texts of similar length, all of them once, or as often as makes so many steps."""
    lengths, rows = [len(encoding.ids) for encoding, *_ in examples], []
    while len(rows) < (steps or 1):
        rows += buckets(lengths, max_tokens=max_tokens, generator=generator)
    return [batch_of([examples[i] for i in batch]) for batch in rows[:steps]]


# --- one point -----------------------------------------------------------------------------------


def start_of(encoder: str, start: str, task: str):
    """The model before its fine-tuning; what is new in it is drawn by the seed that is set."""
    bert = PreNormBERTModel(**checkpoint.card(encoder)["model"])
    if start == "pretrained":
        checkpoint.load(encoder, bert)
    if task == "tagging":
        return BERTTagger(bert.encoder, num_classes=len(tag_names()))
    return BERTClassifier(bert.encoder, num_classes=len(LABELS))


def answers(model, batch):
    """Logits of what has a label, the labels, and the words that have them."""
    tokens, segments, mask, labels, words = batch
    logits, _ = model(tokens, segments, mask)
    real = labels != NO_LABEL
    return logits.view(*labels.shape, -1)[real], labels[real], words[real]


def loss_of(model, batch):
    """Mean cross entropy in nats over what has a label, and its number."""
    logits, labels, _ = answers(model, batch)
    return F.cross_entropy(logits, labels), len(labels)


@torch.no_grad()
def right(model, batches) -> tuple[torch.Tensor, torch.Tensor]:
    """Of each thing with a label: whether it is right, and its word."""
    model.eval()
    found = [answers(model, batch) for batch in batches]
    ok = [logits.argmax(-1) == labels for logits, labels, _ in found]
    return torch.cat(ok), torch.cat([words for *_, words in found])


def point(task, start, size, seed, rate, split, settings) -> dict:
    """Fine-tune once; accuracy on a split, and for tagging on words that the labels hold or not."""
    about = settings["tasks"][task]
    pieces = tokenizer_of(about["encoder"])
    examples = encode(read(task, "train", size, seed), pieces)
    seed_everything(seed)
    model, generator = start_of(about["encoder"], start, task), torch.Generator().manual_seed(seed)
    steps, max_tokens = about["steps"][size], about["max_tokens"]
    fit(
        model,
        batches_of(examples, max_tokens=max_tokens, steps=steps, generator=generator),
        loss_fn=loss_of,
        optimizer=torch.optim.AdamW(
            model.parameters(), lr=rate, weight_decay=settings["weight_decay"]
        ),
        schedule=linear_decay(warm_up=settings["warm_up"]),
        num_epochs=1,
    )
    held = held_out(task, split, about["held_out"], about["encoder"])
    ok, words = right(model, held)
    found = {"accuracy": ok.float().mean().item()}
    if task == "tagging":
        seen = torch.isin(words, torch.tensor([word for *_, ws in examples for word in ws]))
        found |= {"seen": ok[seen].float().mean().item(), "unseen_words": (~seen).sum().item()}
        found["unseen"] = ok[~seen].float().mean().item() if (~seen).any() else None
    return {k: round(v, 4) if isinstance(v, float) else v for k, v in found.items()}


@functools.cache
def held_out(task, split, count, encoder):
    examples = encode(read(task, split, count, 0), tokenizer_of(encoder))
    return batches_of(examples, max_tokens=4096, steps=None)


@functools.cache
def tokenizer_of(encoder):
    pieces = checkpoint.tokenizer(encoder)
    pieces.enable_truncation(checkpoint.card(encoder)["model"]["max_length"])
    return pieces


# --- all points ----------------------------------------------------------------------------------


def made_with(settings, task, start, size, *_) -> dict:
    """The settings on which a point depends."""
    about = settings["tasks"][task]
    found = {key: settings[key] for key in ("warm_up", "weight_decay")}
    found |= {key: about[key] for key in ("max_tokens", "held_out", "sha256")}
    return found | {"steps": about["steps"][size]}


def available(tasks: dict) -> Iterable[str]:
    """The tasks whose encoder and data are at hand; of others it is said what is missing."""
    for task, about in tasks.items():
        try:
            checkpoint.card(about["encoder"])
            if task == "real_inference":
                nli("train"), snli("test")
            yield task
        except (DataUnavailable, checkpoint.CheckpointError) as reason:
            print(f"{task} is left out: {reason}")


def curve(folder, settings) -> tuple[dict, dict, dict]:
    """(test results, validation results, rates), each {task: {start: {size: ...}}}"""
    tried = [
        (task, start, size, settings["seed"], rate, "validation")
        for task, about in settings["tasks"].items()
        for size in about["steps"]
        if size <= about.get("tuned_up_to", size)
        for start in STARTS
        for rate in settings["rates"]
    ]
    how = partial(made_with, settings), lambda *item: point(*item, settings)
    trials = loop.results(folder, tried, *how)
    validation, rates = {}, {}
    for (task, start, size, _, rate, _), result in zip(tried, trials, strict=True):
        by_rate = nested(validation, task, start).setdefault(size, {})
        by_rate[rate] = result["accuracy"]
        nested(rates, task, start)[size] = max(by_rate, key=by_rate.get)
    wanted = []
    for task, about in settings["tasks"].items():
        for size in about["steps"]:
            for start in STARTS:
                chosen = rates[task][start]
                rate = chosen.setdefault(size, chosen[max(n for n in chosen if n <= size)])
                wanted += [(task, start, size, seed, rate, "test") for seed in settings["seeds"]]
    results = loop.results(folder, wanted, *how)
    test = {}
    for (task, start, size, *_), result in zip(wanted, results, strict=True):
        found = nested(test, task, start).setdefault(size, {})
        for measure, value in result.items():
            found.setdefault(measure, []).append(value)
    return test, validation, rates


def nested(table, task, start):
    return table.setdefault(task, {}).setdefault(start, {})


def about_data(settings) -> dict:
    """Names, rows and sha256 of what is held out and of what the first seed learns from."""
    rows, hashes = {}, {}
    for task, about in settings["tasks"].items():
        if task == "real_inference":
            found = {"nli train": describe("nli", "train"), "snli test": describe("snli", "test")}
            rows |= {name: told["rows"] for name, told in found.items()}
            hashes |= {name: told["sha256"] for name, told in found.items()}
            continue
        counts = {"train": max(about["steps"]), "test": about["held_out"]}
        for split, count in counts.items():
            text = repr([tuple(row)[:3] for row in read(task, split, count, settings["seeds"][0])])
            rows[f"{task} {split}"] = count
            hashes[f"{task} {split}"] = sha256(text.encode()).hexdigest()
    return {"name": "microworld and, where at hand, nli", "rows": rows, "sha256": hashes}


def main(settings=SETTINGS, tasks=TASKS):
    options = loop.parser("label_curve").parse_args()
    folder = loop.begin("label_curve", options, seed=settings["seed"])
    settings = settings | {"tasks": {name: dict(tasks[name]) for name in available(tasks)}}
    for about in settings["tasks"].values():
        weights = (checkpoint.FOLDER / f"{about['encoder']}.safetensors").read_bytes()
        about["sha256"] = sha256(weights).hexdigest()
        if options.epochs:  # a trial: of each task the least labels, and few of all else
            about |= {"steps": {min(about["steps"]): options.epochs}, "held_out": 100}
            settings |= {"seeds": settings["seeds"][:1], "rates": settings["rates"][:1]}
    test, validation, rates = curve(folder, settings)
    if loop.join_processes()[0] > 0 or options.epochs:
        return
    cards = {name: checkpoint.card(about["encoder"]) for name, about in settings["tasks"].items()}
    runs = [run for starts in test.values() for sizes in starts.values() for run in sizes.values()]
    seconds = sum(sum(run.pop("seconds")) for run in runs)
    loop.store_comparison(
        "label_curve",
        seconds=seconds,
        seed=settings["seed"],
        model={name: card["model"] for name, card in cards.items()},
        parameters={name: card["parameters"] for name, card in cards.items()},
        data=about_data(settings),
        settings=settings,
        rates=rates,
        validation=validation,
        metrics={"test": test},
        licence="figures MIT, like the code that made them",
    )


if __name__ == "__main__":
    main()
