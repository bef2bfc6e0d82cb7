"""Messages, notices and partner requests at the doors."""

from federation.documents.message import Message, MessageAuthor, build_message
from federation.documents.notice import Notice, NoticeType, build_notice
from federation.ids import random_id
from federation.trust import TrustState
from tests.http.nodes import OFFER, START, RunningNode
from tests.http.sender import NONCE, Sender, Untouched, as_bytes

# -- messages and notices -------------------------------------------------------


def message(
    sender: RunningNode, receiver: RunningNode, *, about: str, thread: str | None = None
) -> bytes:
    """A signed message about an entry."""
    message_id = sender.context.address.activity(random_id(sender.context.random))
    document = build_message(
        Message(
            id=message_id,
            sender=sender.context.address.actor,
            recipient=receiver.context.address.actor,
            thread=thread or message_id,
            in_reply_to=about,
            about=about,
            text="Hallo",
            author=MessageAuthor("Adam", "Laser AG"),
            published=START,
        ),
        signer=sender.context.signer,
        created=START,
    )
    return document.raw


async def test_message_about_a_hidden_entry_is_answered_like_one_about_none(
    partners: tuple[RunningNode, RunningNode], sender: Sender
) -> None:
    nord, sued = partners
    secret = {**OFFER, "audience": {"level": "cluster"}}
    hidden = await nord.catalogue.publish(nord.office, secret)
    absent = nord.context.address.entry("a" * 26)
    answers = []
    for about in (hidden.uri, absent):
        async with Untouched(nord, sued):
            answer = await sender.post(
                nord, message(sued, nord, about=about), signer=sued.context.signer
            )
        assert (answer.status, answer.code) == (404, "not-found")
        answers.append((answer.body, {**answer.headers, "Date": ""}))
    assert answers[0] == answers[1]


async def test_message_into_the_thread_of_another_partner(
    partners: tuple[RunningNode, RunningNode], ost: RunningNode, sender: Sender
) -> None:
    from tests.http.nodes import become_partners

    nord, sued = partners
    await become_partners(nord, ost)
    entry = await nord.catalogue.publish(nord.office, OFFER)
    await nord.settle()
    adam = await sued.add_person("adam@laser.example", organisation="Laser")
    asked = await sued.conversations.answer(adam, entry.uri, "Hallo")
    await sued.settle()
    # A thread that Süd opened belongs to a third node.
    async with Untouched(nord, sued, ost):
        answer = await sender.post(
            nord,
            message(ost, nord, about=entry.uri, thread=asked.thread_uri),
            signer=ost.context.signer,
        )
    assert (answer.status, answer.code) == (403, "origin-mismatch")
    # One that Nord opened with Süd could be Ost's by its address, but is not.
    theirs = await sued.catalogue.publish(sued.office, OFFER)
    await sued.settle()
    opened = await nord.conversations.answer(nord.office, theirs.uri, "Hallo")
    async with Untouched(nord, sued, ost):
        answer = await sender.post(
            nord,
            message(ost, nord, about=entry.uri, thread=opened.thread_uri),
            signer=ost.context.signer,
        )
    assert (answer.status, answer.code) == (404, "not-found")


async def test_same_activity_in_a_new_request_has_no_second_effect(
    partners: tuple[RunningNode, RunningNode], sender: Sender
) -> None:
    nord, sued = partners
    entry = await nord.catalogue.publish(nord.office, OFFER)
    body = message(sued, nord, about=entry.uri)
    first = await sender.post(nord, body, signer=sued.context.signer)
    before = await nord.tables()
    again = await sender.post(nord, body, signer=sued.context.signer)
    after = await nord.tables()
    assert (first.status, again.status) == (202, 202)
    changed = {name for name in before if before[name] != after[name]}
    assert changed <= {"seen_nonces", "partners", "partner_days"}
    assert len(after["messages"]) == 1


def notice(
    sender: RunningNode, receiver: RunningNode, kind: NoticeType, about: str
) -> bytes:
    """A signed notice."""
    document = build_notice(
        Notice(
            id=sender.context.address.activity(random_id(sender.context.random)),
            type=kind,
            actor=sender.context.address.actor,
            recipient=receiver.context.address.actor,
            object=about,
            published=START,
        ),
        signer=sender.context.signer,
        created=START,
    )
    return document.raw


async def test_accept_of_another_request_does_not_confirm(
    nord: RunningNode, sued: RunningNode, sender: Sender
) -> None:
    created = await nord.partners.invite(nord.office)
    await sued.partners.accept(sued.office, created.code)
    other = sued.context.address.activity("a" * 26)
    async with Untouched(sued, nord):
        answer = await sender.post(
            sued,
            notice(nord, sued, NoticeType.ACCEPT, other),
            signer=nord.context.signer,
        )
    assert (answer.status, answer.code) == (403, "unknown-request")


async def test_guest_cannot_confirm_itself(
    nord: RunningNode, sued: RunningNode, sender: Sender
) -> None:
    created = await nord.partners.invite(nord.office)
    waiting = await sued.partners.accept(sued.office, created.code)
    assert waiting.state is TrustState.WAITING
    about = nord.context.address.activity("a" * 26)
    async with Untouched(nord, sued):
        answer = await sender.post(
            nord,
            notice(sued, nord, NoticeType.ACCEPT, about),
            signer=sued.context.signer,
        )
    assert (answer.status, answer.code) == (403, "partnership-not-confirmed")


# -- partner requests -----------------------------------------------------------


async def test_partner_request_without_signature(
    nord: RunningNode, sender: Sender
) -> None:
    async with Untouched(nord):
        answer = await sender.post(nord, b"{}", path="/partner-requests")
    assert answer.status == 401


async def test_partner_request_without_an_invitation_is_not_looked_at_closely(
    nord: RunningNode, sued: RunningNode, ost: RunningNode, sender: Sender
) -> None:
    """Proof, keys and meaning of a stranger's request cost us nothing."""
    document = {"type": "PartnerRequest", "invitation": "lsm6lv6vb64pfijp"}
    async with Untouched(nord, sued, ost):
        answer = await sender.post(
            nord,
            as_bytes(document),
            path="/partner-requests",
            signer=ost.context.signer,
        )
    assert (answer.status, answer.code) == (403, "invitation-refused")
    unnamed = await sender.post(
        nord, b"{}", path="/partner-requests", signer=ost.context.signer
    )
    assert (unnamed.status, unnamed.code) == (422, "schema-invalid")


async def test_partner_request_that_was_altered(
    nord: RunningNode, sued: RunningNode, ost: RunningNode, sender: Sender
) -> None:
    """A request caught on the way and sent on in another node's name."""
    from federation.documents.partner_request import build_partner_request
    from federation.handshake import parse_code
    from node.partners.own_actor import own_actor

    created = await nord.partners.invite(nord.office)
    code = parse_code(created.code, allow_loopback_http=True)
    async with sued.database.read() as tx:
        guest = await own_actor(tx, sued.context)
    host = await sued.client.fetch_actor(nord.context.address.base_url)
    request = build_partner_request(
        guest,
        host=host,
        secret=code.secret,
        signer=sued.context.signer,
        random=sued.context.random,
        created=START,
    )
    altered = {**request.document, "nonce": NONCE}
    foreign = await sender.post(
        nord, request.raw, path="/partner-requests", signer=ost.context.signer
    )
    assert foreign.status == 401
    async with Untouched(nord, sued, ost):
        answer = await sender.post(
            nord,
            as_bytes(altered),
            path="/partner-requests",
            signer=sued.context.signer,
        )
    assert (answer.status, answer.code) == (401, "proof-invalid")
    # Untouched it works, and a copy of it changes nothing any more.
    taken = await sender.post(
        nord, request.raw, path="/partner-requests", signer=sued.context.signer
    )
    assert taken.status == 202
    async with Untouched(nord, sued, ost):
        again = await sender.post(
            nord, request.raw, path="/partner-requests", signer=sued.context.signer
        )
    assert again.status == 202
