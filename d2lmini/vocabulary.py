"""Tokens and their ids: in torchtext's Vocab where it is installed, else in a list and a dict.

torchtext is imported where it is used, so that models and training do not need it.
"""

import json
from collections import Counter, OrderedDict
from collections.abc import Iterable, Sequence
from itertools import chain
from pathlib import Path


class Vocabulary:
    """Tokens and their ids: <pad> 0, <bos> 1, <eos> 2, <unk> 3, then the rest, most frequent first.

    Make one with build (from texts), from_tokens or load; equally frequent tokens stand in the
    order of their characters.  Behind it is torchtext's Vocab, which takes 120 MB, however few, or
    Plain, which says the same and fails the same.
    """

    SPECIALS = ("<pad>", "<bos>", "<eos>", "<unk>")
    pad_id, bos_id, eos_id, unk_id = range(4)

    def __init__(self, vocab):
        """vocab: a torchtext Vocab, or a Plain, that begins with SPECIALS."""
        self._vocab = vocab
        self._vocab.set_default_index(self.unk_id)

    @classmethod
    def build(cls, sequences: Iterable[Sequence[str]], *, min_count: int = 1) -> "Vocabulary":
        """Number the tokens that occur min_count times or more in sequences (lists of tokens)."""
        counts = Counter(chain.from_iterable(map(token_list, sequences)))
        kept = (t for t in counts.keys() - cls.SPECIALS if counts[t] >= min_count)
        return cls.from_tokens([*cls.SPECIALS, *sorted(kept, key=lambda t: (-counts[t], t))])

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
        torchtext = torchtext_vocab()
        return cls(torchtext.vocab(numbered) if torchtext else Plain(tokens))

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


class Plain:
    """What Vocabulary asks of torchtext's Vocab, of a list and a dict; Vocabulary checks first."""

    def __init__(self, tokens: list[str]):
        self._tokens, self._ids = tokens, {token: i for i, token in enumerate(tokens)}

    def set_default_index(self, index: int) -> None:
        self._default = index

    def get_itos(self) -> list[str]:
        return [*self._tokens]

    def __len__(self) -> int:
        return len(self._tokens)

    def __contains__(self, token: str) -> bool:
        return token in self._ids

    def __call__(self, tokens: list[str]) -> list[int]:
        return [self._ids.get(token, self._default) for token in tokens]

    def lookup_tokens(self, ids: list[int]) -> list[str]:
        return [self._tokens[i] for i in ids]


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
    """torchtext.vocab, or None where it is not installed: it stops at Python 3.12.

    Without the notice that 0.18 is its last release (it is pinned for that).
    """
    try:
        import torchtext
    except ModuleNotFoundError:
        return None

    torchtext.disable_torchtext_deprecation_warning()
    from torchtext import vocab

    return vocab
