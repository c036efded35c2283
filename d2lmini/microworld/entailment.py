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
from d2lmini.microworld.scenes import nouns, pick

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
    drawn = [pick(random, fits) for fits in (world.agents[verb], world.objects[verb]) if fits]
    if len(set(drawn)) < len(drawn):
        return statement(world, random)
    subject, *thing = (world.phrase(random, n)._replace(definite=True) for n in drawn)
    clause = Clause(verb, (subject,), *thing, negated=random() < 0.25)
    if not clause.negated and entries()[verb].get("places", True) and random() < 0.3:
        clause = clause._replace(place=Phrase(pick(random, world.places), definite=True))
    return clause


def captions(world, random, said, label) -> dict[str, Clause]:
    """{rule: a caption that gives the statement this label}"""
    found = {}
    parts = [("subjects", said.subjects[0])] + ([("object", said.object)] if said.object else [])
    placed, (role, phrase) = random() < 0.5, pick(random, parts)
    for rule, field, options in (
        ("kind", "noun", other_nouns(world, said, role, phrase, label)),
        ("number", "number", other_numbers(phrase, label)),
        ("detail", "adjective", other_adjectives(world, phrase, label)),
    ):
        if options:
            changed = phrase._replace(**{field: one_of(random, options)})
            found[rule] = said._replace(**{role: (changed,) if role == "subjects" else changed})
    if placed and (places := other_places(world, said, label)):
        found["place"] = said._replace(place=one_of(random, places))
    if verbs := other_verbs(world, said, label):
        found["action"] = said._replace(verb=pick(random, verbs), negated=False, place=None)
    doer, thing, mutual = said.subjects[0], said.object, entries()[said.verb].get("mutual")
    swapping_gives = {"yes": "entailment", None: "neutral", "no": "contradiction"}[mutual]
    fit = thing and thing.noun in world.agents[said.verb] and doer.noun in world.objects[said.verb]
    if fit and not said.negated and label == swapping_gives:
        found["role"] = said._replace(subjects=(thing,), object=doer)
    if label == "contradiction":
        found["negation"] = said._replace(negated=not said.negated, place=None)
    return found


def one_of(random, options):
    """One option, drawn; the option None alone (to leave something out) costs no draw."""
    return None if options == [None] else pick(random, options)


def other_nouns(world, said, role, phrase, label) -> list[str]:
    """Hyponyms, hypernyms or incompatible nouns that fit the verb, the adjective and the number."""
    fits = {
        "entailment": lambda noun: phrase.noun in kinds(noun)[1:],
        "neutral": lambda noun: noun in kinds(phrase.noun)[1:],
        "contradiction": lambda noun: exclusive(noun, phrase.noun),
    }[label]
    return [
        noun
        for noun in (world.agents if role == "subjects" else world.objects)[said.verb]
        if fits(noun)
        and noun not in nouns(said)
        and phrase.adjective in (None, *world.adjectives[noun])
        and (phrase.number == 1 or not entries()[noun].get("mass"))
    ]


def exclusive(noun, other):
    """Whether nothing can be both: neither is a kind of the other, and no kind is loose."""
    one, two = kinds(noun), kinds(other)
    loose = any(entries().get(kind, {}).get("loose") for kind in one + two)
    return not loose and noun not in two and other not in one


def other_numbers(phrase, label) -> list[int]:
    """Two dogs are dogs, dogs may be two, two are not three."""
    if entries()[phrase.noun].get("mass"):
        return []
    if phrase.number == 0:  # an uncounted plural
        return {"entailment": [2, 3, 4, 5], "neutral": [], "contradiction": [1]}[label]
    others = [n for n in range(1, 6) if n != phrase.number]
    return {"entailment": [], "neutral": [0] * (phrase.number > 1), "contradiction": others}[label]


def other_adjectives(world, phrase, label) -> list[str | None]:
    """One adjective more, one fewer, or another of the same dimension: red is not blue."""
    known, fits = phrase.adjective, world.adjectives[phrase.noun]
    if known is None:
        return fits if label == "entailment" else []
    dimension = entries()[known]["dimension"]
    others = [a for a in fits if a != known and entries()[a]["dimension"] == dimension]
    return {"entailment": [], "neutral": [None], "contradiction": others}[label]


def other_places(world, said, label) -> list[Phrase | None]:
    """A place added, removed or replaced."""
    wanted = {"entailment": not said.place, "neutral": said.place, "contradiction": said.place}
    if said.negated or not wanted[label] or not entries()[said.verb].get("places", True):
        return []
    if label == "neutral":
        return [None]
    return [
        Phrase(n, definite=True) for n in world.places if not said.place or n != said.place.noun
    ]


def other_verbs(world, said, label) -> list[str]:
    """Verbs without an object that exclude the stated one, or do not."""
    if said.object:
        return []
    group, noun = entries()[said.verb]["group"], said.subjects[0].noun
    verbs = [v for v in world.does[noun] if not world.objects[v] and v != said.verb]
    if label == "neutral":
        return [v for v in verbs if entries()[v]["group"] != group]
    excluding = [v for v in verbs if entries()[v]["group"] == group]
    return excluding if said.negated == (label == "entailment") else []


def as_news(random, clause):
    """A caption may say "a dog" where the statement says "the dog"."""
    if clause.negated or random() < 0.5:
        return clause
    thing = clause.object and clause.object._replace(definite=False)
    return clause._replace(subjects=(clause.subjects[0]._replace(definite=False),), object=thing)
