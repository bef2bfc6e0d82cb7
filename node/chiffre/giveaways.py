"""What in a text gives away whose entry it is, before it goes out under Chiffre.

Pure: the caller brings what the node knows (`OwnerFacts`). The answer is a list of
places to look at, not a proof: who knows the trade may recognise an owner by what
no list contains (SPEC CHI-007).
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from node.feed.folding import fold


class GiveawayKind(StrEnum):
    """Why a place is shown."""

    NAME = "name"
    PRODUCT = "product"
    ADDRESS = "address"
    TELEPHONE = "telephone"
    MODEL = "model"
    TOWN = "town"


@dataclass(frozen=True, slots=True)
class Giveaway:
    """A place in an entry's content that may give its owner away.

    Attributes:
        path: JSON pointer of the text in the content.
        text: As it stands there.
    """

    kind: GiveawayKind
    path: str
    text: str


@dataclass(frozen=True, slots=True)
class OwnerFacts:
    """What the node knows about an owner; all of it stays in the node.

    Attributes:
        names: Of the organisation and its persons, in every form that is known.
        products: Products and brands, makers and models of its equipment.
        domains: Of its website and mail addresses, without `www.`.
        towns: Every town that the node knows: one alone may single out a member.
        usual_words: Words that others use too, folded; such a word of a name is
            shown only together with the rest of the name.
    """

    names: frozenset[str] = frozenset()
    products: frozenset[str] = frozenset()
    domains: frozenset[str] = frozenset()
    towns: frozenset[str] = frozenset()
    usual_words: frozenset[str] = frozenset()


# Parts of a name that say nothing about whose it is.
_LEGAL_FORM: Final = re.compile(
    r"ag|and|co|company|corp|das|der|die|dr|e|eg|ev|for|fur|gbr|ggmbh|gmbh"
    r"|haftungsbeschrankt|inc|kg|kgaa|limited|llc|ltd|mbh|mr|mrs|ms|of|ohg|partg|plc"
    r"|prof|sa|sagl|sarl|se|srl|the|ug|und|v"
)
_NAME_WORD_MIN: Final = 4  # characters of a single word of a name that is shown
_WORD: Final = re.compile(r"[^\W_]+")
_MAIL: Final = re.compile(r"[^\s<>()@]+@[^\s<>()@]+\.[^\W\d_]{2,}")
_URL: Final = re.compile(r"(?:https?://|www\.)[^\s<>()]+", re.IGNORECASE)
# Country domains, and others that firms use; not "fast.Das", where a blank is missing.
_DOMAIN: Final = re.compile(
    r"(?<![\w.@-])(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)*[a-z0-9][a-z0-9-]+[a-z0-9]"
    r"\.(?:[a-z]{2}|com|net|org|info|biz|gmbh|swiss|tech|group|engineering|solutions"
    r"|industries|systems|technology|online|shop|berlin|hamburg|bayern|koeln|nrw|ruhr"
    r"|saarland|wien|tirol)(?![\w-])",
    re.IGNORECASE,
)
_TELEPHONE: Final = re.compile(
    r"(?<![\w,.])(?:\+|00|\(?0)\d?[\d /()-]{5,}\d(?![\w,.]?\d)"
)
_TELEPHONE_DIGITS_MIN: Final = 7
# Letters and a number of three digits, as on a type plate.
_MODEL: Final = re.compile(
    r"(?<![\w-])([^\W\d_]{2,})[- ]?(\d{3,}[^\W_]*(?:-[^\W_]+)*)(?![\w-])"
)
# What looks like a type plate and is a standard, a material, a sensor or a year.
_NO_MODEL: Final = re.compile(
    r"abs|astm|aw|bs|ca|ce|csa|din|dke|en|fda|fk|hastelloy|hrc|hv|iatf|ic|ieee|iec|ifs"
    r"|inconel|ip|ipc|is|iso|jis|kta|max|min|mil|nace|nas|nist|nr|ni|pt|ral|reach|rohs"
    r"|rs|sae|sn|ti|tia|trl|ub|ul|uni|usp|vda|vde|vdi|vdma|vg|zls"
)


def find_giveaways(content: Mapping[str, Any], facts: OwnerFacts) -> list[Giveaway]:
    """Look for names, products, addresses, models and towns in every text.

    Args:
        content: The entry's content (schemas/entries).
        facts: What the node knows about its owner.

    Returns:
        In the order of the content, each place once.
    """
    phrases = _phrases_of(facts)
    found: dict[Giveaway, None] = {}
    for path, text in _texts(content, ""):
        for kind, part in (*_by_form(text), *_by_words(text, phrases)):
            found.setdefault(Giveaway(kind, path, part))
    for key in ("manufacturer", "model", "year_built"):
        value = content.get("equipment", {}).get(key)
        if value is not None:
            path = f"/equipment/{key}"
            for known in [each for each in found if each.path == path]:
                del found[known]
            found[Giveaway(GiveawayKind.MODEL, path, str(value))] = None
    return list(found)


def _texts(value: object, path: str) -> Iterator[tuple[str, str]]:
    """Walk through every text of a content, with its JSON pointer (RFC 6901)."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, Mapping):
        for key, each in value.items():
            if not (path == "" and key == "kind"):
                escaped = str(key).replace("~", "~0").replace("/", "~1")
                yield from _texts(each, f"{path}/{escaped}")
    elif isinstance(value, Sequence):
        for index, each in enumerate(value):
            yield from _texts(each, f"{path}/{index}")


def _by_form(text: str) -> Iterator[tuple[GiveawayKind, str]]:
    """Find what is recognised by its form alone."""
    taken: list[tuple[int, int]] = []

    def free(match: re.Match[str]) -> bool:
        return not any(
            begin < match.end() and match.start() < end for begin, end in taken
        )

    for pattern in (_MAIL, _URL, _DOMAIN):
        for match in pattern.finditer(text):
            if free(match):
                taken.append(match.span())
                yield GiveawayKind.ADDRESS, match.group().rstrip(".,;:")
    for match in _TELEPHONE.finditer(text):
        digits = sum(each.isdigit() for each in match.group())
        if digits >= _TELEPHONE_DIGITS_MIN and free(match):
            taken.append(match.span())
            yield GiveawayKind.TELEPHONE, match.group()
    for match in _MODEL.finditer(text):
        if free(match) and _is_on_a_type_plate(match):
            yield GiveawayKind.MODEL, match.group()


def _is_on_a_type_plate(match: re.Match[str]) -> bool:
    """Tell "Contura 700" from "ISO 9001", "über 400 mm" and "Losgröße 100 bis"."""
    letters, number = match.group(1), match.group(2)
    if _NO_MODEL.fullmatch(fold(letters)):
        return False
    return " " not in match.group() or (letters[0].isupper() and number.isdigit())


@dataclass(frozen=True, slots=True)
class _Phrase:
    words: tuple[str, ...]
    kind: GiveawayKind


def _phrases_of(facts: OwnerFacts) -> dict[str, list[_Phrase]]:
    """Index what is looked for by its first folded word."""
    index: dict[str, list[_Phrase]] = {}
    for phrase in _all_phrases(facts):
        known = index.setdefault(phrase.words[0], [])
        if phrase not in known:
            known.append(phrase)
    return index


def _all_phrases(facts: OwnerFacts) -> Iterator[_Phrase]:
    usual = frozenset(map(_spelled_alike, facts.usual_words))
    for names, kind in (
        (facts.names, GiveawayKind.NAME),
        (facts.products, GiveawayKind.PRODUCT),
    ):
        for words in filter(None, map(_name_words, sorted(names))):
            yield _Phrase(words, kind)
            for word in words:
                if _says_who(word, usual):
                    yield _Phrase((word,), kind)
    for words in filter(None, map(_name_words, sorted(facts.towns))):
        yield _Phrase(words, GiveawayKind.TOWN)
    for domain in sorted(facts.domains):
        # The part that is the firm's own: "beispiel-optik" of beispiel-optik.de.
        words = _name_words(domain.split(".")[0])
        if len(words) > 1 or any(_says_who(word, usual) for word in words):
            yield _Phrase(words, GiveawayKind.NAME)


def _says_who(word: str, usual: frozenset[str]) -> bool:
    return len(word) >= _NAME_WORD_MIN and word not in usual


def _spelled_alike(text: str) -> str:
    """Fold a word so that ä, ae and a are one: names are typed in all three ways."""
    return fold(text).replace("ae", "a").replace("oe", "o").replace("ue", "u")


def _name_words(name: str) -> tuple[str, ...]:
    words = [_spelled_alike(match.group()) for match in _WORD.finditer(name)]
    return tuple(word for word in words if not _LEGAL_FORM.fullmatch(word))


def _by_words(
    text: str, phrases: Mapping[str, Iterable[_Phrase]]
) -> Iterator[tuple[GiveawayKind, str]]:
    """Find names and towns word by word; the longest phrase counts."""
    # A legal form inside a name does not keep it from being found.
    matches = [
        match
        for match in _WORD.finditer(text)
        if not _LEGAL_FORM.fullmatch(_spelled_alike(match.group()))
    ]
    words = [_spelled_alike(match.group()) for match in matches]
    at = 0
    while at < len(words):
        fitting = [
            phrase
            for phrase in phrases.get(words[at], ())
            if tuple(words[at : at + len(phrase.words)]) == phrase.words
        ]
        if not fitting:
            at += 1
            continue
        longest = max(fitting, key=lambda each: len(each.words))
        last = matches[at + len(longest.words) - 1]
        yield longest.kind, text[matches[at].start() : last.end()]
        at += len(longest.words)
