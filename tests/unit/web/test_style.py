"""The style sheet: contrast of every pair of colours, sizes, budgets."""

import gzip
import re
from pathlib import Path

import pytest

import node.web

STATIC = Path(node.web.__file__).parent / "static"
CSS = (STATIC / "spalier.css").read_text()
TONES = ("leaf", "sky", "plum", "amber", "slate", "red")


def tokens(theme: str) -> dict[str, str]:
    light, _, rest = CSS.partition("@media (prefers-color-scheme: dark)")
    found = dict(re.findall(r"--([\w-]+):\s*(#[0-9a-f]{6})", light))
    if theme == "dark":
        dark = rest.partition("\n}\n")[0]
        found |= dict(re.findall(r"--([\w-]+):\s*(#[0-9a-f]{6})", dark))
    return found


def luminance(colour: str) -> float:
    """Relative luminance, WCAG 2.2."""
    parts = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    linear = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4
        for part in parts
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def test_contrast_is_measured_as_wcag_defines_it():
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#767676", "#ffffff") == pytest.approx(4.54, abs=0.01)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_can_be_read(theme: str):
    colour = tokens(theme)
    pairs = [
        (text, ground)
        for text in ("ink", "ink-2", *TONES)
        for ground in ("paper", "card")
    ]
    pairs += [(tone, f"{tone}-soft") for tone in TONES]
    pairs += [(text, f"{tone}-soft") for text in ("ink", "ink-2") for tone in TONES]
    pairs += [("on-colour", "leaf"), ("on-colour", "leaf-deep"), ("on-colour", "plum")]
    pairs += [("amber", "leaf-soft")]  # a waiting message in the own bubble
    low = {
        pair: round(contrast(colour[pair[0]], colour[pair[1]]), 2)
        for pair in pairs
        if contrast(colour[pair[0]], colour[pair[1]]) < 4.5
    }
    assert not low


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_borders_of_controls_and_the_focus_ring_can_be_seen(theme: str):
    colour = tokens(theme)
    for border in ("line-strong", "sky"):
        for ground in ("paper", "card", "leaf-soft"):
            assert contrast(colour[border], colour[ground]) >= 3, (border, ground)


def test_nothing_is_loaded_from_elsewhere():
    assert "url(" not in CSS
    assert "@import" not in CSS


def test_budgets_are_kept():
    assert len((STATIC / "spalier.js").read_text().splitlines()) <= 150
    everything = b"".join(path.read_bytes() for path in STATIC.iterdir())
    assert len(gzip.compress(everything)) < 30_000  # of 100 kB for a page


def test_every_class_that_the_templates_use_is_drawn():
    drawn = set(re.findall(r"\.([a-z][\w-]*)", CSS))
    folder = Path(node.web.__file__).parent / "templates" / "components"
    for path in folder.glob("*.html"):
        for classes in re.findall(r'class="([^"{]+)"', path.read_text()):
            for name in classes.split():
                assert name in drawn, (name, path.name)
