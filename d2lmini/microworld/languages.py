"""English, German and French: how the words of a phrase agree and where the verb stands."""

import functools

from d2lmini.microworld.grammar import Language, kinds, lexicon


class English(Language):
    code = "en"

    def parts(self, phrase, case):
        noun = self.forms[phrase.noun][phrase.number != 1]
        indefinite = "" if phrase.number != 1 or lexicon()[phrase.noun].get("mass") else "a"
        adjective = self.forms[phrase.adjective][0] if phrase.adjective else ""
        return "the" if phrase.definite else indefinite, adjective, noun, False

    def verb(self, slot, forms, plural, negated):
        word, *particle = forms[plural or negated].split()
        return word if slot == "V" else " ".join(particle)

    def pronoun(self, phrases, plural):
        return "they" if plural else lexicon()[phrases[0].noun]["pronoun"]

    def relative_pronoun(self, clause, phrase):
        if kinds(phrase.noun)[-1] != "person":
            return "that"
        return "whom" if clause.subjects else "who"


class German(Language):
    code, after_relative = "de", ","

    def column(self, phrase):
        """The column in the tables of endings: 0 masculine, 1 feminine, 2 neuter, 3 plural."""
        article = self.forms[phrase.noun][0].split()[0]
        return ("der", "die", "das").index(article) if phrase.number == 1 else 3

    def ending(self, table, case, column):
        return self.endings[table][case].split()[column]

    def parts(self, phrase, case):
        entry, column = lexicon()[phrase.noun], self.column(phrase)
        noun = self.forms[phrase.noun][-1] if column == 3 else self.forms[phrase.noun][0].split()[1]
        if column == 3 and case == "dat" and noun[-1] not in "ns":
            noun += "n"
        if column < 3 and case != "nom" and entry.get("weak"):
            noun = self.forms[phrase.noun][-1]
        article = self.ending("definite" if phrase.definite else "indefinite", case, column)
        if article == "-" or (entry.get("mass") and not phrase.definite):
            article = ""
        adjective = phrase.adjective or ""
        if adjective:
            declension = "weak" if phrase.definite else "mixed" if article else "strong"
            adjective = self.forms[adjective][-1] + self.ending(declension, case, column)
        return article, adjective, noun, False

    def slots(self, kind, clause):
        """The new follows the known; nicht precedes a preposition or ends the middle field."""
        new = clause.object and not clause.object.definite
        new_recipient = clause.recipient and not clause.recipient.definite
        if lexicon()[clause.verb].get("prep", {}).get("de"):
            middle = "object with preposition"
        elif new:
            middle = "new object, new recipient" if new_recipient else "new object"
        else:
            middle = "new recipient" if new_recipient and clause.object else "all known"
        return self.order[kind].replace("middle", self.middle[middle]).split()

    def verb(self, slot, forms, plural, negated):
        particle = forms[2] if len(forms) > 2 else ""
        if slot == "particle":
            return particle
        return forms[plural] if slot == "V" else particle + forms[plural]

    def reason(self, reason, phrases):
        who, verb, *predicate = super().reason(reason, phrases)
        return [who, *predicate, verb]  # which stands last

    def pronoun(self, phrases, plural):
        return self.ending("pronoun", "nom", 3 if plural else self.column(phrases[0]))

    def relative_pronoun(self, clause, phrase):
        case = lexicon()[clause.verb].get("case", "acc") if clause.subjects else "nom"
        return ", " + self.ending("relative", case, self.column(phrase))


class French(Language):
    code, after_time = "fr", " ,"

    def feminine(self, phrases):
        return all(self.forms[phrase.noun][0].startswith("la ") for phrase in phrases)

    def parts(self, phrase, case):
        plural, feminine = phrase.number != 1, self.feminine([phrase])
        noun = self.forms[phrase.noun][-1] if plural else self.forms[phrase.noun][0][3:]
        before = bool(phrase.adjective) and lexicon()[phrase.adjective].get("before", False)
        vowel = before and noun[0] in self.before_vowels["vowels"] and noun not in self.aspirated
        adjective = self.adjective(phrase.adjective, feminine, plural, vowel)
        if phrase.definite:
            article = "les" if plural else "la" if feminine else "le"
        elif plural:
            article = "" if phrase.number else "de" if before else "des"
        elif lexicon()[phrase.noun].get("mass"):
            article = "de la" if feminine else "de le"
        else:
            article = "une" if feminine else "un"
        return article, adjective, noun, not before

    def adjective(self, name, feminine, plural, before_vowel=False):
        if name is None:
            return ""
        forms = self.forms[name]
        if before_vowel and len(forms) > 2 and not feminine and not plural:
            return forms[2]  # un vieil homme
        form = forms[feminine]
        if not plural or form[-1] in "sx":
            return form
        return form[:-2] + "aux" if form[-2:] == "al" else form + "sx"[form[-3:] == "eau"]

    def verb(self, slot, forms, plural, negated):
        return forms[plural]

    def pronoun(self, phrases, plural):
        return ("elle" if self.feminine(phrases) else "il") + "s" * plural

    def predicate(self, adjective, phrases, plural):
        return self.adjective(adjective, self.feminine(phrases), plural)

    def relative_pronoun(self, clause, phrase):
        return "que" if clause.subjects else "qui"


@functools.cache
def language(code: str) -> Language:
    """The language "en", "de" or "fr".  Raises ValueError for another."""
    languages = {"en": English, "de": German, "fr": French}
    if code not in languages:
        raise ValueError(f"languages of the microworld are {', '.join(languages)}, got {code!r}")
    return languages[code]()
