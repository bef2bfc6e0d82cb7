"""Signing in: by password or by a link in a mail, and what a session is."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, TypeVar

from node.errors import ConflictError, NotFoundError, UnavailableError
from node.limits import (
    LINK_TRIES,
    LINKS_KEPT,
    PASSWORD_TRIES,
    SESSION_IDLE,
    SESSION_LIFETIME,
    TRIES_WITHIN,
)
from node.mail.model import MailKind
from node.mail.outbox import MailOutbox
from node.members.model import Person
from node.ports import NodeContext
from node.signin.attempts import AttemptLimit
from node.signin.links import LIFETIMES, LinkPurpose, issue_link
from node.signin.passwords import Passwords, check_new_password
from node.signin.tokens import looks_like_token, new_token, token_hash
from node.storage import sign_in as rows
from node.storage.database import Transaction
from node.storage.members import (
    find_person_by_email,
    load_password_hash,
    load_person,
    update_person,
)

TOUCH_EVERY: Final = timedelta(minutes=5)  # a page view seldom costs a write
# Longer than writing a mail takes, so that the time tells nothing.
LINK_ANSWER_SECONDS: Final = 0.25

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class SessionToken:
    """What a browser keeps of a session.

    Attributes:
        value: Secret for the cookie; only its hash is stored.
        expires_at: The session ends then, even if it is used.
    """

    value: str = field(repr=False)
    person: Person
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class OpenLink:
    """A link that can still be used.

    Attributes:
        subject: What it is for besides the person, e.g. an entry's id.
    """

    purpose: LinkPurpose
    person: Person
    subject: str | None
    expires_at: datetime


class SignIn:
    """Links, passwords and sessions.

    Nothing that a visitor can see or measure tells whether an address belongs to
    a member.
    """

    def __init__(
        self,
        context: NodeContext,
        mail: MailOutbox,
        *,
        passwords: Passwords | None = None,
        link_answer_seconds: float = LINK_ANSWER_SECONDS,
    ) -> None:
        self._context = context
        self._mail = mail
        self._passwords = passwords or Passwords(context.random)
        self._link_answer_seconds = link_answer_seconds
        clock = context.clock
        self._links = AttemptLimit(clock, tries=LINK_TRIES, within=TRIES_WITHIN)
        self._tries = AttemptLimit(clock, tries=PASSWORD_TRIES, within=TRIES_WITHIN)

    # Links

    async def start_link(self, email: str) -> None:
        """Mail a sign-in link if the address is a member's; else do nothing.

        Both take the same time.

        Raises:
            TooManyAttemptsError: Too many links were asked for with this address.
        """
        self._links.count(email.strip())
        floor = asyncio.create_task(asyncio.sleep(self._link_answer_seconds))
        try:
            await self._mail_link(email)
        finally:
            await floor

    async def _mail_link(self, email: str) -> None:
        async def work(tx: Transaction) -> None:
            person = await find_person_by_email(tx, email)
            if person is None or person.left_at is not None:
                return
            link = await issue_link(
                tx, self._context, person_id=person.id, purpose=LinkPurpose.SIGN_IN
            )
            await self._mail.queue(
                tx,
                recipient=person,
                kind=MailKind.SIGN_IN_LINK.value,
                language=person.language,
                link=link,
                minutes=LIFETIMES[LinkPurpose.SIGN_IN] // timedelta(minutes=1),
            )

        await self._context.database.write(work)

    async def inspect_link(self, token: str) -> OpenLink:
        """Look at a link without using it, for the page with the button.

        Raises:
            NotFoundError: There is no such link, or its person has left.
            ConflictError: It was used (`link-used`) or is too old (`link-expired`).
        """
        async with self._context.database.read() as tx:
            return await self._open_link(tx, token)

    async def redeem_link(self, token: str) -> SessionToken:
        """Use a sign-in or first-password link once, and sign in.

        To be called for a POST only: mail scanners open every link with GET.

        Raises:
            NotFoundError: As `inspect_link`; also a link for something else.
            ConflictError: As `inspect_link`.
        """

        async def work(tx: Transaction) -> SessionToken:
            link = await self._open_link(tx, token)
            if link.purpose is LinkPurpose.CONFIRM_ENTRY:
                raise _no_link()
            await self._use(tx, token)
            return await self._begin_session(tx, link.person)

        return await self._context.database.write(work)

    async def redeem_confirm_link(
        self, token: str, confirm: Callable[[Person, str], Awaitable[T]]
    ) -> T:
        """Confirm an entry with the link of a reminder, without signing in.

        Args:
            token: From the link.
            confirm: Called with the person and the entry's id, for example
                `Catalogue.confirm`; if it raises, the link stays usable.

        Raises:
            NotFoundError: As `inspect_link`; also a link for something else.
            ConflictError: As `inspect_link`, or from `confirm`.
        """
        link = await self.inspect_link(token)
        if link.purpose is not LinkPurpose.CONFIRM_ENTRY or link.subject is None:
            raise _no_link()
        result = await confirm(link.person, link.subject)

        async def work(tx: Transaction) -> None:
            # Two clicks at once confirm the same day twice, which changes nothing.
            await rows.use_link(tx, token_hash(token), now=self._context.clock.now())

        await self._context.database.write(work)
        return result

    async def _open_link(self, tx: Transaction, token: str) -> OpenLink:
        link = None
        if looks_like_token(token):
            link = await rows.load_link(tx, token_hash(token))
        if link is None:
            raise _no_link()
        person = await load_person(tx, link.person_id)
        if person is None or person.left_at is not None:
            raise _no_link()
        if link.used_at is not None:
            raise ConflictError(
                "This link has been used already.",
                code="link-used",
                hint="Ask for a new one, or sign in.",
            )
        if link.expires_at <= self._context.clock.now():
            raise ConflictError(
                "This link is too old.", code="link-expired", hint="Ask for a new one."
            )
        return OpenLink(
            purpose=LinkPurpose(link.purpose),
            person=person,
            subject=link.subject,
            expires_at=link.expires_at,
        )

    async def _use(self, tx: Transaction, token: str) -> None:
        used = await rows.use_link(tx, token_hash(token), now=self._context.clock.now())
        if not used:
            raise ConflictError("This link has been used already.", code="link-used")

    # Passwords

    async def sign_in_with_password(
        self, email: str, password: str
    ) -> SessionToken | None:
        """Sign in with mail address and password; None if they do not fit.

        Raises:
            TooManyAttemptsError: Too many tries with this address, known or not.
        """
        self._tries.count(email.strip())
        async with self._context.database.read() as tx:
            person = await find_person_by_email(tx, email)
            stored = await load_password_hash(tx, person.id) if person else None
        if person is not None and person.left_at is not None:
            stored = None
        fits = await self._passwords.check(stored, password)
        if not fits or person is None or stored is None:
            return None
        self._tries.forget(email.strip())
        renewed = None
        if self._passwords.is_outdated(stored):
            renewed = await self._passwords.hash(password)
        return await self._sign_in_checked(person, stored=stored, renewed=renewed)

    async def _sign_in_checked(
        self, person: Person, *, stored: str, renewed: str | None
    ) -> SessionToken | None:
        async def work(tx: Transaction) -> SessionToken | None:
            # It may have been changed while the check was computed.
            current = await load_person(tx, person.id)
            if current is None or current.left_at is not None:
                return None
            if await load_password_hash(tx, person.id) != stored:
                return None
            if renewed is not None:
                values = {"password_hash": renewed}
                await update_person(
                    tx, person.id, values, now=self._context.clock.now()
                )
            return await self._begin_session(tx, current)

        return await self._context.database.write(work)

    async def set_password(
        self, person: Person, new: str, *, keep: str | None = None
    ) -> None:
        """Set a person's password and end the person's other sessions.

        Args:
            person: Whose password.
            new: The new password.
            keep: Token of the session in which it is changed; it goes on.

        Raises:
            InvalidInputError: The password is too weak; says why.
            NotFoundError: The person has left.
        """
        hashed = await self._checked_hash(person, new)

        async def work(tx: Transaction) -> None:
            current = await load_person(tx, person.id)
            if current is None or current.left_at is not None:
                raise NotFoundError("This person is no member any more.")
            now = self._context.clock.now()
            await update_person(tx, person.id, {"password_hash": hashed}, now=now)
            await rows.delete_sessions_of(
                tx, person.id, except_hash=None if keep is None else token_hash(keep)
            )
            await rows.drop_links(
                tx,
                person.id,
                purposes=frozenset(
                    {LinkPurpose.SIGN_IN.value, LinkPurpose.FIRST_PASSWORD.value}
                ),
            )

        await self._context.database.write(work)

    async def choose_first_password(self, token: str, new: str) -> SessionToken:
        """Set a password with a first-password link, use the link up and sign in.

        A password that is refused leaves the link usable.

        Args:
            token: From the link.
            new: The chosen password.

        Raises:
            InvalidInputError: The password is too weak; says why.
            NotFoundError: As `inspect_link`; also a link for something else.
            ConflictError: As `inspect_link`.
        """
        link = await self.inspect_link(token)
        if link.purpose is not LinkPurpose.FIRST_PASSWORD:
            raise _no_link()
        hashed = await self._checked_hash(link.person, new)

        async def work(tx: Transaction) -> SessionToken:
            current = await self._open_link(tx, token)
            await self._use(tx, token)
            person = current.person
            values = {"password_hash": hashed}
            await update_person(tx, person.id, values, now=self._context.clock.now())
            await rows.delete_sessions_of(tx, person.id)
            await rows.drop_links(
                tx, person.id, purposes=frozenset({LinkPurpose.SIGN_IN.value})
            )
            return await self._begin_session(tx, person)

        return await self._context.database.write(work)

    async def _checked_hash(self, person: Person, new: str) -> str:
        words = (
            person.email,
            person.email.partition("@")[0],
            person.name,
            self._context.config.name,
        )
        check_new_password(new, known_words=words)
        return await self._passwords.hash(new)

    # Sessions

    async def session(self, token: str) -> Person | None:
        """Return who a session belongs to; None if it is over or unknown.

        Role and membership are read anew each time: who has left is out.
        """
        if not looks_like_token(token):
            return None
        now = self._context.clock.now()
        hashed = token_hash(token)
        async with self._context.database.read() as tx:
            found = await rows.load_session(tx, hashed)
            if (
                found is None
                or found.expires_at <= now
                or found.seen_at + SESSION_IDLE <= now
            ):
                return None
            person = await load_person(tx, found.person_id)
        if person is None or person.left_at is not None:
            return None
        if now - found.seen_at >= TOUCH_EVERY:

            async def work(tx: Transaction) -> None:
                await rows.touch_session(tx, hashed, now=now)

            # Who reads goes on reading while nothing can be written.
            with suppress(UnavailableError):
                await self._context.database.write(work)
        return person

    async def sign_out(self, token: str) -> None:
        """End a session; nothing happens if there is none."""

        async def work(tx: Transaction) -> None:
            await rows.delete_session(tx, token_hash(token))

        await self._context.database.write(work)

    async def end_other_sessions(self, person: Person, *, keep: str) -> None:
        """End a person's sessions on all devices but the present one.

        Args:
            person: Whose sessions.
            keep: Token of the session that goes on.
        """

        async def work(tx: Transaction) -> None:
            await rows.delete_sessions_of(tx, person.id, except_hash=token_hash(keep))

        await self._context.database.write(work)

    async def purge(self) -> int:
        """Delete what is long over; return how many rows. Work of the clock."""
        now = self._context.clock.now()

        async def work(tx: Transaction) -> int:
            return await rows.purge_sign_in(
                tx,
                now=now,
                idle_since=now - SESSION_IDLE,
                links_before=now - LINKS_KEPT,
            )

        return await self._context.database.write(work)

    async def _begin_session(self, tx: Transaction, person: Person) -> SessionToken:
        """Start a session under a new token; an old cookie is never taken over."""
        now = self._context.clock.now()
        token = new_token(self._context.random)
        expires_at = now + SESSION_LIFETIME
        await rows.insert_session(
            tx,
            rows.StoredSession(
                token_hash=token_hash(token),
                person_id=person.id,
                created_at=now,
                seen_at=now,
                expires_at=expires_at,
            ),
        )
        return SessionToken(value=token, person=person, expires_at=expires_at)


def _no_link() -> NotFoundError:
    return NotFoundError(
        "This link does not exist.",
        code="link-unknown",
        hint="Copy the whole address from the mail, or ask for a new link.",
    )
