"""What is not believed of a move: refused, with nothing stored and nothing sent.

Süd is the partner that says to have moved, Nord the node that has to decide. Süd's
documents are made by hand, so that they can also be what an honest node never sends.
"""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from federation.documents.move import Move, build_move
from federation.documents.signed import sign
from federation.ids import BaseUrl, NodeAddress, random_id
from federation.keys import Signer
from federation.limits import MOVES_DAILY_MAX
from federation.moving import move_number
from federation.trust import TrustState
from node.errors import ConflictError, InvalidInputError, UnavailableError
from node.keys.model import KeyState
from node.partners.model import Partner
from node.storage.database import Transaction
from node.storage.partners import update_partner
from tests.http.nodes import (
    OFFER,
    START,
    MovableClock,
    RunningNode,
    become_partners,
)
from tests.http.partner_key_world import post, show, signer, suspend
from tests.http.sender import Answer, Sender

Pair = tuple[RunningNode, RunningNode]
ELSEWHERE = BaseUrl("http://127.0.0.1:9")


def announcement(
    sued: RunningNode,
    nord: RunningNode,
    *,
    target: BaseUrl = ELSEWHERE,
    by: Signer | None = None,
    published: Any = START,
    **changes: Any,
) -> dict[str, Any]:
    by = by or signer(sued, 1)
    move = Move(
        id=sued.context.address.activity(random_id(sued.context.random)),
        target=target,
        recipient=nord.context.address.actor,
        published=published,
    )
    document = dict(build_move(move, signer=by, created=published).document)
    if not changes:
        return document
    unsigned = {k: v for k, v in {**document, **changes}.items() if k != "proof"}
    return dict(sign(unsigned, signer=by, created=published).document)


async def trace(nord: RunningNode) -> Any:
    """All that is stored, and all that has left."""
    return await nord.tables(), list(nord.client.sent)


async def put(nord: RunningNode, other: RunningNode, **values: Any) -> None:
    """Change what a node has written down of another one."""
    partner = await nord.partner(other)

    async def work(tx: Transaction) -> None:
        await update_partner(tx, partner.id, **values)

    await nord.database.write(work)


async def refused(
    sender: Sender,
    nord: RunningNode,
    document: dict[str, Any],
    *,
    by: Signer,
) -> tuple[int, str]:
    before = await trace(nord)
    answer = await post(sender, nord, document, by=by)
    assert await trace(nord) == before
    return answer.status, answer.code


async def taken(
    sender: Sender, nord: RunningNode, document: dict[str, Any], *, by: Signer
) -> Answer:
    answer = await post(sender, nord, document, by=by)
    assert answer.status == 202
    return answer


async def test_an_announcement_changes_nothing_but_the_question(
    partners: Pair, sender: Sender
) -> None:
    nord, sued = partners
    before = await nord.partner(sued)
    sent = list(nord.client.sent)
    move = announcement(sued, nord)
    await taken(sender, nord, move, by=signer(sued, 1))
    after = await nord.partner(sued)
    assert (after.moving_to, after.moving_id) == (ELSEWHERE, move["id"])
    for name in ("base_url", "actor_id", "keys", "state", "former_urls"):
        assert getattr(after, name) == getattr(before, name)
    assert nord.client.sent == sent
    assert await nord.mails("partner-moves") == ["office@nord.example"]
    # What waits still goes where the partner is known to be.
    await nord.catalogue.publish(nord.office, OFFER)
    await nord.settle()
    assert nord.client.sent[-1] == f"POST {sued.base_url}/inbox"


async def test_a_stranger_announces_nothing(
    partners: Pair, ost: RunningNode, sender: Sender
) -> None:
    nord, _sued = partners
    move = announcement(ost, nord)
    assert await refused(sender, nord, move, by=signer(ost, 1)) == (401, "unknown-key")


async def test_a_partner_announces_nothing_about_another(
    partners: Pair, ost: RunningNode, sender: Sender
) -> None:
    nord, sued = partners
    await become_partners(nord, ost)
    of_ost = announcement(ost, nord)
    by = signer(sued, 1)
    assert await refused(sender, nord, of_ost, by=by) == (403, "origin-mismatch")
    # In its own name, but about the other one's actor.
    about_ost = announcement(sued, nord, object=ost.context.address.actor)
    assert await refused(sender, nord, about_ost, by=by) == (403, "origin-mismatch")


@pytest.mark.parametrize("whose", ["another partner", "ourselves", "itself"])
async def test_the_new_address_is_nobody_elses(
    partners: Pair, ost: RunningNode, sender: Sender, whose: str
) -> None:
    nord, sued = partners
    await become_partners(nord, ost)
    by = signer(sued, 1)
    if whose == "itself":
        move = _retargeted(sued, nord, sued.context.address.actor)
        expected = (403, "origin-mismatch")
    else:
        target = {"another partner": ost, "ourselves": nord}[whose].base_url
        move = announcement(sued, nord, target=BaseUrl(target))
        expected = (409, "address-taken")
    assert await refused(sender, nord, move, by=by) == expected


def _retargeted(sued: RunningNode, nord: RunningNode, target: str) -> dict[str, Any]:
    document = announcement(sued, nord)
    unsigned = {k: v for k, v in {**document, "target": target}.items() if k != "proof"}
    return dict(sign(unsigned, signer=signer(sued, 1), created=START).document)


async def test_an_address_that_another_partner_had_is_taken(
    partners: Pair, ost: RunningNode, sender: Sender
) -> None:
    nord, sued = partners
    await become_partners(nord, ost)

    await put(nord, ost, former_urls=(ELSEWHERE,))
    move = announcement(sued, nord, target=ELSEWHERE)
    by = signer(sued, 1)
    assert await refused(sender, nord, move, by=by) == (409, "address-taken")


NO_TARGETS = (
    "https://netz.example/actor/",
    "https://NETZ.example/actor",
    "https://netz.example:443/actor",
    "https://u@netz.example/actor",
    "https://netz.example/inbox",
    "https://10.0.0.1/actor",
    "http://netz.example/actor",
    "ftp://netz.example/actor",
)


async def test_what_is_no_address_is_no_target(partners: Pair, sender: Sender) -> None:
    nord, sued = partners
    for target in NO_TARGETS:
        move = _retargeted(sued, nord, target)
        status, code = await refused(sender, nord, move, by=signer(sued, 1))
        expected = {(403, "origin-mismatch"), (422, "schema-invalid")}
        assert (status, code) in expected, target


NOT_STANDING = {
    TrustState.REQUESTED: "partnership-not-confirmed",
    TrustState.WAITING: "partnership-not-confirmed",
    TrustState.SUSPENDED: "partnership-suspended",
    TrustState.REFUSED: "partnership-refused",
    TrustState.ENDING: "partnership-ended",
    TrustState.ENDED: "partnership-ended",
}


async def test_only_a_standing_partner_announces(
    partners: Pair, sender: Sender
) -> None:
    nord, sued = partners
    move = announcement(sued, nord)
    for state, code in NOT_STANDING.items():
        await put(nord, sued, state=state)
        assert await refused(sender, nord, move, by=signer(sued, 1)) == (403, code)


async def test_one_that_we_have_paused_may_announce(
    partners: Pair, sender: Sender
) -> None:
    nord, sued = partners
    await nord.partners.pause(nord.office, sued.base_url)
    await taken(sender, nord, announcement(sued, nord), by=signer(sued, 1))
    assert (await nord.partner(sued)).moving_to == ELSEWHERE


async def test_a_key_in_question_announces_and_confirms_nothing(
    partners: Pair, sender: Sender
) -> None:
    nord, sued = partners
    await taken(sender, nord, announcement(sued, nord), by=signer(sued, 1))
    by = signer(sued, 1)
    again = announcement(sued, nord)
    await suspend(nord, sued)
    assert await refused(sender, nord, again, by=by) == (403, "partnership-suspended")
    # Nor is the one confirmed that came before.
    with pytest.raises(ConflictError, match="suspended"):
        await nord.partners.confirm_move(nord.office, sued.base_url, number="0000 0000")
    assert await nord.partners.moves.announced() == []


async def test_a_proof_by_another_key_is_none(partners: Pair, sender: Sender) -> None:
    nord, sued = partners
    move = announcement(sued, nord, by=signer(sued, 1, seed="thief"))
    status, code = await refused(sender, nord, move, by=signer(sued, 1))
    assert (status, code) == (401, "proof-invalid")


async def test_a_repetition_and_an_older_announcement_change_nothing(
    partners: Pair, sender: Sender, clock: MovableClock
) -> None:
    nord, sued = partners
    by = signer(sued, 1)
    first = announcement(sued, nord)
    clock.advance(minutes=1)
    other = BaseUrl("http://127.0.0.1:7")
    newer = announcement(sued, nord, target=other, published=clock.now())
    await taken(sender, nord, newer, by=by)
    assert await refused(sender, nord, first, by=by) == (409, "update-older")
    before = await nord.partner(sued)
    await taken(sender, nord, newer, by=by)  # as before, without effect
    await nothing_moved(nord, before)
    assert len(await nord.mails("partner-moves")) == 1

    # Once it is refused, the very same one is not asked about again.
    await nord.partners.refuse_move(nord.office, sued.base_url, reason="Nein")
    await taken(sender, nord, newer, by=by)
    assert await nord.partners.moves.announced() == []
    assert await refused(sender, nord, first, by=by) == (409, "update-older")


async def test_two_announcements_the_later_one_is_asked_about(
    partners: Pair, sender: Sender, clock: MovableClock
) -> None:
    nord, sued = partners
    by = signer(sued, 1)
    await taken(sender, nord, announcement(sued, nord), by=by)
    clock.advance(minutes=1)
    other = BaseUrl("http://127.0.0.1:7")
    await taken(
        sender,
        nord,
        announcement(sued, nord, target=other, published=clock.now()),
        by=by,
    )
    (move,) = await nord.partners.moves.announced()
    assert move.new == other
    assert len(await nord.mails("partner-moves")) == 2
    # The office that looked at the first one does not confirm the second.
    with pytest.raises(ConflictError, match="something else"):
        await nord.partners.confirm_move(
            nord.office, sued.base_url, number="0000 0000", target=ELSEWHERE
        )


async def test_one_of_the_future_and_too_many_are_refused(
    partners: Pair, sender: Sender, clock: MovableClock
) -> None:
    nord, sued = partners
    by = signer(sued, 1)
    ahead = announcement(sued, nord, published=START + timedelta(seconds=61))
    assert await refused(sender, nord, ahead, by=by) == (422, "schema-invalid")
    for _ in range(MOVES_DAILY_MAX):
        await taken(sender, nord, announcement(sued, nord), by=by)
    more = announcement(sued, nord)
    assert await refused(sender, nord, more, by=by) == (429, "quota-exceeded")


async def test_an_answer_to_a_move_that_never_was(
    partners: Pair, sender: Sender
) -> None:
    """Nobody makes us believe that it has answered what we did not say."""
    nord, sued = partners
    by = signer(sued, 1)
    for kind, expected in (
        ("Accept", (403, "unknown-request")),
        ("Reject", (403, "partnership-active")),
    ):
        notice = {
            "@context": announcement(sued, nord)["@context"],
            "id": sued.context.address.activity(random_id(sued.context.random)),
            "type": kind,
            "actor": sued.context.address.actor,
            "object": nord.context.address.activity(random_id(nord.context.random)),
            "published": "2026-11-21T10:00:00Z",
            "to": [nord.context.address.actor],
        }
        signed = dict(sign(notice, signer=by, created=START).document)
        assert await refused(sender, nord, signed, by=by) == expected


# -- what the office finds at the new address ---------------------------------------


async def confirmed(
    nord: RunningNode, sued: RunningNode, new: RunningNode, number: str | None = None
) -> None:
    shown = new.context.keys.active.public_key
    right = move_number(
        old=BaseUrl(sued.base_url), new=BaseUrl(new.base_url), key=shown
    )
    await nord.partners.confirm_move(nord.office, sued.base_url, number=number or right)


async def announced_there(
    partners: Pair, new: RunningNode, sender: Sender
) -> tuple[RunningNode, RunningNode]:
    """Süd announces the address at which another node stands."""
    nord, sued = partners
    move = announcement(sued, nord, target=BaseUrl(new.base_url))
    await taken(sender, nord, move, by=signer(sued, 1))
    return nord, sued


async def nothing_moved(nord: RunningNode, before: Partner) -> None:
    after = await nord.partners.find(before.id)
    assert replace(after, last_received_at=None) == replace(
        before, last_received_at=None
    )


async def test_a_thief_with_the_key_still_lacks_the_telephone(
    partners: Pair, ost: RunningNode, sender: Sender
) -> None:
    """All that a stolen key can do is done; the office has been read no number."""
    nord, sued = await announced_there(partners, ost, sender)
    there(ost, signer(sued, 1), former=sued)
    before = await nord.partner(sued)
    for number in ("0000 0000", "12345678"):
        with pytest.raises(ConflictError, match="not the check number"):
            await confirmed(nord, sued, ost, number)
    with pytest.raises(InvalidInputError):
        await confirmed(nord, sued, ost, "1234")
    await nothing_moved(nord, before)


async def test_the_new_address_has_to_show_the_same_key(
    partners: Pair, ost: RunningNode, sender: Sender
) -> None:
    nord, sued = await announced_there(partners, ost, sender)
    there(ost, signer(ost, 1), former=sued)
    before = await nord.partner(sued)
    with pytest.raises(ConflictError, match="another key"):
        await confirmed(nord, sued, ost)
    await nothing_moved(nord, before)


async def test_the_new_address_has_to_name_the_old_one(
    partners: Pair, ost: RunningNode, sender: Sender
) -> None:
    nord, sued = await announced_there(partners, ost, sender)
    there(ost, signer(sued, 1))
    before = await nord.partner(sued)
    with pytest.raises(ConflictError, match="does not say that it was"):
        await confirmed(nord, sued, ost)
    await nothing_moved(nord, before)


async def test_an_address_that_does_not_answer_confirms_nothing(
    partners: Pair, sender: Sender
) -> None:
    nord, sued = partners
    await taken(sender, nord, announcement(sued, nord), by=signer(sued, 1))
    before = await nord.partner(sued)
    with pytest.raises(UnavailableError):
        await nord.partners.confirm_move(nord.office, sued.base_url, number="0000 0000")
    await nothing_moved(nord, before)


async def test_nothing_to_confirm_or_refuse(partners: Pair) -> None:
    nord, sued = partners
    with pytest.raises(ConflictError, match="has not announced"):
        await nord.partners.confirm_move(nord.office, sued.base_url, number="00000000")
    with pytest.raises(ConflictError, match="has not announced"):
        await nord.partners.refuse_move(nord.office, sued.base_url)


def there(node: RunningNode, by: Signer, *, former: RunningNode | None = None) -> None:
    """Let a node show a key, and where it says that it was."""
    show(node, (replace(by, address=node.context.address), KeyState.ACTIVE))
    if former is not None:
        names = NodeAddress(node.context.address.base_url, (former.base_url,))
        object.__setattr__(node.context, "address", names)
