"""The captions obey the grammar of their languages, says a checker that knows no generator."""

from itertools import product

import pytest
from agreement import LANGUAGES, accepts

from d2lmini.microworld import translations

PAIRS = [("en", "de"), ("en", "fr"), ("de", "fr")]

BROKEN = {  # by language, then by what is wrong: a faulty sentence and the same sentence mended
    "de": {
        "article of the wrong gender": (
            "Das Hund bellt .",
            "Der Hund bellt .",
        ),
        "strong instead of weak ending": (
            "Der kleiner Hund rennt .",
            "Der kleine Hund rennt .",
        ),
        "weak instead of mixed ending": (
            "Ein kleine Hund rennt .",
            "Ein kleiner Hund rennt .",
        ),
        "weak instead of strong ending": (
            "Kleinen Hunde rennen .",
            "Kleine Hunde rennen .",
        ),
        "nominative instead of accusative": (
            "Die Frau sieht der kleine Hund .",
            "Die Frau sieht den kleinen Hund .",
        ),
        "accusative instead of dative": (
            "Die Frau hilft den Mann .",
            "Die Frau hilft dem Mann .",
        ),
        "dative instead of accusative after warten auf": (
            "Die Frau wartet auf dem Mann .",
            "Die Frau wartet auf den Mann .",
        ),
        "dative plural without n": (
            "Ein Junge spielt mit den Hunde .",
            "Ein Junge spielt mit den Hunden .",
        ),
        "weak noun without its ending": (
            "Die Frau liebt den Jungen , während ein Hund den Bär sieht .",
            "Die Frau liebt den Jungen , während ein Hund den Bären sieht .",
        ),
        "no contraction": (
            "Ein Kind singt in dem Park .",
            "Ein Kind singt im Park .",
        ),
        "contraction for the wrong gender": (
            "Ein Kind singt im Küche .",
            "Ein Kind singt in der Küche .",
        ),
        "accusative of a place": (
            "Ein Kind singt in den großen Park .",
            "Ein Kind singt im großen Park .",
        ),
        "verb of the wrong number": (
            "Die Frau und ein Mann singt .",
            "Die Frau und ein Mann singen .",
        ),
        "verb third after a time": (
            "Heute die Frau singt .",
            "Heute singt die Frau .",
        ),
        "verb second in a subordinate clause": (
            "Die Frau singt , während ein Mann malt den Hund .",
            "Die Frau singt , während ein Mann den Hund malt .",
        ),
        "verb second in a relative clause": (
            "Die Frau , die sieht den Hund , singt .",
            "Die Frau , die den Hund sieht , singt .",
        ),
        "particle not at the end": (
            "Die Frau hebt auf den Schlüssel .",
            "Die Frau hebt den Schlüssel auf .",
        ),
        "no particle": (
            "Die Frau steht .",
            "Die Frau steht auf .",
        ),
        "particle apart in a subordinate clause": (
            "Ein Kind singt , während die Frau steht auf .",
            "Ein Kind singt , während die Frau aufsteht .",
        ),
        "particle joined in a main clause": (
            "Die Frau aufsteht .",
            "Die Frau steht auf .",
        ),
        "relative pronoun of the wrong gender": (
            "Die Frau , der den Hund sieht , singt .",
            "Die Frau , die den Hund sieht , singt .",
        ),
        "relative pronoun in the wrong case": (
            "Der Mann , den eine Frau hilft , singt .",
            "Der Mann , dem eine Frau hilft , singt .",
        ),
        "relative pronoun of the wrong number": (
            "Die Männer , dem eine Frau hilft , singen .",
            "Die Männer , denen eine Frau hilft , singen .",
        ),
        "verb of the wrong number in a relative clause": (
            "Die Frau , die den Hund sehen , singt .",
            "Die Frau , die den Hund sieht , singt .",
        ),
        "no comma before a relative clause": (
            "Die Frau die den Hund sieht , singt .",
            "Die Frau , die den Hund sieht , singt .",
        ),
        "no comma after a relative clause": (
            "Die Frau , die den Hund sieht singt .",
            "Die Frau , die den Hund sieht , singt .",
        ),
        "no comma before weil": (
            "Die Frau singt weil sie müde ist .",
            "Die Frau singt , weil sie müde ist .",
        ),
        "pronoun of another gender": (
            "Der Mann singt , weil sie müde ist .",
            "Der Mann singt , weil er müde ist .",
        ),
        "pronoun of another number": (
            "Der Mann singt , weil sie müde sind .",
            "Die Männer singen , weil sie müde sind .",
        ),
        "recipient in the accusative": (
            "Die Frau gibt den Mann einen Apfel .",
            "Die Frau gibt dem Mann einen Apfel .",
        ),
        "singular without an article": (
            "Die Frau sieht Hund .",
            "Die Frau sieht einen Hund .",
        ),
        "nicht before what it should follow": (
            "Die Frau spielt mit dem Hund nicht .",
            "Die Frau spielt nicht mit dem Hund .",
        ),
        "nicht instead of kein": (
            "Die Frau sieht einen Hund nicht .",
            "Die Frau sieht den Hund nicht .",
        ),
        "no capital": (
            "die Frau singt .",
            "Die Frau singt .",
        ),
    },
    "fr": {
        "article of the wrong gender": (
            "La chien court .",
            "Le chien court .",
        ),
        "adjective of the wrong gender": (
            "Une femme heureux chante .",
            "Une femme heureuse chante .",
        ),
        "adjective of the wrong number": (
            "Les femmes heureuse chantent .",
            "Les femmes heureuses chantent .",
        ),
        "noun of the wrong number": (
            "Trois femme chantent .",
            "Trois femmes chantent .",
        ),
        "adjective before its noun": (
            "Une heureuse femme chante .",
            "Une femme heureuse chante .",
        ),
        "adjective after its noun": (
            "Un chien petit court .",
            "Un petit chien court .",
        ),
        "article not elided": (
            "Le homme chante .",
            "L' homme chante .",
        ),
        "article elided before an aspirated word": (
            "La femme lave l' haricot .",
            "La femme voit le haricot .",
        ),
        "ne not elided": (
            "La femme ne aime pas le chien .",
            "La femme n' aime pas le chien .",
        ),
        "que not elided": (
            "La femme que un chien voit chante .",
            "La femme qu' un chien voit chante .",
        ),
        "de not elided": (
            "La femme chante à côté de une table .",
            "La femme chante à côté d' une table .",
        ),
        "beau before a vowel": (
            "La femme voit un beau oiseau .",
            "La femme voit un bel oiseau .",
        ),
        "à not contracted": (
            "La femme donne une pomme à le garçon .",
            "La femme donne une pomme au garçon .",
        ),
        "de not contracted": (
            "La femme chante à côté de les tables .",
            "La femme chante à côté des tables .",
        ),
        "contraction before a vowel": (
            "La femme donne une pomme au homme .",
            "La femme donne une pomme à l' homme .",
        ),
        "no partitive": (
            "La femme boit un lait .",
            "La femme boit du lait .",
        ),
        "partitive of the wrong gender": (
            "La femme boit du eau .",
            "La femme boit de l' eau .",
        ),
        "des before an adjective": (
            "Des jeunes femmes chantent .",
            "De jeunes femmes chantent .",
        ),
        "verb of the wrong number": (
            "La femme et un homme chante .",
            "La femme et un homme chantent .",
        ),
        "verb of the wrong number after qui": (
            "La femme qui voient un chien chante .",
            "La femme qui voit un chien chante .",
        ),
        "verb of the wrong number after que": (
            "La femme que les chiens voit chante .",
            "La femme que les chiens voient chante .",
        ),
        "qui instead of que": (
            "La femme qui un chien voit chante .",
            "La femme qu' un chien voit chante .",
        ),
        "no pas": (
            "La femme ne chante .",
            "La femme ne chante pas .",
        ),
        "pas before the verb": (
            "La femme ne pas chante .",
            "La femme ne chante pas .",
        ),
        "no ne": (
            "La femme chante pas .",
            "La femme ne chante pas .",
        ),
        "reflexive verb without se": (
            "La femme lève .",
            "La femme se lève .",
        ),
        "no preposition": (
            "La femme joue le chien .",
            "La femme joue avec le chien .",
        ),
        "predicate adjective of the wrong gender": (
            "La femme chante parce qu' elle est heureux .",
            "La femme chante parce qu' elle est heureuse .",
        ),
        "pronoun of another gender": (
            "La femme chante parce qu' il est heureux .",
            "La femme chante parce qu' elle est heureuse .",
        ),
        "feminine pronoun for both genders": (
            "La femme et un homme chantent parce qu' elles sont heureuses .",
            "La femme et un homme chantent parce qu' ils sont heureux .",
        ),
        "no comma after a time": (
            "Maintenant la femme chante .",
            "Maintenant , la femme chante .",
        ),
    },
    "en": {
        "a before a vowel": (
            "A old man sings .",
            "An old man sings .",
        ),
        "an before a consonant": (
            "The man eats an green apple .",
            "The man eats a green apple .",
        ),
        "singular after a number": (
            "Three dog run .",
            "Three dogs run .",
        ),
        "singular without an article": (
            "Dog runs .",
            "The dog runs .",
        ),
        "verb of the wrong number": (
            "The dog and a cat runs .",
            "The dog and a cat run .",
        ),
        "verb of the wrong number after who": (
            "The men who sings run .",
            "The men who sing run .",
        ),
        "does with a plural": (
            "The dogs does not run .",
            "The dogs do not run .",
        ),
        "does with a finite verb": (
            "The dog does not runs .",
            "The dog does not run .",
        ),
        "whom as a subject": (
            "The man whom sees a dog runs .",
            "The man who sees a dog runs .",
        ),
        "who for a thing": (
            "The dog who a man sees runs .",
            "The dog that a man sees runs .",
        ),
        "no preposition": (
            "The man looks the dog .",
            "The man looks at the dog .",
        ),
        "pronoun of another gender": (
            "The woman sings because he is happy .",
            "The woman sings because she is happy .",
        ),
        "pronoun of another number": (
            "The woman sings because they are happy .",
            "The women sing because they are happy .",
        ),
        "are with a singular": (
            "The woman sings because she are happy .",
            "The woman sings because she is happy .",
        ),
        "adverb before the object": (
            "The woman washes slowly a dog .",
            "The woman washes a dog slowly .",
        ),
        "no comma between main clauses": (
            "The woman sings and a man runs .",
            "The woman sings , and a man runs .",
        ),
        "no full stop": (
            "The woman sings",
            "The woman sings .",
        ),
    },
}
EXAMPLES = [
    pytest.param(language, *sentences, id=f"{language}: {what}")
    for language, table in BROKEN.items()
    for what, sentences in table.items()
]


def refused(language, sentences):
    return {" ".join(words) for words in set(sentences) if not accepts(language, words)}


@pytest.mark.parametrize("pair", PAIRS, ids="-".join)
@pytest.mark.parametrize("lexicon", ["small", "full"])
@pytest.mark.parametrize("split", ["train", "held-out"])
def test_captions_agree_in_both_languages(pair, lexicon, split):
    """1,250 captions for each of 12 choices, read in both of their languages."""
    captions = translations(1250, languages=pair, seed=0, lexicon=lexicon, split=split)
    assert len(captions) == 1250
    assert refused(pair[0], [caption.source_words for caption in captions]) == set()
    assert refused(pair[1], [caption.target_words for caption in captions]) == set()


@pytest.mark.parametrize(("language", "broken", "mended"), EXAMPLES)
def test_a_broken_sentence_is_refused_and_a_mended_one_accepted(language, broken, mended):
    assert not accepts(language, broken.split())
    assert accepts(language, mended.split())


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_sentence_that_stops_early_or_goes_on_is_refused(language):
    for _, mended in BROKEN[language].values():
        words = mended.split()
        assert not accepts(language, words[:-1])
        assert not accepts(language, [*words, words[1]])
    assert not accepts(language, [])


@pytest.mark.parametrize("pair", PAIRS, ids="-".join)
def test_every_word_is_aligned_to_a_word_of_the_other_side(pair):
    for lexicon, split in product(("small", "full"), ("train", "held-out")):
        for caption in translations(750, languages=pair, seed=1, lexicon=lexicon, split=split):
            source, target = caption.source_words, caption.target_words
            assert {i for i, _ in caption.alignment} == set(range(len(source))), caption.source
            assert {j for _, j in caption.alignment} == set(range(len(target))), caption.target
