"""Gold for the tasks that an encoder is fine-tuned on: tags, acceptability, likeness, questions.

Each is read off a scene of the microworld, so no person had to label anything.
data/microworld/README.md lists the rules.
"""

import functools
from collections import Counter
from typing import NamedTuple

from d2lmini.microworld import grammar
from d2lmini.microworld.entailment import DRAWN, as_news, captions, statement
from d2lmini.microworld.grammar import (
    NEXT,
    RELATIVE,
    Clause,
    Phrase,
    Reason,
    Said,
    Sentence,
    is_plural,
    kinds,
)
from d2lmini.microworld.grammar import lexicon as entries
from d2lmini.microworld.languages import language
from d2lmini.microworld.scenes import pick

# --- tags of words -------------------------------------------------------------------------------

FUNCTION = {  # pieces of a clause that are said by words of the grammar
    grammar.NOT: "negation",
    grammar.ADVERB: "adverb",
    grammar.TIME: "time",
    grammar.LINK: "conjunction",
    grammar.AND: "conjunction",
    grammar.DEGREE: "degree",
}
IN_PHRASE = {  # and of a phrase
    grammar.NUM: "number",
    grammar.DET: "article",
    grammar.PREP: "preposition",
    grammar.WITH: "preposition",
}


class Tagged(NamedTuple):
    """A caption's words and punctuation marks, and a tag for each."""

    words: tuple[str, ...]
    tags: tuple[str, ...]


@functools.cache
def tag_names() -> tuple[str, ...]:
    """All tags of the full lexicon, sorted, whichever lexicon is drawn from."""
    words = {kind_of(name) for name, entry in entries().items() if "en" in entry}
    others = {*FUNCTION.values(), *IN_PHRASE.values()}
    return tuple(sorted(words | others | {"auxiliary", "particle", "pronoun", "punctuation"}))


@functools.cache
def kind_of(name: str) -> str:
    """The tag of a word of the lexicon: its kind, or its part of speech where it is alone in it."""
    kind, part = own_kind(name), entries()[name]["part"]
    others = (n for n, e in entries().items() if "en" in e and e["part"] == part)
    return kind if Counter(map(own_kind, others))[kind] > 1 else part[:-1]


def own_kind(name):
    """A noun's next kind above it, an adjective's dimension, a verb's group."""
    entry = entries()[name]
    return entry.get("is") or entry.get("dimension") or entry.get("group") or name


def tagged(scene: Sentence, said: Said) -> Tagged:
    """said: the scene in English."""
    verbs = {}  # by clause: the tags of what is left to say of its verb
    for place, clause in clauses(scene).items():
        particles = ["particle"] * entries()[clause.verb]["en"].split("|")[0].count(" ")
        auxiliary = ["auxiliary"] * clause.negated
        verbs[place] = iter([*auxiliary, kind_of(clause.verb), *particles])
    tags = (tag(scene, w, m, verbs) for w, m in zip(said.words, said.masks, strict=True))
    return Tagged(said.words, tuple(tags))


def clauses(scene) -> dict[int, Clause]:
    """{where the bits of a clause begin: the clause}, a reason left out"""
    found = {0: scene.clause, NEXT: scene.second, RELATIVE: scene.clause.relative}
    return {place: clause for place, clause in found.items() if isinstance(clause, Clause)}


def tag(scene, word, mask, verbs):
    place = next((bits for bits in (RELATIVE, NEXT) if mask >> bits), 0)
    mask >>= place
    reason = scene.second if place == NEXT and isinstance(scene.second, Reason) else None
    if word in ",.":
        return "punctuation"
    if mask & grammar.VERB:
        return "auxiliary" if reason else next(verbs[place])
    if mask & grammar.PREDICATE:
        return kind_of(reason.adjective)
    if (reason and mask & grammar.NOUN) or (place == RELATIVE and mask == grammar.LINK):
        return "pronoun"
    if mask in FUNCTION:
        return FUNCTION[mask]
    phrase, pieces = phrase_of(clauses(scene)[place], mask)
    if pieces & grammar.NOUN:
        return kind_of(phrase.noun)
    return kind_of(phrase.adjective) if pieces & grammar.ADJ else IN_PHRASE[pieces]


def phrase_of(clause, mask) -> tuple[Phrase, int]:
    """Of which phrase a word says something, and which of its own pieces."""
    said = dict(zip((grammar.SUBJECT, grammar.SECOND), clause.subjects, strict=False))
    said |= {grammar.OBJECT: clause.object, grammar.RECIPIENT: clause.recipient}
    said |= {grammar.PLACE: clause.place}
    slot = (mask.bit_length() - 1) // 10 * 10
    phrase, pieces = said[slot], mask >> slot
    if pieces & (grammar.PREP | grammar.WITH) or pieces < 1 << grammar.WORN:
        return phrase, pieces
    return phrase.worn, pieces >> grammar.WORN


# --- acceptability -------------------------------------------------------------------------------


class Judged(NamedTuple):
    """A sentence, and whether it is English.  broken: None, or "verb" or "noun", what is wrong."""

    text: str
    acceptable: bool
    broken: str | None = None


def judge(random, scene: Sentence, said: Said) -> Judged:
    """Seven sentences in ten as they are, the others with the number of one word changed."""
    if random() < 0.7:
        return Judged(said.text, True)
    place, word, broken = pick(random, breaks(scene, said))
    words = [*said.words]
    words[place] = word.capitalize() if place == 0 else word
    return Judged(said._replace(words=tuple(words)).text, False, broken)


def breaks(scene, said) -> list[tuple[int, str, str]]:
    """(place, wrong word, "verb" or "noun"): a verb in the number that its subject does not have,
    or a noun in the number that its "a" or "two" forbids."""
    english, found, finite = language("en"), [], set()
    for i, mask in enumerate(said.masks):
        place = next((bits for bits in (RELATIVE, NEXT) if mask >> bits), 0)
        clause, mask = clauses(scene).get(place), mask >> place
        if mask & grammar.VERB and place not in finite:
            finite.add(place)  # the first of a clause's verbs is the one that agrees
            forms = english.forms[clause.verb] if clause else ()
            found += [(i, other_form(said.words[i], forms), "verb")]
        elif clause and mask < grammar.VERB:
            phrase, pieces = phrase_of(clause, mask)
            counted = phrase.number > 1 or (phrase.number == 1 and not phrase.definite)
            if pieces & grammar.NOUN and counted and not entries()[phrase.noun].get("mass"):
                found += [(i, other_form(said.words[i], english.forms[phrase.noun]), "noun")]
    return [(i, word, broken) for i, word, broken in found if word]


def other_form(word, forms):
    """The plural of a singular and the reverse, None where the word is the same in both."""
    words = language("en").words
    pairs = [words["is"].split("|"), words["does"].split("|")]
    pairs += zip(*(form.split() for form in forms), strict=True) if forms else []
    others = {one: other for pair in pairs for one, other in (pair, pair[::-1]) if one != other}
    return others.get(word.lower())


# --- likeness ------------------------------------------------------------------------------------


class Rated(NamedTuple):
    """Two captions and their likeness, from 0, nothing in common, to 5, the same but for a, the."""

    first: str
    second: str
    likeness: float


def rated(world, random) -> Rated:
    """A caption, and another: the same after up to five changes of a detail, or one drawn anew."""
    first = second = statement(world, random)._replace(negated=False)
    changes = int(7 * random())
    for _ in range(changes if changes < 6 else 0):
        ways = captions(world, random, second, pick(random, DRAWN))
        ways.pop("negation", None)
        if ways:
            second = ways[pick(random, sorted(ways))]
    if changes == 6:
        second = statement(world, random)._replace(negated=False)
    one, two = facts(first), facts(second)
    texts = (language("en").say(Sentence(as_news(random, said))).text for said in (first, second))
    return Rated(*texts, round(5 * len(one & two) / len(one | two), 1))


def facts(clause) -> set[tuple]:
    """What a caption says: what is done; of each thing its kinds, its number, its adjective."""
    parts = {"subject": clause.subjects[0], "object": clause.object, "place": clause.place}
    found = {("action", clause.verb)}
    for role, phrase in parts.items():
        if phrase:
            more = {phrase.number, phrase.adjective} - {None}
            found |= {(role, fact) for fact in {*kinds(phrase.noun), *more}}
    return found


# --- questions -----------------------------------------------------------------------------------

ROLES = {  # of an answer: the bits that its words have
    "subject": (1 << 10) - 1 | (1 << 10) - 1 << grammar.SECOND | grammar.AND,
    "object": (1 << 10) - 1 << grammar.OBJECT,
    "place": (1 << 10) - 1 << grammar.PLACE,
}


class Question(NamedTuple):
    """A question about a passage, and the span that answers it.

    words: of the passage, punctuation marks included.  span: places of the first and of the last
    word of the answer among them.  role: subject, object or place.
    """

    question: str
    passage: str
    words: tuple[str, ...]
    span: tuple[int, int]
    role: str

    @property
    def answer(self) -> str:
        return " ".join(self.words[self.span[0] : self.span[1] + 1])


def question(world, random) -> Question:
    """About one of the two clauses of a caption."""
    while True:
        scene = world.sentence(random)
        if scene.link not in ("and", "while"):
            continue
        place = pick(random, (0, NEXT))
        clause = clauses(scene)[place]
        if clause.negated:
            continue
        takes_preposition = entries()[clause.verb].get("prep", {}).get("en")
        asked = {"object": clause.object and not takes_preposition, "place": clause.place}
        role = pick(random, ["subject", *(name for name, there in asked.items() if there)])
        said = language("en").say(scene)
        span = [i for i, mask in enumerate(said.masks) if mask >> place & ROLES[role]]
        return Question(worded(clause, role), said.text, said.words, (span[0], span[-1]), role)


def worded(clause, role) -> str:
    """As in "Who holds the ball?", "What does the man hold?", "Where does the man sleep?"."""
    english = language("en")
    word = "Where"
    if role != "place":
        noun = (clause.subjects[0] if role == "subject" else clause.object).noun
        person = kinds(noun)[-1] == "person"
        word = ("Who" if role == "subject" else "Whom") if person else "What"
    known = {part: the(getattr(clause, part)) for part in ("object", "recipient", "place")}
    clause = clause._replace(subjects=tuple(map(the, clause.subjects)), time=None, **known)
    if role == "subject":
        tokens = english.clause(clause._replace(subjects=()), "sub", False)
        return " ".join([word, *(token for token, _ in english.joined(tokens))]) + "?"
    tokens = english.joined(english.clause(clause._replace(**{role: None}), "sub"))
    words = [token for token, _ in tokens]
    verb = next(i for i, (_, mask) in enumerate(tokens) if mask & grammar.VERB)
    words[verb] = english.forms[clause.verb][1].split()[0]
    auxiliary = english.words["does"].split("|")[is_plural(clause.subjects)]
    return " ".join([word, auxiliary, *words]) + "?"


def the(phrase):
    """The phrase as something known."""
    return phrase and phrase._replace(definite=True)
