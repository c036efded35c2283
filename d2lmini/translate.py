"""Turn a model's next-word scores into sentences, and measure them.

A model offers encode(source, mask) -> state and step(tokens, state) -> (logits, state), tokens
(batch,); the state offers select(rows), and weights (batch, keys) where the model attends.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from d2lmini.text import Vocabulary, batch_of

PAD, BOS, EOS = Vocabulary.pad_id, Vocabulary.bos_id, Vocabulary.eos_id


class Decoded(NamedTuple):
    """ids: a list without <bos> and <eos> for each source.

    weights: for each, (words and <eos>, source tokens), from a Transformer (words and <eos>,
    layers, heads, source tokens); None from a model without attention, and from beam search.
    log_probs: for each, the sum over its words and <eos>, in nats; None from greedy.
    """

    ids: list[list[int]]
    weights: list[Tensor] | None = None
    log_probs: list[float] | None = None


@torch.no_grad()
def greedy(
    model: nn.Module,
    source: Sequence[Sequence[int]],
    *,
    max_length: int = 100,
    batch_size: int = 128,
) -> Decoded:
    """The most likely word at each step, until <eos> or max_length words.

    source: a list of ids for each sentence.  Sentences of like length are decoded together.
    The model is put into eval mode.  Raises ValueError if max_length is below 1.
    """
    if max_length < 1:
        raise ValueError(f"max_length must be at least 1, got {max_length}")
    model.eval()
    ids, weights = [[] for _ in source], [None for _ in source]
    for rows in by_length(source, batch_size):
        said, looked = greedy_batch(model, [source[i] for i in rows], max_length)
        for place, i in enumerate(rows):
            words = said[place].tolist()
            end = words.index(EOS) if EOS in words else len(words)
            ids[i] = words[:end]
            if looked is not None:
                weights[i] = looked[place, : end + 1, ..., : len(source[i])]
    return Decoded(ids, weights if any(w is not None for w in weights) else None)


@torch.no_grad()
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

    The rest is as in greedy, which is k=1.  generator: for the same words again.
    Raises ValueError if k or max_length is below 1.  Source: https://arxiv.org/abs/1805.04833.
    """
    if k < 1:
        raise ValueError(f"k must be at least 1, got {k}")
    drawing = Drawing(model, k, generator)
    return greedy(drawing, source, max_length=max_length, batch_size=batch_size)


class Drawing:
    """A model whose likeliest word is a draw from the k likeliest.

    Gumbel's noise on logits makes the largest of them a draw from their softmax.
    """

    def __init__(self, model, k, generator):
        self.model, self.k, self.generator = model, k, generator
        self.eval, self.encode = model.eval, model.encode

    def step(self, tokens, state):
        logits, state = self.model.step(tokens, state)
        logits[:, [PAD, BOS]] = -torch.inf
        best, words = likeliest(logits, self.k)
        noise = -torch.empty_like(best).exponential_(generator=self.generator).log()
        return torch.full_like(logits, -torch.inf).scatter(1, words, best + noise), state


def likeliest(logits, k, block=100):
    """logits.topk(k) of (batch, words), all if they are fewer; of 10,000 in half the time.

    The k best words are in the k blocks with the highest maxima: only those are searched.
    """
    size = logits.shape[1]
    if size % block or size < k * block:
        return logits.topk(min(k, size))
    blocks = logits.unflatten(1, (-1, block))
    chosen = blocks.amax(dim=-1).topk(k).indices  # (batch, k)
    near = blocks.gather(1, chosen.unsqueeze(-1).expand(-1, -1, block)).flatten(1)
    best, places = near.topk(k)
    return best, chosen.gather(1, places // block) * block + places % block


def by_length(source, batch_size):
    """Places of the sources in batches, those of like length together."""
    order = sorted(range(len(source)), key=lambda i: len(source[i]))
    return [order[i : i + batch_size] for i in range(0, len(order), batch_size)]


def greedy_batch(model, source, max_length):
    """ids (batch, length), filled up with <eos>, and weights (batch, length, ..., keys) or None.

    Sentences that have ended leave the batch once they are a fifth of it.
    """
    size = len(source)
    state, tokens = model.encode(*batch_of(source)), torch.full((size,), BOS)
    rows, ended, said, looked = torch.arange(size), torch.zeros(size, dtype=torch.bool), [], []
    while not ended.all() and len(said) < max_length:
        if ended.float().mean() > 0.2:
            live = (~ended).nonzero().flatten()
            rows, tokens, ended, state = rows[live], tokens[live], ended[live], state.select(live)
        logits, state = model.step(tokens, state)
        logits[:, [PAD, BOS]] = -torch.inf
        tokens = logits.argmax(dim=-1).masked_fill(ended, EOS)
        ended = ended | (tokens == EOS)
        said.append(torch.full((size,), EOS).index_copy(0, rows, tokens))
        if getattr(state, "weights", None) is not None:
            all_rows = state.weights.new_zeros(size, *state.weights.shape[1:])
            looked.append(all_rows.index_copy(0, rows, state.weights))
    return torch.stack(said, dim=1), torch.stack(looked, dim=1) if looked else None


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
    Raises ValueError if width or max_length is below 1.
    """
    if width < 1 or max_length < 1:
        raise ValueError(
            f"width and max_length must be at least 1, got width={width}, max_length={max_length}"
        )
    model.eval()
    ids, log_probs = [[] for _ in source], [0.0 for _ in source]
    for rows in by_length(source, batch_size):
        found = beam_batch(model, [source[i] for i in rows], width, length_penalty, max_length)
        for i, (words, log_prob) in zip(rows, found, strict=True):
            ids[i], log_probs[i] = words, log_prob
    return Decoded(ids, None, log_probs)


def beam_batch(model, source, width, length_penalty, max_length):
    """[(words, log probability)], one for each source."""
    size = len(source)
    first = torch.arange(size).unsqueeze(1) * width  # (batch, 1): where each source's rows begin
    state = model.encode(*batch_of(source)).select(torch.arange(size).repeat_interleave(width))
    said = torch.full((size * width, 1), BOS)  # (batch * width, length)
    total = torch.full((size, width), -torch.inf)  # log probability of each beginning
    total[:, 0] = 0.0  # all are alike at first: one is enough
    ended = torch.zeros(size * width, dtype=torch.bool)
    numbers = torch.arange(size)  # of the sentences that are not done
    best = [(-math.inf, [], 0.0) for _ in source]
    for length in range(1, max_length + 1):
        logits, state = model.step(said[:, -1], state)
        logits[:, [PAD, BOS]] = -torch.inf
        best_steps, words = likeliest(logits.float(), width)  # others cannot win
        steps = best_steps - logits.float().logsumexp(dim=-1, keepdim=True)
        steps[ended], words[ended] = -torch.inf, EOS
        steps[ended, 0] = 0.0  # a sentence that has ended stays as it is
        candidates = (total.view(-1, 1) + steps).view(len(numbers), -1)  # (batch, width * width)
        total, places = candidates.topk(width, dim=-1)
        rows = (first + places // steps.shape[1]).flatten()
        words = words.view(len(numbers), -1).gather(1, places).flatten()
        before = ended[rows]
        ended = before | (words == EOS)
        said, state = torch.cat([said[rows], words.unsqueeze(1)], dim=1), state.select(rows)
        new = ended & ~before if length < max_length else ~before
        for row in new.nonzero().flatten().tolist():
            log_prob = total.flatten()[row].item()
            score = log_prob / ((5 + length) / 6) ** length_penalty
            number = numbers[row // width]
            if score > best[number][0]:
                sentence = [word for word in said[row, 1:].tolist() if word != EOS]
                best[number] = (score, sentence, log_prob)
        live = ~ended.view(-1, width).all(dim=1)
        if not live.any():
            break
        if live.float().mean() < 0.8:  # those that are done leave the batch
            rows = live.repeat_interleave(width).nonzero().flatten()
            said, ended, state = said[rows], ended[rows], state.select(rows)
            total, numbers, first = total[live], numbers[live], first[: int(live.sum())]
    return [(sentence, log_prob) for _, sentence, log_prob in best]


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
    Raises ValueError with both counts if they differ.
    Papers: Papineni et al. 2002; Post 2018, https://arxiv.org/abs/1804.08771
    """
    from sacrebleu.metrics import BLEU

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
