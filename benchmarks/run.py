"""Side by side with d2l 1.0.3 and torch's own modules: make bench writes benchmarks/RESULTS.md.

What is compared runs in one process, in turns, and the medians and their ratio are printed: a busy
machine slows all of them.  A ratio below its bound makes the run fail.
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
from d2lmini.text import batch_of, pad, train_subwords
from d2lmini.train import seed_everything
from d2lmini.transformer import PreNormTransformer
from d2lmini.translate import BOS, PAD, by_length, greedy
from recipes import multi30k_transformer
from recipes._multi30k import encode, make_batches

RESULTS = Path(__file__).with_name("RESULTS.md")
SIZES = {"d_model": 128, "d_hidden": 256, "num_heads": 4, "num_layers": 3, "dropout": 0.1}
NUM_STEPS = 32  # d2l's fixed length: 98 % of the captions fit
BATCH_SIZE = 128  # of d2l's sentences, as its book trains the Transformer
NUM_BATCHES = 16  # of the 174 of an epoch
PRODUCTS = 300  # as long as a round of training, or nearly
CACHE_BATCHES = (1, 8, 32, 128)  # the last is greedy's
ROUNDS = 7


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


def ratio(above, below):
    """The median of above / below, round by round."""
    return statistics.median(a / b for a, b in zip(above, below, strict=True))


# --- training ----------------------------------------------------------------------------------


def trainer(model, batches):
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-4, foreach=True)  # as in recipes

    def job():
        model.train()
        for batch in batches:
            loss = model.loss(batch)
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0, foreach=True)
            optimizer.step()

    return job


def unpadded(batches):
    """The pairs of ids in these batches."""
    return [
        (ids[: real.sum()].tolist(), true[true != PAD].tolist())
        for source, mask, target in batches
        for ids, real, true in zip(source, mask, target, strict=True)
    ]


def fixed_length(pairs, batch_size=BATCH_SIZE):
    """d2l's batches: every sentence cut or padded to NUM_STEPS."""
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


def padded_share(batches):
    """How much of the target positions is padding, from 0 to 1."""
    return 1 - real_tokens(batches) / sum(batch[2][:, 1:].numel() for batch in batches)


def training():
    """Real target tokens a second of each; operations a second of ours and of a plain product;
    the padded share of the targets, of each.
    """
    train = multi30k("train", source="de", target="en")
    subwords = train_subwords([t for p in train for t in p], vocab_size=4000, lower=True)
    bucketed = make_batches(encode(train, subwords), 3000, seed=0)[:NUM_BATCHES]
    fixed = fixed_length(unpadded(bucketed))
    size = subwords.get_vocab_size()
    seed_everything(0)
    ours = PreNormTransformer(source_vocab_size=size, target_vocab_size=size, **SIZES)
    ours.encoder.embedding = ours.decoder.embedding
    models = {
        "ours": (Ours(ours), bucketed),
        "nn.Transformer": (Torch(vocab_size=size, **SIZES), bucketed),
        "d2l": (D2L(vocab_size=size, **SIZES), fixed),
    }
    jobs = {name: trainer(*pair) for name, pair in models.items()}
    seconds = in_turns({**jobs, "product": products()})
    rates = {
        name: [real_tokens(batches) / s for s in seconds[name]]
        for name, (_, batches) in models.items()
    }
    return (
        rates,
        [useful_operations(ours, bucketed) / s for s in seconds["ours"]],
        [PRODUCTS * 2 * 1024**3 / s for s in seconds["product"]],
        {name: padded_share(batches) for name, (_, batches) in models.items()},
    )


def products():
    """A job of PRODUCTS products of 1024 x 1024 matrices."""
    a, b = torch.randn(2, 1024, 1024)

    def job():
        for _ in range(PRODUCTS):
            a @ b

    return job


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


# --- decoding ----------------------------------------------------------------------------------


def decoding():
    """Subwords a second, ours and d2l's; and what cache() measures, for each size of a batch."""
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
            peer.write(*pad([sentence], PAD), 16)

    def in_batches():
        for rows in by_length(ids, 128):
            peer.write(*pad([ids[i] for i in rows], PAD), 16)

    one_by_one()  # gives the lazy layers their shapes
    peer.eval()
    words = sum(len(sentence) + 1 for sentence in greedy(model, ids).ids)
    jobs = {"ours": lambda: greedy(model, ids), "d2l": one_by_one, "d2l, batches": in_batches}
    seconds = in_turns(jobs, rounds=5)
    counts = {"ours": words, "d2l": 16 * len(some), "d2l, batches": 16 * len(ids)}
    rates = {name: [counts[name] / s for s in times] for name, times in seconds.items()}
    return rates, {batch: cache(model, ids, batch) for batch in CACHE_BATCHES}


@torch.no_grad()
def cache(model, ids, batch, length=64):
    """Seconds to write `length` words, with the cache and without.

    Without it each word is a call of the decoder as in training: the words so far go through all
    blocks, and the source's keys and values are projected once more.
    """
    source, mask = batch_of(ids[:batch])
    memory, decoder = model.encoder(source, mask)[0], model.decoder

    @torch.no_grad()
    def cached():
        words, state = torch.full((batch, 1), BOS), decoder.first_state(memory, mask)
        for _ in range(length):
            logits, _, state = decoder.advance(words, state)
            words = logits.argmax(dim=-1)

    @torch.no_grad()
    def anew():
        words = torch.full((batch, 1), BOS)
        for _ in range(length):
            x = decoder.embed(words)
            for block in decoder.blocks:
                x, _ = block(x, memory, mask)
            logits = decoder.norm(x[:, -1:]) @ decoder.embedding.weight.T  # of the last alone
            words = torch.cat([words, logits.argmax(dim=-1)], dim=1)

    return in_turns({"cache": cached, "no cache": anew}, rounds=5)


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
    freed = {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536"}  # at once
    found = subprocess.run(command, stdout=-1, text=True, check=True, env=os.environ | freed)
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
        seconds = in_turns({kind: attention_job(kind, length) for kind in kinds}, rounds=21)
        rows.append((length, seconds, {kind: peak_mebibytes(kind, length) for kind in kinds}))
    return rows


# --- the page ----------------------------------------------------------------------------------


def main():
    torch.set_num_threads(2)
    median = statistics.median

    rates, useful, plain, padded = training()
    written, seconds = decoding()
    attended = attention()
    ours, largest = rates["ours"], CACHE_BATCHES[-1]
    kept, anew = seconds[largest]["cache"], seconds[largest]["no cache"]
    comparisons = (  # (text, of which rounds the ratio is, aim, what makes the run fail)
        ("training, ours / d2l", ours, rates["d2l"], 2, 1.7),
        ("training, ours / nn.Transformer", ours, rates["nn.Transformer"], 1, 0.9),
        ("translating, ours / d2l one by one", written["ours"], written["d2l"], 20, 20),
        ("translating, ours / d2l in batches", written["ours"], written["d2l, batches"], 1, 0.9),
        (f"64 words in batches of {largest}, cache / none", anew, kept, 5, 5),
        *(  # where both spend their time in the same fused function, the clock decides
            (f"attention at length {length}, ours / nn.MultiheadAttention", theirs, ours, 1, 0.95)
            for length, (ours, theirs) in ((row[0], row[1].values()) for row in attended)
        ),
    )
    found = {text: (ratio(a, b), aim, bound) for text, a, b, aim, bound in comparisons}
    page = [
        "# Benchmarks",
        "",
        "Made by `make bench`: in turns, medians of the rounds, ratios round by round. All in one "
        "process; memory alone in a process for each.",
        f"Machine: {platform.machine()}, {os.cpu_count()} cores, torch {torch.__version__} with "
        f"{torch.get_num_threads()} threads, Python {platform.python_version()}.",
        "",
        "Training: " + ", ".join(f"{key} {value}" for key, value in SIZES.items()) + "; "
        f"{NUM_BATCHES} batches of Multi30k, German to English, 4,000 subwords, one table of "
        "weights for both embeddings and the output. d2l: the same sentences in its own way, "
        f"{BATCH_SIZE} to a batch, each cut or padded to {NUM_STEPS}, and with its dropout of "
        "attention weights, which the others do not have. Most of its difference is padding.",
        "",
        "| | real target tokens a second | padding among the targets |",
        "|---|---:|---:|",
        *(f"| {name} | {median(rate):,.0f} | {padded[name]:.0%} |" for name, rate in rates.items()),
        "",
        f"Useful operations of ours (no padding): {median(useful) / 1e9:.0f} GFLOP/s, where "
        f"products of 1024 x 1024 float32 matrices reach {median(plain) / 1e9:.0f}: "
        f"{ratio(useful, plain):.0%}; the aim is 50 %.",
        "",
        "Translating the test set of 2016: ours until <eos>, in batches of 128; d2l 16 subwords "
        "each, by its loop for one sentence at a time (the first 50) and in batches of 128. d2l's "
        "model has our size and is untrained: its speed alone is measured.",
        "",
        "| | subwords a second |",
        "|---|---:|",
        *(f"| {name} | {median(rate):,.0f} |" for name, rate in written.items()),
        "",
        "64 words for each sentence of a batch, with the keys and values of earlier words kept, or "
        "with all earlier words sent through the decoder anew for each next one, and the source's "
        "keys and values projected anew with them: seconds. A small batch is all calls and little "
        "arithmetic.",
        "",
        "| batch | kept | anew | anew / kept |",
        "|---:|---:|---:|---:|",
        *(
            f"| {batch} | {median(pair['cache']):.2f} | {median(pair['no cache']):.2f} | "
            f"{ratio(pair['no cache'], pair['cache']):.2f} |"
            for batch, pair in seconds.items()
        ),
        "",
        "| times as fast | found | aim | fails below |",
        "|---|---:|---:|---:|",
        *(
            f"| {text} | {value:.2f} | {aim} | {bound} |"
            for text, (value, aim, bound) in found.items()
        ),
        "",
        "Self-attention forward and backward, 4,096 tokens, width 128, 4 heads, no weights asked "
        "for: milliseconds, and MiB that the process grows at its peak.",
        "",
        "| length | ours | nn.MultiheadAttention | nn / ours | ours MiB | nn MiB |",
        "|---:|---:|---:|---:|---:|---:|",
    ]
    for length, seconds, peaks in attended:
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
    slow = {text: row for text, row in found.items() if row[0] < row[2]}
    for text, (value, _, bound) in slow.items():
        print(f"too slow: {text}: {value:.2f}, at least {bound} is wanted", file=sys.stderr)
    return int(bool(slow))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--peak"]:
        torch.set_num_threads(2)
        print_peak(sys.argv[2], int(sys.argv[3]))
    else:
        sys.exit(main())
