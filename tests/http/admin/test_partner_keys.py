"""The office compares a partner's key: page, list of tasks, history, mail."""

from dataclasses import replace

import pytest

from federation.keys import SigningKey
from federation.trust import TrustState
from node.keys.model import KeyState, NodeKey
from node.partners.model import KeyOrigin
from node.storage.partner_keys import store_keys
from tests.http.admin.conftest import Office
from tests.http.admin.test_partner_pages import code_of
from tests.http.nodes import START, SeededRandom

KNOWN, SHOWN = "Key that you know", "Key shown there now"


@pytest.fixture
async def connected(nord: Office, sued: Office) -> tuple[Office, Office]:
    """Two connected nodes."""
    _page, code = await code_of(nord)
    await sued.post("/admin/partner/code/annehmen", {"code": code})
    path = await nord.partner_path()
    page = await nord.get(path)
    sent = {name: page.value(name) for name in ("anfrage", "pruefzahl")}
    await nord.post(f"{path}/bestaetigen", {"verglichen": "ja", **sent})
    await nord.settle()
    return nord, sued


async def show_another_key(nord: Office, sued: Office) -> str:
    """Set Süd's node up anew, let Nord look, return the new fingerprint."""
    secret = SigningKey.generate(SeededRandom("anew"))
    row = NodeKey(
        number=1,
        multibase=secret.public_key.multibase,
        state=KeyState.ACTIVE,
        created_at=START,
        activated_at=START,
    )
    sued.node.context.keys.replace([row], {1: secret})
    (partner,) = await nord.node.partners.list()
    await nord.node.partners.keys.look(partner)
    return secret.public_key.fingerprint


async def state_of(office: Office) -> TrustState:
    (partner,) = await office.node.partners.list()
    return partner.state


async def test_office_is_asked_and_confirms(connected: tuple[Office, Office]) -> None:
    nord, sued = connected
    known = sued.node.context.signer.key.public_key.fingerprint
    shown = await show_another_key(nord, sued)
    path = await nord.partner_path()
    todo = await nord.get("/admin")
    assert "Compare the key of Sued by telephone" in todo.text
    page = await nord.get(path)
    assert f"{KNOWN} {known} {SHOWN} {shown}" in page.text
    assert "somebody else sits at this address" in page.text
    assert "suspended: compare the key" in page.text
    assert "Pause partnership" not in page.text
    assert "suspended: compare the key" in (await nord.get("/admin/partner")).text
    mails = await nord.node.mail.list_mails()
    (mail,) = [each for each in mails if each.kind == "partner-key-changed"]
    assert known in mail.body
    assert shown in mail.body
    assert f"{nord.base_url}{path}" in mail.body

    sent = {"fingerabdruck": page.value("fingerabdruck")}
    await nord.post(f"{path}/schluessel", sent)
    assert await state_of(nord) is TrustState.SUSPENDED
    foreign = {"verglichen": "ja", "fingerabdruck": known}
    await nord.post(f"{path}/schluessel", foreign)
    assert await state_of(nord) is TrustState.SUSPENDED
    done = await nord.post(f"{path}/schluessel", {"verglichen": "ja", **sent})
    assert (done.status, done.location) == (303, path)
    assert await state_of(nord) is TrustState.ACTIVE
    assert SHOWN not in (await nord.get(path)).text
    assert "Compare the key" not in (await nord.get("/admin")).text
    history = (await nord.get(f"{path}/verlauf")).text
    assert "compared the key of Sued by telephone and confirmed it" in history
    assert f"Fingerprint {shown}" in history
    assert f"{shown} counts" in history
    assert f"{known} replaced: counts no more" in history


async def test_known_key_shown_again(connected: tuple[Office, Office]) -> None:
    nord, sued = connected
    before = sued.node.context.keys
    keys, secrets = before.keys, before.secrets
    await show_another_key(nord, sued)
    sued.node.context.keys.replace(keys, secrets)
    (partner,) = await nord.node.partners.list()
    await nord.node.partners.keys.look(partner)
    path = await nord.partner_path()
    page = await nord.get(path)
    assert "has shown another key for a while" in page.text
    sent = {"verglichen": "ja", "fingerabdruck": page.value("fingerabdruck")}
    await nord.post(f"{path}/schluessel", sent)
    assert await state_of(nord) is TrustState.ACTIVE


async def test_key_that_was_slipped_in_is_not_called_known(
    connected: tuple[Office, Office],
) -> None:
    """Who has stolen a key puts an own one before it; the owner does not know that."""
    nord, sued = connected
    known = sued.node.context.signer.key.public_key.fingerprint
    evil = SigningKey.generate(SeededRandom("evil")).public_key
    (partner,) = await nord.node.partners.list()
    slipped_in = replace(
        partner.key,
        id="evil",
        key_id=f"{partner.actor_id}#key-77",
        multibase=evil.multibase,
        origin=KeyOrigin.ANNOUNCED,
    )
    await nord.node.context.database.write(
        lambda tx: store_keys(tx, partner.id, [slipped_in, partner.key], at=START)
    )
    (partner,) = await nord.node.partners.list()
    await nord.node.partners.keys.look(partner)
    assert await state_of(nord) is TrustState.SUSPENDED
    path = await nord.partner_path()
    page = await nord.get(path)
    assert f"Key that you know, and that is shown there now {known}" in page.text
    assert f"counts no more once you confirm {evil.fingerprint}" in page.text
    assert "set up anew" not in page.text
    sent = {"verglichen": "ja", "fingerabdruck": page.value("fingerabdruck")}
    await nord.post(f"{path}/schluessel", sent)
    assert await state_of(nord) is TrustState.ACTIVE
    (partner,) = await nord.node.partners.list()
    assert [key.fingerprint for key in partner.keys] == [known]


async def test_office_may_end_instead(connected: tuple[Office, Office]) -> None:
    nord, sued = connected
    await show_another_key(nord, sued)
    path = await nord.partner_path()
    assert (await nord.get(f"{path}/beenden")).status == 200
    await nord.post(f"{path}/beenden")
    assert await state_of(nord) is TrustState.ENDING
    assert SHOWN not in (await nord.get(path)).text


async def test_member_is_not_asked(connected: tuple[Office, Office]) -> None:
    nord, sued = connected
    shown = await show_another_key(nord, sued)
    await nord.member("anna@nord.example", "Firma")
    sent = {"verglichen": "ja", "fingerabdruck": shown}
    path = f"{await nord.partner_path()}/schluessel"
    answer = await nord.post(path, sent, who="anna@nord.example")
    assert answer.status in {403, 404}
    assert await state_of(nord) is TrustState.SUSPENDED
    feed = await nord.get("/start", who="anna@nord.example")
    assert "the office is checking its key" in feed.text


async def test_office_reads_that_a_partner_knows_a_foreign_key_of_ours(
    connected: tuple[Office, Office],
) -> None:
    nord, sued = connected
    (partner,) = await nord.node.partners.list()
    foreign = SigningKey.generate(SeededRandom("evil")).public_key
    at_sued = (await sued.node.partners.list())[0]
    slipped_in = replace(
        at_sued.key,
        id="evil",
        key_id=f"{at_sued.actor_id}#key-77",
        multibase=foreign.multibase,
        origin=KeyOrigin.ANNOUNCED,
    )
    await sued.node.context.database.write(
        lambda tx: store_keys(tx, at_sued.id, [at_sued.key, slipped_in], at=START)
    )
    await nord.node.own_keys.rotate(nord.person)
    await nord.settle()
    assert (await nord.node.partners.list())[0].told_key_number == 1
    assert await state_of(sued) is TrustState.SUSPENDED
    page = await nord.get(f"/admin/partner/{partner.id}")
    assert "knows a key in your node's name that your node does not know" in page.text
