"""The page “Keys”: for technical administrators, with consequences before steps."""

import base64
import re
from collections.abc import Mapping

from sqlalchemy import update

from node.keys.backup import open_backup, read_backup
from node.keys.rules import OVERLAP
from node.members.model import Person, Role
from node.storage.database import Transaction
from node.storage.tables import node_keys
from tests.http.admin.conftest import ACTING, Answer, Office, offer
from tests.http.nodes import MovableClock

PATH = "/admin/schluessel"


def states(office: Office) -> dict[int, str]:
    return {key.number: key.state.value for key in office.node.context.keys.keys}


async def forget_backup(office: Office) -> None:
    async def work(tx: Transaction) -> None:
        await tx.execute(update(node_keys).values(backed_up_at=None))

    await office.node.context.database.write(work)
    await office.node.own_keys.note_backup(None, [])


async def office_person(office: Office) -> Person:
    """Somebody of the office who does not administer the node."""
    person = await office.member("bea@office.example", "Optik GmbH")
    return await office.node.members.change_role(
        office.person, person.id, role=Role.OFFICE
    )


async def raw_post(
    office: Office, path: str, data: Mapping[str, str]
) -> tuple[int, Mapping[str, str], bytes]:
    async with office.session.post(
        office.base_url + path,
        data=data,
        headers={
            ACTING: office.person.email,
            "Accept": "text/html",
            "Sec-Fetch-Site": "same-origin",
        },
        allow_redirects=False,
    ) as response:
        return response.status, dict(response.headers), await response.read()


def code_on(html: str) -> str:
    return "-".join(re.findall(r"</small>([0-9A-Z]{5})</li>", html))


async def test_page_of_a_new_node(nord: Office) -> None:
    await forget_backup(nord)
    answer = await nord.get(PATH)
    assert answer.status == 200
    key = nord.node.context.keys.active
    assert key.fingerprint in answer.text
    assert "There is no backup of key 1." in answer.text
    assert "Key 1 was made and signed at once." in answer.text
    assert "Change the key" in answer.text
    assert "The key is being changed" not in answer.text


async def test_only_the_technical_administrator_works_with_keys(nord: Office) -> None:
    bea = await office_person(nord)
    assert (await nord.get("/admin", who=bea.email)).status == 200
    for method, path in (
        (nord.get, PATH),
        (nord.post, f"{PATH}/sicherung"),
        (nord.post, f"{PATH}/sicherung/datei"),
        (nord.get, f"{PATH}/wechseln"),
        (nord.post, f"{PATH}/wechseln"),
        (nord.post, f"{PATH}/verwenden"),
        (nord.post, f"{PATH}/ablegen"),
        (nord.post, f"{PATH}/widerrufen"),
    ):
        answer: Answer = await method(path, who=bea.email)
        assert answer.status == 403, path
    assert states(nord) == {1: "active"}
    shown = await nord.get("/admin", who=bea.email)
    assert PATH not in shown.html
    assert PATH in (await nord.get("/admin")).html


async def test_forms_of_other_sites_do_not_reach_the_keys(nord: Office) -> None:
    for path in ("sicherung", "sicherung/datei", "wechseln", "widerrufen"):
        async with nord.session.post(
            f"{nord.base_url}{PATH}/{path}",
            headers={ACTING: nord.person.email, "Sec-Fetch-Site": "cross-site"},
        ) as response:
            assert response.status == 403
    assert states(nord) == {1: "active"}


async def test_backup_shows_its_code_once_and_gives_the_file(nord: Office) -> None:
    await forget_backup(nord)
    status, headers, body = await raw_post(nord, f"{PATH}/sicherung", {})
    assert status == 200
    assert headers["Cache-Control"] == "private, no-store"
    html = body.decode()
    assert "<script" not in html
    code = code_on(html)
    assert len(code) == 47
    key = nord.node.context.keys.active
    assert key.fingerprint in html
    assert nord.base_url in html
    assert key.backed_up_at is None, "nobody has the file yet"

    content = re.search(r'name="datei" value="([^"]+)"', html)
    assert content is not None
    status, headers, file = await raw_post(
        nord, f"{PATH}/sicherung/datei", {"datei": content[1]}
    )
    assert status == 200
    assert headers["Cache-Control"] == "private, no-store"
    assert headers["Content-Disposition"].startswith("attachment; filename=")
    assert headers["X-Content-Type-Options"] == "nosniff"
    secrets = open_backup(read_backup(file), code)
    assert secrets[1].public_key == key.public_key
    assert nord.node.context.keys.active.backed_up_at is not None
    assert f"{nord.person.name} made a backup of key 1." in (await nord.get(PATH)).text
    # Nothing of the code stays: neither page nor database knows it.
    assert code not in (await nord.get(PATH)).html
    again = code_on((await raw_post(nord, f"{PATH}/sicherung", {}))[2].decode())
    assert again != code


async def test_download_gives_nothing_but_own_backups(
    nord: Office, sued: Office
) -> None:
    await forget_backup(nord)
    foreign = await sued.node.key_backups.make(None)
    for content, status in (
        (foreign.content, 409),
        (b"<script>alert(1)</script>", 422),
        (foreign.content[:-40], 422),
        (b"", 422),
    ):
        sent = base64.b64encode(content).decode()
        answer, headers, body = await raw_post(
            nord, f"{PATH}/sicherung/datei", {"datei": sent}
        )
        assert answer == status
        assert "Content-Disposition" not in headers
        assert b"alert(1)" not in body
    broken, _, _ = await raw_post(nord, f"{PATH}/sicherung/datei", {"datei": "%%"})
    assert broken == 422
    assert nord.node.context.keys.active.backed_up_at is None


async def test_rotation_from_preview_to_the_end(
    partners: tuple[Office, Office], clock: MovableClock
) -> None:
    nord, sued = partners
    preview = await nord.get(f"{PATH}/wechseln")
    assert "1 partner cluster is told of the new key" in preview.text
    assert states(nord) == {1: "active"}
    done = await nord.post(f"{PATH}/wechseln")
    assert (done.status, done.location) == (303, PATH)
    shown = await nord.get(PATH)
    assert "The key is being changed" in shown.text
    assert "Sued not told yet" in shown.text
    assert "There is no backup of key 2." in shown.text
    assert "Nord announced key 2." in shown.text.replace(nord.person.name, "Nord")
    assert (
        "1 partner cluster does not know the new key yet"
        in (await nord.get(f"{PATH}/verwenden")).text
    )
    again = await nord.get(f"{PATH}/wechseln")
    assert (again.status, again.location) == (303, PATH)

    await nord.settle()
    assert "Sued knows the new key" in (await nord.get(PATH)).text
    assert (await nord.post(f"{PATH}/verwenden")).status == 303
    assert nord.node.context.keys.active.number == 2
    assert "goes within minutes" in (await nord.get(PATH)).text
    clock.advance(seconds=OVERLAP.total_seconds() + 1)
    while await nord.node.own_keys.advance():
        pass
    assert states(nord) == {1: "retired", 2: "active"}
    shown = await nord.get(PATH)
    assert "The key is being changed" not in shown.text
    assert "Key 1 was no longer needed." in shown.text
    said = ["Key 1 was no longer needed.", "Key 2 signs", "announced key 2."]
    places = [shown.text.index(each) for each in said]
    assert places == sorted(places), "the latest first"
    assert (await sued.get("/admin")).status == 200


async def test_letting_go_names_who_is_cut_off(
    partners: tuple[Office, Office],
) -> None:
    nord, _sued = partners
    await nord.post(f"{PATH}/wechseln")
    await nord.post(f"{PATH}/verwenden")
    page = await nord.get(f"{PATH}/ablegen")
    assert "1 partner cluster knows only the old key" in page.text
    assert (await nord.post(f"{PATH}/ablegen")).status == 303
    assert states(nord) == {1: "retired", 2: "active"}
    shown = await nord.get(PATH)
    assert "Call these offices" in shown.text
    todo = await nord.get("/admin")
    assert "1 partner office has to compare your new key" in todo.text
    assert nord.node.context.keys.active.fingerprint in todo.text


async def test_revocation_needs_reason_and_typed_address(
    partners: tuple[Office, Office],
) -> None:
    nord, _sued = partners
    await nord.node.catalogue.publish(nord.person, offer())
    page = await nord.get(f"{PATH}/widerrufen")
    assert "1 partner cluster believes nothing from you" in page.text
    assert "1 published entry is signed anew" in page.text
    host = nord.node.context.address.authority
    for wrong in (
        {},
        {"reason": "Einbruch"},
        {"typed": host},
        {"reason": "Einbruch", "typed": "evil.example"},
    ):
        answer = await nord.post(f"{PATH}/widerrufen", wrong)
        assert answer.status == 422, wrong
    assert states(nord) == {1: "active"}
    done = await nord.post(
        f"{PATH}/widerrufen", {"reason": "Einbruch", "typed": f" {host.upper()} "}
    )
    assert (done.status, done.location) == (303, PATH)
    assert states(nord) == {1: "revoked", 2: "active"}
    shown = await nord.get(PATH)
    assert "Call these offices" in shown.text
    assert nord.node.context.keys.active.fingerprint in shown.text
    assert "Sued" in shown.text
    assert "Einbruch" in shown.text


async def test_missing_backup_is_a_task_with_the_right_words(nord: Office) -> None:
    await forget_backup(nord)
    mine = await nord.get("/admin")
    assert "There is no backup of the present key" in mine.text
    assert f'href="{PATH}"' in mine.html
    bea = await office_person(nord)
    theirs = await nord.get("/admin", who=bea.email)
    assert "There is no backup of the present key" in theirs.text
    assert "Your technical administrator does this" in theirs.text
