"""Text into tokens and tokens into numbers: tokenisers, vocabularies, padding, batches.

spaCy and torchtext are imported where they are used, so that models and training need neither.
"""

import json
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from d2lmini.attention import padding_mask


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


class Vocabulary:
    """Tokens and their ids: <pad> 0, <bos> 1, <eos> 2, <unk> 3, then the rest, most frequent first.

    Make one with build (from texts), from_tokens or load; equally frequent tokens stand in the
    order of their characters.  Behind it is torchtext's Vocab, which takes 120 MB, however few.
    """

    SPECIALS = ("<pad>", "<bos>", "<eos>", "<unk>")
    pad_id, bos_id, eos_id, unk_id = range(4)

    def __init__(self, vocab):
        """vocab: a torchtext Vocab that begins with SPECIALS."""
        self._vocab = vocab
        self._vocab.set_default_index(self.unk_id)

    @classmethod
    def build(cls, sequences: Iterable[Sequence[str]], *, min_count: int = 1) -> "Vocabulary":
        """Number the tokens that occur min_count times or more in sequences (lists of tokens)."""
        return cls(
            torchtext_vocab().build_vocab_from_iterator(
                map(token_list, sequences), min_freq=min_count, specials=list(cls.SPECIALS)
            )
        )

    @classmethod
    def from_tokens(cls, tokens: Sequence[str]) -> "Vocabulary":
        """tokens: all of them in the order of their ids.

        Raises ValueError if SPECIALS do not come first, or if a token comes twice.
        """
        tokens = token_list(tokens)
        if tuple(tokens[:4]) != cls.SPECIALS:
            wanted = " ".join(cls.SPECIALS)
            raise ValueError(f"the first tokens must be {wanted}, got {tokens[:4]}")
        numbered = OrderedDict.fromkeys(tokens, 1)
        if len(numbered) != len(tokens):
            raise ValueError(f"{len(tokens) - len(numbered)} of {len(tokens)} tokens come twice")
        return cls(torchtext_vocab().vocab(numbered))

    @property
    def tokens(self) -> list[str]:
        """All tokens in the order of their ids."""
        return self._vocab.get_itos()

    def __len__(self) -> int:
        return len(self._vocab)

    def __contains__(self, token: str) -> bool:
        return isinstance(token, str) and token_list([token])[0] in self._vocab

    def encode(self, tokens: Sequence[str]) -> list[int]:
        """The id of each token, unk_id for an unknown one.  TypeError for a bare string."""
        return self._vocab(token_list(tokens))

    def decode(self, ids: Iterable[int]) -> list[str]:
        """The token of each id (ints, or a tensor of one axis).  ValueError for no such id."""
        ids = [int(i) for i in ids]
        wrong = next((i for i in ids if not 0 <= i < len(self)), None)
        if wrong is not None:
            raise ValueError(
                f"id {wrong} is not in the vocabulary: ids run from 0 to {len(self) - 1}"
            )
        return self._vocab.lookup_tokens(ids)

    def save(self, path: str | Path) -> None:
        """Write the tokens, in the order of their ids, as JSON."""
        content = json.dumps({"tokens": self.tokens}, ensure_ascii=False, indent=0)
        Path(path).write_text(content + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: str | Path) -> "Vocabulary":
        """Read what `save` wrote.  Raises ValueError, with the path, for anything else."""
        try:
            tokens = json.loads(Path(path).read_text(encoding="utf-8"))["tokens"]
            if not isinstance(tokens, list):
                raise TypeError(f"tokens must be a list, got {type(tokens).__name__}")
            return cls.from_tokens(tokens)
        except (ValueError, LookupError, TypeError) as error:
            reason = f"it has no field {error}" if isinstance(error, LookupError) else error
            raise ValueError(f"{path} does not hold a vocabulary: {reason}") from error


def token_list(tokens: Iterable[str]) -> list[str]:
    """tokens as a list of strings, checked, because torchtext ends the process where one is not.

    Raises TypeError for what is no string, and for a bare string, which would be taken letter by
    letter; ValueError for half a surrogate pair, which UTF-8 cannot write.
    """
    if isinstance(tokens, str):
        raise TypeError(f"tokens must be a list of strings, got the string {tokens[:40]!r}")
    tokens = list(tokens)
    try:
        "".join(tokens).encode()
    except TypeError as error:
        raise TypeError(f"tokens must be strings: {error}") from error
    return tokens


def torchtext_vocab():
    """torchtext.vocab, without the notice that 0.18 is its last release (it is pinned for that)."""
    import torchtext

    torchtext.disable_torchtext_deprecation_warning()
    from torchtext import vocab

    return vocab


def pad(
    sequences: Sequence[Sequence[int]], pad_id: int, *, max_length: int | None = None
) -> tuple[Tensor, Tensor]:
    """Sequences of ids as one tensor (batch, length), filled up with pad_id, and lengths (batch,).

    The longest sets the length; what exceeds max_length is cut off first.
    Raises ValueError if there is no sequence.
    """
    if not len(sequences):
        raise ValueError("pad needs at least one sequence, got none")
    rows = [torch.as_tensor(s, dtype=torch.long)[:max_length] for s in sequences]
    lengths = torch.tensor([len(row) for row in rows])
    return nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=pad_id), lengths


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
    noise = torch.rand(len(lengths), generator=generator)
    order = sorted(range(len(lengths)), key=lambda i: lengths[i] + noise[i].item())
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
