"""A second opinion on the captions: does a sentence obey the grammar of its language?

Nothing is shared with the generator but the vocabulary in data/microworld/lexicon.json.  Endings,
articles, contractions, elision and word order are written down here a second time, from the
languages themselves, so that a mistake in one place cannot hide in the other.

The three parsers work alike.  A method reads from position i and yields each (next position, what
was read) that has no mistake; a sentence is accepted if one reading of it reaches the full stop.
"""

import json
from itertools import chain, pairwise, product
from pathlib import Path
from typing import NamedTuple

LEXICON = Path(__file__).resolve().parent.parent / "data/microworld/lexicon.json"
SINGULAR, PLURAL = NUMBERS = range(2)
NOMINATIVE, ACCUSATIVE, DATIVE = CASES = range(3)  # all alike in English and French
PRONOUNS = {  # by gender: singular, plural
    "en": {"m": ("he", "they"), "f": ("she", "they"), "n": ("it", "they")},
    "fr": {"m": ("il", "ils"), "f": ("elle", "elles")},
    "de": {"m": ("er", "sie"), "f": ("sie", "sie"), "n": ("es", "sie")},
}
CONTRACTIONS = {
    "en": {},
    "fr": {"au": "à le", "aux": "à les", "du": "de le", "des": "de les"},
    "de": {"im": "in dem", "am": "an dem", "vom": "von dem", "zum": "zu dem", "zur": "zu der"},
}


def accepts(code, words):
    """Whether a sentence in the language "en", "fr" or "de" is without a mistake."""
    if not words or not all(words) or not words[0][0].isupper() or words[-1] != ".":
        return False
    first, *others = words
    lowered = first[0].lower() + first[1:]  # unless it is a German noun
    return any(LANGUAGES[code]([word, *others]).reads() for word in (lowered, first))


class Phrase(NamedTuple):
    """A noun with what belongs to it: "a dog" and "dogs" are new, "the dogs" and "two dogs" not."""

    noun: dict
    readings: set  # (gender, number, case)
    definite: bool
    new: bool


def may_be(group, case, number=None):
    """Whether a phrase, or two joined by "and", may stand in this case and number."""
    if len(group) > 1:
        return number != SINGULAR and all(may_be([phrase], case) for phrase in group)
    return any(c == case and number in (None, n) for _, n, c in group[0].readings)


def meanings(groups):
    """(gender, number) of each phrase, and of two together: feminine only if both are."""
    for group in groups:
        genders = {gender for phrase in group for gender, _, _ in phrase.readings}
        yield from ((g, n) for phrase in group for g, n, _ in phrase.readings)
        if len(group) > 1:
            yield "f" if genders == {"f"} else "m", PLURAL


class Parser:
    """What the three languages have in common."""

    relative_comma = time_comma = to = ""  # to: what stands before a recipient
    adjectives_follow = False

    def __init_subclass__(cls):
        """Vocabulary by form: nouns (entry, readings), endings of adjectives, kinds of adverbs;
        by the first word: verbs [(entry, number, other words)]."""
        entries = json.loads(LEXICON.read_text(encoding="utf-8"))

        def spoken(part):
            return [(e, e[cls.code].split("|")) for e in entries[part] if cls.code in e]

        cls.nouns, cls.adjectives, cls.verbs = {}, {}, {}
        cls.prepositions = {cls.to, *cls.near}
        for entry, forms in spoken("nouns"):
            for form, reading in cls.noun_forms(entry, *forms):
                cls.nouns.setdefault(form, (entry, set()))[1].add(reading)
            cls.prepositions |= {entry[how][cls.code] for how in ("at", "worn") if how in entry}
        for _, forms in spoken("adjectives"):
            for form, ending in cls.adjective_forms(*forms):
                cls.adjectives.setdefault(form, set()).add(ending)
        for entry, forms in spoken("verbs"):
            for number, first, others in cls.verb_forms(*forms):
                cls.verbs.setdefault(first, []).append((entry, number, others))
            cls.prepositions.add(entry.get("prep", {}).get(cls.code, ""))
        cls.prepositions.remove("")
        cls.adverbs = {forms[0]: "adverb" for _, forms in spoken("adverbs")} | {"nicht": "not"}
        cls.times = [forms[0] + cls.time_comma for _, forms in spoken("times")]

    def __init__(self, words):
        """No words at all where one is wrong before the next."""
        contractions = CONTRACTIONS[self.code]
        whole = not any(" ".join(pair) in contractions.values() for pair in pairwise(words))
        words = [w for word in words for w in contractions.get(word, word).split()]
        whole = whole and all(self.may_precede(*pair) for pair in pairwise(words))
        self.words = [ELIDED.get(word, word) for word in words] if whole else []

    def may_precede(self, word, follower):
        return True

    def at(self, i):
        return self.words[i] if i < len(self.words) else ""

    def after(self, i, words):
        """The position after these words if they stand at i, else 0."""
        words = words.split()
        return i + len(words) if self.words[i : i + len(words)] == words else 0

    # --- phrases

    def group(self, i, preposition=""):
        """A phrase, or two with "and" between them."""
        for j, one in self.phrase(i, preposition):
            yield j, [one]
            if self.at(j) == self.conjunction:
                for k, two in self.phrase(j + 1):
                    yield k, [one, two]

    def phrase(self, i, preposition=""):
        """A plain phrase [with worn clothes] [with a relative clause]"""
        for j, phrase in self.plain(i, preposition):
            for k in (j, *self.clothes(j)):
                yield k, phrase
                yield from self.relative(k, phrase)

    def plain(self, i, preposition=""):
        """[article] [number] [adjectives] noun [French adjectives]"""
        start = i
        while self.at(i) in self.articles:
            i += 1
        article, counted = " ".join(self.words[start:i]), self.at(i) in self.numbers
        first = head = i + counted
        while self.at(head) in self.adjectives:
            head += 1
        if self.at(head) not in self.nouns:
            return
        end = head + 1
        while self.adjectives_follow and self.at(end) in self.adjectives:
            end += 1
        noun, readings = self.nouns[self.at(head)]
        fitting = set()
        for reading in readings:
            around = counted, head > first, preposition
            endings = self.endings(*reading, noun.get("mass"), around)
            if article in endings and (reading[1] == PLURAL or not counted):
                places = {*range(first, end)} - {head}
                if all(self.agrees(place, head, endings[article]) for place in places):
                    fitting.add(reading)
        definite = article.startswith(self.definite)
        if fitting:
            yield end, Phrase(noun, fitting, definite, not definite and not counted)

    def agrees(self, i, head, ending):
        """Whether the adjective at i has the ending that its noun, at head, wants."""
        return ending in self.adjectives[self.at(i)]

    def prepositional(self, i, read):
        for preposition in self.prepositions:
            if j := self.after(i, preposition):
                for k, found in read(j, preposition):
                    yield k, preposition, found

    def clothes(self, i):
        for j, how, garment in self.prepositional(i, self.plain):
            if garment.noun.get("worn", {}).get(self.code) == how and may_be([garment], DATIVE):
                yield j

    def relative(self, i, phrase):
        """The phrase with a relative clause, and with the readings that this leaves it."""
        i = self.after(i, self.relative_comma)
        pronoun = self.at(i)
        if not i or pronoun not in self.relatives:
            return
        for j, entry, number, subject, items in self.clause(i + 1, "last"):
            ends = {",": (j, j + 1), ".": (j,)}.get(self.at(j), ()) if self.relative_comma else (j,)
            for gap in (ACCUSATIVE, DATIVE) if subject else (NOMINATIVE,):
                left = {
                    (g, n, case)
                    for g, n, case in phrase.readings
                    if self.stands_for(pronoun, g, n, gap) and (subject or n == number)
                }
                agree = not subject or may_be(subject, NOMINATIVE, number)
                if left and agree and self.complete(entry, items, gap):
                    yield from ((end, phrase._replace(readings=left)) for end in ends)

    # --- clauses

    def reads(self):
        """Whether the words are: [time] clause [and, while or because ...]"""
        for i in {0, *(self.after(0, time) for time in self.times)}:
            for j, groups in self.main(i, "fronted" if i else "main"):
                ends = [j]
                for link, order in ((self.link, "main"), (self.whiles, "last")):
                    if k := self.after(j, link):
                        ends += [end for end, _ in self.main(k, order)]
                k = self.after(j, self.because)
                if len(self.words) - 1 in ends or (k and self.reason(self.words[k:-1], groups)):
                    return True
        return False

    def main(self, i, order):
        """Any clause that has a subject, with the groups that it names."""
        for j, entry, number, subject, items in self.clause(i, order):
            if subject and may_be(subject, NOMINATIVE, number) and self.complete(entry, items):
                yield j, [subject, *(group for _, group in items if group)]

    def clause(self, i, order):
        """Its end, verb, the verb's number, subject (or none, if relative) and other items."""
        for j, subject in chain([(i, None)], self.group(i)):
            for entry, number, others in self.verbs.get(self.at(j), ()):
                if k := self.after(j + 1, others):
                    denied = (("not", ()),) * others.endswith("pas")
                    for end, items in self.items(k, denied):
                        yield end, entry, number, subject, items

    def items(self, i, items=()):
        """(kind, group) of objects (no kind), adverbs, nots and phrases with a preposition."""
        yield i, items
        word = self.at(i)
        for j, kind, group in chain(
            [(i + 1, self.adverbs[word], ())] if word in self.adverbs else (),
            self.prepositional(i, self.group),
            ((j, "", group) for j, group in self.group(i)),
        ):
            yield from self.items(j, (*items, (kind, group)))

    def complete(self, entry, items, gap=NOMINATIVE):
        """Whether a verb has its objects and nothing else but places, one adverb and one not.

        gap: the case of the relative pronoun that is one of its objects, or its subject.
        """
        preposition = entry.get("prep", {}).get(self.code, "")
        case = DATIVE if entry.get("case") == "dat" else ACCUSATIVE
        cases = [case] if "object" in entry and not preposition else []  # of bare objects
        if "recipient" in entry:
            preposition, case = self.to, DATIVE
            cases = [ACCUSATIVE] if self.to else [DATIVE, ACCUSATIVE]
        if gap not in (NOMINATIVE, *cases):
            return False
        cases = [c for c in cases if c != gap]
        kinds, objects = [kind for kind, _ in items], [group for kind, group in items if kind == ""]
        known_first = objects and all(phrase.definite for phrase in objects[0])
        orders = (cases, cases[::-1]) if known_first else (cases,)  # den Ball einem Kind
        places = [item for item in items if item[0] in self.prepositions]
        rests = [places]  # without the object that has a preposition
        if preposition:
            found = [it for it in places if it[0] == preposition and may_be(it[1], case)]
            rests = [[other for other in places if other is not item] for item in found]
        return (
            max(kinds.count("adverb"), kinds.count("not")) < 2
            and len(objects) == len(cases)
            and any(all(map(may_be, objects, order)) for order in orders)
            and any(all(self.is_place(*place) for place in rest) for rest in rests)
            and self.in_order(items, kinds, preposition)
        )

    def is_place(self, preposition, group):
        return may_be(group, DATIVE) and all(
            phrase.noun.get("at", {}).get(self.code) == preposition
            or (phrase.noun.get("landmark") and preposition in self.near)
            for phrase in group
        )

    def reason(self, words, groups):
        """Whether they are a pronoun for something named, is or are, [too] and an adjective."""
        match words:
            case [pronoun, verb, adjective] | [pronoun, verb, self.too, adjective]:
                return any(
                    (pronoun, verb) == (PRONOUNS[self.code][gender][number], self.be[number])
                    and self.predicative(gender, number) in self.adjectives.get(adjective, ())
                    for gender, number in meanings(groups)
                )
        return False

    def predicative(self, gender, number):
        """The ending of an adjective after is or are."""
        return ""


class English(Parser):
    code, to, definite, numbers = "en", "to", "the", ("two", "three", "four", "five")
    conjunction, link, whiles, because, too = "and", ", and", "while", "because", "too"
    near, be = ("next to", "behind", "in front of"), ("is", "are")
    articles, relatives = ("the", "a", "an"), ("who", "whom", "that")

    @staticmethod
    def noun_forms(entry, *forms):
        genders = {"he": "m", "she": "f", "it": "n"}.get(entry.get("pronoun"), "mf")
        for form, number in zip(forms, NUMBERS, strict=False):
            yield from ((form, reading) for reading in product(genders, [number], CASES))

    @staticmethod
    def adjective_forms(form):
        return [(form, "")]

    @staticmethod
    def verb_forms(singular, plural):
        for number, form in ((SINGULAR, singular), (PLURAL, plural)):
            first, _, particle = form.partition(" ")
            yield number, first, particle
            yield number, ("does", "do")[number], f"not {plural}"

    def may_precede(self, word, follower):
        """An before a vowel sound: an hour, but a unicorn."""
        vowel = follower[0] in "aeiou" and not follower.startswith(("uni", "use", "eu", "one"))
        vowel = vowel or follower.startswith(("hour", "honest", "heir"))
        return word not in ("a", "an") or (word == "an") == vowel

    def endings(self, gender, number, case, mass, around):
        """{article: what adjectives end in after it}"""
        return dict.fromkeys(["the", ""] if number == PLURAL or mass else ["the", "a", "an"], "")

    def stands_for(self, pronoun, gender, number, case):
        return pronoun == "that" or (gender != "n" and pronoun == ("whom" if case else "who"))

    def in_order(self, items, kinds, preposition):
        """An adverb stands after the object."""
        return "adverb" not in kinds or "" not in kinds[kinds.index("adverb") :]


ELIDED = {"l'": "l'", "d'": "de", "n'": "ne", "s'": "se", "qu'": "que"}
WHOLE = {"le", "la", "de", "ne", "se", "que"}  # these are elided before a vowel sound
ASPIRATED = (  # but not before these
    *("hache", "haie", "hamster", "haricot", "harpe", "haut", "hérisson", "héron", "héros"),
    *("hibou", "homard", "huit", "hutte"),
)
LEADING = {  # adjectives that stand before their noun
    *("beau", "bon", "gentil", "grand", "gros", "jeune", "joli", "long", "mauvais", "nouveau"),
    *("petit", "vieux"),
}


class French(Parser):
    code, to, definite, numbers = "fr", "à", "l", ("deux", "trois", "quatre", "cinq")
    conjunction, link, whiles, because, too = "et", ", et", "tandis que", "parce que", "trop"
    near, be = ("à côté de", "derrière", "devant"), ("est", "sont")
    articles, relatives = ("le", "la", "l'", "les", "un", "une", "de"), ("qui", "que")
    time_comma, adjectives_follow = " ,", True

    @staticmethod
    def noun_forms(entry, singular, *plural):
        article, singular = singular.split()
        gender = {"le": "m", "la": "f"}[article]
        for form, number in zip((singular, *plural), NUMBERS, strict=False):
            yield from ((form, reading) for reading in product(gender, [number], CASES))

    @staticmethod
    def adjective_forms(masculine, feminine, before_vowel=None):
        """Each with its gender, its number and where it may stand: un vieil homme est vieux."""
        places, table = ("after", "predicate"), {}
        if masculine in LEADING:
            places = ("before vowel", "before consonant", "predicate")
        for (gender, form), place in product([("m", masculine), ("f", feminine)], places):
            plural = "" if form[-1] in "sx" else "x" if form.endswith("eau") else "s"
            table |= {(gender, SINGULAR, place): form, (gender, PLURAL, place): form + plural}
        if before_vowel:
            table["m", SINGULAR, "before vowel"] = before_vowel
        return [(form, ending) for ending, form in table.items()]

    @staticmethod
    def verb_forms(*forms):
        for number, form in zip(NUMBERS, forms, strict=True):
            words = form.replace("s'", "se ").split()
            yield number, words[0], " ".join(words[1:])
            yield number, "ne", f"{' '.join(words)} pas"

    def may_precede(self, word, follower):
        """Elision stands before a vowel or a mute h and nowhere else."""
        vowel = self.vowel_sound(follower)
        return vowel if word in ELIDED else not vowel or word not in WHOLE

    def vowel_sound(self, word):
        return word[0] in "aàâeéèêiîoôœuûyh" and not word.startswith(ASPIRATED)

    def endings(self, gender, number, case, mass, around):
        counted, preceded, preposition = around
        the, a = {"m": ("le", "un"), "f": ("la", "une")}[gender]
        definite, some = ["l'", the], [a]
        if number == PLURAL:
            definite, some = ["les"], ["de" if preceded else "de les"]  # de jeunes femmes
        elif mass:
            some = ["de l'", f"de {the}"]
        if counted or (preposition.endswith("de") and (number == PLURAL or mass)):
            some = [""]
        return dict.fromkeys([*definite, *some], (gender, number))

    def agrees(self, i, head, ending):
        before = "before vowel" if self.vowel_sound(self.at(i + 1)) else "before consonant"
        return (*ending, before if i < head else "after") in self.adjectives[self.at(i)]

    def predicative(self, gender, number):
        return gender, number, "predicate"

    def stands_for(self, pronoun, gender, number, case):
        return pronoun == ("que" if case else "qui")

    def in_order(self, items, kinds, preposition):
        """After pas stands no new object: pas de chien."""
        return "not" not in kinds or not any(p.new for kind, g in items for p in g if kind == "")


# By gender, or p for the plural: nominative, accusative, dative.
DEFINITE = {"m": "der den dem", "f": "die die der", "n": "das das dem", "p": "die die den"}
RELATIVE = DEFINITE | {"p": "die die denen"}
INDEFINITE = {"m": "ein einen einem", "f": "eine eine einer", "n": "ein ein einem"}
WEAK = {"m": "e en en", "f": "e e en", "n": "e e en", "p": "en en en"}  # after der, die, das
MIXED = {"m": "er en en", "f": "e e en", "n": "es es en"}  # after ein, eine
STRONG = {"m": "er en em", "f": "e e er", "n": "es es em", "p": "e e en"}  # without an article
WEAK_NOUNS = {  # der Junge, den Jungen
    *("Junge", "Bauer", "Fotograf", "Matrose", "Polizist", "Rabe", "Löwe", "Bär", "Elefant"),
    "Affe",
}


def inflected(table, gender, number, case):
    return table[gender if number == SINGULAR else "p"].split()[case]


class German(Parser):
    code, definite, numbers = "de", "d", ("zwei", "drei", "vier", "fünf")
    conjunction, link, whiles, because, too = "und", "und", ", während", ", weil", "zu"
    near, be = ("neben", "hinter", "vor"), ("ist", "sind")
    relatives = articles = ("der", "die", "das", "den", "dem", "denen")
    articles += ("ein", "eine", "einen", "einem", "einer")
    relative_comma = ","

    @staticmethod
    def noun_forms(entry, singular, *plural):
        article, singular = singular.split()
        gender = {"der": "m", "die": "f", "das": "n"}[article]
        for case in CASES:
            weak = singular in WEAK_NOUNS and case != NOMINATIVE
            ending = "" if not weak else "n" if singular.endswith(("e", "er")) else "en"
            yield singular + ending, (gender, SINGULAR, case)
            for form in plural:  # den Hunden, den Äpfeln; but den Mädchen, den Autos
                ending = "n" if case == DATIVE and form[-1] not in "ns" else ""
                yield form + ending, (gender, PLURAL, case)

    @staticmethod
    def adjective_forms(form, *_):
        """Müd-e, teur-e, but sauber-e."""
        stem = form[:-2] + "r" if form.endswith("euer") else form.removesuffix("e")
        return [(form, ""), *((stem + ending, ending) for ending in ("e", "en", "em", "er", "es"))]

    @staticmethod
    def verb_forms(singular, plural, particle=""):
        for number, form in ((SINGULAR, singular), (PLURAL, plural)):
            yield number, form, particle
            yield number, "last " + particle + form, ""  # at the end of a clause

    def endings(self, gender, number, case, mass, around):
        reading = gender, number, case
        found = {inflected(DEFINITE, *reading): inflected(WEAK, *reading)}
        if number == PLURAL or mass:
            return found | {"": inflected(STRONG, *reading)}
        return found | {inflected(INDEFINITE, *reading): inflected(MIXED, *reading)}

    def clause(self, i, order):
        """The verb stands last, or second and its particle last."""
        if order == "last":
            for j, items in self.items(i):
                for entry, number, _ in self.verbs.get("last " + self.at(j), ()):
                    yield from ((j + 1, entry, number, *rest) for rest in self.subject_of(items))
            return
        for j, subject in self.group(i) if order == "main" else [(i, None)]:
            for entry, number, particle in self.verbs.get(self.at(j), ()):
                for k, items in self.items(j + 1):
                    if end := self.after(k, particle):
                        rests = [(subject, items)] if subject else self.subject_of(items)
                        yield from ((end, entry, number, *rest) for rest in rests)

    def subject_of(self, items):
        """(subject, other items): it stands first, or there is none."""
        yield None, items
        if items and items[0][0] == "":
            yield items[0][1], items[1:]

    def stands_for(self, pronoun, gender, number, case):
        return pronoun == inflected(RELATIVE, gender, number, case)

    def reason(self, words, groups):
        return super().reason([*words[:1], *words[-1:], *words[1:-1]], groups)  # ist stands last

    def in_order(self, items, kinds, preposition):
        """Nicht stands before an object with a preposition, and kein denies a new object."""
        if "not" not in kinds:
            return True
        new = any(phrase.new for kind, g in items for phrase in g if kind in ("", preposition))
        return not new and not (preposition and preposition in kinds[: kinds.index("not")])


LANGUAGES = {"en": English, "fr": French, "de": German}
