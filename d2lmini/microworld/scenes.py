"""Draw the scenes of the microworld: who does what to whom, where, and why."""

import zlib
from collections import defaultdict

from d2lmini.microworld.grammar import Clause, Phrase, Reason, Sentence, is_plural, kinds
from d2lmini.microworld.grammar import lexicon as entries


def held_out(first: str, second: str) -> bool:
    """Whether the training split leaves out this pair of words: one in eight, by a checksum."""
    return zlib.crc32(f"{first} {second}".encode()) % 8 == 0


class World:
    """Draws scenes from one lexicon ("small", "full"); train leaves out held-out pairs."""

    def __init__(self, lexicon: str, split: str):
        if lexicon not in ("small", "full") or split not in ("train", "held-out"):
            wanted = "lexicon is small or full and split is train or held-out"
            raise ValueError(f"{wanted}, got {lexicon!r} and {split!r}")
        small = lexicon == "small"
        words = {k: e for k, e in entries().items() if "en" in e and (e.get("small") or not small)}
        self.nouns, verbs, adjectives, self.adverbs, self.times = (
            [name for name, entry in words.items() if entry["part"] == part]
            for part in ("nouns", "verbs", "adjectives", "adverbs", "times")
        )
        self.train, self.held = split == "train", set()
        self.adjectives = {  # noun: what it can be
            noun: self.allowed(noun, [a for a in adjectives if is_one(noun, words[a]["for"])])
            for noun in self.nouns
        }
        self.agents, self.objects, self.recipients = {}, {}, {}
        for verb in verbs:
            self.agents[verb] = self.allowed(verb, self.of_kinds(words[verb]["agent"]))
            self.objects[verb] = self.allowed(verb, self.of_kinds(words[verb].get("object", ())))
            self.recipients[verb] = self.of_kinds(words[verb].get("recipient", ()))
        self.verbs = [verb for verb in verbs if self.agents[verb]]
        self.places = self.of_kinds(["place"])
        self.landmarks = [n for n in self.of_kinds(["thing"]) if words[n].get("landmark")]
        self.garments = [n for n in self.nouns if "worn" in words[n]]
        # noun: the verbs that it can be subject, object of
        self.does, self.undergoes = defaultdict(list), defaultdict(list)
        for verb in self.verbs:
            for noun in self.agents[verb]:
                self.does[noun].append(verb)
            simple = not self.recipients[verb] and "prep" not in words[verb]
            for noun in self.objects[verb] if simple else ():
                self.undergoes[noun].append(verb)

    def of_kinds(self, wanted):
        return [noun for noun in self.nouns if is_one(noun, wanted)]

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
            if nouns(clause).isdisjoint(nouns(other)) and clause.verb != other.verb:
                return Sentence(clause, "and" if share < 0.67 else "while", other)
            return Sentence(clause)
        return Sentence(clause._replace(relative=self.relative(random, clause)))

    def clause(self, random) -> Clause:
        verb = pick(random, self.verbs)
        entry, whom = entries()[verb], None
        subject = self.phrase(random, pick(random, self.agents[verb]), dressed=True)
        if entry.get("alone"):
            subject = subject._replace(number=1)
        subjects = (subject,)
        if random() < 0.08 and not entry.get("alone"):
            other = self.phrase(random, pick(random, self.agents[verb]))
            if other.noun != subject.noun:
                subjects = (subject, settled(other))
        thing = self.thing(random, verb)
        if self.recipients[verb]:
            whom = settled(self.phrase(random, pick(random, self.recipients[verb])))
        clause = Clause(verb, subjects, thing, whom)
        if len(nouns(clause)) < len(phrases(clause)):
            return self.clause(random)  # no dog sees a dog
        chance, time = random(), pick(random, self.times) if random() < 0.12 else None
        if chance < 0.1:  # what is denied is known: nothing new, no how and no where
            subjects = tuple(map(settled, subjects))
            thing, whom = (p and p._replace(definite=True) for p in (thing, whom))
            return Clause(verb, subjects, thing, whom, negated=True, time=time)
        if chance < 0.2 and entry["group"] == "activity" and entry.get("adverbs", True):
            clause = clause._replace(adverb=pick(random, self.adverbs))
        if chance > 0.65 and entry.get("places", True):
            clause = clause._replace(**self.somewhere(random, clause))
        return clause._replace(time=time)

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
        adjective = self.adjective(random, noun, 0.45)
        chance = 0 if entries()[noun].get("mass") else random()
        number = 1 if chance < 0.7 else 0 if chance < 0.85 else 2 + int(4 * random())
        definite, worn = random() < 0.4, None
        if dressed and number == 1 and kinds(noun)[-1] == "person" and random() < 0.2:
            garment = pick(random, self.garments)
            worn = Phrase(garment, self.adjective(random, garment, 0.6))
        return Phrase(noun, adjective, number, definite, worn)

    def adjective(self, random, noun, share) -> str | None:
        """One that fits the noun, in this share of cases."""
        fitting = self.adjectives[noun]
        return pick(random, fitting) if fitting and random() < share else None

    def somewhere(self, random, clause):
        near, nouns_there = None, self.places
        if self.landmarks and random() < 0.3:
            near = pick(random, ("next to", "behind", "in front of"))
            nouns_there = self.landmarks
        noun = pick(random, nouns_there)
        if noun in nouns(clause):
            return {}
        adjective = self.adjective(random, noun, 0.2)
        return {"place": Phrase(noun, adjective, 1, random() < 0.85), "near": near}

    def reason(self, random, clause) -> Reason | None:
        """A predicate that fits only the phrase its pronoun refers to; None if there is none."""
        of = "object" if clause.object and random() < 0.5 else "subject"
        meant = clause.subjects if of == "subject" else (clause.object,)
        entry = entries()[meant[0].noun]
        if ("pronoun" not in entry and not is_plural(meant)) or entry.get("mass"):
            return None
        if clause.negated or any(p.adjective for p in meant):
            return None
        as_what = "agent" if of == "subject" else "object"
        fitting = [
            adjective
            for adjective in self.adjectives[meant[0].noun]
            if all(adjective in self.adjectives[p.noun] for p in meant)
            and entries()[adjective].get("predicate") == as_what
        ]
        return Reason(pick(random, fitting), of, too=of == "object") if fitting else None

    def relative(self, random, clause) -> Clause | None:
        """A relative clause: what else the only subject does, or what is done to it."""
        (subject, *others), noun = clause.subjects, clause.subjects[0].noun
        if others or subject.worn:
            return None
        taken = nouns(clause)
        if self.undergoes[noun] and random() < 0.4:
            verb = pick(random, self.undergoes[noun])
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


def is_one(noun: str, wanted) -> bool:
    """Whether the noun, or a kind that it belongs to, is among those wanted."""
    return not set(kinds(noun)).isdisjoint(wanted)


def settled(phrase: Phrase) -> Phrase:
    """The phrase, with "the" for an uncounted plural."""
    return phrase._replace(definite=True) if phrase.number == 0 else phrase


def pick(random, options):
    return options[int(random() * len(options))]


def phrases(clause: Clause) -> list[Phrase]:
    """All phrases of a clause, without those of its relative clause."""
    others = (clause.object, clause.recipient, clause.place)
    return [*clause.subjects, *(phrase for phrase in others if phrase)]


def nouns(clause: Clause) -> set[str]:
    return {phrase.noun for phrase in phrases(clause)}


def pairs(sentence: Sentence):
    """The pairs of words that decide the split: adjective and noun, verb and noun."""
    first = sentence.clause
    for clause in (first, first.relative, sentence.second):
        if isinstance(clause, Reason):
            meant = first.subjects if clause.of == "subject" else [first.object]
            yield from ((phrase.noun, clause.adjective) for phrase in meant)
        elif clause:
            said = phrases(clause)
            done_by_or_to = [*clause.subjects, clause.object]
            if clause is first.relative:  # whose gap is the first subject
                done_by_or_to.append(first.subjects[0])
            yield from ((clause.verb, phrase.noun) for phrase in done_by_or_to if phrase)
            dressed = [*said, *(phrase.worn for phrase in said if phrase.worn)]
            yield from ((phrase.noun, phrase.adjective) for phrase in dressed if phrase.adjective)
