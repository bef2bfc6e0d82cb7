"""Hands mails to an SMTP server (RFC 5321), one connection for a batch."""

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from email import policy
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Final

import aiosmtplib

from federation.ids import NodeAddress, host_of
from node.config_sections import MailConfig
from node.limits import MAIL_STEP_TIMEOUT
from node.mail.model import Mail

TIMEOUT_SECONDS: Final = MAIL_STEP_TIMEOUT.total_seconds()
_PERMANENT: Final = 500  # RFC 5321 §4.2.1: 5yz is a permanent refusal
_IMPLICIT_TLS_PORT: Final = 465  # RFC 8314 §3.3
_MAILBOX_FULL: Final = 552  # many servers mean a state that passes


class MailServerError(Exception):
    """The server cannot be reached or does not let us in; all mails wait."""


class MailRefusedError(Exception):
    """The server refuses one mail.

    Attributes:
        code: Reply code (RFC 5321 §4.2).
        for_good: The same mail would be refused again (5yz).
    """

    def __init__(self, code: int, text: str) -> None:
        super().__init__(f"{code} {_one_line(text)}")
        self.code = code
        self.for_good = code >= _PERMANENT and code != _MAILBOX_FULL


class SmtpSession:
    """An open connection to the mail server."""

    def __init__(
        self, client: aiosmtplib.SMTP, *, sender: str, address: NodeAddress
    ) -> None:
        self._client = client
        self._sender = sender
        self._address = address

    async def send(self, mail: Mail, *, at: datetime) -> None:
        """Hand over one mail.

        Raises:
            MailRefusedError: The server refuses this one.
            MailServerError: The connection broke.
        """
        message = build_message(mail, sender=self._sender, address=self._address, at=at)
        try:
            await self._client.send_message(message)
        except aiosmtplib.SMTPRecipientsRefused as error:
            first = error.recipients[0]
            raise MailRefusedError(first.code, first.message) from error
        except aiosmtplib.SMTPResponseException as error:
            await self._reset()
            raise MailRefusedError(error.code, error.message) from error
        except (aiosmtplib.SMTPException, OSError, ValueError) as error:
            raise MailServerError(_words(error)) from error

    async def _reset(self) -> None:
        with suppress(aiosmtplib.SMTPException):
            await self._client.rset()


@asynccontextmanager
async def smtp_session(
    settings: MailConfig, *, address: NodeAddress, password: str
) -> AsyncIterator[SmtpSession]:
    """Open a connection as the settings say; with a password only over TLS.

    Raises:
        MailServerError: The server cannot be reached or refuses the account.
    """
    smtp = settings.smtp
    at_once = smtp.port == _IMPLICIT_TLS_PORT
    encrypted = smtp.starttls or at_once
    if password and not encrypted:
        msg = "a password is set but starttls is off: it would travel in the clear"
        raise MailServerError(msg)
    client = aiosmtplib.SMTP(
        hostname=smtp.host,
        port=smtp.port,
        timeout=TIMEOUT_SECONDS,
        use_tls=at_once,
        start_tls=smtp.starttls and not at_once,
        tls_context=ssl.create_default_context() if encrypted else None,
        local_hostname=host_of(address.base_url),
    )
    try:
        await client.connect()
        if smtp.username:
            await client.login(smtp.username, password)
    except (aiosmtplib.SMTPException, OSError) as error:
        client.close()
        raise MailServerError(f"{smtp.host}:{smtp.port} {_words(error)}") from error
    try:
        yield SmtpSession(client, sender=settings.sender, address=address)
    finally:
        with suppress(aiosmtplib.SMTPException, OSError):
            await client.quit()
        client.close()


def build_message(
    mail: Mail, *, sender: str, address: NodeAddress, at: datetime
) -> EmailMessage:
    """Put a mail into the form of RFC 5322.

    `Auto-Submitted` (RFC 3834 §5) keeps absence notes from answering it. The
    Message-ID is the same at every attempt.
    """
    message = EmailMessage(policy=policy.SMTP)
    message["From"] = sender
    message["To"] = mail.recipient
    message["Subject"] = mail.subject
    message["Date"] = format_datetime(at)
    message["Message-ID"] = f"<{mail.id}@{host_of(address.base_url)}>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(mail.body)
    message["Content-Language"] = mail.language  # set_content drops Content-*
    return message


def _words(error: Exception) -> str:
    if isinstance(error, aiosmtplib.SMTPResponseException):
        return f"answers {error.code} {_one_line(error.message)}"
    return f"does not answer ({type(error).__name__})"


def _one_line(text: str) -> str:
    return " ".join(text.split())[:200]
