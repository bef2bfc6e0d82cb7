"""Ports, files, questions and what people see."""

import io
import os
import socket
from pathlib import Path

import pytest

from node.cli import entry_views, member_views, partner_views
from node.cli.files import read_packed
from node.cli.invocation import Invocation, print_document
from node.cli.ports import owner_of_port
from node.cli.printing import day, moment
from node.cli.wording import gettext, in_own_language, ngettext, speak
from node.control.request import FILE_BYTES_MAX, ControlRequest
from node.errors import InvalidInputError, NodeError


@pytest.fixture(autouse=True)
def _english() -> None:
    speak("en")


def test_owner_of_a_port_is_this_process() -> None:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        port = listening.getsockname()[1]
        owner = owner_of_port(port)
        assert owner is not None
        assert owner.process == os.getpid()
        assert owner.program
    assert owner_of_port(port) is None


def test_connected_sockets_are_no_owners() -> None:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        with socket.create_connection(listening.getsockname()) as connected:
            assert owner_of_port(connected.getsockname()[1]) is None


def test_owner_is_unknown_without_proc(tmp_path: Path) -> None:
    assert owner_of_port(80, proc=tmp_path) is None


def test_file_arrives_byte_by_byte(tmp_path: Path) -> None:
    data = bytes(range(256)) * 3
    (tmp_path / "f.csv").write_bytes(data)
    packed = read_packed(str(tmp_path / "f.csv"))
    assert ControlRequest("x", {"file": packed}).file("file") == data


def test_missing_file_and_folder_are_named(tmp_path: Path) -> None:
    for name in (str(tmp_path / "none.csv"), str(tmp_path)):
        with pytest.raises(InvalidInputError) as caught:
            read_packed(name)
        assert caught.value.code == "file-unreadable"
        assert caught.value.path == name


def test_too_long_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "long"
    with path.open("wb") as file:
        file.truncate(FILE_BYTES_MAX + 1)
    with pytest.raises(InvalidInputError) as caught:
        read_packed(str(path))
    assert caught.value.code == "file-too-large"


@pytest.mark.parametrize("answer", ["y\n", "ja\n", " YES \n", "J\n"])
def test_yes_is_yes(answer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(answer))
    Invocation().agree("Really?", also_without_terminal=True)


@pytest.mark.parametrize("answer", ["", "\n", "n\n", "nein\n", "yesterday\n"])
def test_everything_else_is_no(answer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(answer))
    with pytest.raises(NodeError) as caught:
        Invocation().agree("Really?", also_without_terminal=True)
    assert caught.value.code == "not-confirmed"


def test_yes_option_asks_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    Invocation(assume_yes=True).agree("Really?", also_without_terminal=True)
    # A script that says "delete" means it; only a person is asked.
    Invocation().agree("Really?")
    assert capsys.readouterr().err == ""


def test_document_survives_a_terminal_without_unicode(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(raw, encoding="ascii"))
    print_document({"name": "Zürich"})
    assert b"Z\\u00fcrich" in raw.getvalue()


def test_german_texts_and_plurals() -> None:
    speak("de")
    assert gettext("There is no partner yet.") == "Noch keine Partner."
    assert ngettext("%(num)s entry.", "%(num)s entries.", 1) == "1 Eintrag."
    assert ngettext("%(num)s entry.", "%(num)s entries.", 2) == "2 Einträge."
    assert in_own_language({"en": "house", "de": "Haus"}) == "Haus"
    speak("en")
    assert gettext("There is no partner yet.") == "There is no partner yet."
    assert in_own_language({"fr": "maison"}) == "maison"
    assert in_own_language({}) == ""


def test_times_and_days() -> None:
    assert day("2030-06-30") == "2030-06-30"
    assert day(None) == moment(None) == "\N{EN DASH}"
    speak("de")
    assert day("2030-06-30") == "30.06.2030"
    speak("en")


def test_titles_are_never_taken_for_styles(capsys: pytest.CaptureFixture[str]) -> None:
    entry = {
        "id": "https://a.example/entries/x",
        "version": [1, 2],
        "kind": "capacity_offer",
        "title": {"de": "[red]Laser[/red] [b]"},
        "origin": "https://a.example",
        "origin_name": "A",
        "since": "2026-11-21T07:00:00Z",
        "form": "full",
    }
    entry_views.show_feed({"entries": [entry]})
    out = capsys.readouterr().out
    assert "[red]Laser[/red] [b]" in out
    assert "https://a.example/entries/x" in out
    assert "\x1b[" not in out


def test_kind_of_a_newer_partner_keeps_its_name(
    capsys: pytest.CaptureFixture[str],
) -> None:
    document = {
        "id": "https://a.example/entries/x",
        "version": [1, 1],
        "kind": "lab_visit",
        "state": "published",
        "audience": {"level": "cluster", "partners": []},
    }
    entry_views.show_step(document, served=False)
    out = capsys.readouterr().out
    assert "lab_visit" in out
    assert "as soon as the node runs" in out
    entry_views.show_step(document, served=True)
    assert "as soon as the node runs" not in capsys.readouterr().out


def _in_sync(**changes: object) -> dict[str, object]:
    return {
        "agreement": "in-sync",
        "sent": 415,
        "held": 412,
        "refused": 3,
        "waiting": 0,
        "digest_equal": True,
        "checked_at": "2026-11-21T14:02:00Z",
        **changes,
    }


@pytest.mark.parametrize(
    ("numbers", "sentence"),
    [
        (_in_sync(), "415 sent = 412 held + 3 refused"),
        (_in_sync(agreement="differs"), "415 sent, 412 held, 3 refused"),
        (_in_sync(sent=414), "414 sent, 412 held, 3 refused"),
        (_in_sync(agreement="waiting", waiting=2), "2 waiting; 415 sent"),
        (
            _in_sync(agreement="nothing", checked_at=None, waiting=1),
            "1 entry waits",
        ),
    ],
)
def test_in_sync_is_said_only_when_it_is_so(
    numbers: dict[str, object], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    partner_views.show_partner(
        {
            "partner": "p",
            "base_url": "https://b.example",
            "name": "B",
            "state": "active",
            "fingerprint": "4F2A 91CC 07B3 6D1E",
            "check_number": "4711 0815",
            "last_exchange_at": None,
            "in_sync": numbers,
            "waiting": {"entries": 0, "withdrawals": 0, "messages": 0},
            "received": {"held": 0, "kept_out": 0, "verified_at": None},
            "unaccounted": 0,
            "restored": None,
            "days": [],
        }
    )
    out = " ".join(capsys.readouterr().out.split())
    assert sentence in out
    assert ("In sync" in out) is (sentence.startswith("415 sent ="))


def test_import_report_names_rows(capsys: pytest.CaptureFixture[str]) -> None:
    member_views.show_report(
        {
            "added": 2,
            "changed": 1,
            "unchanged": 0,
            "errors": [{"row": 7, "column": "email", "message": "No address."}],
            "links": [{"email": "a@b.example", "link": "https://x.example/l"}],
            "changes": [
                {
                    "row": 3,
                    "key": "opt-1",
                    "fields": [{"column": "city", "before": "A", "after": "B"}],
                }
            ],
            "without_consent": 2,
        },
        dry_run=True,
    )
    out = capsys.readouterr().out
    for part in (
        "Dry run",
        "2 added, 1 changed",
        "row 7: email: No address.",
        "city “A” → “B”",
        "2 persons have not agreed",
        "https://x.example/l",
    ):
        assert part in out


def test_every_text_is_translated() -> None:
    from node.web.translations.__main__ import text_packages
    from node.web.translations.catalogue import gaps

    (package,) = (each for each in text_packages() if each.name == "node.cli")
    assert [gap.text for gap in gaps(package, "de")] == []
