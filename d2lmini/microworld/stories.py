"""Stories of the microworld: two actors, a thing and a place, along a script.

The scripts are in data/microworld/stories.json.  A step is "A give T > B @P": subject, verb,
object, recipient, place; "not" negates it, and a "?" at its end makes it optional.
"""

import functools
import json
import re

from d2lmini.microworld.grammar import FOLDER, Clause, Phrase, Sentence
from d2lmini.microworld.grammar import lexicon as entries
from d2lmini.microworld.languages import language
from d2lmini.microworld.scenes import World, pick

STEP = re.compile(r"(\w) (not )?(\w+)(?: (\w))?(?: > (\w))?(?: @(\w))?( \?)?")


@functools.cache
def scripts() -> list[dict]:
    return json.loads((FOLDER / "stories.json").read_text(encoding="utf-8"))


def story(world: World, random) -> list[str]:
    """A story of 4 to 8 sentences."""
    script = pick(random, scripts())
    cast = actors(world, random, script["roles"] | script.get("also", {}))
    sentences, subject = [], None
    for step in script["steps"]:
        who, denied, verb, *others, optional = STEP.fullmatch(step).groups()
        if optional and random() < 0.5:
            continue
        phrases = []
        for role in (who, *others):
            phrases.append(cast.get(role))
            if role:  # first "a young girl", then "the girl"
                cast[role] = Phrase(cast[role].noun, definite=True)
        first, thing, whom, place = phrases
        clause = Clause(verb, (first,), thing, whom, place, negated=bool(denied))
        said = language("en").say(Sentence(clause))
        sentences.append(with_pronoun(said, first) if who == subject else said.text)
        subject = who
    return sentences


def actors(world, random, roles):
    """{role: a phrase}, all with different nouns that fit the script; the place P is "the park"."""
    nouns = {}
    while not nouns or len(set(nouns.values())) < len(nouns):
        nouns = {role: pick(random, world.of_kinds(wanted)) for role, wanted in roles.items()}
    place = Phrase(nouns.pop("P"), definite=True)
    return {r: Phrase(n, world.adjective(random, n, 0.6)) for r, n in nouns.items()} | {"P": place}


def with_pronoun(said, subject):
    """The sentence with he, she or it for its subject, where English has an obvious one."""
    pronoun = entries()[subject.noun].get("pronoun")
    if pronoun is None:
        return said.text
    rest = [w for w, mask in zip(said.words, said.masks, strict=True) if not 0 < mask < 1 << 10]
    return said._replace(words=(pronoun.capitalize(), *rest)).text
