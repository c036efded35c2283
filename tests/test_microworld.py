"""The generated language: its splits, its labels against a model builder, its stories."""

import gc
import itertools
import subprocess
import sys
from collections import Counter

import pytest
import torch

from d2lmini import data, microworld
from d2lmini.microworld import (
    inferences,
    judged_captions,
    questions,
    rated_pairs,
    statements,
    stories,
    tag_names,
    tagged_captions,
    translations,
)
from d2lmini.microworld.grammar import Clause, Phrase, lexicon
from d2lmini.microworld.tasks import facts

# --- captions ---


def test_the_same_seed_gives_the_same_text_everywhere():
    """These lines were written down on Python 3.11 on Linux; CI and learners run others."""
    first, second = translations(2, languages=("en", "fr"), seed=7, lexicon="full")
    assert [first.source, first.target, second.source, second.target] == SEED_7
    code = "from d2lmini.microworld import *; print(translations(9, seed=7)[8].target)"
    runs = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for hash_seed in ("1", "2")
    }
    assert runs == {translations(9, seed=7)[8].target + "\n"}


SEED_7 = [
    "The sick dancer and a happy doctor fall down.",
    "Le danseur malade et un médecin heureux tombent.",
    "A quiet farmer shows a wet robot to the sick dancer, and a "
    "king pushes ugly bicycles in the restaurant.",
    "Un fermier calme montre un robot mouillé au danseur malade, "
    "et un roi pousse des vélos laids dans le restaurant.",
]


def test_there_are_about_400_lemmas_and_about_120_in_the_small_lexicon():
    grammar = 20  # the, a, and, because, while, too, be, do, not, to, next to, behind, ...
    words = [e for e in lexicon().values() if "en" in e]
    assert 390 <= len(words) + grammar <= 420
    assert 110 <= sum(bool(e.get("small")) for e in words) + grammar <= 130


@pytest.mark.parametrize("size", ["small", "full"])
def test_train_and_held_out_share_no_sentence_and_no_held_out_pair(size):
    for languages in (("en", "de"), ("fr", "en")):
        train = translations(8000, seed=1, lexicon=size, languages=languages)
        held = translations(2000, seed=1, lexicon=size, languages=languages, split="held-out")
        assert {t.source for t in train}.isdisjoint(t.source for t in held)
        assert {t.target for t in train}.isdisjoint(t.target for t in held)


@pytest.mark.parametrize("size", ["small", "full"])
def test_every_word_of_the_held_out_split_stands_in_train(size):
    def words(split, n):
        pairs = translations(n, seed=2, lexicon=size, split=split)
        return {w.lower() for t in pairs for w in (*t.source_words, *t.target_words)}

    unseen = words("held-out", 3000) - words("train", 40000)
    assert len(unseen) <= (0 if size == "small" else 12)  # a rare form, not a rare word


def test_there_are_over_a_million_sentences():
    """Draw 50,000 twice: from how few return (the birthday problem) follows how many there are."""
    first, second = (
        {t.source for t in translations(50000, seed=s, lexicon="full")} for s in (1, 2)
    )
    common = len(first & second)
    assert len(first) * len(second) / max(common, 1) > 1_000_000


def test_a_pronoun_stands_for_what_it_agrees_with():
    reasons = [t for t in translations(4000, seed=3) if t.scene.link == "because"]
    assert len(reasons) > 200
    for pair in reasons:
        first, reason = pair.scene.clause, pair.scene.second
        meant = first.subjects if reason.of == "subject" else [first.object]
        pronoun = pair.source_words[pair.source_words.index("because") + 1]
        plural = len(meant) > 1 or meant[0].number != 1
        assert pronoun == ("they" if plural else lexicon()[meant[0].noun]["pronoun"])


def test_alignments_cross():
    """German verbs wait for the end: a share of links must not be parallel."""
    pairs = translations(1000, seed=4)
    crossing = sum(
        any(i < k and j > m for (i, j), (k, m) in itertools.permutations(pair.alignment, 2))
        for pair in pairs
    )
    assert crossing > 400


def test_possible_links_add_the_article_to_its_noun_and_nothing_else():
    (pair,) = [t for t in translations(200, seed=3) if t.source.startswith("The boy with a white")]
    more = set(pair.possible) - set(pair.alignment)
    said = {(pair.source_words[i], pair.target_words[j]) for i, j in more}
    assert {("The", "Junge"), ("boy", "Der"), ("bag", "einer"), ("with", "Tasche")} <= said
    assert not {("white", "Tasche"), ("boy", "Tasche"), ("The", "einer")} & said
    for pair in translations(200, seed=5, languages=("de", "fr"), lexicon="full"):
        assert set(pair.alignment) <= set(pair.possible)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"languages": ("en", "es")}, "'es'"),
        ({"lexicon": "large"}, "small or full.*'large'"),
        ({"split": "test"}, "train or held-out.*'test'"),
    ],
)
def test_an_unknown_language_lexicon_or_split_is_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        translations(1, **arguments)


# --- inferences: a model builder that shares nothing with the generator but the lexicon ---


def leaves(noun):
    """What a thing called this may be: of a kind below, or of none that has a name."""
    below = [n for n, e in lexicon().items() if e.get("is") == noun and e["part"] == "nouns"]
    return {noun}.union(*map(leaves, below))


def ancestors(noun):
    parent = lexicon()[noun].get("is") if noun in lexicon() else None
    return {noun} | (ancestors(parent) if parent else set())


def described(phrase, entity):
    """Whether an entity (leaf kind, count, {dimension: adjective}) is what the phrase says."""
    kind, count, adjectives = entity
    numbers = range(2, 6) if phrase.number == 0 else [phrase.number]
    if phrase.noun not in ancestors(kind) or count not in numbers:
        return False
    dimension = phrase.adjective and lexicon()[phrase.adjective]["dimension"]
    return phrase.adjective is None or adjectives.get(dimension) == phrase.adjective


def entities(*phrases):
    """Every entity that matters to these phrases."""
    kinds = set().union(*(leaves(p.noun) for p in phrases))
    said = {p.adjective for p in phrases if p.adjective}
    dimensions = {}
    for adjective in said:
        dimensions.setdefault(lexicon()[adjective]["dimension"], {None}).add(adjective)
    choices = [[(d, a) for a in values] for d, values in dimensions.items()]
    for kind, count, chosen in itertools.product(kinds, range(1, 6), itertools.product(*choices)):
        yield kind, count, dict(chosen)


def verdict(premise, hypothesis):
    """Look at every world in which the premise holds; does the hypothesis hold there?"""
    swapped = bool(premise.object) and bool(hypothesis.object) and is_swap(premise, hypothesis)
    roles = [(premise.subjects[0], hypothesis.subjects[0])]
    if premise.object and hypothesis.object:
        roles.append((premise.object, hypothesis.object))
    if swapped:
        roles = [(premise.subjects[0], hypothesis.object), (premise.object, hypothesis.subjects[0])]
    truths = set()
    for premise_said, hypothesis_said in roles:
        values = {
            described(hypothesis_said, e)
            for e in entities(premise_said, hypothesis_said)
            if described(premise_said, e)
        }
        truths.add(None if len(values) == 2 else values.pop())
    truths.add(event(premise, hypothesis, swapped))
    if False in truths:
        return "contradiction"
    return "neutral" if None in truths else "entailment"


def is_swap(premise, hypothesis):
    """Who did it and to whom it was done have changed places: the same nouns, crosswise."""
    crosswise = (hypothesis.object.noun, hypothesis.subjects[0].noun)
    return (premise.subjects[0].noun, premise.object.noun) == crosswise


def event(premise, hypothesis, swapped):
    """True, False or None (open): does what happens make the hypothesis's event true?"""
    one, other = lexicon()[premise.verb], lexicon()[hypothesis.verb]
    if swapped:
        happens = {"yes": True, "no": False, None: None}[one.get("mutual")]
    elif premise.verb == hypothesis.verb:
        happens = not premise.negated
    elif one["group"] == other["group"] and not premise.negated:
        happens = False
    else:
        happens = None
    if happens and hypothesis.place:
        same = premise.place and premise.place.noun == hypothesis.place.noun
        happens = None if premise.place is None else same
    if happens is None:
        return None
    return happens != hypothesis.negated


@pytest.mark.parametrize("size", ["small", "full"])
def test_labels_agree_with_every_world_that_a_small_model_builder_finds(size):
    for pair in inferences(3000, seed=5, lexicon=size):
        found = verdict(pair.premise_scene, pair.hypothesis_scene)
        assert found == pair.label, (pair.premise, pair.hypothesis, pair.rule)


def test_labels_have_one_numbering_and_pairs_one_class_here_and_in_the_real_data():
    assert microworld.LABELS == ("entailment", "contradiction", "neutral")  # as in the d2l book
    assert data.LABELS is microworld.LABELS and data.Inference is microworld.Inference


def test_every_rule_gives_every_label_it_can():
    found = Counter((pair.rule, pair.label) for pair in inferences(20000, seed=6, lexicon="full"))
    for rule in ("kind", "number", "detail", "place", "role"):
        for label in microworld.LABELS:
            assert found[rule, label], (rule, label)
    assert found["negation", "contradiction"] and found["action", "neutral"]


@pytest.mark.parametrize("size", ["small", "full"])
def test_the_hypothesis_alone_says_nothing_about_its_label(size):
    """A bag of words and pairs of words, trained on the hypotheses: chance is 33 %."""
    from sklearn.feature_extraction.text import CountVectorizer
    from sklearn.linear_model import LogisticRegression

    train, test = (inferences(n, seed=s, lexicon=size) for n, s in ((12000, 7), (3000, 8)))
    bag = CountVectorizer(ngram_range=(1, 2), binary=True, min_df=3)
    seen = bag.fit_transform(p.hypothesis for p in train)
    model = LogisticRegression(max_iter=300, C=0.1).fit(seen, [p.label for p in train])
    right = model.score(bag.transform(p.hypothesis for p in test), [p.label for p in test])
    assert right < 0.40


# --- stories ---


@pytest.mark.parametrize("size", ["small", "full"])
def test_stories_have_four_to_eight_sentences_about_the_same_actors(size):
    for told in stories(500, seed=9, lexicon=size):
        assert 4 <= len(told) <= 8
        first = told[0].lower().rstrip(".").split()
        noun = next(w for w in first[1:] if any(w == e["en"].split("|")[0] for e in nouns()))
        rest = " ".join(told[1:]).lower()
        assert noun in rest or any(f"{p} " in rest for p in ("he", "she", "it"))


def nouns():
    return [e for e in lexicon().values() if e["part"] == "nouns" and "en" in e]


def test_stories_differ_and_repeat_with_their_seed():
    told = stories(200, seed=1)
    assert told == stories(200, seed=1)
    assert len(set(map(tuple, told))) > 150


# --- gold for tasks to fine-tune on ---


def forms(part):
    """{word: ids of the lexicon's entries of a part of speech that it is a form of}"""
    found = {}
    for name, entry in lexicon().items():
        if entry["part"] == part and "en" in entry:
            for form in entry["en"].split("|"):
                found.setdefault(form.split()[0], set()).add(name)
    return found


def test_words_have_the_tags_that_somebody_would_give_them():
    told = tagged_captions(40, seed=3, lexicon="full")
    pairs = [tuple(zip(caption.words, caption.tags, strict=True)) for caption in told]
    assert pairs[0] == (
        *[("The", "article"), ("queen", "noun"), ("with", "preposition"), ("a", "article")],
        *[("brown", "colour"), ("bag", "container"), ("unpacks", "verb"), ("a", "article")],
        *[("frisbee", "toy"), (".", "punctuation")],
    )
    assert pairs[1][2] == ("who", "pronoun") and pairs[1][9] == ("back", "particle")
    assert pairs[3][3:5] == (("do", "auxiliary"), ("not", "negation"))


@pytest.mark.parametrize("size", ["small", "full"])
def test_every_word_has_a_tag_and_a_word_of_one_entry_always_the_same(size):
    told, tags = tagged_captions(3000, seed=1, lexicon=size), {}
    captions = translations(3000, seed=1, lexicon=size)
    assert [caption.words for caption in told] == [t.source_words for t in captions]
    for words, found in told:
        assert len(words) == len(found)
        for word, tag in zip(words, found, strict=True):
            tags.setdefault(word.lower(), set()).add(tag)
    assert set().union(*tags.values()) <= {*tag_names()}
    if size == "full":
        assert set().union(*tags.values()) == {*tag_names()}
    nouns_of, many = forms("nouns"), Counter(e.get("is") or n for n, e in lexicon().items())
    others = forms("verbs").keys() | forms("adjectives").keys()
    for word, names in nouns_of.items():
        if word in tags and word not in others:
            kinds = {lexicon()[name]["is"] or name for name in names}
            assert tags[word] <= kinds | {"noun"}, word
            assert all(many[kind] > 1 for kind in tags[word] - {"noun"})


@pytest.mark.parametrize("split", ["train", "held-out"])
def test_three_sentences_in_ten_have_one_word_in_the_wrong_number(split):
    said = [t.source for t in translations(4000, seed=5, lexicon="full", split=split)]
    told = judged_captions(4000, seed=5, lexicon="full", split=split)
    assert 0.68 < sum(sentence.acceptable for sentence in told) / len(told) < 0.72
    partners = {("is", "are"), ("does", "do")}
    for entry in lexicon().values():
        if entry["part"] in ("nouns", "verbs") and "|" in entry.get("en", ""):
            one, other = (form.split() for form in entry["en"].split("|"))
            partners |= {pair for pair in zip(one, other, strict=True) if len({*pair}) == 2}
    partners |= {(b, a) for a, b in partners}
    for right, sentence in zip(said, told, strict=True):
        old, new = right[:-1].split(), sentence.text[:-1].split()
        changed = [(a, b) for a, b in zip(old, new, strict=True) if a != b]
        assert (changed == []) == sentence.acceptable == (sentence.broken is None)
        assert sentence.acceptable or tuple(w.strip(",").lower() for w in changed[0]) in partners
        assert len(changed) <= 1
    assert {sentence.broken for sentence in told} == {None, "verb", "noun"}


def test_what_is_broken_is_no_english():
    """Where all of a sentence is one simple clause, a few rules tell."""
    singular = {e["en"].split("|")[0] for e in nouns() if "|" in e["en"]}
    plural = {e["en"].split("|")[1] for e in nouns() if "|" in e["en"]} - singular
    adjectives, verbs = forms("adjectives").keys(), [{}, {}]
    for entry in lexicon().values():
        if entry["part"] == "verbs":
            for number, form in enumerate(entry["en"].split("|")):
                verbs[number][form.split()[0]] = True
    seen = Counter()
    for sentence in judged_captions(12000, seed=2, lexicon="full"):
        words = [w.lower() for w in sentence.text[:-1].split()]
        if "," in sentence.text or {"and", "while", "because", "who", "whom"} & {*words}:
            continue
        first, *rest = [w for w in words if w not in adjectives]
        if not rest or first not in ("a", "an", "two", "three", "four", "five"):
            continue
        noun, verb, *_ = [*rest, ""]
        one = first in ("a", "an")
        if noun in (singular | plural) and verb in verbs[0].keys() | verbs[1].keys():
            right = noun in (singular if one else plural) and verb in verbs[not one]
            seen[sentence.acceptable] += 1
            if sentence.acceptable:
                assert right, sentence
            seen["told"] += not right and not sentence.acceptable
    assert seen[True] > 300 and seen["told"] > 60


def test_likeness_is_the_share_of_what_two_captions_say():
    girl = Phrase("girl", "old", definite=True)
    one = Clause("sleep", (girl,))
    assert facts(one) == {
        ("action", "sleep"),
        *[("subject", fact) for fact in ("girl", "child", "person", "old", 1)],
    }
    child = facts(Clause("sleep", (Phrase("child"),), place=Phrase("park")))
    assert len(facts(one) & child) == 4 and len(facts(one) | child) == 9
    pairs = rated_pairs(3000, seed=1, lexicon="full")
    assert all(0 <= pair.likeness <= 5 for pair in pairs)
    same = [pair.likeness for pair in pairs if without_articles(*pair[:2])]
    assert len(same) > 100 and {*same} == {5}
    spread = Counter(int(pair.likeness) for pair in pairs)
    assert all(spread[k] > 100 for k in range(6))
    assert {"first", "second", "likeness"} == {*pairs[0]._fields} and pairs[0] != pairs[1]


def without_articles(*texts):
    """Whether the texts are the same but for a and the."""
    first, second = ([w for w in t.lower().split() if w not in ("a", "an", "the")] for t in texts)
    return first == second


def test_a_question_is_answered_by_a_span_of_the_passage():
    asked = questions(3000, seed=4, lexicon="full")
    for question in asked:
        first, last = question.span
        assert 0 <= first <= last < len(question.words)
        assert question.answer in question.passage
        start = question.question.split()[0]
        assert (
            start
            in {"subject": "Who What", "object": "Whom What", "place": "Where"}[
                question.role
            ].split()
        ), question
    roles = Counter(question.role for question in asked)
    assert min(roles.values()) > 300
    links = [q.words.index("while" if "while" in q.words else ",") for q in asked]
    second = sum(q.span[0] > link for q, link in zip(asked, links, strict=True))
    assert 1200 < second < 1800  # half of the questions are about the second clause


@pytest.mark.parametrize(
    ("place", "text", "answer"),
    [
        (0, "Who prepares the delicious rice?", "four singers"),
        (3, "What do the lazy doctors taste?", "the fresh bean"),
        (4, "Whom do the policemen resemble?", "a singer"),
        (5, "Where do the thirsty girls help the teacher?", "in the castle"),
        (10, "Who comes back?", "Five strong men"),
        (12, "Where do the three children search for the candle?", "on the beautiful balcony"),
    ],
)
def test_a_question_reads_like_english(place, text, answer):
    question = questions(20, seed=3, lexicon="full")[place]
    assert (question.question, question.answer) == (text, answer)


def test_the_tasks_repeat_with_their_seed_and_know_their_words():
    for draw in (tagged_captions, judged_captions, rated_pairs, questions):
        assert draw(20, seed=1) == draw(20, seed=1) != draw(20, seed=2)
        with pytest.raises(ValueError, match="small or full"):
            draw(1, lexicon="large")


def test_generating_needs_no_torch_random_state():
    torch.manual_seed(0)
    state = torch.random.get_rng_state()
    translations(10), inferences(10), stories(10)
    assert torch.equal(state, torch.random.get_rng_state())


def clause(verb, noun, **more):
    return Clause(verb, (Phrase(noun, definite=True),), **more)


@pytest.mark.parametrize(
    ("premise", "hypothesis", "label"),
    [
        (clause("sleep", "girl"), clause("sleep", "child"), "entailment"),
        (clause("sleep", "child"), clause("sleep", "girl"), "neutral"),
        (clause("sleep", "boy"), clause("sleep", "girl"), "contradiction"),
        (clause("swim", "girl"), clause("sleep", "girl", negated=True), "entailment"),
        (clause("laugh", "girl"), clause("sleep", "girl", negated=True), "neutral"),
        (clause("sleep", "girl", negated=True), clause("sleep", "girl"), "contradiction"),
    ],
)
def test_the_model_builder_is_right_where_everybody_agrees(premise, hypothesis, label):
    assert verdict(premise, hypothesis) == label


def test_the_garbage_collector_is_left_as_it_was():
    translations(5)
    assert gc.isenabled()
    with pytest.raises(ZeroDivisionError), microworld.collector_paused():
        assert not gc.isenabled()
        raise ZeroDivisionError
    assert gc.isenabled()


# --- statements ---


@pytest.mark.parametrize("size", ["small", "full"])
def test_four_statements_have_the_same_words_and_two_labels_each(size):
    found = statements(200, seed=3, lexicon=size)
    for i in range(0, 200, 4):
        texts = found[i : i + 4]
        assert len({s.text for s in texts}) == 4
        assert len({tuple(sorted(word.lower() for word in s.words)) for s in texts}) == 1
        assert Counter(s.label for s in texts) == dict.fromkeys(microworld.ACTORS, 2)


@pytest.mark.parametrize("size", ["small", "full"])
def test_the_label_is_who_does_what_is_not_denied(size):
    """Read from the words: of the two clauses the one without "not", and its subject's pronoun."""
    for statement in statements(100, seed=4, lexicon=size):
        clauses = statement.text.replace(", and ", " while ").split(" while ")
        (told,) = (clause for clause in clauses if " not " not in clause)
        assert statement.label == ("person" if " who " in told else "animal"), statement


def test_statements_of_the_held_out_split_are_new_and_of_known_words():
    train, held = (statements(800, seed=5, lexicon="full", split=s) for s in ("train", "held-out"))
    words = {word.lower() for s in statements(4000, seed=6, lexicon="full") for word in s.words}
    assert not {s.text for s in train} & {s.text for s in held}
    assert {word.lower() for s in held for word in s.words} <= words
    assert statements(10, seed=5, lexicon="full") == train[:10]
    assert train[0].text == (
        "The strong gardener who looks at the radio does not hear the thirsty horse, "
        "and the thirsty horse that looks at the pear hears the strong gardener."
    )
