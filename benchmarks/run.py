"""Side by side with d2l 1.0.3 and torch's own modules: make bench writes benchmarks/RESULTS.md.

What is compared runs in one process, in turns, and the medians and their ratio are printed: a busy
machine slows all of them.  Lower or upper bounds stand in BOUNDS; the run fails below the bound.
"""

import os
import platform
import statistics
import subprocess
import sys
import time
from pathlib import Path

import torch
from torch import nn

from benchmarks.peers import D2L, Ours, Torch
from d2lmini import checkpoint
from d2lmini.attention import MultiHeadAttention
from d2lmini.data import multi30k
from d2lmini.text import pad, train_subwords
from d2lmini.train import seed_everything
from d2lmini.transformer import PreNormTransformer
from d2lmini.translate import BOS, PAD, batch_of, greedy
from recipes import multi30k_transformer
from recipes.multi30k import encode, make_batches

RESULTS = Path(__file__).with_name("RESULTS.md")
SIZES = {"d_model": 128, "d_hidden": 256, "num_heads": 4, "num_layers": 3, "dropout": 0.1}
NUM_STEPS = 32  # d2l's fixed length: 98 % of the captions fit
ROUNDS = 5


def in_turns(jobs, rounds=ROUNDS):
    """{name: seconds of each round}; every job runs once a round, after one round to warm up."""
    seconds = {name: [] for name in jobs}
    for number in range(rounds + 1):
        for name, job in jobs.items():
            started = time.perf_counter()
            job()
            if number:
                seconds[name].append(time.perf_counter() - started)
    return seconds


def ratio(slow, fast):
    """The median of slow / fast, round by round."""
    return statistics.median(s / f for s, f in zip(slow, fast, strict=True))


# --- training ----------------------------------------------------------------------------------


def trainer(model, batches):
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-4)

    def job():
        model.train()
        for batch in batches:
            loss = model.loss(batch)
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()

    return job


def fixed_length(pairs, batch_size=64):
    """d2l's batches: every sentence cut or padded to NUM_STEPS, in the order of the data."""
    batches = []
    for start in range(0, len(pairs), batch_size):
        rows = pairs[start : start + batch_size]
        sides = []
        for side in (0, 1):
            tokens, lengths = pad([row[side] for row in rows], PAD, max_length=NUM_STEPS + side)
            sides.append(
                (nn.functional.pad(tokens, (0, NUM_STEPS + side - tokens.shape[1])), lengths)
            )
        (source, lengths), (target, _) = sides
        batches.append((source, lengths, target))
    return batches


def real_tokens(batches):
    return sum((batch[2][:, 1:] != PAD).sum().item() for batch in batches)


def training():
    train = multi30k("train", source="de", target="en")
    subwords = train_subwords([t for p in train for t in p], vocab_size=4000, lower=True)
    pairs = encode(train[:2560], subwords)
    bucketed, fixed = make_batches(pairs, 3000, seed=0), fixed_length(pairs)
    size = subwords.get_vocab_size()
    seed_everything(0)
    ours = PreNormTransformer(source_vocab_size=size, target_vocab_size=size, **SIZES)
    ours.encoder.embedding = ours.decoder.embedding
    models = {
        "ours": (Ours(ours), bucketed),
        "nn.Transformer": (Torch(vocab_size=size, **SIZES), bucketed),
        "d2l": (D2L(vocab_size=size, **SIZES), fixed),
    }
    seconds = in_turns({name: trainer(*pair) for name, pair in models.items()})
    rates = {
        name: [real_tokens(models[name][1]) / s for s in times] for name, times in seconds.items()
    }
    flops = useful_operations(ours, bucketed) / statistics.median(seconds["ours"])
    return rates, flops, matrix_rate()


def useful_operations(model, batches):
    """Floating-point operations of products with weights and of attention, at real tokens alone.

    Two for each weight and token forward, twice as many backward; padding and dropout count
    nothing.
    """
    d = SIZES["d_model"]
    matrices = {
        side: sum(p.numel() for n, p in part.named_parameters() if p.ndim == 2 and "embed" not in n)
        for side, part in (("source", model.encoder), ("target", model.decoder))
    }
    cross = sum(b.cross.W_k.weight.numel() * 2 for b in model.decoder.blocks)
    table, total = model.decoder.embedding.weight.numel(), 0
    for _, mask, target in batches:
        source_lengths = mask.sum(-1).flatten()
        target_lengths = (target[:, 1:] != PAD).sum(1)
        s, t = source_lengths.sum().item(), target_lengths.sum().item()
        total += 2 * (s * (matrices["source"] + cross) + t * (matrices["target"] - cross + table))
        scores = source_lengths**2 + target_lengths**2 / 2 + source_lengths * target_lengths
        total += 4 * d * SIZES["num_layers"] * scores.sum().item()
    return 3 * total


def matrix_rate(size=1024):
    """Operations a second of a float32 matrix product, the best of several."""
    a, b = torch.randn(2, size, size)
    seconds = in_turns({"product": lambda: a @ b}, rounds=20)["product"]
    return 2 * size**3 / min(seconds)


# --- decoding ----------------------------------------------------------------------------------


def decoding():
    name = "multi30k_transformer_de-en"
    model = multi30k_transformer.build(**checkpoint.card(name)["model"])
    checkpoint.load(name, model).eval()
    subwords = checkpoint.tokenizer(name)
    ids = [subwords.encode(pair.source).ids for pair in multi30k("test")]
    arguments = {k: v for k, v in checkpoint.card(name)["model"].items() if k != "vocab_size"}
    peer = D2L(vocab_size=subwords.get_vocab_size(), **arguments)
    some = ids[:50]  # enough of them: they are written one by one

    def one_by_one():
        for sentence in some:
            tokens = torch.tensor([sentence])
            peer.write(tokens, torch.tensor([len(sentence)]), 16)

    one_by_one()  # gives the lazy layers their shapes
    peer.eval()
    words = sum(len(sentence) + 1 for sentence in greedy(model, ids).ids)
    seconds = in_turns({"ours": lambda: greedy(model, ids), "d2l": one_by_one}, rounds=3)
    rates = {
        "ours": [words / s for s in seconds["ours"]],
        "d2l": [16 * len(some) / s for s in seconds["d2l"]],
    }
    return rates, cache(model, ids)


@torch.no_grad()
def cache(model, ids, length=64, batch=32):
    source, mask = batch_of(ids[:batch])

    def cached():
        words, state = torch.full((batch,), BOS), model.encode(source, mask)
        for _ in range(length):
            logits, state = model.step(words, state)
            words = logits.argmax(dim=-1)

    def anew():
        words = torch.full((batch, 1), BOS)
        memory, _ = model.encoder(source, mask)
        for _ in range(length):
            logits = model.decoder(words, memory, mask)[0][:, -1]
            words = torch.cat([words, logits.argmax(dim=-1, keepdim=True)], dim=1)

    return in_turns({"cache": torch.no_grad()(cached), "no cache": torch.no_grad()(anew)}, rounds=3)


# --- attention ---------------------------------------------------------------------------------


def attention_job(kind, length):
    torch.manual_seed(0)
    batch = max(1, 4096 // length)
    x = torch.randn(batch, length, SIZES["d_model"], requires_grad=True)
    if kind == "ours":
        module = MultiHeadAttention(d_model=SIZES["d_model"], num_heads=4, bias=True)
    else:
        module = nn.MultiheadAttention(SIZES["d_model"], 4, batch_first=True)

    def job():
        output, _ = module(x, x, x, need_weights=False)
        output.sum().backward()

    return job


def peak_mebibytes(kind, length):
    """What a process of its own needs more at its peak than before."""
    command = [sys.executable, "-m", "benchmarks.run", "--peak", kind, str(length)]
    found = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(found.stdout)


def print_peak(kind, length):
    attention_job(kind, 8)()  # what torch needs for itself
    Path("/proc/self/clear_refs").write_text("5")  # forget the peak so far; Linux alone
    before = resident("VmRSS")
    attention_job(kind, length)()
    print(resident("VmHWM") - before)


def resident(field):
    """MiB that Linux counts for this process: VmRSS now, VmHWM at the peak."""
    (line,) = (s for s in Path("/proc/self/status").read_text().splitlines() if s.startswith(field))
    return int(line.split()[1]) / 1024


def attention():
    rows = []
    for length in (64, 256, 1024, 4096):
        kinds = ("ours", "nn.MultiheadAttention")
        seconds = in_turns({kind: attention_job(kind, length) for kind in kinds})
        rows.append((length, seconds, {kind: peak_mebibytes(kind, length) for kind in kinds}))
    return rows


# --- the page ----------------------------------------------------------------------------------


def main():
    torch.set_num_threads(2)
    median = statistics.median
    failed = []

    def against(text, value, aim, bound):
        if value < bound:
            failed.append(f"{text}: {value:.2f}, at least {bound} is wanted")
        return f"| {text} | {value:.2f} | {aim} | {bound} |"

    rates, flops, best = training()
    written, cached = decoding()
    page = [
        "# Benchmarks",
        "",
        "Made by `make bench`: everything in one process, in turns, medians of the rounds.",
        f"Machine: {platform.machine()}, {os.cpu_count()} cores, torch {torch.__version__} with "
        f"{torch.get_num_threads()} threads, Python {platform.python_version()}.",
        "",
        f"Training a Transformer ({SIZES}) on 2,560 captions of Multi30k, German to English, 4,000 "
        "subwords: real target tokens a second.",
        "",
        "| | tokens a second |",
        "|---|---:|",
        *(f"| {name} | {median(rate):,.0f} |" for name, rate in rates.items()),
        f"| ours: useful operations | {flops / 1e9:.0f} GFLOP/s of {best / 1e9:.0f} "
        f"({flops / best:.0%} of a 1024 x 1024 float32 product) |",
        "",
        "Translating, tokens a second: ours the whole test set of 2016 in batches, d2l's loop one "
        "sentence at a time, 16 words each.",
        "",
        "| | tokens a second |",
        "|---|---:|",
        *(f"| {name} | {median(rate):,.0f} |" for name, rate in written.items()),
        "",
        "| ratio | found | aim | fails below |",
        "|---|---:|---:|---:|",
        against("training, ours / d2l", ratio(rates["ours"], rates["d2l"]), 2.0, 1.7),
        against(
            "training, ours / nn.Transformer",
            ratio(rates["ours"], rates["nn.Transformer"]),
            1.0,
            0.9,
        ),
        against("translating, ours / d2l", ratio(written["ours"], written["d2l"]), 20, 20),
        against(
            "64 words in a batch of 32, without the cache / with it",
            ratio(cached["no cache"], cached["cache"]),
            5,
            5,
        ),
        "",
        "Self-attention forward and backward, 4,096 tokens, width 128, 4 heads: milliseconds, and "
        "MiB at the peak.",
        "",
        "| length | ours | nn.MultiheadAttention | nn / ours | ours MiB | nn MiB |",
        "|---:|---:|---:|---:|---:|---:|",
    ]
    for length, seconds, peaks in attention():
        ours, theirs = seconds.values()
        speed = ratio(theirs, ours)
        page.append(
            f"| {length} | {1e3 * median(ours):.1f} | {1e3 * median(theirs):.1f} | {speed:.2f} | "
            + " | ".join(f"{peak:.0f}" for peak in peaks.values())
            + " |"
        )
    text = "\n".join(page) + "\n"
    print(text)
    RESULTS.write_text(text, encoding="utf-8")
    for fault in failed:
        print(f"too slow: {fault}", file=sys.stderr)
    return int(bool(failed))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--peak"]:
        torch.set_num_threads(2)
        print_peak(sys.argv[2], int(sys.argv[3]))
    else:
        sys.exit(main())
