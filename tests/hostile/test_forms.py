"""G: forms. Whatever is sent to an address that takes one, it answers."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.hostile import wire
from tests.hostile.page_world import PageWorld, addresses, page_world, routes
from tests.hostile.people import Somebody
from tests.hostile.structure import structure_of


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def pages(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[PageWorld]:
    """A node that these forms may change; one member may be sent away by them."""
    async with page_world(tmp_path_factory.mktemp("forms")) as world:
        person = await world.site.member("opfer@optik.example", "Optik GmbH")
        world.ids["person"] = [person.id]
        yield world


# -- what is uploaded, what is kept ---------------------------------------------

UPLOADS = {
    "formulas": b"Name;E-Mail\r\n=1+1;@x\r\n",
    "polyglot": b"GIF89a;<script>alert(1)</script>",
    "SVG": b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>",
    "zip": b"PK\x03\x04" + b"\x00" * 100,
    "executable": b"\x7fELF" + b"\x00" * 100,
    "NUL": b"Name;E-Mail\r\na\x00b;c@d.example\r\n",
    "UTF-16": "Name;E-Mail\r\na;b@c.example\r\n".encode("utf-16"),
    "long line": b"Name;E-Mail\r\n" + b"x" * 200_000 + b";y@z.example\r\n",
    "many columns": b";".join(b"c%d" % n for n in range(20_000)),
    "many rows": b"Name;E-Mail\r\n" + b"a;b\r\n" * 50_000,
    "open quote": b'Name;E-Mail\r\n"a;b\r\n' * 2000,
    "empty": b"",
}


@pytest.mark.parametrize("label", UPLOADS)
async def test_uploads_leave_no_file_and_no_row(pages: PageWorld, label: str) -> None:
    """Tables are read and forgotten, whatever they are called."""
    office = pages.browsers["office"]
    folder: Path = pages.site.node.folder
    before = sorted(path.name for path in folder.rglob("*"))
    async with pages.world.untouched() as untouched:
        for filename in (
            "../../../tmp/x.csv",
            "/etc/cron.d/x",
            "x.php",
            "con",
            "x" * 300,
        ):
            for path in ("/admin/mitglieder/import", "/admin/eintraege/import"):
                body = part("file", UPLOADS[label], filename=filename) + b"--x--\r\n"
                reply = await office.post(path, body, media_type=MULTIPART)
                untouched.expect(
                    f"{path} {filename[:20]}",
                    got=reply.status,
                    wanted={200, 400, 413, 415, 422},
                )
                assert structure_of(reply.text).events == []
                assert "<script>alert" not in reply.text
            if label in {"many rows", "many columns", "long line"}:
                break
    after = sorted(path.name for path in folder.rglob("*"))
    assert [name for name in after if name not in before] == []
    assert not Path("/tmp/x.csv").exists()


# -- bodies of forms ----------------------------------------------------------

# -- bodies of forms ------------------------------------------------------------

FORM = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data; boundary=x"


def part(
    name: str, value: bytes, *, filename: str | None = None, more: str = ""
) -> bytes:
    shown = "" if filename is None else f'; filename="{filename}"'
    head = f'--x\r\nContent-Disposition: form-data; name="{name}"{shown}\r\n{more}\r\n'
    return head.encode() + value + b"\r\n"


FIELDS = [
    "email",
    "password",
    "again",
    "weiter",
    "language",
    "back",
    "zurueck",
    "text",
    "title",
    "summary",
    "kind",
    "code",
    "days",
    "name",
    "role",
    "file",
    "lists",
    "bestaetigt",
    "current",
    "new",
    "step",
    "reason",
    "compared",
    "number",
]
BODIES: dict[str, tuple[str, bytes]] = {
    "not UTF-8": (FORM, b"&".join(f.encode() + b"=\xff\xfe" for f in FIELDS)),
    "escaped not UTF-8": (FORM, b"&".join(f.encode() + b"=%FF%FE" for f in FIELDS)),
    "half of a pair": (FORM, b"&".join(f.encode() + b"=%ED%A0%80" for f in FIELDS)),
    "NUL": (FORM, b"&".join(f.encode() + b"=a%00b" for f in FIELDS)),
    "control characters": (
        FORM,
        b"&".join(f.encode() + b"=%0D%0AX-Odd:1%1b[2J%E2%80%AE" for f in FIELDS),
    ),
    "long": (FORM, b"&".join(f.encode() + b"=" + b"x" * 20_000 for f in FIELDS)),
    "many times": (FORM, b"&".join(f.encode() + b"=x" for f in FIELDS * 20)),
    "unknown charset": (f"{FORM}; charset=x-unknown", b"email=a&password=b"),
    "utf-16 charset": (f"{FORM}; charset=utf-16", "email=a".encode("utf-16")),
    "utf-7 charset": (f"{FORM}; charset=utf-7", b"email=+ADw-"),
    "numbers": (FORM, b"&".join(f.encode() + b"=" + b"9" * 400 for f in FIELDS)),
    "negative": (FORM, b"&".join(f.encode() + b"=-1" for f in FIELDS)),
    "files": (
        MULTIPART,
        b"".join(part(f, b"x", filename="../../x.csv") for f in FIELDS) + b"--x--\r\n",
    ),
    "no end": (MULTIPART, part("email", b"x")),
    "no boundary": ("multipart/form-data", part("email", b"x") + b"--x--\r\n"),
    "other boundary": ("multipart/form-data; boundary=y", part("email", b"x")),
    "long boundary": (f"multipart/form-data; boundary={'y' * 500}", b"--y--"),
    "nested": (
        MULTIPART,
        part(
            "email",
            b"--y\r\n\r\nx\r\n--y--",
            more="Content-Type: multipart/mixed; boundary=y\r\n",
        )
        + b"--x--\r\n",
    ),
    "no name": (
        MULTIPART,
        b"--x\r\nContent-Disposition: form-data\r\n\r\nx\r\n--x--\r\n",
    ),
    "no disposition": (MULTIPART, b"--x\r\n\r\nx\r\n--x--\r\n"),
    "part in base64": (
        MULTIPART,
        part("email", b"!!!!", more="Content-Transfer-Encoding: base64\r\n")
        + b"--x--\r\n",
    ),
    "part in gzip": (
        MULTIPART,
        part("email", b"\x1f\x8bxxxx", more="Content-Encoding: gzip\r\n")
        + b"--x--\r\n",
    ),
    "part in unknown coding": (
        MULTIPART,
        part("email", b"x", more="Content-Transfer-Encoding: x-y\r\n") + b"--x--\r\n",
    ),
    "part in unknown charset": (
        MULTIPART,
        part("email", b"x", more="Content-Type: text/plain; charset=x-y\r\n")
        + b"--x--\r\n",
    ),
    "part not UTF-8": (MULTIPART, part("email", b"\xff\xfe") + b"--x--\r\n"),
    "garbage": (MULTIPART, b"\x00\xff" * 500),
    "JSON": ("application/json", b'{"email": "a"}'),
    "text": ("text/plain", b"email=a"),
    "activity": (wire.ACTIVITY_JSON, b"{}"),
    "empty": (FORM, b""),
}


@pytest.mark.parametrize("label", BODIES)
async def test_no_form_breaks_a_page(pages: PageWorld, label: str) -> None:
    """Every address that takes a form, as the office: an answer, never a fault."""
    media_type, body = BODIES[label]
    office = pages.browsers["office"]
    visitor = Somebody(pages.site)
    wrong: list[str] = []
    mark = pages.world.witness.log.mark()
    for template in routes(pages.site.app, "POST"):
        if template in {"/inbox", "/partner-requests", "/abmelden"}:
            continue
        if template in {
            "/admin/partner/{partner_id}/{step}",
            "/einstellungen/sitzungen",
        }:
            continue  # what they do needs no field
        ids = {name: values[:1] for name, values in pages.ids.items()}
        for path in list(addresses(template, ids))[:1]:
            browser = visitor if path.startswith("/anmelden") else office
            reply = await browser.post(path, body, media_type=media_type)
            if reply.status >= 500 or reply.status == 0:
                wrong.append(f"{path}: {reply.status}")
    assert wrong == []
    assert pages.world.witness.log.faults(mark) == []
