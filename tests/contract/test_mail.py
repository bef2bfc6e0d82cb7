"""The outbox, and a real SMTP server on loopback that takes its mails."""

import asyncio
import email.policy
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import date, datetime
from email.message import EmailMessage
from email.parser import BytesParser
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from pydantic import SecretStr

from node.errors import ConflictError, NotAuthorisedError
from node.mail.model import Mail, MailKind, MailState
from node.mail.outbox import MailOutbox
from node.mail.smtp import SmtpSession
from node.members.model import Role
from node.storage.database import Database, Transaction
from node.storage.members import update_person
from tests.contract.member_world import World, capacity_offer, make_world

SENDER = "Optence <buero@optence.example>"


@dataclass
class Postbox:
    """What the server took, and what it answers."""

    mails: list[EmailMessage] = field(default_factory=list)
    recipients: list[str] = field(default_factory=list)
    answer_rcpt: str = "250 OK"
    answer_data: str = "250 OK"
    refuse: frozenset[str] = frozenset()

    async def handle_RCPT(  # noqa: N802 - the library's name
        self,
        server: SMTP,
        session: Session,
        envelope: Envelope,
        address: str,
        options: list[str],
    ) -> str:
        if address in self.refuse:
            return "550 no such mailbox here"
        if self.answer_rcpt.startswith("250"):
            envelope.rcpt_tos.append(address)
        return self.answer_rcpt

    async def handle_DATA(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        if self.answer_data.startswith("250"):
            content = envelope.content
            assert isinstance(content, bytes)
            parser = BytesParser(EmailMessage, policy=email.policy.SMTP)
            self.mails.append(parser.parsebytes(content))
            self.recipients += envelope.rcpt_tos
        return self.answer_data


@pytest.fixture
def postbox() -> Postbox:
    return Postbox()


class MailServer:
    """An SMTP server in the test's own event loop."""

    def __init__(self, postbox: Postbox, **options: Any) -> None:
        self._postbox = postbox
        self._options = options
        self._server: asyncio.Server | None = None
        self.port = 0

    async def start(self) -> None:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: SMTP(self._postbox, hostname="mail.example", **self._options),
            "127.0.0.1",
            self.port,
        )
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()


@pytest.fixture
async def server(postbox: Postbox) -> AsyncIterator[MailServer]:
    server = MailServer(postbox)
    await server.start()
    yield server
    await server.stop()


def smtp_settings(port: int, **smtp: Any) -> dict[str, Any]:
    return {
        "transport": "smtp",
        "sender": SENDER,
        "smtp": {"host": "127.0.0.1", "port": port, "starttls": False, **smtp},
    }


@pytest.fixture
async def world(database: Database, server: MailServer) -> World:
    return await make_world(database, mail=smtp_settings(server.port))


async def queue(world: World, recipient: str = "a@b.example", **params: Any) -> Mail:
    values = {
        "kind": "new-answer",
        "language": "de",
        "title": "Messplatz",
        "who": "Jan Muster, Institut (Swissmem)",
        "conversation_id": "abc",
        **params,
    }

    async def work(tx: Transaction) -> Mail:
        return await world.mail.queue(tx, recipient=recipient, **values)

    return await world.context.database.write(work)


async def test_a_mail_leaves_with_its_headers(world: World, postbox: Postbox) -> None:
    mail = await queue(world, title="Größe\r\nBcc: x@y.example")
    assert await world.mail.send_due() == 1
    [sent] = postbox.mails
    assert postbox.recipients == ["a@b.example"]
    assert sent["To"] == "a@b.example"
    assert sent["From"] == SENDER
    assert sent["Bcc"] is None
    assert sent["Subject"] == "Neue Antwort auf „Größe Bcc: x@y.example“"
    assert sent["Auto-Submitted"] == "auto-generated"
    assert sent["Message-ID"] == f"<{mail.id}@spalier.optence.example>"
    assert sent["Content-Language"] == "de"
    text = sent.get_content()
    assert "Jan Muster, Institut (Swissmem) hat auf Ihren Eintrag geantwortet" in text
    assert "https://spalier.optence.example/nachrichten/abc" in text
    assert await world.mail.send_due() == 0
    assert [each.state for each in await world.mail.list_mails()] == [MailState.SENT]


async def test_a_mail_of_work_that_failed_does_not_exist(world: World) -> None:
    async def work(tx: Transaction) -> None:
        await world.mail.queue(
            tx,
            recipient=world.admin,
            kind="partner-active",
            partner="Swissmem",
            base_url="https://s.example",
        )
        raise ConflictError("no")

    with pytest.raises(ConflictError):
        await world.context.database.write(work)
    assert await world.mail.list_mails() == []


async def test_links_are_struck_out_but_reach_their_owner(
    world: World, postbox: Postbox
) -> None:
    await world.sign_in.start_link(world.admin.email)
    [listed] = await world.mail.list_mails()
    assert "/anmelden/…" in listed.body
    await world.mail.send_due()
    link = next(
        line
        for line in postbox.mails[0].get_content().splitlines()
        if "/anmelden/" in line
    )
    assert await world.sign_in.redeem_link(link.rpartition("/")[2])
    async with world.context.database.read() as tx:
        from node.storage.mail import load_mail

        stored = await load_mail(tx, listed.id)
    assert stored is not None
    assert link not in stored.body


async def test_a_server_that_is_away_is_tried_again(
    world: World, server: MailServer, postbox: Postbox
) -> None:
    port = server.port
    await server.stop()
    for _ in range(2):
        await queue(world)
    assert await world.mail.send_due() == 0
    mails = await world.mail.list_mails()
    assert [each.attempts for each in mails] == [1, 1]
    assert mails[0].last_error is not None
    assert mails[0].last_error.startswith(f"127.0.0.1:{port} does not answer")
    assert await world.mail.send_due() == 0  # not due yet
    assert (await world.mail.list_mails())[0].attempts == 1
    world.clock.advance(minutes=1)
    await server.start()
    assert await world.mail.send_due() == 2
    assert len(postbox.mails) == 2


async def test_a_clock_that_was_set_back_holds_no_mail_up(
    world: World, server: MailServer, postbox: Postbox
) -> None:
    world.clock.advance(days=365)
    await queue(world)
    await server.stop()
    assert await world.mail.send_due() == 0
    await server.start()
    world.clock.advance(days=-365)
    assert await world.mail.send_due() == 1
    assert len(postbox.mails) == 1


async def test_pauses_grow_to_an_hour(world: World, server: MailServer) -> None:
    await server.stop()
    await queue(world)
    pauses = []
    for _ in range(9):
        await world.mail.send_due()
        [mail] = await world.mail.list_mails()
        assert mail.next_attempt_at is not None
        pauses.append((mail.next_attempt_at - world.clock.now()).total_seconds() / 60)
        world.clock.time = mail.next_attempt_at
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60, 60]


async def test_a_refused_mail_waits_for_the_office(
    world: World, postbox: Postbox
) -> None:
    postbox.refuse = frozenset({"gone@b.example"})
    refused = await queue(world, "gone@b.example")
    await queue(world, "here@b.example")
    assert await world.mail.send_due() == 1
    states = {each.recipient: each for each in await world.mail.list_mails()}
    assert states["here@b.example"].state is MailState.SENT
    failed = states["gone@b.example"]
    assert failed.state is MailState.FAILED
    assert failed.last_error == "550 no such mailbox here"
    world.clock.advance(days=30)
    assert await world.mail.send_due() == 0
    assert (await world.mail.counts()).failed == 1
    postbox.refuse = frozenset()
    await world.mail.retry(world.admin, refused.id)
    assert await world.mail.send_due() == 1
    with pytest.raises(ConflictError):
        await world.mail.retry(world.admin, refused.id)


async def test_a_mail_cancelled_before_its_turn_is_not_sent(
    world: World, postbox: Postbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The batch is read once; whoever cancels or leaves meanwhile is heard."""
    leaving, _ = await world.members.add_person(
        world.admin,
        email="l@b.example",
        name="Lea",
        organisation="B",
        send_invitation=False,
    )
    entry = await world.catalogue.publish(leaving, capacity_offer())
    first = await queue(world)
    world.clock.advance(seconds=1)
    values = {
        "kind": "entry-expires",
        "last_day": date(2026, 12, 1),
        "confirm_link": None,
    }
    about_entry = await queue(world, entry_id=entry.id, **values)

    async def to_member(tx: Transaction) -> Mail:
        return await world.mail.queue(
            tx, recipient=leaving, kind="first-password", link="x", days=7
        )

    world.clock.advance(seconds=1)
    personal = await world.context.database.write(to_member)
    send = SmtpSession.send

    async def interrupted(session: SmtpSession, mail: Mail, *, at: datetime) -> None:
        async def meanwhile(tx: Transaction) -> None:
            await world.mail.cancel_for_entry(tx, entry.id)
            await update_person(tx, leaving.id, {"left_at": at}, now=at)

        await world.context.database.write(meanwhile)
        await send(session, mail, at=at)

    monkeypatch.setattr(SmtpSession, "send", interrupted)
    assert await world.mail.send_due() == 1
    assert len(postbox.mails) == 1
    states = {each.id: each.state for each in await world.mail.list_mails()}
    assert states[first.id] is MailState.SENT
    assert states[about_entry.id] is MailState.CANCELLED
    assert states[personal.id] is MailState.CANCELLED


async def test_a_refusal_that_passes_is_tried_again(
    world: World, postbox: Postbox
) -> None:
    postbox.answer_data = "451 try later"
    await queue(world)
    assert await world.mail.send_due() == 0
    [mail] = await world.mail.list_mails()
    assert (mail.state, mail.last_error) == (MailState.PENDING, "451 try later")
    postbox.answer_data = "250 OK"
    world.clock.advance(minutes=1)
    assert await world.mail.send_due() == 1


async def test_only_the_office_sends_again(world: World) -> None:
    mail = await queue(world)
    from dataclasses import replace

    with pytest.raises(NotAuthorisedError):
        await world.mail.retry(replace(world.admin, role=Role.PERSON), mail.id)


async def test_on_the_page_nothing_is_sent_or_marked(database: Database) -> None:
    world = await make_world(database)
    await world.sign_in.start_link(world.admin.email)
    assert await world.mail.send_due() == 0
    [mail] = await world.mail.list_mails()
    assert (mail.state, mail.attempts) == (MailState.PENDING, 0)
    link = (await world.links_in_mails())[0]
    assert await world.sign_in.redeem_link(link.rpartition("/")[2])


async def test_a_password_never_travels_in_the_clear(
    database: Database, server: MailServer, postbox: Postbox
) -> None:
    settings = smtp_settings(server.port, username="u", password="secret")
    world = await make_world(database, mail=settings)
    await queue(world)
    assert await world.mail.send_due() == 0
    [mail] = await world.mail.list_mails()
    assert mail.last_error is not None
    assert "starttls" in mail.last_error
    assert "secret" not in mail.last_error
    assert postbox.mails == []


async def test_starttls_is_not_optional(
    database: Database, server: MailServer, postbox: Postbox
) -> None:
    settings = smtp_settings(server.port, starttls=True)
    world = await make_world(database, mail=settings)
    await queue(world)
    assert await world.mail.send_due() == 0
    assert postbox.mails == []


async def test_sends_with_account(
    database: Database, postbox: Postbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    def authenticate(
        server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: object
    ) -> AuthResult:
        assert isinstance(data, LoginPassword)
        seen.append((data.login, data.password))
        return AuthResult(success=data.password == b"secret", handled=False)

    context = server_tls_context()
    controller = MailServer(
        postbox,
        tls_context=context,
        require_starttls=True,
        authenticator=authenticate,
        auth_required=True,
    )
    await controller.start()
    try:
        # The test's certificate is its own authority.
        monkeypatch.setattr("ssl.create_default_context", client_tls_context)
        settings = smtp_settings(controller.port, username="u", starttls=True)
        world = await make_world(database, mail=settings)
        right = MailOutbox(world.context, smtp_password=SecretStr("secret"))
        wrong = MailOutbox(world.context, smtp_password=SecretStr("no"))
        await queue(world)
        assert await wrong.send_due() == 0
        [mail] = await world.mail.list_mails()
        assert mail.last_error is not None
        assert "535" in mail.last_error
        world.clock.advance(minutes=1)
        assert await right.send_due() == 1
    finally:
        await controller.stop()
    assert seen[-1] == (b"u", b"secret")


def client_tls_context() -> Any:
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def server_tls_context() -> Any:
    import datetime
    import ssl
    import tempfile
    from pathlib import Path

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    start = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(start)
        .not_valid_after(start + datetime.timedelta(days=36_500))
        .sign(key, hashes.SHA256())
    )
    pem = certificate.public_bytes(serialization.Encoding.PEM) + key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "both.pem"
        path.write_bytes(pem)
        context.load_cert_chain(path)
    return context


async def test_answers_are_told_even_if_the_entry_is_withdrawn(world: World) -> None:
    entry = await world.catalogue.publish(
        world.admin, capacity_offer(valid_until="2026-11-25")
    )
    await queue(world, entry_id=entry.id)
    await world.catalogue.remind_due()
    await world.catalogue.withdraw(world.admin, entry.id)
    states = {each.kind: each.state for each in await world.mail.list_mails()}
    assert states == {
        MailKind.NEW_ANSWER.value: MailState.PENDING,
        MailKind.ENTRY_EXPIRES.value: MailState.CANCELLED,
    }
