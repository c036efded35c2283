"""Generate the sentence for a scene of the microworld in English, German and French.

A scene is a Sentence of Clauses of Phrases.  A Language turns it into tokens (word, mask):
the bits of the mask are the pieces of meaning that the word expresses; words of two languages that
share a piece are aligned.  A piece for which a language has no word goes to the noun: French has an
article in "des balles", English has none in "balls".
Endings and word orders are in data/microworld/grammar.json, words in lexicon.json beside it.
"""

import functools
import json
from pathlib import Path
from typing import NamedTuple

FOLDER = Path(__file__).resolve().parents[2] / "data/microworld"

# Pieces of meaning: of a phrase (10 bits), of a clause (64 bits: five phrases, then these).
DET, NUM, ADJ, NOUN, WITH, PREP = 1, 2, 4, 8, 512, 256
WORN = 4  # a garment's own pieces stand this many bits higher
SUBJECT, OBJECT, RECIPIENT, PLACE, SECOND = 0, 10, 20, 30, 40  # where a phrase's bits begin
VERB, NOT, ADVERB, TIME, LINK, DEGREE, PREDICATE, AND, END = (1 << bit for bit in range(50, 59))
NEXT, RELATIVE = 64, 128  # where the bits of the second and of a relative clause begin


class Phrase(NamedTuple):
    """A noun phrase, by ids of the lexicon.  number: 1 to 5, or 0 for an uncounted plural."""

    noun: str
    adjective: str | None = None
    number: int = 1
    definite: bool = False
    worn: "Phrase | None" = None


class Clause(NamedTuple):
    """Who does what, to whom, where.  A relative clause has no subjects or no object: its gap."""

    verb: str
    subjects: tuple[Phrase, ...] = ()
    object: Phrase | None = None
    recipient: Phrase | None = None
    place: Phrase | None = None
    near: str | None = None  # "behind" and the like: how `place` is meant, else as its noun says
    negated: bool = False
    adverb: str | None = None
    time: str | None = None
    relative: "Clause | None" = None  # says more about the only subject


class Reason(NamedTuple):
    """As in "because it is (too) heavy".  of: "subject" or "object", whichever "it" refers to."""

    adjective: str
    of: str
    too: bool = False


class Sentence(NamedTuple):
    """A clause, or two of them.  link: "and", "while" or "because" (then second is a Reason)."""

    clause: Clause
    link: str | None = None
    second: "Clause | Reason | None" = None


@functools.cache
def lexicon() -> dict:
    """{id: entry} of all words; data/microworld/README.md explains the entries."""
    parts = json.loads((FOLDER / "lexicon.json").read_text(encoding="utf-8"))
    return {entry["id"]: entry | {"part": part} for part, es in parts.items() for entry in es}


@functools.cache
def kinds(noun: str) -> tuple[str, ...]:
    """The noun's kinds from itself to the root: ("girl", "child", "person")"""
    parent = lexicon()[noun]["is"] if noun in lexicon() else None
    return (noun, *kinds(parent)) if parent else (noun,)


@functools.cache
def widened(mask: int) -> int:
    """The pieces of a word; a noun also gets those of its article and its preposition."""
    for clause in (0, NEXT, RELATIVE):
        for slot in (SUBJECT, OBJECT, RECIPIENT, PLACE, SECOND):
            if mask >> clause + slot & NOUN:
                mask |= (DET | PREP) << clause + slot
            if mask >> clause + slot & NOUN << WORN:
                mask |= (DET << WORN | WITH) << clause + slot
    return mask


def is_plural(phrases) -> bool:
    return len(phrases) > 1 or phrases[0].number != 1


def shifted(tokens, bits):
    return [(word, mask << bits) for word, mask in tokens]


class Said(NamedTuple):
    """A sentence: its words and punctuation marks, and for each the bits of its meaning."""

    words: tuple[str, ...]
    masks: tuple[int, ...]

    @property
    def text(self) -> str:
        """As it is written: no space before a comma or after l'"""
        text = " ".join(self.words)
        return text.replace(" ,", ",").replace(" .", ".").replace("' ", "'")


class Language:
    """Generates sentences; a subclass knows agreement and word order of its language."""

    code = after_time = after_relative = ""

    def __init__(self):
        grammar = json.loads((FOLDER / "grammar.json").read_text(encoding="utf-8"))
        self.words, self.numbers, self.order, self.before_vowels, self.contractions = (
            grammar[table][self.code]
            for table in ("words", "numbers", "order", "before_vowels", "contractions")
        )
        self.endings, self.middle = grammar["german_endings"], grammar["german_middle"]
        entries = {name: e for name, e in lexicon().items() if self.code in e}
        self.forms = {name: entry[self.code].split("|") for name, entry in entries.items()}
        self.aspirated = {
            form.split()[-1]
            for name, entry in entries.items()
            if entry.get("aspirated") and self.code == "fr"
            for form in self.forms[name]
        }
        # The same phrases come up again and again.
        self.phrase = functools.lru_cache(1 << 17)(self.phrase)
        self.plain_phrase = functools.lru_cache(1 << 17)(self.plain_phrase)
        self.said = functools.cache(self.said)

    def say(self, sentence: Sentence) -> "Said":
        """The words for a scene, with a capital and a full stop."""
        first, link, second = sentence
        tokens = self.clause(first, "main")
        if link:
            tokens += self.said(self.words[", and" if link == "and" else link], LINK << NEXT)
            if link == "because":
                said_of = first.subjects if second.of == "subject" else (first.object,)
                tokens += shifted(self.reason(second, said_of), NEXT)
            else:
                tokens += shifted(self.clause(second, "main" if link == "and" else "sub"), NEXT)
        tokens = self.joined(tokens)
        word, mask = tokens[0]
        tokens[0] = word[0].upper() + word[1:], mask
        tokens.append((".", END))
        return Said(*zip(*tokens, strict=True))

    def said(self, text, mask):
        return tuple((word, mask) for word in text.split())

    def clause(self, clause, kind, plural=None):
        """The tokens of a clause; plural: of the subject, where that is a gap."""
        verb = lexicon()[clause.verb]
        plural = is_plural(clause.subjects) if plural is None else plural
        if clause.time and "fronted" in self.order:
            kind = "fronted"
        tokens = []
        for slot in self.slots(kind, clause):
            match slot:
                case "S":
                    for i, phrase in enumerate(clause.subjects):
                        tokens += self.said(self.words["and"], AND) if i else []
                        tokens += self.phrase(phrase, SECOND if i else SUBJECT, "nom")
                        if clause.relative:
                            tokens += self.relative(clause.relative, phrase)
                case "O" if clause.object:
                    case, prep = verb.get("case", "acc"), verb.get("prep", {}).get(self.code, "")
                    tokens += self.phrase(clause.object, OBJECT, case, prep)
                case "R" if clause.recipient:
                    tokens += self.phrase(clause.recipient, RECIPIENT, "dat", self.words["to"])
                case "place" if clause.place:
                    prep = (
                        self.words.get(clause.near) or lexicon()[clause.place.noun]["at"][self.code]
                    )
                    tokens += self.phrase(clause.place, PLACE, "dat", prep)
                case "adverb" if clause.adverb:
                    tokens += self.said(self.forms[clause.adverb][0], ADVERB)
                case "time" if clause.time:
                    tokens += self.said(self.forms[clause.time][0] + self.after_time, TIME)
                case "does" if clause.negated:
                    tokens += self.said(self.words["does"].split("|")[plural], VERB)
                case "ne" if clause.negated:
                    tokens += self.said("ne", NOT)
                case "not" if clause.negated:
                    tokens += self.said(self.words["not"], NOT)
                case "V" | "particle" | "particle+V":
                    forms = self.forms[clause.verb]
                    tokens += self.said(self.verb(slot, forms, plural, clause.negated), VERB)
        return tokens

    def slots(self, kind, clause):
        """The parts of a clause in order."""
        return self.order[kind].split()

    def relative(self, clause, phrase):
        """A relative clause about a phrase: "who throws the ball", "that the girl throws"."""
        plural = None if clause.subjects else phrase.number != 1
        tokens = [*self.said(self.relative_pronoun(clause, phrase), LINK)]
        tokens += self.clause(clause, "sub", plural)
        tokens += self.said(self.after_relative, LINK)
        return shifted(tokens, RELATIVE)

    def reason(self, reason, phrases):
        """The clause after "because", whose pronoun refers to the phrases: "she is too tired"."""
        plural = is_plural(phrases)
        tokens = [*self.said(self.pronoun(phrases, plural), NOUN)]
        tokens += self.said(self.words["is"].split("|")[plural], VERB)
        tokens += self.said(self.words["too"], DEGREE) if reason.too else []
        return [*tokens, *self.said(self.predicate(reason.adjective, phrases, plural), PREDICATE)]

    def predicate(self, adjective, phrases, plural):
        return self.forms[adjective][0]

    def phrase(self, phrase, slot, case, prep=""):
        """The tokens of a phrase, and of the garment worn."""
        tokens = self.plain_phrase(phrase._replace(worn=None), case, prep)
        if phrase.worn:
            worn_how = lexicon()[phrase.worn.noun]["worn"][self.code]
            tokens = [*tokens]
            for word, mask in self.plain_phrase(phrase.worn, "dat", worn_how):
                pieces = (mask & (DET | NUM | ADJ | NOUN)) << WORN
                tokens.append((word, pieces | (WITH if mask & PREP else 0)))
        return shifted(tokens, slot)

    def plain_phrase(self, phrase, case, prep):
        """A phrase without a garment; its noun takes the pieces for which there is no word."""
        article, adjective, noun, follows = self.parts(phrase, case)
        number = self.numbers[phrase.number - 2] if phrase.number > 1 else ""
        pair = [(noun, NOUN), (adjective, ADJ)] if follows else [(adjective, ADJ), (noun, NOUN)]
        groups = [(prep, PREP), (article, DET), (number, NUM), *pair]
        unsaid = (DET | NUM | ADJ | PREP) & ~sum(bit for words, bit in groups if words)
        tokens = []
        for words, bit in groups:
            tokens += self.said(words, bit | unsaid if bit == NOUN else bit)
        return self.joined(tokens)

    def joined(self, tokens):
        """Tokens with contractions and elisions made: a apple, in dem, de le, le arbre."""
        done = []
        for word, mask in reversed(tokens):
            if word == "," and (not done or done[-1][0] == ","):
                continue  # a relative clause ends where another comma or the sentence ends
            if done:
                follower = done[-1][0]
                if f"{word} {follower}" in self.contractions:
                    word = self.contractions[f"{word} {follower}"]
                    mask |= done.pop()[1]
                    follower = done[-1][0]
                if word in self.before_vowels and follower[0] in self.before_vowels["vowels"]:
                    word = word if follower in self.aspirated else self.before_vowels[word]
            done.append((word, mask))
        return done[::-1]
