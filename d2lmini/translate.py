"""Turn a model's next-word scores into sentences, and measure them.

A model offers encode(source, mask) -> state and step(tokens, state) -> (logits, state), tokens
(batch,); the state offers select(rows), and weights (batch, keys) where the model attends.
All tensors are on the device of the model's parameters.  A model with a limited number
of positions, in source or target, gives it as max_length.
"""

import math
from collections.abc import Sequence
from types import SimpleNamespace
from typing import NamedTuple

import torch
from torch import Tensor, nn

from d2lmini.text import Vocabulary, batch_of

PAD, BOS, EOS = Vocabulary.pad_id, Vocabulary.bos_id, Vocabulary.eos_id
# <pad> and <bos>, the ids below <eos>, are never written: searches look at logits[:, EOS:]


class Decoded(NamedTuple):
    """ids: a list without <bos> and <eos> for each source.

    weights: for each, (words and <eos>, source tokens), from a Transformer (words and <eos>,
    layers, heads, source tokens); None from a model without attention, and from beam search.
    log_probs: for each, the sum over its words and <eos>, in nats; None from greedy.
    """

    ids: list[list[int]]
    weights: list[Tensor] | None = None
    log_probs: list[float] | None = None


def by_length(source, batch_size):
    """Index batches, grouped by similar length."""
    order = sorted(range(len(source)), key=lambda i: len(source[i]))
    return [order[i : i + batch_size] for i in range(0, len(order), batch_size)]


def batches_for(model, source, max_length, batch_size):
    """(indices, source, mask) of each batch, on the model's device; puts it into eval mode.

    Raises ValueError, before the first, for a wrong size or more positions than the model has.
    """
    at_least_one(max_length=max_length, batch_size=batch_size)
    positions, longest = getattr(model, "max_length", math.inf), max(map(len, source), default=0)
    if max(max_length, longest) > positions:
        raise ValueError(
            f"the model has {positions} positions, too few for max_length={max_length} "
            f"or for a source of {longest} tokens"
        )
    model.eval()
    device = next(model.parameters(), torch.empty(0)).device  # the CPU if it has no parameters
    for rows in by_length(source, batch_size):
        yield rows, *(t.to(device) for t in batch_of([source[i] for i in rows]))


def at_least_one(**sizes):
    for name, size in sizes.items():
        if size < 1:
            raise ValueError(f"{name} must be at least 1, got {size}")


def undecodable(i, logit):
    return ValueError(f"source[{i}] cannot be decoded: its next word's largest logit is {logit}")


# --- greedy search and sampling ----------------------------------------------------------------


@torch.no_grad()
def greedy(
    model: nn.Module,
    source: Sequence[Sequence[int]],
    *,
    max_length: int = 100,
    batch_size: int = 128,
) -> Decoded:
    """The most likely word at each step, until <eos> or max_length words.

    source: a list of ids for each sentence.  Sentences of similar length are decoded together.
    The model is put into eval mode.  Raises ValueError if max_length or batch_size is below 1 or
    max_length or a source exceeds the model's positions; and, with the number of the sentence, if
    the largest logit of a next word is NaN or infinite.
    """
    ids, weights = [[] for _ in source], [None for _ in source]
    for rows, *batch in batches_for(model, source, max_length, batch_size):
        tokens, attended = greedy_batch(LiveRows(model, rows), *batch, max_length)
        for row, (i, words) in enumerate(zip(rows, tokens.tolist(), strict=True)):
            end = words.index(EOS) if EOS in words else len(words)
            ids[i] = words[:end]
            if attended is not None:
                weights[i] = attended[row, : end + 1, ..., : len(source[i])]
    return Decoded(ids, weights if any(w is not None for w in weights) else None)


def greedy_batch(model, source, mask, max_length):
    """The likeliest words (batch, length) and the weights (batch, length, ..., keys) or None."""
    state = model.encode(source, mask)
    tokens = torch.full_like(source[:, 0], BOS)  # (batch,)
    ended = torch.zeros_like(tokens, dtype=torch.bool)
    tokens_so_far, weights = [], []
    while not ended.all() and len(tokens_so_far) < max_length:
        logits, state = model.step(tokens, state)  # (batch, vocab)
        tokens = logits[:, EOS:].argmax(dim=-1) + EOS  # never <pad> or <bos>
        tokens = tokens.masked_fill(ended, EOS)
        ended = ended | (tokens == EOS)
        tokens_so_far.append(tokens)
        weights.append(getattr(state, "weights", None))
    attends = weights[0] is not None
    return torch.stack(tokens_so_far, dim=1), torch.stack(weights, dim=1) if attends else None


class LiveRows:
    """A model that works on those sentences of a batch alone that have not ended.

    Once more than a fifth have ended they leave; their rows of logits and weights are zeros.
    numbers: of the sentences, for the error if a live row's largest logit is not finite.
    """

    def __init__(self, model, numbers):
        self.model, self.numbers = model, numbers

    def encode(self, source, mask):
        rows = torch.arange(len(source), device=source.device)
        return SimpleNamespace(inner=self.model.encode(source, mask), rows=rows)

    def step(self, tokens, state):
        rows, inner = state.rows, state.inner
        live = (tokens[rows] != EOS).nonzero().flatten()
        if len(live) < 0.8 * len(rows):
            rows, inner = rows[live], inner.select(live)
        logits, inner = self.model.step(tokens[rows], inner)
        largest = logits[:, EOS:].amax(dim=-1)
        for row in (~largest.isfinite() & (tokens[rows] != EOS)).nonzero().flatten():
            raise undecodable(self.numbers[rows[row]], largest[row].item())

        def for_all(t):
            if t is None or len(t) == len(tokens):
                return t
            return t.new_zeros(len(tokens), *t.shape[1:]).index_copy(0, rows, t)

        weights = for_all(getattr(inner, "weights", None))
        return for_all(logits), SimpleNamespace(inner=inner, rows=rows, weights=weights)


def top_k(
    model: nn.Module,
    source: Sequence[Sequence[int]],
    *,
    k: int = 10,
    generator: torch.Generator | None = None,
    max_length: int = 100,
    batch_size: int = 128,
) -> Decoded:
    """Draw each word from the k likeliest, by their probabilities (Fan et al. 2018).

    The rest is as in greedy, which is k=1.  generator, on the model's device: for the same words
    again.  Raises ValueError if k is below 1, too.  Source: https://arxiv.org/abs/1805.04833.
    """
    at_least_one(k=k)
    sampler = TopKSampler(model, k, generator)
    return greedy(sampler, source, max_length=max_length, batch_size=batch_size)


class TopKSampler(nn.Module):
    """A model whose likeliest word is a draw from the k likeliest of another.

    With Gumbel noise on the logits the largest of them is a draw from their softmax.
    """

    def __init__(self, model, k, generator):
        super().__init__()
        self.model, self.k, self.generator = model, k, generator
        self.encode, self.max_length = model.encode, getattr(model, "max_length", math.inf)

    def step(self, tokens, state):
        logits, state = self.model.step(tokens, state)
        best, words = logits[:, EOS:].topk(min(self.k, logits.shape[1] - EOS))
        noise = -torch.empty_like(best).exponential_(generator=self.generator).log()
        return torch.full_like(logits, -torch.inf).scatter(1, words + EOS, best + noise), state


# --- beam search -------------------------------------------------------------------------------


@torch.no_grad()
def beam(
    model: nn.Module,
    source: Sequence[Sequence[int]],
    *,
    width: int = 5,
    length_penalty: float = 0.6,
    max_length: int = 100,
    batch_size: int = 32,
) -> Decoded:
    """Follow the `width` most likely beginnings; return the best of all sentences that ended.

    Best: the highest log probability divided by ((5 + n) / 6) ** length_penalty, n words and <eos>
    (Wu et al. 2016, equation 14, https://arxiv.org/abs/1609.08144); 0 turns the penalty off.
    A beginning that has ended keeps its place among the `width`; a better one may push it out, but
    it is not forgotten.  What has not ended after max_length words counts as it stands.
    Width 1 is greedy search.  The model is put into eval mode.
    A dead end, a beginning whose next words all have logit -inf, loses against any other.
    Raises ValueError as greedy does, if a sentence has nothing but dead ends, if width is below 1,
    or if length_penalty is not finite.
    """
    at_least_one(width=width)
    if not math.isfinite(length_penalty):
        raise ValueError(f"length_penalty must be finite, got {length_penalty}")
    ids, log_probs = [[] for _ in source], [0.0 for _ in source]
    for rows, *batch in batches_for(model, source, max_length, batch_size):
        found = beam_batch(model, rows, *batch, width, length_penalty, max_length)
        for i, (words, log_prob) in zip(rows, found, strict=True):
            ids[i], log_probs[i] = words, log_prob
    return Decoded(ids, None, log_probs)


def beam_batch(model, numbers, source, mask, width, length_penalty, max_length):
    """[(ids, log probability)], one for each source; numbers: theirs, for an error."""
    live = torch.arange(len(source), device=source.device)  # sources that are not done
    state = model.encode(source, mask).select(live.repeat_interleave(width))
    tokens_so_far = source.new_full((len(source) * width, 1), BOS)  # (live * width, length)
    ended = torch.zeros_like(tokens_so_far[:, 0], dtype=torch.bool)
    total = torch.full((len(source), width), -torch.inf, device=source.device)
    total[:, 0] = 0.0  # log probability of each beginning; all are alike at first: one is enough
    best = [(-math.inf, [], -math.inf)] * len(source)  # (score, ids, log probability)
    for length in range(1, max_length + 1):
        logits, state = model.step(tokens_so_far[:, -1], state)
        logits = logits[:, EOS:].float()  # never <pad> or <bos>
        best_steps, words = logits.topk(min(width, logits.shape[1]))  # others cannot win
        norm = logits.logsumexp(dim=-1)  # (live * width,), NaN or inf where any logit is
        for row in (~(norm < torch.inf) & ~ended).nonzero().flatten():
            raise undecodable(numbers[live[row // width]], norm[row].item())
        steps = best_steps - norm.unsqueeze(1)
        steps[ended | norm.isneginf()] = -torch.inf  # a dead end leads nowhere
        steps[ended, 0], words = 0.0, words + EOS  # what has ended stays as it is
        words[ended] = EOS
        candidates = (total.view(-1, 1) + steps).view(len(live), -1)  # (live, width * words)
        total, places = candidates.topk(width, dim=-1)
        first = torch.arange(len(live), device=live.device).unsqueeze(1) * width
        rows = (first + places // steps.shape[1]).flatten()  # the beginnings that go on
        words = words.view(len(live), -1).gather(1, places).flatten()
        before = ended[rows]
        ended = before | (words == EOS) | total.flatten().isneginf()
        tokens_so_far = torch.cat([tokens_so_far[rows], words.unsqueeze(1)], dim=1)
        state = state.select(rows)
        new = ended & ~before if length < max_length else ~before
        for row in new.nonzero().flatten().tolist():
            log_prob, i = total.flatten()[row].item(), live[row // width].item()
            score = log_prob / ((5 + length) / 6) ** length_penalty
            if score > best[i][0]:
                ids = [word for word in tokens_so_far[row, 1:].tolist() if word != EOS]
                best[i] = (score, ids, log_prob)
        going_on = ~ended.view(-1, width).all(dim=1)
        if not going_on.any():
            break
        if going_on.float().mean() < 0.8:  # those that are done leave the batch
            rows = going_on.repeat_interleave(width).nonzero().flatten()
            tokens_so_far, ended, state = tokens_so_far[rows], ended[rows], state.select(rows)
            total, live = total[going_on], live[going_on]
    for i, (score, _, _) in zip(numbers, best, strict=True):
        if score == -math.inf:
            raise undecodable(i, score)
    return [(ids, log_prob) for _, ids, log_prob in best]


# --- measures ----------------------------------------------------------------------------------


def bleu(
    hypotheses: Sequence[str],
    references: Sequence[str],
    *,
    lowercase: bool = False,
    tokenize: str = "13a",
):
    """Corpus BLEU by sacreBLEU: .score (0 to 100), .precisions, .bp and .signature, to be quoted
    with the score.

    hypotheses, references: one text each for every sentence, as written, not tokenised; or, with
    tokenize="none", tokens with spaces between.
    Raises TypeError for a bare string, which would be taken letter by letter, and ValueError with
    both counts if they differ.
    Papers: Papineni et al. 2002; Post 2018, https://arxiv.org/abs/1804.08771
    """
    from sacrebleu.metrics import BLEU

    if isinstance(hypotheses, str) or isinstance(references, str):
        raise TypeError(
            "hypotheses and references must be lists of texts, got a string: wrap it in a list"
        )
    if len(hypotheses) != len(references) or not len(references):
        raise ValueError(
            f"every hypothesis needs one reference, got {len(hypotheses)} and {len(references)}"
        )
    metric = BLEU(lowercase=lowercase, tokenize=tokenize, force=tokenize == "none")
    result = metric.corpus_score(list(hypotheses), [list(references)])
    result.signature = str(metric.get_signature())
    return result


def alignment_error_rate(
    weights: Sequence[Tensor],
    sure: Sequence[Sequence[tuple[int, int]]],
    possible: Sequence[Sequence[tuple[int, int]]] | None = None,
) -> float:
    """1 - (|A and S| + |A and P|) / (|A| + |S|): 0 is perfect, 1 means no link is right.

    weights: for each pair (target words, source words); a target word links to its heaviest source
    word.  sure, possible: true links (source, target); possible holds the sure ones too, and is the
    same unless told.  Every row counts as a word: leave out that of <eos>.
    Source: Och and Ney 2003, https://aclanthology.org/J03-1002
    Raises ValueError with both counts if there are not links for every pair.
    """
    possible = sure if possible is None else possible
    if not len(weights) == len(sure) == len(possible):
        raise ValueError(
            f"{len(weights)} weights need links each, got {len(sure)} and {len(possible)}"
        )
    hits, total = 0, 0
    for matrix, certain, allowed in zip(weights, sure, possible, strict=True):
        links = {(int(i), j) for j, i in enumerate(matrix.argmax(dim=-1))}
        certain, allowed = set(certain), set(allowed) | set(certain)
        hits += len(links & certain) + len(links & allowed)
        total += len(links) + len(certain)
    return 1 - hits / total if total else 0.0
