"""Every decision that the code notes has a sentence."""

import re
from pathlib import Path

from federation.trust import TrustEvent
from node.audit.sentences import AUDIT_SENTENCES

ROOT = Path(__file__).parents[4]
NOTED = re.compile(r'(?:note_decision\(|self\._note\()[^"():{]*?"([a-z_]+)"', re.DOTALL)
KEY_STEP = re.compile(r'note_key\([^"]*?"([a-z]+)"')
STEP = re.compile(r'add_step\([^)]*?event="([a-z_]+)"', re.DOTALL)


def test_every_step_of_a_partnership_has_a_sentence() -> None:
    assert {event.value for event in TrustEvent} <= AUDIT_SENTENCES.keys()


def test_every_code_in_the_program_has_a_sentence() -> None:
    codes: set[str] = set()
    for path in (ROOT / "node").rglob("*.py"):
        text = path.read_text()
        codes.update(NOTED.findall(text), STEP.findall(text))
        codes.update(f"own_key_{step}" for step in KEY_STEP.findall(text))
    assert {"role_changed", "renamed", "own_key_made", "restored"} <= codes
    assert codes <= AUDIT_SENTENCES.keys()
