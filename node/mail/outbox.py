"""The outbox: a mail is written with its cause and sent by a worker.

Where the settings say `transport = "page"` nothing is sent: a page shows what
would be. Otherwise an SMTP server takes the mails; one that does not answer is
tried again, and what it refuses for good waits for the office with the reason.
"""

import logging
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

from pydantic import SecretStr

from federation.ids import random_id
from node.config_sections import MailConfig
from node.errors import ConflictError, NotAuthorisedError
from node.limits import MAIL_RETRY_FIRST, MAIL_RETRY_MAX, MAILS_AT_ONCE
from node.mail.entry_titles import take_back_titles
from node.mail.model import Mail, MailKind, MailState
from node.mail.pages import page_for
from node.mail.smtp import MailRefusedError, MailServerError, SmtpSession, smtp_session
from node.mail.texts import language_for, shown_title, write_text
from node.members.model import Person
from node.ports import NodeContext
from node.signin.links import without_secrets
from node.storage import mail as rows
from node.storage.database import Transaction
from node.storage.members import load_person

logger = logging.getLogger(__name__)

BATCH: Final = MAILS_AT_ONCE
FIRST_RETRY: Final = MAIL_RETRY_FIRST
LONGEST_PAUSE: Final = MAIL_RETRY_MAX
ERROR_CHARACTERS_MAX: Final = 300  # column last_error
# Mails about the life of an entry are pointless once it is closed; answers are not.
_ENTRY_KINDS: Final = (MailKind.ENTRY_EXPIRES.value, MailKind.ENTRY_EXPIRED.value)


class MailOutbox:
    """Writes mails into the outbox and sends what is due."""

    def __init__(
        self, context: NodeContext, *, smtp_password: SecretStr | None = None
    ) -> None:
        """Take the parts of the node.

        Args:
            context: The node.
            smtp_password: From `node.config.smtp_password`, where it stands in a
                file of its own; left out, the one in the settings.
        """
        self._context = context
        self._password = smtp_password or context.config.mail.smtp.password

    async def queue(
        self,
        tx: Transaction,
        *,
        recipient: Person | str,
        kind: str,
        language: str = "",
        entry_id: str | None = None,
        entry_uri: str | None = None,
        **params: Any,
    ) -> Mail:
        """Write a mail in the transaction of its cause.

        Args:
            tx: The caller's transaction; the mail exists if it is committed.
            recipient: A member, or an address.
            kind: Value of `MailKind`.
            language: Wanted language; empty for the member's or the node's.
            entry_id: The entry of ours that it is about.
            entry_uri: The entry whose title the text names, if it is a partner's.
            **params: Values of the kind's text: `title`, `who` and
                `conversation_id` for new-answer and new-message; `title`,
                `last_day` and `confirm_link` for the entry kinds; `partner`,
                `base_url` and `check_number` for the partner kinds; `link` and
                `minutes` or `days` for the links.

        Raises:
            ValueError: The kind has no text.
            jinja2.UndefinedError: A value of the text is missing.
        """
        mail_kind = MailKind(kind)
        person = recipient if isinstance(recipient, Person) else None
        default = self._context.config.default_language
        wanted = language or (person.language if person else default)
        chosen = language_for(wanted, default)
        values = {
            "recipient_name": person.name if person else "",
            "cluster": self._context.config.name,
            "node_url": self._context.address.base_url,
            "entry_id": entry_id,
            **params,
        }
        page = page_for(mail_kind, self._context.address, values)
        text = write_text(mail_kind, chosen, {"link": page, **values})
        if entry_id is not None:
            entry_uri = self._context.address.entry(entry_id)
        title = params.get("title") if entry_uri is not None else None
        now = self._context.clock.now()
        mail = Mail(
            id=random_id(self._context.random),
            recipient=person.email if person else str(recipient),
            person_id=person.id if person else None,
            kind=mail_kind.value,
            language=chosen,
            subject=text.subject,
            body=text.body,
            entry_id=entry_id,
            entry_uri=entry_uri,
            entry_title=None if title is None else shown_title(title),
            created_at=now,
            next_attempt_at=now,
        )
        await rows.insert_mail(tx, mail)
        return mail

    async def cancel_for_entry(self, tx: Transaction, entry_id: str) -> None:
        """Cancel mails about the life of an entry that have not left yet."""
        await rows.cancel_mails_for_entry(
            tx, entry_id, kinds=_ENTRY_KINDS, now=self._context.clock.now()
        )

    async def list_mails(self, *, limit: int = 200) -> list[Mail]:
        """List the latest mails, newest first.

        Links that open something are struck out, and who stands behind a box number
        (SPEC CHI-008), unless nothing is sent and this list is the only mailbox.
        """
        async with self._context.database.read() as tx:
            found = await rows.list_mails(tx, limit=limit)
            hidden = await rows.under_chiffre(tx, found)
        if not self.sends:
            return found
        return [
            replace(mail, recipient="…", person_id=None, body="…")
            if mail.entry_id in hidden
            else replace(mail, body=without_secrets(mail.body))
            for mail in found
        ]

    async def counts(self) -> rows.MailCounts:
        """Count the outbox by state."""
        async with self._context.database.read() as tx:
            return await rows.count_mails(tx)

    async def count_failed(self) -> int:
        """Count the mails that are not tried again by themselves."""
        async with self._context.database.read() as tx:
            return await rows.count_failed(tx)

    async def retry(self, actor: Person, mail_id: str) -> None:
        """Try a mail again now.

        Raises:
            NotAuthorisedError: The actor does not act for the office.
            ConflictError: The mail is sent or cancelled, or there is none.
        """
        if not actor.is_office:
            raise NotAuthorisedError("Only the office may send a mail again.")

        async def work(tx: Transaction) -> bool:
            return await rows.retry_mail(tx, mail_id, now=self._context.clock.now())

        if not await self._context.database.write(work):
            raise ConflictError(
                "This mail is not waiting.", hint="Reload the list of mails."
            )

    @property
    def sends(self) -> bool:
        """Whether mails leave the node at all."""
        return self._mail.transport == "smtp"

    async def send_due(self) -> int:
        """Send what is due; return how many mails the server took.

        With `transport = "page"` nothing is sent or marked. A crash between the
        server's answer and our note sends a mail twice, with the same Message-ID.
        """
        if not self.sends:
            return 0
        now = self._context.clock.now()
        async with self._context.database.read() as tx:
            due = await rows.due_mails(tx, now=now, limit=BATCH)
        if not due:
            return 0
        sent = 0
        try:
            async with self._session() as session:
                for mail in due:
                    current = await self._still_due(mail)
                    if current is not None:
                        sent += await self._send(session, current)
        except MailServerError as error:
            logger.warning("mail server: %s", error)
            await self._postpone(due, str(error))
        return sent

    async def _still_due(self, mail: Mail) -> Mail | None:
        """Look again just before a mail's turn; the batch may have taken long.

        It may have been cancelled since, a member who has left gets none, and the
        title of an entry that its reader must not see any more does not leave.
        """

        async def work(tx: Transaction) -> Mail | None:
            if mail.person_id is not None:
                person = await load_person(tx, mail.person_id)
                if person is None or person.left_at is not None:
                    now = self._context.clock.now()
                    await rows.cancel_mails_for_person(tx, mail.person_id, now=now)
            if mail.entry_uri is not None:
                await take_back_titles(tx, self._context, [mail.entry_uri])
            current = await rows.load_mail(tx, mail.id)
            if current is None or current.state is not MailState.PENDING:
                return None
            return current

        return await self._context.database.write(work)

    async def _send(self, session: SmtpSession, mail: Mail) -> int:
        try:
            await session.send(mail, at=self._context.clock.now())
        except MailRefusedError as error:
            # The server's words may hold the address; a log must not (GDPR Art. 5).
            logger.warning("mail %s refused, code %d", mail.id, error.code)
            await self._note_failure(mail, error)
            return 0
        await self._note_sent(mail)
        return 1

    async def _note_sent(self, mail: Mail) -> None:
        async def work(tx: Transaction) -> None:
            await rows.mark_sent(
                tx,
                mail.id,
                # The link has reached its owner; nobody else needs it any more.
                body=without_secrets(mail.body),
                now=self._context.clock.now(),
            )

        await self._context.database.write(work)

    async def _note_failure(self, mail: Mail, error: MailRefusedError) -> None:
        async def work(tx: Transaction) -> None:
            await rows.mark_failed(
                tx,
                mail.id,
                attempts=mail.attempts + 1,
                next_attempt_at=None if error.for_good else self._next(mail),
                error=str(error)[:ERROR_CHARACTERS_MAX],
            )

        await self._context.database.write(work)

    async def _postpone(self, mails: list[Mail], error: str) -> None:
        """Note a server that does not answer on every mail that still waits."""

        async def work(tx: Transaction) -> None:
            for mail in mails:
                current = await rows.load_mail(tx, mail.id)
                if current is None or current.attempts != mail.attempts:
                    continue
                await rows.mark_failed(
                    tx,
                    mail.id,
                    attempts=mail.attempts + 1,
                    next_attempt_at=self._next(mail),
                    error=error[:ERROR_CHARACTERS_MAX],
                )

        await self._context.database.write(work)

    def _next(self, mail: Mail) -> datetime:
        pause: timedelta = min(FIRST_RETRY * 2 ** min(mail.attempts, 10), LONGEST_PAUSE)
        return self._context.clock.now() + pause

    def _session(self) -> AbstractAsyncContextManager[SmtpSession]:
        return smtp_session(
            self._mail,
            address=self._context.address,
            password=self._password.get_secret_value(),
        )

    @property
    def _mail(self) -> MailConfig:
        return self._context.config.mail
