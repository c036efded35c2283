"""Who really does it?  Statements in which order and negation decide, and no word does.

A person and an animal: one acts on the other, and the reverse is denied.  Either order of the two
clauses, and either one denied, make four statements of the same words: in two of them the person
acts, in two the animal.
"""

import functools
from typing import NamedTuple

from d2lmini.microworld.grammar import Clause, Phrase, Sentence
from d2lmini.microworld.languages import language
from d2lmini.microworld.scenes import World, pick

ACTORS = ("person", "animal")


class Statement(NamedTuple):
    """label: "person" or "animal", whichever acts.  words: of the text, with its punctuation."""

    text: str
    label: str
    words: tuple[str, ...]


def fours(world: World, random):
    """Endlessly: the four statements of one verb, one person and one animal, both described.

    What describes a noun, an adjective and what else it does to a thing, fits the other as well,
    and so tells nothing.  Those of the held-out split have a pair of words that train never has.
    """
    kinds, things = [{*world.of_kinds([kind])} for kind in ACTORS], {*world.of_kinds(["thing"])}
    casts, deeds = {}, []  # verb: persons and animals that may do it to each other
    for verb in world.verbs:
        fit = [n for n in world.agents[verb] if n in world.objects[verb]]
        casts[verb] = [[n for n in fit if n in kind] for kind in kinds]
        deeds += [(verb, n) for n in world.objects[verb] if n in things]
    verbs = [verb for verb, cast in casts.items() if all(cast)]
    can = {n: {d for d in deeds if n in world.agents[d[0]]} for kind in kinds for n in kind}

    @functools.cache
    def shared(verb, person, animal):
        """Adjectives, and deeds by other verbs, that fit both."""
        both = can[person] & can[animal]
        looks = [a for a in world.adjectives[person] if a in world.adjectives[animal]]
        return looks, [deed for deed in deeds if deed in both and deed[0] != verb]

    while True:
        verb = pick(random, verbs)
        cast = [pick(random, nouns) for nouns in casts[verb]]
        options = shared(verb, *cast)
        if not all(options):
            continue
        looks, done = ([pick(random, words) for _ in cast] for words in options)
        link, used = pick(random, ("and", "while")), {(verb, noun) for noun in cast}
        used |= {*zip(cast, looks, strict=True), *done}
        if world.train or not world.held.isdisjoint(used):
            ways = [(first, denied) for first in (0, 1) for denied in (0, 1)]
            yield [said(verb, cast, looks, done, link, *way) for way in ways]


def said(verb, cast, looks, done, link, first, denied) -> Statement:
    """first: who is the subject of the first clause; denied: of the clause with "not"."""

    def clause(i):
        doer, thing = (Phrase(cast[j], looks[j], definite=True) for j in (i, 1 - i))
        deed = Clause(done[i][0], (), Phrase(done[i][1], definite=True))
        return Clause(verb, (doer,), thing, negated=i == denied, relative=deed)

    words = language("en").say(Sentence(clause(first), link, clause(1 - first)))
    return Statement(words.text, ACTORS[1 - denied], words.words)
