"""The microworld: a small generated language whose alignments and labels are exact.

Captions in English, German and French with gold word alignments, pairs of sentences with gold
inference labels, short stories, statements whose label no single word gives away, and gold for
four tasks to fine-tune an encoder on.  Nothing is downloaded; the same seed gives the same text
everywhere, because only random.Random(seed).random() is used, which Python keeps stable.
data/microworld/README.md explains the grammar, the logic and how to add a word.
"""

import contextlib
import functools
import gc
from itertools import chain, islice
from random import Random
from typing import NamedTuple

from d2lmini.microworld.entailment import LABELS, Inference, inference
from d2lmini.microworld.grammar import Said, Sentence, widened
from d2lmini.microworld.languages import language
from d2lmini.microworld.roles import ACTORS, Statement, fours
from d2lmini.microworld.scenes import World
from d2lmini.microworld.stories import story
from d2lmini.microworld.tasks import (
    Judged,
    Question,
    Rated,
    Tagged,
    judge,
    question,
    rated,
    tag_names,
    tagged,
)

world_of = functools.cache(World)

__all__ = ["ACTORS", "LABELS", "Inference", "Statement", "Translation"]
__all__ += ["inferences", "statements", "stories", "translations"]
__all__ += ["Judged", "Question", "Rated", "Tagged", "judged_captions", "questions"]
__all__ += ["rated_pairs", "tag_names", "tagged_captions"]


class Translation(NamedTuple):
    """One sentence in two languages.  scene: the meaning of both, a grammar.Sentence."""

    scene: Sentence
    source_said: Said
    target_said: Said

    source = property(lambda self: self.source_said.text)
    target = property(lambda self: self.target_said.text)
    source_words = property(lambda self: self.source_said.words)
    target_words = property(lambda self: self.target_said.words)

    @property
    def alignment(self) -> list[tuple[int, int]]:
        """(i, j) for each source word i and target word j that share a piece of meaning."""
        return links(self.source_said.masks, self.target_said.masks)

    @property
    def possible(self) -> list[tuple[int, int]]:
        """The links of `alignment`, and those between a noun and the article or preposition before
        its counterpart: German cannot choose der, die or das without a look at the noun.

        Sure and possible links as of Och and Ney 2003, https://aclanthology.org/J03-1002
        """
        return links(map(widened, self.source_said.masks), map(widened, self.target_said.masks))


def links(masks, others):
    others = list(enumerate(others))
    return [(i, j) for i, mask in enumerate(masks) for j, other in others if mask & other]


def translations(
    n: int,
    *,
    languages: tuple[str, str] = ("en", "de"),
    seed: int = 0,
    lexicon: str = "small",
    split: str = "train",
) -> list[Translation]:
    """n captions in two languages ("en", "de", "fr").

    lexicon: "small" (about 120 lemmas) or "full" (about 400).  split: "train", or "held-out", whose
    sentences each contain a pair of words (adjective and noun, verb and noun) that never occurs in
    train.  Raises ValueError, naming the choices, for another language, lexicon or split.
    """
    source, target = (language(code) for code in languages)
    world, random = world_of(lexicon, split), Random(seed).random
    scenes = (world.sentence(random) for _ in range(n))
    with collector_paused():
        return [Translation(scene, source.say(scene), target.say(scene)) for scene in scenes]


@contextlib.contextmanager
def collector_paused():
    """Pause the garbage collector, which takes 40 % of the time and finds no cycles in captions."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def inferences(n: int, *, seed: int = 0, lexicon: str = "small") -> list[Inference]:
    """n pairs of English sentences with a label of LABELS, and the rule that made it.

    The hypothesis is drawn before the label, so alone it says nothing about it.
    """
    world, random = world_of(lexicon, "train"), Random(seed).random
    return [inference(world, random) for _ in range(n)]


def stories(n: int, *, seed: int = 0, lexicon: str = "small") -> list[list[str]]:
    """n stories of 4 to 8 English sentences about the same two actors."""
    world, random = world_of(lexicon, "train"), Random(seed).random
    return [story(world, random) for _ in range(n)]


# --- tasks to fine-tune on -----------------------------------------------------------------------


def tagged_captions(
    n: int, *, seed: int = 0, lexicon: str = "small", split: str = "train"
) -> list[Tagged]:
    """n English captions as lists of words with a tag of tag_names() for each.

    seed, lexicon and split as for translations: the same captions.
    """
    return [tagged(scene, said) for scene, said in english_captions(n, seed, lexicon, split)]


def judged_captions(
    n: int, *, seed: int = 0, lexicon: str = "small", split: str = "train"
) -> list[Judged]:
    """n English sentences of which seven in ten are acceptable; in others one agreement is broken.

    The sentences are the captions of translations; what is broken is drawn apart from them.
    """
    random = Random(seed + 1_000_003).random
    return [judge(random, *drawn) for drawn in english_captions(n, seed, lexicon, split)]


def rated_pairs(n: int, *, seed: int = 0, lexicon: str = "small") -> list[Rated]:
    """n pairs of English captions with their likeness from 0 to 5: the share of what they say that
    both say, times five."""
    world, random = world_of(lexicon, "train"), Random(seed).random
    return [rated(world, random) for _ in range(n)]


def questions(
    n: int, *, seed: int = 0, lexicon: str = "small", split: str = "train"
) -> list[Question]:
    """n questions, each with a caption of two clauses and the span of it that answers."""
    world, random = world_of(lexicon, split), Random(seed).random
    return [question(world, random) for _ in range(n)]


def english_captions(n, seed, lexicon, split):
    """(scene, its English) of the captions that translations gives."""
    found = translations(n, languages=("en", "en"), seed=seed, lexicon=lexicon, split=split)
    return [(caption.scene, caption.source_said) for caption in found]


def statements(
    n: int, *, seed: int = 0, lexicon: str = "small", split: str = "train"
) -> list[Statement]:
    """n statements about a person and an animal: which of ACTORS acts?  Order and "not" tell.

    The four from each multiple of four on have the same words, two of each label: a bag of words
    is at chance.  split: as for translations.
    """
    world, random = world_of(lexicon, split), Random(seed).random
    return list(islice(chain.from_iterable(fours(world, random)), n))
