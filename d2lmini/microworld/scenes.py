"""Draw the scenes of the microworld: who does what to whom, where, and why."""

import functools
import zlib

from d2lmini.microworld.grammar import Clause, Phrase, Reason, Sentence, kinds
from d2lmini.microworld.grammar import lexicon as entries

SPLITS = ("train", "held-out")


def held_out(first: str, second: str) -> bool:
    """Whether the training split leaves out this pair of words: one in eight, by a checksum."""
    return zlib.crc32(f"{first} {second}".encode()) % 8 == 0


class World:
    """Draws scenes from one lexicon; the training split leaves out held-out pairs."""

    @classmethod
    @functools.cache
    def of(cls, lexicon: str, split: str) -> "World":
        if lexicon not in ("small", "full") or split not in SPLITS:
            raise ValueError(
                f"lexicon is small or full and split is {' or '.join(SPLITS)}, "
                f"got {lexicon!r} and {split!r}"
            )
        return cls(small=lexicon == "small", train=split == "train")

    def __init__(self, *, small: bool, train: bool):
        words = {k: e for k, e in entries().items() if "en" in e and (e.get("small") or not small)}
        self.train, self.held = train, set()
        self.nouns = [name for name, e in words.items() if e["part"] == "nouns"]
        self.adjectives = {  # noun: what it can be
            noun: self.allowed(noun, self.fitting(words, noun)) for noun in self.nouns
        }
        self.verbs, self.agents, self.objects, self.recipients = [], {}, {}, {}
        for name, entry in words.items():
            if entry["part"] != "verbs":
                continue
            self.agents[name] = self.allowed(name, self.of_kinds(entry["agent"]))
            self.objects[name] = self.allowed(name, self.of_kinds(entry.get("object", ())))
            self.recipients[name] = self.of_kinds(entry.get("recipient", ()))
            if self.agents[name]:
                self.verbs.append(name)
        self.places = self.of_kinds(["place"])
        self.landmarks = [n for n in self.of_kinds(["thing"]) if entries()[n].get("landmark")]
        self.garments = [n for n in self.nouns if "worn" in entries()[n]]
        self.adverbs = [name for name, e in words.items() if e["part"] == "adverbs"]
        self.times = [name for name, e in words.items() if e["part"] == "times"]
        self.does, self.undergoes = {}, {}  # noun: the verbs that it can be subject, object of
        for verb in self.verbs:
            for noun in self.agents[verb]:
                self.does.setdefault(noun, []).append(verb)
            simple = not self.recipients[verb] and "prep" not in entries()[verb]
            for noun in self.objects[verb] if simple else ():
                self.undergoes.setdefault(noun, []).append(verb)

    def of_kinds(self, wanted):
        return [noun for noun in self.nouns if not set(kinds(noun)).isdisjoint(wanted)]

    @staticmethod
    def fitting(words, noun):
        adjectives = [name for name, entry in words.items() if entry["part"] == "adjectives"]
        return [a for a in adjectives if not set(kinds(noun)).isdisjoint(words[a]["for"])]

    def allowed(self, word, others):
        """Which others may occur with the word; train drops held-out ones where two remain."""
        kept = [other for other in others if not held_out(word, other)]
        if len(kept) < 2:
            return others
        self.held.update((word, other) for other in others if held_out(word, other))
        return kept if self.train else others

    # --- captions ---

    def sentence(self, random) -> Sentence:
        """Draw a sentence of the split; a held-out one contains a pair that train never does."""
        while True:
            sentence = self.draw(random)
            if self.train or not self.held.isdisjoint(pairs(sentence)):
                return sentence

    def draw(self, random):
        share = random()
        clause = self.clause(random)
        if share < 0.34:
            return Sentence(clause)
        if share < 0.54:
            reason = self.reason(random, clause)
            return Sentence(clause, "because", reason) if reason else Sentence(clause)
        if share < 0.8:
            other = self.clause(random)._replace(time=None)
            apart = {p.noun for p in phrases(clause)}.isdisjoint(p.noun for p in phrases(other))
            if apart and clause.verb != other.verb:
                return Sentence(clause, "and" if share < 0.67 else "while", other)
            return Sentence(clause)
        return Sentence(clause._replace(relative=self.relative(random, clause)))

    def clause(self, random) -> Clause:
        verb = pick(random, self.verbs)
        entry, whom = entries()[verb], None
        subject = self.phrase(random, pick(random, self.agents[verb]), dressed=True)
        if entry.get("alone") and subject.number != 1:
            subject = subject._replace(number=1)
        subjects = (subject,)
        if random() < 0.08 and not entry.get("alone"):
            other = self.phrase(random, pick(random, self.agents[verb]))
            if other.noun != subject.noun:
                subjects = (subject, known(other) if other.number == 0 else other)
        thing = self.thing(random, verb)
        if self.recipients[verb]:
            whom = self.phrase(random, pick(random, self.recipients[verb]))
            whom = known(whom) if whom.number == 0 else whom
        clause = Clause(verb, subjects, thing, whom)
        if len({p.noun for p in phrases(clause)}) < len(phrases(clause)):
            return self.clause(random)  # no dog sees a dog
        chance, time = random(), pick(random, self.times) if random() < 0.12 else None
        if chance < 0.1:  # what is denied is known: nothing new, no how and no where
            subjects = tuple(known(p) if p.number == 0 else p for p in subjects)
            thing, whom = (p and known(p) for p in (thing, whom))
            return Clause(verb, subjects, thing, whom, negated=True, time=time)
        if chance < 0.2 and entry["group"] == "activity" and entry.get("adverbs", True):
            clause = clause._replace(adverb=pick(random, self.adverbs))
        if chance > 0.65 and entry.get("places", True):
            clause = clause._replace(**self.somewhere(random, clause))
        return clause._replace(time=time) if time else clause

    def thing(self, random, verb) -> Phrase | None:
        """The direct object of the verb, if it takes one."""
        if not self.objects[verb]:
            return None
        entry, thing = entries()[verb], self.phrase(random, pick(random, self.objects[verb]))
        if entry.get("alone"):
            thing = thing._replace(number=1)
        if thing.adjective in entry.get("never", ()):
            thing = thing._replace(adjective=None)
        return thing

    def phrase(self, random, noun, *, dressed=False) -> Phrase:
        adjectives, entry = self.adjectives[noun], entries()[noun]
        adjective = pick(random, adjectives) if adjectives and random() < 0.45 else None
        chance = 0 if entry.get("mass") else random()
        number = 1 if chance < 0.7 else 0 if chance < 0.85 else 2 + int(4 * random())
        definite, worn = random() < 0.4, None
        if dressed and number == 1 and kinds(noun)[-1] == "person" and random() < 0.2:
            garment = pick(random, self.garments)
            colours = self.adjectives[garment]
            colour = pick(random, colours) if colours and random() < 0.6 else None
            worn = Phrase(garment, colour)
        return Phrase(noun, adjective, number, definite, worn)

    def somewhere(self, random, clause):
        near = None
        if self.landmarks and random() < 0.3:
            near, noun = (
                pick(random, ("next to", "behind", "in front of")),
                pick(random, self.landmarks),
            )
        else:
            noun = pick(random, self.places)
        if noun in {p.noun for p in phrases(clause)}:
            return {}
        adjectives = self.adjectives[noun]
        adjective = pick(random, adjectives) if adjectives and random() < 0.2 else None
        return {"place": Phrase(noun, adjective, 1, random() < 0.85), "near": near}

    def reason(self, random, clause) -> Reason | None:
        """A predicate that fits only the phrase its pronoun refers to; None if there is none."""
        of = "object" if clause.object and random() < 0.5 else "subject"
        meant = clause.subjects if of == "subject" else (clause.object,)
        entry = entries()[meant[0].noun]
        single = len(meant) == 1 and meant[0].number == 1
        if (single and "pronoun" not in entry) or entry.get("mass"):
            return None
        if clause.negated or any(p.adjective for p in meant):
            return None
        as_what = "agent" if of == "subject" else "object"
        fitting = set.intersection(*(set(self.adjectives[p.noun]) for p in meant))
        fitting = [a for a in self.adjectives[meant[0].noun] if a in fitting]
        fitting = [a for a in fitting if entries()[a].get("predicate") == as_what]
        return Reason(pick(random, fitting), of, too=of == "object") if fitting else None

    def relative(self, random, clause) -> Clause | None:
        """A relative clause: what else the only subject does, or what is done to it."""
        (subject, *others), noun = clause.subjects, clause.subjects[0].noun
        if others or subject.worn:
            return None
        taken = {p.noun for p in phrases(clause)}
        undergoes = self.undergoes.get(noun, ())
        if undergoes and random() < 0.4:
            verb = pick(random, undergoes)
            agent = self.phrase(random, pick(random, self.agents[verb]))
            # By number alone German tells whom from who: die Frau, die Kinder sehen
            clear = (agent.number == 1) != (subject.number == 1)
            clear = clear and agent.noun not in taken and not entries()[verb].get("alone")
            return Clause(verb, (agent,)) if clear else None
        verb = pick(random, self.does[noun])
        if self.recipients[verb] or verb == clause.verb:
            return None
        if entries()[verb].get("alone") and subject.number != 1:
            return None
        thing = self.thing(random, verb)
        return Clause(verb, (), thing) if not thing or thing.noun not in taken else None


def known(phrase: Phrase) -> Phrase:
    return phrase._replace(definite=True)


def pick(random, options):
    return options[int(random() * len(options))]


def phrases(clause: Clause) -> list[Phrase]:
    """All phrases of a clause, without those of its relative clause."""
    others = (clause.object, clause.recipient, clause.place)
    return [*clause.subjects, *(phrase for phrase in others if phrase)]


def pairs(sentence: Sentence):
    """The pairs of words that decide the split: adjective and noun, verb and noun."""
    first = sentence.clause
    for clause in (first, first.relative, sentence.second):
        if isinstance(clause, Reason):
            meant = first.subjects if clause.of == "subject" else [first.object]
            yield from ((phrase.noun, clause.adjective) for phrase in meant)
        elif clause:
            said = phrases(clause)
            nouns = [p.noun for p in (*clause.subjects, clause.object) if p]
            if clause is first.relative:  # whose gap is the first subject
                nouns.append(first.subjects[0].noun)
            yield from ((clause.verb, noun) for noun in nouns)
            dressed = [*said, *(phrase.worn for phrase in said if phrase.worn)]
            yield from ((phrase.noun, phrase.adjective) for phrase in dressed if phrase.adjective)
