"""A second opinion on the captions: does a sentence obey the grammar of its language?

`english(words)`, `german(words)` and `french(words)` parse one sentence from its words and return
the list of its faults; an empty list means that the whole sentence was read and nothing was wrong.

Nothing is shared with the generator but the vocabulary in data/microworld/lexicon.json. Endings,
articles, contractions, elision and word order are written down here a second time, from the
languages themselves, so that a mistake in one place cannot hide in the other.

All three parsers work alike. Each method is a generator: it reads from position i and yields
every (next position, what was read, faults) that it can find. Wrong endings, cases and numbers do
not stop a parser; they are noted as faults, and the reading with the fewest faults is returned.
What cannot be read at all (a verb in the wrong place, a missing comma, an unknown word) is
reported with the furthest place that was reached.
"""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

LEXICON = Path(__file__).resolve().parent.parent / "data" / "microworld" / "lexicon.json"

SINGULAR, PLURAL = "singular", "plural"
NOMINATIVE, ACCUSATIVE, DATIVE = "nominative", "accusative", "dative"
CASES = (NOMINATIVE, ACCUSATIVE, DATIVE)


@cache
def lexicon():
    """The vocabulary, as it lies on the disk."""
    return json.loads(LEXICON.read_text(encoding="utf-8"))


def spoken(kind, language):
    """The entries of one kind that have words in this language, each with its forms."""
    for entry in lexicon()[kind]:
        if language in entry:
            yield entry, entry[language].split("|")


@dataclass(frozen=True)
class Reading:
    """One way to understand a noun phrase."""

    gender: str
    number: str
    case: str = ""


@dataclass(frozen=True)
class Phrase:
    """A noun phrase: what it may be, and what its noun allows."""

    readings: frozenset
    text: str
    place: str = ""  # the preposition with which the noun names a place
    worn: str = ""  # the preposition with which a wearer has it on
    landmark: bool = False
    pronoun: str = ""  # English only
    definite: bool = True
    counted: bool = False

    def narrowed(self, allowed):
        return Phrase(**{**self.__dict__, "readings": frozenset(allowed)})


@dataclass(frozen=True)
class Group:
    """One noun phrase, or two joined by "and"."""

    parts: tuple

    @property
    def text(self):
        return " + ".join(part.text for part in self.parts)

    def numbers(self, case=None):
        if len(self.parts) > 1:
            return {PLURAL}
        readings = self.parts[0].readings
        return {r.number for r in readings if case in (None, r.case)}

    def has_case(self, case):
        return all(any(r.case == case for r in part.readings) for part in self.parts)


def number_faults(numbers, wanted, what):
    """A subject that may have these numbers with a verb of the wanted number."""
    if not numbers or wanted in numbers:  # without a reading, that was a fault already
        return ()
    return (f"{what} is not {wanted}",)


def places(preposition, group, near):
    """A noun is a place with its own preposition; a landmark also with those of nearness."""
    for part in group.parts:
        if part.place != preposition and not (part.landmark and preposition in near):
            return (f"{preposition} does not make a place of {part.text}",)
    return ()


def fewest(options):
    """The shortest tuple of faults."""
    return min(options, key=len)


class Parser:
    """What the three languages have in common: joining, linking, and finding the best reading."""

    language = conjunction = ""
    commas = False  # before a subordinate clause (German), or between main clauses (the others)?
    time_comma = False  # is there a comma after a time at the front?

    def __init__(self, words):
        self.original = tuple(words)
        self.furthest = 0
        self.words = self.lowered(self.original)

    def lowered(self, words):
        if not words:
            return words
        return (words[0][:1].lower() + words[0][1:], *words[1:])

    def at(self, i):
        """The word at i, or nothing after the end."""
        self.furthest = max(self.furthest, min(i, len(self.words)))
        return self.words[i] if 0 <= i < len(self.words) else ""

    def said(self, i, *words):
        """The position after these words if they stand at i, else None."""
        return i + len(words) if all(self.at(i + k) == w for k, w in enumerate(words)) else None

    def faults(self):
        """The faults of the best reading of the sentence."""
        always = list(self.spelling())
        best = None
        for faults in self.sentences():
            if best is None or len(faults) < len(best):
                best = faults
            if not best:
                break
        if best is None:
            rest = " ".join(self.original[self.furthest :])
            return [*always, f"cannot be read from here: {rest!r}"]
        return always + list(dict.fromkeys(best))

    def spelling(self):
        """Faults that can be seen without parsing: the capital letter and the full stop."""
        if not self.original or not self.original[0][:1].isupper():
            yield "the first word has no capital letter"
        if not self.original or self.original[-1] != ".":
            yield "there is no full stop"

    def sentences(self):
        """The faults of each way to read the whole sentence."""
        for j in self.time(0):
            for k, seen, faults in self.main(j, fronted=j > 0):
                yield from self.rest(k, seen, faults)

    def time(self, i):
        yield i
        for _, forms in spoken("times", self.language):
            j = self.said(i, *self.split(forms[0]))
            if j is None:
                continue
            if not self.time_comma:
                yield j
            elif self.at(j) == ",":
                yield j + 1

    def split(self, text):
        """A lexicon entry as it is divided into words in a sentence."""
        return text.split()

    def rest(self, i, seen, faults):
        """What may follow the first clause: the end, "and", "while" or "because"."""
        if self.at(i) == "." and i == len(self.words) - 1:
            yield faults
        joined = i + 1 if self.at(i) == "," and not self.commas else i
        if self.at(joined) == self.conjunction:
            if not self.commas and joined == i:
                faults += ("there is no comma between the two main clauses",)
            for j, _, more in self.main(joined + 1, fronted=False):
                yield from self.end(j, faults + more)
        if self.commas:
            if self.at(i) != ",":
                return
            i += 1
        for j in self.while_(i):
            for k, _, more in self.subordinate(j):
                yield from self.end(k, faults + more)
        for k, more in self.because(i, seen):
            yield from self.end(k, faults + more)

    def end(self, i, faults):
        if self.at(i) == "." and i == len(self.words) - 1:
            yield faults

    def group(self, i, *context):
        """One phrase, or two with "and" between them."""
        for j, one, faults in self.phrase(i, *context):
            yield j, Group((one,)), faults
            if self.at(j) == self.conjunction:
                for k, two, more in self.phrase(j + 1):
                    yield k, Group((one, two)), faults + more

    def main(self, i, fronted):
        """Subject and predicate."""
        for j, subject, faults in self.group(i):
            for k, groups, number, more in self.predicate(j):
                wrong = number_faults(subject.numbers(), number, subject.text)
                yield k, (subject, *groups), faults + more + wrong

    def subordinate(self, i):
        yield from self.main(i, False)


def mentioned(groups):
    """What a pronoun may stand for: each phrase, and each group of two."""
    found = []
    for group in groups:
        found += [(part,) for part in group.parts]
        if len(group.parts) > 1:
            found.append(group.parts)
    return found


# ---------------------------------------------------------------------------------------- German

GERMAN_DEFINITE = {  # gender or plural: nominative, accusative, dative
    "m": ("der", "den", "dem"),
    "f": ("die", "die", "der"),
    "n": ("das", "das", "dem"),
    "p": ("die", "die", "den"),
}
GERMAN_INDEFINITE = {
    "m": ("ein", "einen", "einem"),
    "f": ("eine", "eine", "einer"),
    "n": ("ein", "ein", "einem"),
}
GERMAN_RELATIVE = {**GERMAN_DEFINITE, "p": ("die", "die", "denen")}
GERMAN_WEAK = {  # after der, die, das
    "m": ("e", "en", "en"),
    "f": ("e", "e", "en"),
    "n": ("e", "e", "en"),
    "p": ("en", "en", "en"),
}
GERMAN_MIXED = {  # after ein, eine
    "m": ("er", "en", "en"),
    "f": ("e", "e", "en"),
    "n": ("es", "es", "en"),
}
GERMAN_STRONG = {  # without an article
    "m": ("er", "en", "em"),
    "f": ("e", "e", "er"),
    "n": ("es", "es", "em"),
    "p": ("e", "e", "en"),
}
GERMAN_CONTRACTED = {  # these stand for a preposition and an article
    "im": ("in", "dem"),
    "am": ("an", "dem"),
    "zum": ("zu", "dem"),
    "vom": ("von", "dem"),
    "beim": ("bei", "dem"),
    "zur": ("zu", "der"),
    "ins": ("in", "das"),
}
GERMAN_MUST_CONTRACT = {("in", "dem"), ("an", "dem"), ("zu", "dem"), ("von", "dem"), ("zu", "der")}
GERMAN_PREPOSITIONS = {
    *("in", "an", "auf", "mit", "von", "zu", "bei", "neben", "hinter", "vor", "unter", "über"),
}
GERMAN_NEAR = ("neben", "hinter", "vor")
GERMAN_NUMBERS = {"zwei", "drei", "vier", "fünf"}
GERMAN_WEAK_NOUNS = {
    *("Junge", "Bauer", "Fotograf", "Matrose", "Polizist", "Rabe", "Löwe", "Bär", "Elefant"),
    "Affe",
}
GERMAN_GENDER = {"der": "m", "die": "f", "das": "n"}
GERMAN_PRONOUNS = {"er": ("m",), "sie": ("f",), "es": ("n",)}


def weak_form(noun):
    """The accusative and dative of a weak noun: der Junge, den Jungen; der Bär, den Bären."""
    return noun + ("n" if noun.endswith(("e", "er")) else "en")


def dative_plural(plural):
    """Den Hunden, den Äpfeln; but den Mädchen, den Autos."""
    return plural if plural.endswith(("n", "s")) else plural + "n"


def adjective_stem(adjective):
    """What the endings are put to: müd-e, teur-e, but sauber-e."""
    if adjective.endswith("euer"):
        return adjective[:-2] + "r"
    return adjective.removesuffix("e")


@cache
def german_words():
    """Tables of the words: nouns by form, adjectives by stem, finite verbs by form."""
    nouns, verbs, stems = {}, {}, {}

    def add(form, entry, readings):
        known = nouns.setdefault(form, [entry, set()])
        known[1].update(readings)

    for entry, forms in spoken("nouns", "de"):
        article, singular = forms[0].split()
        gender = GERMAN_GENDER[article]
        for case in CASES:
            oblique = singular in GERMAN_WEAK_NOUNS and case != NOMINATIVE
            form = weak_form(singular) if oblique else singular
            add(form, entry, {(gender, case)})
            if len(forms) > 1:
                form = dative_plural(forms[1]) if case == DATIVE else forms[1]
                add(form, entry, {("p" + gender, case)})
    for _, forms in spoken("adjectives", "de"):
        stems[adjective_stem(forms[0])] = forms[0]
    for entry, forms in spoken("verbs", "de"):
        particle = forms[2] if len(forms) > 2 else ""
        for form, number in zip(forms, (SINGULAR, PLURAL), strict=False):
            verbs.setdefault(form, []).append((entry, particle, number, False))
            if particle:
                verbs.setdefault(particle + form, []).append((entry, particle, number, True))
    adverbs = {forms[0] for _, forms in spoken("adverbs", "de")}
    particles = {p for options in verbs.values() for _, p, _, _ in options if p}
    return nouns, stems, verbs, adverbs, particles


class German(Parser):
    """Main clauses with the verb second, other clauses with the verb last."""

    language, conjunction, commas = "de", "und", True

    def __init__(self, words):
        self.nouns, self.stems, self.verbs, self.adverbs, self.particles = german_words()
        super().__init__(words)

    def lowered(self, words):
        """Nouns keep their capital; Junge is an adjective where a noun follows it."""
        if words and words[0] in self.nouns:
            adjective = self.stem(words[0].lower()) and words[1:2] and words[1] in self.nouns
            return super().lowered(words) if adjective else words
        return super().lowered(words)

    def stem(self, word):
        """The stem and ending of an inflected adjective."""
        for ending in ("en", "em", "er", "es", "e"):
            if word.endswith(ending) and word[: -len(ending)] in self.stems:
                return word[: -len(ending)], ending
        return None

    def phrase(self, i, article=None, relatives=True):
        """[article] [number] [adjectives] noun [worn clothes] [relative clause]."""
        start = i
        if article is None and self.at(i) in (
            *("der", "die", "das", "den", "dem", "ein", "eine", "einen", "einem", "einer"),
        ):
            article = self.at(i)
            i += 1
        number = self.at(i) in GERMAN_NUMBERS
        i += number
        endings = []
        while self.stem(self.at(i)):
            endings.append(self.stem(self.at(i))[1])
            i += 1
        if self.at(i) not in self.nouns:
            return
        entry, forms = self.nouns[self.at(i)]
        i += 1
        text = " ".join(self.words[start:i])
        readings = {
            Reading(form[-1], PLURAL if form[0] == "p" else SINGULAR, case)
            for form, case in forms
            if self.fits(form[0], CASES.index(case), article, number, endings, entry)
        }
        faults = () if readings else (f"the words do not agree: {text}",)
        phrase = Phrase(
            frozenset(readings),
            text,
            place=entry.get("at", {}).get("de", ""),
            worn=entry.get("worn", {}).get("de", ""),
            landmark=entry.get("landmark", False),
            definite=bool(article) and not article.startswith("ein"),
            counted=number,
        )
        if not relatives:
            yield i, phrase, faults
            return
        clothed = False
        for j, preposition, worn, more in self.prepositional(i, False):
            if len(worn.parts) == 1 and worn.parts[0].worn == preposition:
                more += self.case_faults(worn, DATIVE)
                clothed = True
                yield from self.with_relative(j, phrase, faults + more)
        if not clothed:
            yield from self.with_relative(i, phrase, faults)

    def fits(self, gender, case, article, number, endings, entry):
        """Do article, number and adjective endings fit a noun of this gender and case?"""
        if number and gender != "p":
            return False
        if article is None:
            table = GERMAN_STRONG
            if gender != "p" and not entry.get("mass"):
                return False
        elif article.startswith("ein"):
            table = GERMAN_MIXED
            if number or gender == "p" or GERMAN_INDEFINITE[gender][case] != article:
                return False
            if entry.get("mass"):
                return False
        else:
            table = GERMAN_WEAK
            if GERMAN_DEFINITE[gender][case] != article:
                return False
        return all(ending == table[gender][case] for ending in endings)

    def with_relative(self, i, phrase, faults):
        """The phrase alone, or with a relative clause between commas."""
        j = i + 1
        starts = self.at(j) if self.at(i) == "," else ""
        forms = {form for row in GERMAN_RELATIVE.values() for form in row}
        if starts not in forms:
            yield i, phrase, faults
            return
        for k, allowed, more in self.relative(j, phrase):
            readings = {r for r in phrase.readings if (r.gender, r.number) in allowed}
            if phrase.readings and not readings:
                more += (f"the relative pronoun does not agree with {phrase.text}",)
            narrowed = phrase.narrowed(readings or phrase.readings)
            if self.at(k) == "." or (self.at(k) == "," and self.at(k + 1) in ("während", "weil")):
                yield k, narrowed, faults + more
            elif self.at(k) == ",":
                yield k + 1, narrowed, faults + more
            else:
                more += ("a comma is missing after the relative clause",)
                yield k, narrowed, faults + more

    def relative(self, i, phrase):
        """A relative clause from its pronoun to its verb, and which nouns the pronoun fits."""
        pronoun = self.at(i)

        def fitting(case):
            pairs = set()
            for gender, row in GERMAN_RELATIVE.items():
                if row[CASES.index(case)] == pronoun:
                    for g in "mfn" if gender == "p" else gender:
                        pairs.add((g, PLURAL if gender == "p" else SINGULAR))
            return pairs

        for j, rest in self.middle(i + 1):
            for k, entry, number, faults in self.last_verb(j):
                own = {pair for pair in fitting(NOMINATIVE) if pair[1] == number}
                missing = () if own else ("the relative pronoun is no subject of its verb",)
                more = self.roles(entry, rest)
                yield k, own or fitting(NOMINATIVE), rest.faults + faults + more + missing
                if not rest.groups:
                    continue
                subject = rest.groups[0]
                more = self.subject_faults(subject, number)
                for case in (ACCUSATIVE, DATIVE):
                    if case in self.wanted(entry)[0] and fitting(case):
                        left = self.roles(entry, rest.without_first(), taken=case)
                        yield k, fitting(case), rest.faults + faults + more + left

    def prepositional(self, i, relatives=True):
        """A preposition with its phrases: position, preposition, group, faults."""
        word = self.at(i)
        if word in GERMAN_CONTRACTED:
            preposition, article = GERMAN_CONTRACTED[word]
            for j, one, faults in self.phrase(i + 1, article, relatives):
                yield j, preposition, Group((one,)), faults
        elif word in GERMAN_PREPOSITIONS:
            article = self.at(i + 1)
            faults = ()
            if (word, article) in GERMAN_MUST_CONTRACT:
                faults = (f"{word} {article} is not contracted",)
            if relatives:
                for j, group, more in self.group(i + 1):
                    yield j, word, group, faults + more
            else:
                for j, one, more in self.phrase(i + 1, None, False):
                    yield j, word, Group((one,)), faults + more

    def middle(self, i):
        """Whatever stands between the verb and the end of the clause, in all readings."""
        yield from self.more_middle(i, Middle())

    def more_middle(self, i, middle):
        found = False
        if self.at(i) == "nicht":
            found = True
            yield from self.more_middle(i + 1, middle.plus("not", None))
        elif self.at(i) in self.adverbs:
            found = True
            yield from self.more_middle(i + 1, middle.plus("adverb", None))
        else:
            for j, preposition, group, faults in self.prepositional(i):
                found = True
                yield from self.more_middle(j, middle.plus(preposition, group, faults))
            if not found:
                for j, group, faults in self.group(i):
                    found = True
                    yield from self.more_middle(j, middle.plus("", group, faults))
        if not found:
            yield i, middle

    def main(self, i, fronted):
        """[subject] verb ... [particle], or after a time: verb subject ... [particle]."""
        openings = [(i, None, ())] if fronted else self.group(i)
        for j, subject, faults in openings:
            for k, middle in self.middle(j + 1) if self.at(j) in self.verbs else ():
                first = subject or (middle.first_item() and middle.groups[0])
                if not first:
                    continue
                rest = middle if subject else middle.without_first()
                end, particle = k, ""
                if self.at(k) in self.particles:
                    end, particle = k + 1, self.at(k)
                for entry, own, number, joined in self.verbs[self.at(j)]:
                    if joined or own != particle:
                        continue
                    more = self.subject_faults(first, number) + self.roles(entry, rest)
                    yield end, (first, *rest.all_groups), faults + middle.faults + more

    def subordinate(self, i):
        """Subject ... verb."""
        for j, middle in self.middle(i):
            if not middle.first_item():
                continue
            rest = middle.without_first()
            for k, entry, number, faults in self.last_verb(j):
                more = self.subject_faults(middle.groups[0], number) + self.roles(entry, rest)
                yield k, middle.all_groups, middle.faults + faults + more

    def last_verb(self, i):
        """A verb at the end of its clause, joined to its particle if it has one."""
        for entry, particle, number, joined in self.verbs.get(self.at(i), ()):
            if bool(particle) == joined:
                yield i + 1, entry, number, ()

    def while_(self, i):
        if self.at(i) == "während":
            yield i + 1

    def because(self, i, seen):
        """Weil, pronoun, [zu], adjective, ist or sind; the pronoun must have something to mean."""
        pronoun, j = self.at(i + 1), i + 2
        if self.at(i) != "weil" or pronoun not in GERMAN_PRONOUNS:
            return
        j += self.at(j) == "zu"
        if self.at(j) not in self.stems.values() or self.at(j + 1) not in ("ist", "sind"):
            return
        plural = self.at(j + 1) == "sind"
        for parts in mentioned(seen):
            readings = parts[0].readings
            if plural and pronoun == "sie":
                fine = len(parts) > 1 or any(r.number == PLURAL for r in readings)
            else:
                fine = not plural and len(parts) == 1
                fine = fine and any(
                    r.number == SINGULAR and r.gender in GERMAN_PRONOUNS[pronoun] for r in readings
                )
            if fine:
                yield j + 2, ()
                return
        yield j + 2, (f"{pronoun} {self.at(j + 1)} has nothing to refer to",)

    def case_faults(self, group, case):
        if any(not part.readings for part in group.parts) or group.has_case(case):
            return ()
        return (f"{group.text} is not {case}",)

    def subject_faults(self, group, number):
        return self.case_faults(group, NOMINATIVE) + number_faults(
            group.numbers(NOMINATIVE), number, group.text
        )

    def wanted(self, entry):
        """The cases of the bare objects of a verb, and its preposition with its case."""
        case = {"dat": DATIVE, "acc": ACCUSATIVE}[entry.get("case", "acc")]
        preposition = entry.get("prep", {}).get("de", "")
        if "recipient" in entry:
            return [DATIVE, ACCUSATIVE], None
        if "object" not in entry:
            return [], None
        return ([], (preposition, case)) if preposition else ([case], None)

    def roles(self, entry, middle, taken=None):
        """The faults of the objects and places of this verb; `taken` is a relative pronoun's."""
        cases, prepositional = self.wanted(entry)
        cases = [case for case in cases if case != taken]
        groups = middle.groups
        faults = ()
        if len(groups) != len(cases):
            faults += (f"{entry['de']} has {len(groups)} objects instead of {len(cases)}",)
        orders = [cases]
        if len(cases) == 2 and groups and all(part.definite for part in groups[0].parts):
            orders.append(cases[::-1])  # what is known may come first: den Ball einem Kind
        faults += fewest(
            sum((self.case_faults(g, c) for g, c in zip(groups, order, strict=False)), ())
            for order in orders
        )
        phrases = [(kind, g) for kind, g in middle.items if kind not in ("", "not", "adverb")]
        if prepositional:
            kind, case = prepositional
            options = [n for n, (k, _) in enumerate(phrases) if k == kind]
            if options:
                faults += fewest(
                    self.case_faults(phrases[n][1], case)
                    + self.place_faults(phrases[:n] + phrases[n + 1 :])
                    for n in options
                )
            else:
                faults += (f"{entry['de']} lacks {kind}", *self.place_faults(phrases))
        else:
            faults += self.place_faults(phrases)
        if middle.count("not") > 1 or middle.count("adverb") > 1:
            faults += ("there is one nicht or one adverb too many",)
        if middle.count("not"):
            faults += self.negation_faults(entry, middle)
        return faults

    def place_faults(self, phrases):
        """A place is in the dative, and its preposition is one that makes a place of it."""
        faults = ()
        for kind, group in phrases:
            faults += self.case_faults(group, DATIVE)
            if not all(
                p.place == kind or (p.landmark and kind in GERMAN_NEAR) for p in group.parts
            ):
                faults += (f"{kind} does not make a place of {group.text}",)
        return faults

    def negation_faults(self, entry, middle):
        """Nicht stands before a prepositional object, and kein denies an indefinite one."""
        preposition = entry.get("prep", {}).get("de", "")
        kinds = [kind for kind, _ in middle.items]
        faults = ()
        if preposition and preposition in kinds and kinds.index(preposition) < kinds.index("not"):
            faults += (f"nicht after the object with {preposition}",)
        for kind, group in middle.items:
            if kind in ("", preposition) and group:
                loose = [p for p in group.parts if not p.definite and not p.counted]
                faults += tuple(f"nicht with {p.text} instead of kein" for p in loose)
        return faults


@dataclass(frozen=True)
class Middle:
    """The constituents between the verb and the end of a German clause, in their order."""

    items: tuple = ()
    faults: tuple = ()

    def plus(self, kind, group, faults=()):
        return Middle((*self.items, (kind, group)), self.faults + faults)

    @property
    def groups(self):
        """The noun phrases without a preposition."""
        return [group for kind, group in self.items if kind == ""]

    @property
    def all_groups(self):
        return tuple(group for _, group in self.items if group)

    def first_item(self):
        """Does a noun phrase without a preposition stand first?"""
        return bool(self.items) and self.items[0][0] == ""

    def without_first(self):
        """All but the first noun phrase without a preposition."""
        rest = list(self.items)
        rest.remove(next(item for item in rest if item[0] == ""))
        return Middle(tuple(rest), self.faults)

    def count(self, kind):
        return sum(1 for k, _ in self.items if k == kind)


def german(words):
    """The faults of a German sentence."""
    return German(words).faults()


# ---------------------------------------------------------------------------------------- French

FRENCH_DEFINITE = {("m", SINGULAR): "le", ("f", SINGULAR): "la"}
FRENCH_INDEFINITE = {("m", SINGULAR): "un", ("f", SINGULAR): "une"}
FRENCH_CONTRACTED = {"au": ("à", "le"), "aux": ("à", "les"), "du": ("de", "le")}
FRENCH_CONTRACTED["des"] = ("de", "les")
FRENCH_NUMBERS = {"deux", "trois", "quatre", "cinq"}
FRENCH_PREPOSITIONS = {"à", "de", "d'", "avec", "dans", "sur", "sous", "devant", "derrière"}
FRENCH_PREPOSITIONS.add("portant")  # no preposition, but it joins what is worn to its wearer
FRENCH_NEAR = ("devant", "derrière", "à côté de")
FRENCH_ELIDED = {"l'": "le/la", "d'": "de", "n'": "ne", "s'": "se", "qu'": "que"}
FRENCH_ELIDES = {"le", "la", "de", "ne", "se", "que"}
FRENCH_ASPIRATED = (  # these keep le, la, de, ne, se and que whole
    *("hache", "haie", "hamster", "haricot", "harpe", "haut", "hérisson", "héron", "héros"),
    *("hibou", "homard", "huit", "hutte"),
)
FRENCH_BEFORE = {  # the adjectives that stand before their noun
    *("beau", "bon", "gentil", "grand", "gros", "jeune", "joli", "long", "mauvais", "nouveau"),
    *("petit", "vieux"),
}
FRENCH_PRONOUNS = {
    "il": ("m", SINGULAR),
    "elle": ("f", SINGULAR),
    "ils": ("m", PLURAL),
    "elles": ("f", PLURAL),
}


def vowel_sound(word):
    """Does the word begin with a vowel or a mute h, so that the word before it is elided?"""
    word = word.lower()
    if word.startswith("h"):
        return not word.startswith(FRENCH_ASPIRATED)
    return word[:1] in "aàâeéèêiîoôœuûy" and word != ""


def french_plural(adjective):
    """Vieux and gris stay, beau takes -x, the others -s."""
    if adjective.endswith(("s", "x")):
        return adjective
    return adjective + ("x" if adjective.endswith("eau") else "s")


@cache
def french_words():
    """Tables of the words: nouns, adjectives and verbs by form."""
    nouns, adjectives, verbs = {}, {}, {}
    for entry, forms in spoken("nouns", "fr"):
        article, singular = forms[0].split()
        gender = "m" if article == "le" else "f"
        for form, number in zip((singular, *forms[1:]), (SINGULAR, PLURAL), strict=False):
            nouns.setdefault(form, [entry, set()])[1].add((gender, number))
    for _, forms in spoken("adjectives", "fr"):
        masculine, feminine, *liaison = forms
        shapes = [
            (masculine, "m", SINGULAR, bool(liaison) and "consonant"),
            (feminine, "f", SINGULAR, False),
            (french_plural(masculine), "m", PLURAL, False),
            (french_plural(feminine), "f", PLURAL, False),
            *((form, "m", SINGULAR, "vowel") for form in liaison),
        ]
        for form, *shape in shapes:
            adjectives.setdefault(form, (masculine, set()))[1].add(tuple(shape))
    for entry, forms in spoken("verbs", "fr"):
        for form, number in zip(forms, (SINGULAR, PLURAL), strict=False):
            bare = form.removeprefix("se ").removeprefix("s'")
            verbs.setdefault(bare, []).append((entry, number, bare != form))
    adverbs = {forms[0] for _, forms in spoken("adverbs", "fr")}
    return nouns, adjectives, verbs, adverbs


class French(Parser):
    """Subject, verb and objects in one order in every clause; the difficulty is in the words."""

    language, conjunction, time_comma = "fr", "et", True

    def __init__(self, words):
        self.nouns, self.adjectives, self.verbs, self.adverbs = french_words()
        super().__init__(words)

    def spelling(self):
        """Also elision: everywhere before a vowel or a mute h, nowhere else."""
        yield from super().spelling()
        for word, after in zip(self.words, self.words[1:], strict=False):
            if word in FRENCH_ELIDES and vowel_sound(after):
                yield f"{word} is not elided before {after}"
            if word in FRENCH_ELIDED and not vowel_sound(after):
                yield f"{word} is elided before {after}"

    def determiner(self, i):
        """The determiners that may stand at i, as (next position, determiner)."""
        word = self.at(i)
        if word in ("le", "la", "l'", "les", "un", "une", "des", "de", "d'", "du"):
            yield i + 1, word
            if word == "de" and self.at(i + 1) in ("la", "l'"):
                yield i + 2, f"de {self.at(i + 1)}"
        elif word in FRENCH_NUMBERS:
            yield i, "number"
        elif word in self.nouns or word in self.adjectives:
            yield i, "none"

    def phrase(self, i, given=None, relatives=True):
        """Determiner [number] [adjectives] noun [adjectives] [worn clothes] [relative clause]."""
        options = self.determiner(i) if given is None else [(i, given)]
        for j, determiner in options:
            for k, phrase, faults in self.noun_phrase(i, j, determiner):
                if not relatives:
                    yield k, phrase, faults
                    continue
                clothed = False
                for m, preposition, worn, more in self.prepositional(k, False):
                    if worn.parts[0].worn == preposition:
                        clothed = True
                        yield from self.with_relative(m, phrase, faults + more)
                if not clothed:
                    yield from self.with_relative(k, phrase, faults)

    def noun_phrase(self, start, i, determiner):
        counted = self.at(i) in FRENCH_NUMBERS
        i += counted
        first = self.at(i)
        before, after = [], []
        while self.at(i) in self.adjectives:
            before.append(self.at(i))
            i += 1
        if self.at(i) not in self.nouns:
            return
        entry, forms = self.nouns[self.at(i)]
        noun = self.at(i)
        i += 1
        while self.at(i) in self.adjectives:
            after.append(self.at(i))
            i += 1
        text = " ".join(self.words[start:i])
        followers = [*before, noun][1:] + [""] * len(after)
        readings = {
            Reading(gender, number)
            for gender, number in forms
            if self.determined(determiner, gender, number, counted, bool(before), entry, first)
            and all(
                self.shaped(adjective, gender, number, follower)
                for adjective, follower in zip(before + after, followers, strict=True)
            )
        }
        faults = () if readings else (f"the words do not agree: {text}",)
        for adjective in before:
            if self.adjectives[adjective][0] not in FRENCH_BEFORE:
                faults += (f"{adjective} stands before {noun}",)
        for adjective in after:
            if self.adjectives[adjective][0] in FRENCH_BEFORE:
                faults += (f"{adjective} stands after {noun}",)
        yield (
            i,
            Phrase(
                frozenset(readings),
                text,
                place=entry.get("at", {}).get("fr", ""),
                worn=entry.get("worn", {}).get("fr", ""),
                landmark=entry.get("landmark", False),
                definite=determiner in ("le", "la", "l'", "les"),
                counted=counted,
            ),
            faults,
        )

    def determined(self, determiner, gender, number, counted, preceded, entry, first):
        """Does this determiner fit the noun, with what stands between the two?"""
        mass = entry.get("mass", False)
        plural = number == PLURAL
        if counted and not plural:
            return False
        if determiner in ("le", "la"):
            article = FRENCH_DEFINITE.get((gender, number)) == determiner
            return article and not vowel_sound(first)
        if determiner == "l'":
            return not plural and vowel_sound(first)
        if determiner == "les":
            return plural
        if determiner in ("un", "une"):
            return FRENCH_INDEFINITE.get((gender, number)) == determiner and not mass
        if determiner == "number":
            return counted
        if determiner == "bare":  # after the preposition de, which swallows des and du
            return counted or plural or mass
        if determiner == "des":
            return plural and not preceded and not counted
        if determiner in ("de", "d'"):
            return plural and preceded and not counted
        if determiner == "du":
            return mass and gender == "m" and not plural and not vowel_sound(first)
        if determiner == "de la":
            return mass and gender == "f" and not plural and not vowel_sound(first)
        if determiner == "de l'":
            return mass and not plural and vowel_sound(first)
        return False

    def shaped(self, adjective, gender, number, follower):
        """Is the adjective in its form for this gender and number: beau, but bel oiseau?"""
        for g, n, before in self.adjectives[adjective][1]:
            if (g, n) == (gender, number):
                if not before or not follower:
                    if before != "vowel":
                        return True
                elif (before == "vowel") == vowel_sound(follower):
                    return True
        return False

    def with_relative(self, i, phrase, faults):
        """The phrase alone, or with a clause that begins with qui or que."""
        pronoun = self.at(i)
        if pronoun == "qui":
            for j, _, number, more in self.predicate(i + 1):
                readings = {r for r in phrase.readings if r.number == number}
                if phrase.readings and not readings:
                    more += (f"the verb after qui does not agree with {phrase.text}",)
                yield j, phrase.narrowed(readings or phrase.readings), faults + more
        elif pronoun in ("que", "qu'"):
            for j, subject, more in self.group(i + 1):
                for k, _, number, rest in self.predicate(j, relative=True):
                    wrong = number_faults(subject.numbers(), number, subject.text)
                    yield k, phrase, faults + more + rest + wrong
        else:
            yield i, phrase, faults

    def prepositional(self, i, relatives=True):
        """A preposition with its phrase: position, preposition, group, faults."""
        beside = self.said(i, "à", "côté")
        start = i if beside is None else beside
        word, given, faults = self.at(start), None, ()
        if word in FRENCH_CONTRACTED:
            preposition, given = FRENCH_CONTRACTED[word]
        elif word in FRENCH_PREPOSITIONS:
            preposition = "de" if word == "d'" else word
            after = self.at(start + 1)
            if preposition in ("à", "de") and after in ("le", "les"):
                faults = (f"{word} {after} is not contracted",)
            article = ("le", "la", "l'", "les", "un", "une")
            if preposition == "de" and after not in article:
                given = "bare"
        else:
            return
        if beside is not None:
            if preposition != "de":
                faults += ("à côté without de",)
            preposition = "à côté de"
        for j, one, more in self.phrase(start + 1, given, relatives):
            yield j, preposition, Group((one,)), faults + more

    def predicate(self, i, relative=False):
        """[ne] [se] verb [pas] [adverb] objects and places, in all readings."""
        negated = self.at(i) in ("ne", "n'")
        i += negated
        reflexive = self.at(i) in ("se", "s'")
        i += reflexive
        options = self.verbs.get(self.at(i), ()) if self.at(i) else ()
        if not options:
            return
        denied = self.at(i + 1) == "pas"
        faults = () if negated == denied else ("ne and pas do not belong together",)
        for j, items, more in self.after_verb(i + 1 + denied, (), ()):
            for entry, number, own in options:
                wrong = self.roles(entry, items, relative, negated)
                if own != reflexive:
                    wrong += (f"{entry['fr']} {'without' if own else 'with'} se",)
                groups = tuple(group for _, group in items if group)
                yield j, groups, number, faults + more + wrong

    def after_verb(self, i, items, faults):
        yield i, items, faults
        if self.at(i) in self.adverbs:
            yield from self.after_verb(i + 1, (*items, ("adverb", None)), faults)
            return
        for j, preposition, group, more in self.prepositional(i):
            yield from self.after_verb(j, (*items, (preposition, group)), faults + more)
        for j, group, more in self.group(i):
            yield from self.after_verb(j, (*items, ("", group)), faults + more)

    def roles(self, entry, items, relative, negated):
        """The faults of the objects and places of this verb."""
        preposition = entry.get("prep", {}).get("fr", "")
        direct = int("object" in entry and not preposition and not relative)
        if relative and ("object" not in entry or preposition):
            return (f"que with {entry['fr']}, which has no direct object",)
        if "recipient" in entry:
            preposition = "à"
        objects = [group for kind, group in items if kind == ""]
        faults = ()
        if len(objects) != direct:
            faults += (f"{entry['fr']} has {len(objects)} objects instead of {direct}",)
        phrases = [(kind, g) for kind, g in items if kind not in ("", "adverb")]
        if preposition:
            options = [n for n, (kind, _) in enumerate(phrases) if kind == preposition]
            if options:
                faults += fewest(self.place_faults(phrases[:n] + phrases[n + 1 :]) for n in options)
            else:
                faults += (f"{entry['fr']} lacks {preposition}",)
        else:
            faults += self.place_faults(phrases)
        if sum(kind == "adverb" for kind, _ in items) > 1:
            faults += ("there is one adverb too many",)
        if negated:
            for part in (part for group in objects for part in group.parts):
                if not part.definite and not part.counted:
                    faults += (f"after pas, {part.text} should have de",)
        return faults

    def place_faults(self, phrases):
        return sum((places(kind, group, FRENCH_NEAR) for kind, group in phrases), ())

    def while_(self, i):
        for words in (("pendant", "que"), ("pendant", "qu'"), ("tandis", "que"), ("tandis", "qu'")):
            j = self.said(i, *words)
            if j is not None:
                yield j

    def because(self, i, seen):
        """Parce que, pronoun, est or sont, [trop], adjective."""
        if self.at(i) != "parce" or self.at(i + 1) not in ("que", "qu'"):
            return
        pronoun, verb, j = self.at(i + 2), self.at(i + 3), i + 4
        j += self.at(j) == "trop"
        if pronoun not in FRENCH_PRONOUNS or verb not in ("est", "sont"):
            return
        if self.at(j) not in self.adjectives:
            return
        gender, number = FRENCH_PRONOUNS[pronoun]
        faults = ()
        if number != (SINGULAR if verb == "est" else PLURAL):
            faults += (f"{pronoun} does not agree with {verb}",)
        if not self.shaped(self.at(j), gender, number, ""):
            faults += (f"{self.at(j)} does not agree with {pronoun}",)
        if not any(self.stands_for(parts, gender, number) for parts in mentioned(seen)):
            faults += (f"{pronoun} has nothing to refer to",)
        yield j + 1, faults

    def stands_for(self, parts, gender, number):
        """Two nouns are masculine together unless both are feminine."""
        if len(parts) == 1:
            return any((r.gender, r.number) == (gender, number) for r in parts[0].readings)
        feminine = all({r.gender for r in part.readings} == {"f"} for part in parts)
        return number == PLURAL and (gender == "f") == feminine


def french(words):
    """The faults of a French sentence."""
    return French(words).faults()


# --------------------------------------------------------------------------------------- English

ENGLISH_NUMBERS = {"two", "three", "four", "five"}
ENGLISH_NEAR = ("next to", "behind", "in front of")
ENGLISH_PREPOSITIONS = (
    *("in front of", "next to", "behind", "in", "on", "at", "with", "to", "for", "of", "about"),
)
ENGLISH_PRONOUNS = {"he": SINGULAR, "she": SINGULAR, "it": SINGULAR, "they": PLURAL}


def takes_an(word):
    """An before a vowel sound: an hour, but a unicorn."""
    if word.startswith(("hour", "honest", "heir")):
        return True
    return word[:1] in "aeiou" and not word.startswith(("uni", "use", "eu", "one"))


@cache
def english_words():
    """Tables of the words: nouns and verbs by form."""
    nouns, verbs, bases = {}, {}, {}
    for entry, forms in spoken("nouns", "en"):
        for form, number in zip(forms, (SINGULAR, PLURAL), strict=False):
            nouns.setdefault(form, [entry, set()])[1].add(number)
    for entry, forms in spoken("verbs", "en"):
        for form, number in zip(forms, (SINGULAR, PLURAL), strict=False):
            verb, *particle = form.split()
            verbs.setdefault(verb, []).append((entry, number, tuple(particle)))
            if number == PLURAL:
                bases.setdefault(verb, []).append((entry, number, tuple(particle)))
    adjectives = {forms[0] for _, forms in spoken("adjectives", "en")}
    adverbs = {forms[0] for _, forms in spoken("adverbs", "en")}
    return nouns, adjectives, verbs, bases, adverbs


class English(Parser):
    """Subject, verb, objects; the endings are few."""

    language, conjunction = "en", "and"

    def __init__(self, words):
        self.nouns, self.adjectives, self.verbs, self.bases, self.adverbs = english_words()
        super().__init__(words)

    def phrase(self, i, relatives=True):
        """[article] [number] [adjectives] noun [worn clothes] [relative clause]."""
        start, article = i, ""
        if self.at(i) in ("the", "a", "an"):
            article = self.at(i)
            i += 1
        counted = self.at(i) in ENGLISH_NUMBERS
        i += counted
        first = self.at(i)
        while self.at(i) in self.adjectives:
            i += 1
        if self.at(i) not in self.nouns:
            return
        entry, numbers = self.nouns[self.at(i)]
        i += 1
        text = " ".join(self.words[start:i])
        readings = {
            Reading("", number)
            for number in numbers
            if self.fits(article, number, counted, entry, first)
        }
        faults = () if readings else (f"the words do not agree: {text}",)
        phrase = Phrase(
            frozenset(readings),
            text,
            place=entry.get("at", {}).get("en", ""),
            worn=entry.get("worn", {}).get("en", ""),
            landmark=entry.get("landmark", False),
            pronoun=entry.get("pronoun", ""),
        )
        if not relatives:
            yield i, phrase, faults
            return
        clothed = False
        for j, preposition, worn, more in self.prepositional(i, False):
            if worn.parts[0].worn == preposition:
                clothed = True
                yield from self.with_relative(j, phrase, faults + more)
        if not clothed:
            yield from self.with_relative(i, phrase, faults)

    def fits(self, article, number, counted, entry, first):
        """Do article and number fit the noun, and a or an the word that follows?"""
        mass = entry.get("mass", False)
        if counted:
            return number == PLURAL and article in ("", "the")
        if article in ("a", "an"):
            return number == SINGULAR and not mass and (article == "an") == takes_an(first)
        return article == "the" or number == PLURAL or mass

    def with_relative(self, i, phrase, faults):
        """The phrase alone, or with who, whom, that or which."""
        pronoun = self.at(i)
        if pronoun not in ("who", "whom", "that", "which"):
            yield i, phrase, faults
            return
        if phrase.pronoun == "it" and pronoun in ("who", "whom"):
            faults += (f"{pronoun} with {phrase.text}",)
        if phrase.pronoun != "it" and pronoun == "which":
            faults += (f"which with {phrase.text}",)
        if pronoun != "whom":
            for j, _, number, more in self.predicate(i + 1):
                if number:
                    numbers = {r.number for r in phrase.readings}
                    more += number_faults(numbers, number, phrase.text)
                yield j, phrase, faults + more
        if pronoun != "who":
            for j, subject, more in self.group(i + 1):
                for k, _, number, rest in self.predicate(j, relative=True):
                    wrong = number_faults(subject.numbers(), number, subject.text)
                    yield k, phrase, faults + more + rest + wrong

    def prepositional(self, i, relatives=True):
        """A preposition with its phrase or phrases: position, preposition, group, faults."""
        for preposition in ENGLISH_PREPOSITIONS:
            j = self.said(i, *preposition.split())
            if j is None:
                continue
            if relatives:
                for k, group, faults in self.group(j):
                    yield k, preposition, group, faults
            else:
                for k, one, faults in self.phrase(j, False):
                    yield k, preposition, Group((one,)), faults
            return

    def predicate(self, i, relative=False):
        """Verb, objects and places, or does not with a base form."""
        verbs, said = self.verbs, None
        if self.at(i) in ("does", "do") and self.at(i + 1) == "not":
            said = SINGULAR if self.at(i) == "does" else PLURAL
            verbs = self.bases
            i += 2
        for entry, number, particle in verbs.get(self.at(i), ()):
            j = self.said(i + 1, *particle)
            if j is None:
                continue
            for k, items, faults in self.after_verb(j, (), ()):
                wrong = self.roles(entry, items, relative)
                groups = tuple(group for _, group in items if group)
                yield k, groups, said or number, faults + wrong
            if relative and entry.get("prep", {}).get("en"):
                preposition = entry["prep"]["en"]
                k = self.said(j, *preposition.split())  # whom a boy looks at
                for m, items, faults in self.after_verb(k, (), ()) if k is not None else ():
                    wrong = self.place_faults(items)
                    yield m, (), said or number, faults + wrong

    def after_verb(self, i, items, faults):
        yield i, items, faults
        if self.at(i) in self.adverbs:
            yield from self.after_verb(i + 1, (*items, ("adverb", None)), faults)
            return
        for j, preposition, group, more in self.prepositional(i):
            yield from self.after_verb(j, (*items, (preposition, group)), faults + more)
        for j, group, more in self.group(i):
            yield from self.after_verb(j, (*items, ("", group)), faults + more)

    def roles(self, entry, items, relative):
        """The faults of the objects and places of this verb."""
        preposition = entry.get("prep", {}).get("en", "")
        direct = int("object" in entry and not preposition)
        if relative:
            if not direct:
                return (f"{entry['en']} has no object that whom could be",)
            direct = 0
        if "recipient" in entry:
            preposition = "to"
        objects = [group for kind, group in items if kind == ""]
        faults = ()
        if len(objects) != direct:
            faults += (f"{entry['en']} has {len(objects)} objects instead of {direct}",)
        phrases = [(kind, g) for kind, g in items if kind != ""]
        if preposition:
            options = [n for n, (kind, _) in enumerate(phrases) if kind == preposition]
            if options:
                faults += fewest(self.place_faults(phrases[:n] + phrases[n + 1 :]) for n in options)
            else:
                faults += (f"{entry['en']} lacks {preposition}",)
        else:
            faults += self.place_faults(phrases)
        if sum(kind == "adverb" for kind, _ in items) > 1:
            faults += ("there is one adverb too many",)
        kinds = [kind for kind, _ in items]
        if "adverb" in kinds and "" in kinds[kinds.index("adverb") :]:
            faults += ("an adverb stands between the verb and its object",)
        return faults

    def place_faults(self, phrases):
        return tuple(
            f"{kind} does not make a place of {group.text}"
            for kind, group in phrases
            if group
            and not all(
                p.place == kind or (p.landmark and kind in ENGLISH_NEAR) for p in group.parts
            )
        )

    def while_(self, i):
        if self.at(i) == "while":
            yield i + 1

    def because(self, i, seen):
        """Because, pronoun, is or are, [too], adjective."""
        pronoun, verb, j = self.at(i + 1), self.at(i + 2), i + 3
        if self.at(i) != "because" or pronoun not in ENGLISH_PRONOUNS:
            return
        j += self.at(j) == "too"
        if verb not in ("is", "are") or self.at(j) not in self.adjectives:
            return
        faults = ()
        if ENGLISH_PRONOUNS[pronoun] != (SINGULAR if verb == "is" else PLURAL):
            faults += (f"{pronoun} does not agree with {verb}",)
        if not any(self.stands_for(parts, pronoun) for parts in mentioned(seen)):
            faults += (f"{pronoun} has nothing to refer to",)
        yield j + 1, faults

    def stands_for(self, parts, pronoun):
        """They for several; a teacher may be he or she, but a king is he and a table it."""
        numbers = {r.number for r in parts[0].readings} if len(parts) == 1 else {PLURAL}
        if pronoun == "they":
            return PLURAL in numbers
        own = parts[0].pronoun
        return SINGULAR in numbers and (own == pronoun or (not own and pronoun != "it"))


def english(words):
    """The faults of an English sentence."""
    return English(words).faults()
