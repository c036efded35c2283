"""What follows from a caption of the microworld, what contradicts it and what stays open.

A caption (the premise) and a statement (the hypothesis) describe the same moment and the same
things.  A thing has one kind, colour, size and age, and is in one place; numbers are exact; verbs
of one group exclude each other.
data/microworld/README.md lists the rules.
"""

from typing import NamedTuple

from d2lmini.microworld.grammar import Clause, Phrase, Sentence, kinds
from d2lmini.microworld.grammar import lexicon as entries
from d2lmini.microworld.languages import language
from d2lmini.microworld.scenes import phrases, pick

LABELS = ("entailment", "contradiction", "neutral")  # numbered as in the d2l book
DRAWN = ("entailment", "neutral", "contradiction")  # another order would draw other pairs


class Inference(NamedTuple):
    """Does the hypothesis follow from the premise?

    rule: what decides the label, such as "number".  It and the scenes are None unless the
    microworld made the pair.
    """

    premise: str
    hypothesis: str
    label: str
    rule: str | None = None
    premise_scene: Clause | None = None
    hypothesis_scene: Clause | None = None


def inference(world, random) -> Inference:
    """Draw a statement, then a caption that entails it, contradicts it or leaves it open."""
    while True:
        said = statement(world, random)
        ways = {label: captions(world, random, said, label) for label in DRAWN}
        if all(ways.values()):  # whatever the label will be: the statement must not tell
            label = pick(random, DRAWN)
            rule = pick(random, sorted(ways[label]))
            caption = as_news(random, ways[label][rule])
            say = language("en").say
            texts = [say(Sentence(clause)).text for clause in (caption, said)]
            return Inference(*texts, label, rule, caption, said)


def statement(world, random) -> Clause:
    """A simple clause about known things: "the two old dogs sleep in the park"."""
    verb = pick(random, [v for v in world.verbs if not world.recipients[v]])
    nouns = [pick(random, world.agents[verb])]
    if world.objects[verb]:
        nouns.append(pick(random, world.objects[verb]))
    if len(set(nouns)) < len(nouns):
        return statement(world, random)
    subject, *thing = (world.phrase(random, n)._replace(definite=True) for n in nouns)
    negated, place = random() < 0.25, None
    if not negated and entries()[verb].get("places", True) and random() < 0.3:
        place = Phrase(pick(random, world.places), None, 1, True)
    return Clause(verb, (subject,), thing[0] if thing else None, place=place, negated=negated)


def captions(world, random, said, label) -> dict[str, Clause]:
    """{rule: a caption that gives the statement this label}"""
    found = {}
    parts = [("subjects", said.subjects[0])] + ([("object", said.object)] if said.object else [])
    place, part = random() < 0.5, pick(random, parts)
    for rule, changed in (
        ("kind", other_kind(world, random, said, *part, label)),
        ("number", other_number(world, random, part[1], label)),
        ("detail", other_detail(world, random, part[1], label)),
    ):
        if changed:
            value = (changed,) if part[0] == "subjects" else changed
            found[rule] = said._replace(**{part[0]: value})
    found |= other_place(world, random, said, label) if place and not said.negated else {}
    found |= other_action(world, random, said, label)
    mutual = entries()[said.verb].get("mutual")
    label_of_swap = {"yes": "entailment", None: "neutral", "no": "contradiction"}
    if said.object and not said.negated and label_of_swap[mutual] == label:
        swapped = said._replace(subjects=(said.object,), object=said.subjects[0])
        agents, objects = world.agents[said.verb], world.objects[said.verb]
        if said.object.noun in agents and said.subjects[0].noun in objects:
            found["role"] = swapped
    if label == "contradiction":
        denied = said._replace(negated=not said.negated, place=None)
        found["negation"] = denied
    return found


def other_kind(world, random, said, role, phrase, label):
    """The phrase with a hyponym, a hypernym or an incompatible noun; None if there is none."""
    fits = world.agents[said.verb] if role == "subjects" else world.objects[said.verb]
    family = kinds(phrase.noun)
    loose = any(entries().get(kind, {}).get("loose") for kind in family)
    other = {p.noun for p in phrases(said)}
    options = {
        "entailment": [n for n in fits if phrase.noun in kinds(n)[1:]],
        "neutral": [n for n in fits if n in family[1:]],
        "contradiction": [
            n
            for n in fits
            if not loose
            and not any(entries().get(kind, {}).get("loose") for kind in kinds(n))
            and n not in family
            and phrase.noun not in kinds(n)
        ],
    }[label]
    options = [n for n in options if n not in other and can_be(world, n, phrase)]
    return phrase._replace(noun=pick(random, options)) if options else None


def can_be(world, noun, phrase):
    mass = bool(entries()[noun].get("mass"))
    known = phrase.adjective is None or phrase.adjective in world.adjectives[noun]
    return known and (not mass or phrase.number == 1)


def other_number(world, random, phrase, label):
    """Two dogs are dogs, dogs may be two, two are not three."""
    if entries()[phrase.noun].get("mass"):
        return None
    counts = {
        "entailment": [2, 3, 4, 5] if phrase.number == 0 else [],
        "neutral": [0] if phrase.number > 1 else [],
        "contradiction": [n for n in (1, 2, 3, 4, 5) if n != phrase.number],
    }[label]
    if label == "contradiction" and phrase.number == 0:
        counts = [1]
    return phrase._replace(number=pick(random, counts)) if counts else None


def other_detail(world, random, phrase, label):
    """The phrase with one adjective more, one fewer, or another of the same dimension."""
    adjectives = world.adjectives[phrase.noun]
    if label == "neutral":
        return phrase._replace(adjective=None) if phrase.adjective else None
    if label == "entailment":
        options = [] if phrase.adjective else adjectives
    else:
        options = [a for a in adjectives if phrase.adjective and exclude(a, phrase.adjective)]
    return phrase._replace(adjective=pick(random, options)) if options else None


def other_place(world, random, said, label):
    """{"place": the clause with a place added, removed or replaced}, or {}"""
    places = [place for place in world.places if not said.place or place != said.place.noun]
    wanted = {"entailment": not said.place, "neutral": said.place, "contradiction": said.place}
    if not wanted[label] or not entries()[said.verb].get("places", True):
        return {}
    place = None if label == "neutral" else Phrase(pick(random, places), None, 1, True)
    return {"place": said._replace(place=place)}


def other_action(world, random, said, label):
    """{"action": the clause with another verb, which excludes the stated one or not}, or {}"""
    if said.object:
        return {}
    group, noun = entries()[said.verb]["group"], said.subjects[0].noun
    verbs = [v for v in world.does[noun] if not world.objects[v] and v != said.verb]
    exclusive = [v for v in verbs if entries()[v]["group"] == group]
    options = {
        "entailment": exclusive if said.negated else [],
        "neutral": [v for v in verbs if v not in exclusive],
        "contradiction": [] if said.negated else exclusive,
    }[label]
    changed = said._replace(negated=False, place=None)
    return {"action": changed._replace(verb=pick(random, options))} if options else {}


def as_news(random, clause):
    """A caption may say "a dog" where the statement says "the dog"."""
    if clause.negated or random() < 0.5:
        return clause
    thing = clause.object and clause.object._replace(definite=False)
    return clause._replace(subjects=(clause.subjects[0]._replace(definite=False),), object=thing)


def exclude(adjective, other):
    """Whether nothing can be both: red and blue, but not red and old."""
    same = entries()[adjective]["dimension"] == entries()[other]["dimension"]
    return same and adjective != other
