"""Text into tokens and tokens into numbers: tokenisers, vocabularies, padding, batches.

spaCy is imported where it is used, so that models and training do not need it.
"""

from collections.abc import Callable, Iterable, Sequence
from enum import IntEnum
from itertools import chain
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from d2lmini.attention import padding_mask
from d2lmini.vocabulary import Vocabulary


def tokenizer(language: str, *, lower: bool = False) -> Callable[[str], list[str]]:
    """A function that splits a text into words and punctuation, by spaCy's rules for a language.

    language: "en", "de", "fr", ...; rules alone, no model to download.  lower: lower-case tokens.
    White space is never a token.  Raises ValueError for a language that spaCy cannot split here.
    Source: https://spacy.io/usage/linguistic-features#tokenization
    """
    import spacy

    try:
        split = spacy.blank(language).tokenizer
    except ImportError as error:  # what spaCy raises for a language without rules
        raise ValueError(f"spaCy has no tokeniser for language={language!r}: {error}") from error

    def tokenize(text: str) -> list[str]:
        tokens = [token.text for token in split(text) if not token.is_space]
        return [token.lower() for token in tokens] if lower else tokens

    return tokenize


def pad(
    sequences: Sequence[Sequence[int]], pad_id: int, *, max_length: int | None = None
) -> tuple[Tensor, Tensor]:
    """Sequences of ids as one tensor (batch, length), filled up with pad_id, and lengths (batch,).

    The longest sets the length; what exceeds max_length is cut off first.
    Raises ValueError if there is no sequence.
    """
    if not len(sequences):
        raise ValueError("pad needs at least one sequence, got none")
    rows = [sequence[:max_length] for sequence in sequences]
    lengths = np.fromiter(map(len, rows), int, len(rows))
    real = np.arange(lengths.max()) < lengths[:, None]
    padded = np.full(real.shape, pad_id)
    padded[real] = np.fromiter(chain.from_iterable(rows), int, lengths.sum())
    return torch.from_numpy(padded), torch.from_numpy(lengths)


def batch_of(source: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
    """Lists of ids as source (batch, keys) and mask (batch, 1, keys); a source may be empty."""
    tokens, lengths = pad([*source], Vocabulary.pad_id)
    if tokens.shape[1] == 0:  # nothing but empty sources: one padding each
        tokens = tokens.new_full((len(lengths), 1), Vocabulary.pad_id)
    return tokens, padding_mask(lengths, tokens.shape[1])


def buckets(
    lengths: Sequence[int], *, max_tokens: int, generator: torch.Generator | None = None
) -> list[list[int]]:
    """Index batches, grouped by similar length, in random order.

    lengths: of each sequence, or of the longer side of each pair.  max_tokens bounds a batch with
    its padding: number of sequences times the longest.  A longer sequence is a batch of its own.
    generator: draws the order; None for torch's own.
    """
    noise = torch.rand(len(lengths), generator=generator).tolist()
    order = sorted(range(len(lengths)), key=lambda i: lengths[i] + noise[i])
    batches = []
    for i in order:
        if batches and lengths[i] * (len(batches[-1]) + 1) <= max_tokens:
            batches[-1].append(i)
        else:
            batches.append([i])
    return [batches[i] for i in torch.randperm(len(batches), generator=generator).tolist()]


def train_subwords(texts: Iterable[str], *, vocab_size: int, lower: bool = False):
    """A byte-pair encoding learned from texts, as tokenizers.Tokenizer; ids 0 to 3 as Vocabulary's.

    Any run of Unicode white space counts as one blank, at the ends as none; then words and
    punctuation are split.  .decode(ids) gives the text back, but for other white space than single
    blanks and for blanks around punctuation.  The same texts give the same subwords.
    Paper: Sennrich et al. 2016, https://arxiv.org/abs/1508.07909
    """
    from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

    subwords = Tokenizer(models.BPE(unk_token="<unk>"))
    rules = [normalizers.NFC(), *([normalizers.Lowercase()] if lower else [])]
    rules += [normalizers.Replace(Regex(r"\s+"), " "), normalizers.Strip()]
    subwords.normalizer = normalizers.Sequence(rules)
    subwords.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Metaspace(), pre_tokenizers.Punctuation()]
    )
    subwords.decoder = decoders.Metaspace()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size, special_tokens=list(Vocabulary.SPECIALS), show_progress=False
    )
    subwords.train_from_iterator(texts, trainer)
    return subwords


class Special(IntEnum):
    """BERT's special tokens and their ids, in a vocabulary that train_wordpiece learned."""

    PAD, UNK, CLS, SEP, MASK = range(5)


SPECIAL_TOKENS = [f"[{special.name}]" for special in Special]  # as they are written


def wordpiece(vocabulary: dict[str, int] | str | Path, *, lower: bool = True):
    """BERT's tokeniser for a vocabulary, {piece: id} or a vocab.txt, as tokenizers.Tokenizer.

    Any white space counts as one blank; words and punctuation are split; of a word the longest
    piece from the left is taken, then the next, written "##..."; "[MASK]" and its like stay whole.
    .encode(first, second) adds [CLS] and [SEP]; .model.save(folder) writes vocab.txt.
    lower: lower-case, without accents.  Source: https://github.com/google-research/bert
    """
    from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers
    from tokenizers.processors import TemplateProcessing

    if not isinstance(vocabulary, dict):
        vocabulary = models.WordPiece.read_file(str(vocabulary))
    pieces = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    pieces.normalizer = normalizers.Sequence(
        [normalizers.Replace(Regex(r"\s+"), " "), normalizers.BertNormalizer(lowercase=lower)]
    )
    pieces.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    pieces.decoder = decoders.WordPiece()
    pieces.post_processor = TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[(token, vocabulary[token]) for token in ("[CLS]", "[SEP]")],
    )
    pieces.add_special_tokens(SPECIAL_TOKENS)
    return pieces


def train_wordpiece(texts: Iterable[str], *, vocab_size: int, lower: bool = True):
    """Learn pieces from texts: begin with letters, merge the pair that is most often side by side.

    Ids: SPECIAL_TOKENS; letters that go on a word ("##a"); all letters; what was merged.  Of pairs
    equally frequent the smaller ids go first: the same texts give the same pieces.
    Paper: Schuster and Nakajima 2012, who merge by likelihood; the tokenizers library counts.
    """
    from tokenizers.trainers import WordPieceTrainer

    texts, first = list(texts), list(SPECIAL_TOKENS)
    for size in (0, vocab_size):  # once for the letters, which the library numbers at random
        learner = wordpiece({token: i for i, token in enumerate(SPECIAL_TOKENS)}, lower=lower)
        trainer = WordPieceTrainer(vocab_size=size, special_tokens=first, show_progress=False)
        learner.train_from_iterator(texts, trainer)
        first += sorted(piece for piece in learner.get_vocab() if piece.startswith("##"))
    return wordpiece(learner.get_vocab(), lower=lower)


def batch_of_texts(encodings: Sequence) -> tuple[Tensor, Tensor, Tensor]:
    """What wordpiece encoded as tokens and segments (batch, length) and mask (batch, 1, length)."""
    tokens, lengths = pad([e.ids for e in encodings], Special.PAD)
    segments, _ = pad([e.type_ids for e in encodings], 0)
    return tokens, segments, padding_mask(lengths, tokens.shape[1])


def batch_of_pairs(pairs: Sequence[tuple]) -> tuple[Tensor, Tensor, Tensor]:
    """The same of [(first ids, second ids, ...), ...]: [CLS] first [SEP], then any second [SEP]."""
    cls, sep = np.array([[Special.CLS], [Special.SEP]])
    parts = [part for a, b, *_ in pairs for part in (cls, a, sep, b, sep)[: 5 if len(b) else 3]]
    sizes = np.array([[len(a) + 2, len(b) + (len(b) > 0)] for a, b, *_ in pairs])
    places = np.arange(sizes.sum(axis=1).max())
    real = places < sizes.sum(axis=1, keepdims=True)
    tokens = np.full(real.shape, Special.PAD)
    tokens[real] = np.concatenate(parts)
    segments = (real & (places >= sizes[:, :1])).astype(int)
    return tuple(map(torch.from_numpy, (tokens, segments, real[:, None])))


def pretraining_pairs(documents: Sequence, *, max_length: int, generator=None) -> list[tuple]:
    """Pairs of texts for the next-sentence task: [(first ids, second ids, label), ...].

    documents: lists of sentences, each a list or array of ids.  A side is as many whole sentences
    as half of max_length holds; a longer sentence is cut where it does not touch the other side.
    Label 0: the second follows the first.  Label 1, every other pair: it is the second of a pair
    from another document, of the same length, so that lengths, ends and cuts give nothing away.
    Borders and labels differ from call to call.  ValueError unless two documents have pairs.
    """
    room, end, spans = (max_length - 3) // 2, 0, []
    bounds = torch.randint(1, room + 1, (len(documents),), generator=generator).tolist()
    for home, document in enumerate(documents):
        borders, bound = [end], bounds[home]  # of the first side, so that borders move
        for length in filter(None, map(len, document)):
            if borders[-1] < end and end + length - borders[-1] > bound:
                borders.append(end)
                bound = room
            end += length
        borders.append(end)
        sides = zip(borders[::2], borders[1::2], borders[2::2], strict=False)
        spans += [(max(a, b - room), b, min(b + room, c), home) for a, b, c in sides]
    if len(homes := {home for *_, home in spans}) < 2:
        raise ValueError(f"two documents with pairs are wanted, {len(homes)} has")
    noise = torch.rand(len(spans), generator=generator).tolist()
    order = sorted(range(len(spans)), key=lambda i: spans[i][2] - spans[i][1] + noise[i])
    source = [*range(len(spans))]  # of the second side
    for place in range(0, len(order), 2):
        i, later = order[place], range(place + 2, place + len(order) + 2)
        others = (order[k % len(order)] for k in later)
        source[i] = next(j for j in others if spans[j][3] != spans[i][3])
    ids = np.concatenate([sentence for text in documents for sentence in text if len(sentence)])
    seconds = [ids[b:c] for _, b, c, _ in spans]
    return [
        (ids[a:b], seconds[source[i]], int(source[i] != i)) for i, (a, b, *_) in enumerate(spans)
    ]


def mask_tokens(tokens: Tensor, *, vocab_size: int, rate: float = 0.15, generator=None):
    """Choose tokens to predict and hide them: 80 % become [MASK], 10 % a random one, 10 % stay.

    tokens (batch, length), each row from [CLS] on -> inputs (batch, length), and positions and true
    ids of what is chosen, both (batch, num_masked), filled up with position 0 and [PAD].
    Of each row's tokens `rate` are chosen, rounded at random so that the mean is exact.  Specials
    are never chosen, nor do they replace a token.
    """
    special = tokens < len(Special)
    counts = (~special).sum(dim=1) * rate + torch.rand(len(tokens), generator=generator)
    noise = torch.rand(tokens.shape, generator=generator).masked_fill(special, -1.0)
    positions = noise.topk(max(1, int(counts.max())), dim=1).indices  # (batch, num_masked)
    empty = torch.arange(positions.shape[1]) >= counts.long().unsqueeze(1)
    positions = positions.masked_fill(empty, 0)
    labels, draw = tokens.gather(1, positions), torch.rand(positions.shape, generator=generator)
    other = torch.randint(len(Special), vocab_size, positions.shape, generator=generator)
    hidden = torch.where(draw < 0.9, other, labels).masked_fill(draw < 0.8, Special.MASK)
    inputs = tokens.scatter(1, positions, torch.where(empty, labels, hidden))
    return inputs, positions, labels.masked_fill(empty, Special.PAD)
