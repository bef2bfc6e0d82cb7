"""Choice of the language, catalogues and texts in several languages."""

import re
from pathlib import Path

import pytest

from node.web.i18n import (
    SOURCE,
    Languages,
    current_language,
    gettext,
    lazy_gettext,
    localized,
    ngettext,
    speaking,
    wanted_languages,
)
from node.web.translations.__main__ import text_packages
from node.web.translations.catalogue import (
    TextPackage,
    extract,
    gaps,
    load,
    to_bytes,
    update,
)

PACKAGES = {package.name: package for package in text_packages()}
_PLACEHOLDER = re.compile(r"%\((\w+)\)[sd]|\{(\w+)\}")


@pytest.fixture(name="languages")
def languages_fixture() -> Languages:
    return Languages("de")


@pytest.mark.parametrize("package", PACKAGES.values(), ids=lambda package: package.name)
def test_every_text_is_translated_into_german(package: TextPackage):
    missing = [f"{gap.text!r} in {gap.places}" for gap in gaps(package, "de")]
    assert not missing, (
        "run `python -m node.web.translations update` and translate:\n"
        + "\n".join(missing)
    )


@pytest.mark.parametrize("package", PACKAGES.values(), ids=lambda package: package.name)
def test_translations_use_the_same_placeholders(package: TextPackage):
    for message in load(package.catalogues / "de.po"):
        if not message.id or not message.string:
            continue
        # Of a plural pair the singular may do without the number.
        sources = message.id if isinstance(message.id, tuple) else (message.id,)
        strings = message.string if message.pluralizable else (message.string,)
        allowed = {name for text in sources for name in _PLACEHOLDER.findall(text)}
        for text in strings:
            used = set(_PLACEHOLDER.findall(text))
            assert used <= allowed, message.id
            if not message.pluralizable:
                assert used == allowed, message.id


def test_the_same_text_has_one_translation_in_all_packages():
    seen: dict[object, tuple[object, str]] = {}
    for package in PACKAGES.values():
        for message in load(package.catalogues / "de.po"):
            if not message.id:
                continue
            known = seen.setdefault(
                (message.id, message.context), (message.string, package.name)
            )
            assert known[0] == message.string, (message.id, known, package.name)


def write_source(folder: Path, text: str) -> TextPackage:
    (folder / "page.py").write_text(f"_({text!r})\n")
    templates = folder / "templates"
    templates.mkdir(exist_ok=True)
    (templates / "page.html").write_text('{% do x %}<p>{{ _("From a template") }}</p>')
    return TextPackage("sample", (folder,), folder / "translations")


def test_update_keeps_translations_and_lists_new_texts(tmp_path: Path):
    package = write_source(tmp_path, "Old text")
    update(package, "de")
    assert {gap.text for gap in gaps(package, "de")} == {"Old text", "From a template"}
    path = package.catalogues / "de.po"
    catalogue = load(path)
    for message in catalogue:
        if message.id:
            message.string = f"deutsch: {message.id}"
    path.write_bytes(to_bytes(catalogue))
    assert not list(gaps(package, "de"))

    write_source(tmp_path, "New text")
    update(package, "de")
    assert [gap.text for gap in gaps(package, "de")] == ["New text"]
    assert load(path).get("From a template").string == "deutsch: From a template"
    assert "Old text" not in path.read_text()


def test_update_writes_the_same_bytes_again(tmp_path: Path):
    package = write_source(tmp_path, "Text")
    update(package, "de")
    first = (package.catalogues / "de.po").read_bytes()
    update(package, "de")
    assert (package.catalogues / "de.po").read_bytes() == first


def test_a_folder_with_its_own_catalogue_is_left_out(tmp_path: Path):
    inner = tmp_path / "cli"
    inner.mkdir()
    (inner / "page.py").write_text("_('Inner')\n")
    (tmp_path / "page.py").write_text("_('Outer')\n")
    package = TextPackage("sample", (tmp_path,), tmp_path, without=frozenset({"cli"}))
    assert [message.id for message in extract(package) if message.id] == ["Outer"]


@pytest.mark.parametrize(
    ("person", "cookie", "header", "expected"),
    [
        (None, None, "", "de"),
        (None, None, "en", "en"),
        (None, None, "fr, en;q=0.5, de;q=0.9", "de"),
        (None, None, "de-AT,en;q=0.9", "de"),
        (None, None, "fr,*;q=0.1", "de"),
        (None, None, "en;q=0, de;q=0.1", "de"),
        (None, None, "en;q=nonsense", "de"),
        (None, "en", "de", "en"),
        (None, "xx", "en", "en"),
        (None, "../../etc/passwd", "", "de"),
        ("de", "en", "en", "de"),
        ("fr", "en", "de", "en"),
    ],
)
def test_language_is_chosen_by_person_then_cookie_then_header(
    languages: Languages,
    person: str | None,
    cookie: str | None,
    header: str,
    expected: str,
):
    chosen = languages.choose(person=person, cookie=cookie, accept_language=header)
    assert chosen.code == expected


def test_wanted_languages_keep_the_order_of_equal_weights():
    assert wanted_languages("fr;q=0.5, de, en") == ["de", "en", "fr"]


def test_texts_follow_the_language_of_the_block(languages: Languages):
    german = languages.find("de")
    label = lazy_gettext("Skip to content")
    with speaking(german):
        assert gettext("Skip to content") == "Zum Inhalt springen"
        assert str(label) == "Zum Inhalt springen"
        assert ngettext("%(num)s entry", "%(num)s entries", 1) == "1 Eintrag"
        assert ngettext("%(num)s entry", "%(num)s entries", 2) == "2 Einträge"
        with speaking(SOURCE):
            assert str(label) == "Skip to content"
        assert current_language() is german
    assert current_language() is SOURCE


def test_a_second_folder_adds_texts_and_replaces_none(tmp_path: Path):
    (tmp_path / "de.po").write_text(
        'msgid ""\nmsgstr "Content-Type: text/plain; charset=utf-8\\n"\n\n'
        'msgid "Skip to content"\nmsgstr "anders"\n\n'
        'msgid "Only here"\nmsgstr "Nur hier"\n'
    )
    languages = Languages("de")
    languages.add_folder(tmp_path)
    with speaking(languages.find("de")):
        assert gettext("Only here") == "Nur hier"
        assert gettext("Skip to content") == "Zum Inhalt springen"


@pytest.mark.parametrize(
    ("texts", "language", "expected"),
    [
        ({"de": "Deutsch", "en": "English"}, "de", ("Deutsch", "de", False)),
        ({"de": "Deutsch", "de-CH": "Schweiz"}, "de-CH", ("Schweiz", "de-CH", False)),
        ({"de": "Deutsch"}, "de-CH", ("Deutsch", "de", False)),
        ({"fr": "Français", "en": "English"}, "de", ("English", "en", True)),
        ({"it": "Italiano", "fr": "Français"}, "de", ("Français", "fr", True)),
    ],
)
def test_language_map_falls_back_and_says_so(
    texts: dict[str, str], language: str, expected: tuple[str, str, bool]
):
    chosen = localized(texts, language)
    assert (chosen.text, chosen.language, chosen.foreign) == expected


def test_an_empty_language_map_is_refused():
    with pytest.raises(ValueError, match="at least one language"):
        localized({}, "de")
