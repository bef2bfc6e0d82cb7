"""The sections of `node.toml`; the whole is `node.config.NodeConfig`."""

import ipaddress
from typing import Annotated, Any, Final, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    model_validator,
)
from pydantic_core import PydanticCustomError
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from node.limits import BACKUPS_DAILY

_PORT_MAX: Final = 65_535
_TOKEN_CHARACTERS_MIN: Final = 16


def _check_database_url(url: str) -> str:
    if not url:
        return url
    try:
        driver = make_url(url).drivername
    except (ArgumentError, ValueError):
        driver = ""
    if driver != "postgresql+psycopg":
        raise PydanticCustomError(
            "database_url",
            "Only PostgreSQL is possible here: "
            "postgresql+psycopg://USER:PASSWORD@HOST/DATABASE; leave it empty for "
            "SQLite.",
        )
    return url


def _split(value: Any) -> Any:
    """Let the environment name several values, with commas between them."""
    if isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    return value


def _check_network(text: str) -> str:
    try:
        return str(ipaddress.ip_network(text))
    except ValueError as error:
        raise PydanticCustomError(
            "network", "Name addresses or networks, for example 192.0.2.7 or fd00::/8."
        ) from error


class Section(BaseModel):
    """A part of the settings; unknown names in it are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ListenConfig(Section):
    """Where the node accepts connections; a reverse proxy stands before it."""

    host: Annotated[
        str, Field(description="Address to listen on.", min_length=1, max_length=253)
    ] = "127.0.0.1"
    port: Annotated[
        int, Field(description="Port to listen on.", ge=1, le=_PORT_MAX)
    ] = 8080


class DatabaseConfig(Section):
    """Where the node keeps its data."""

    url: Annotated[
        str,
        Field(
            repr=False,  # it may hold a password
            description="Empty: one SQLite file in this folder. PostgreSQL: "
            "postgresql+psycopg://USER:PASSWORD@HOST/DATABASE",
        ),
        AfterValidator(_check_database_url),
    ] = ""


class NetworkConfig(Section):
    """What the node may connect to."""

    allow_loopback_http: Annotated[
        bool,
        Field(
            description="Also talk to nodes at http://127.0.0.1:PORT. For the demo "
            "and for tests only: it lets partners reach services of this machine."
        ),
    ] = False
    trusted_proxies: Annotated[
        tuple[Annotated[str, AfterValidator(_check_network)], ...],
        Field(
            description="Addresses or networks of the reverse proxies before this "
            "node; whom they name in X-Forwarded-For is believed. Empty: this machine "
            "itself if listen.host is one of its own addresses (127.0.0.1, ::1), "
            "else nobody."
        ),
        BeforeValidator(_split),
    ] = ()


class LimitsConfig(Section):
    """How much the node takes (docs/limits.md); for measurements only."""

    factor: Annotated[
        float,
        Field(
            description="Raises every rate and the number of connections by this "
            "factor; 1 on a real node.",
            ge=1,
            le=1_000_000,
        ),
    ] = 1.0


class ChiffreConfig(Section):
    """Entries under Chiffre (box numbers)."""

    delay_hours: Annotated[
        int,
        Field(
            description="An entry becomes visible at a full hour drawn from the next "
            "so many. 0: at once, which ties it to what its owner does then.",
            ge=0,
            le=24,
        ),
    ] = 3


class MetricsConfig(Section):
    """Figures for Prometheus at /metrics."""

    token: Annotated[
        SecretStr,
        Field(
            description="Whoever asks for /metrics has to send it (Authorization: "
            "Bearer TOKEN), at least 16 characters. Empty: there are no figures. "
            "Better in the environment: SPALIER_METRICS__TOKEN"
        ),
    ] = SecretStr("")

    @model_validator(mode="after")
    def _long_enough(self) -> "MetricsConfig":
        token = self.token.get_secret_value()
        if token and not (
            len(token) >= _TOKEN_CHARACTERS_MIN and token.isascii() and token.isalnum()
        ):
            raise PydanticCustomError(
                "metrics_token",
                "The token needs at least 16 letters and digits, for example from: "
                "openssl rand -hex 16",
            )
        return self


class BackupConfig(Section):
    """Backups of the database, made and tried while the node runs."""

    folder: Annotated[
        str,
        Field(
            description="Folder for backups, best on another disk; a relative path "
            "starts in this folder. Empty: none are made by themselves. They hold "
            "neither the secret keys (spalier keys backup) nor this file."
        ),
    ] = ""
    every_hours: Annotated[
        int, Field(description="Hours from one backup to the next.", ge=1, le=168)
    ] = 1
    keep: Annotated[
        int,
        Field(
            description="Days of which the newest backup is kept, beside the latest "
            "24 hours.",
            ge=1,
            le=366,
        ),
    ] = BACKUPS_DAILY
    passphrase_file: Annotated[
        str,
        Field(
            description="File whose first line encrypts the backups; a relative path "
            "starts in this folder. Keep a copy of it elsewhere: without it a backup "
            "is worth nothing. Empty: they are not encrypted."
        ),
    ] = ""


class SmtpConfig(Section):
    """The mail server."""

    host: Annotated[
        str, Field(description="Name of the mail server.", max_length=253)
    ] = ""
    port: Annotated[
        int, Field(description="Port of the mail server.", ge=1, le=_PORT_MAX)
    ] = 587
    username: Annotated[
        str, Field(description="User name; empty if none is asked for.")
    ] = ""
    password: Annotated[
        SecretStr,
        Field(
            description="Password. Better in a file of its own, or in the "
            "environment: SPALIER_MAIL__SMTP__PASSWORD"
        ),
    ] = SecretStr("")
    password_file: Annotated[
        str,
        Field(
            description="File that holds the password, one line; a relative path "
            "starts in this folder."
        ),
    ] = ""
    starttls: Annotated[
        bool, Field(description="Encrypt the connection; refuse to send otherwise.")
    ] = True

    @model_validator(mode="after")
    def _one_password(self) -> "SmtpConfig":
        if self.password_file and self.password.get_secret_value():
            raise PydanticCustomError(
                "one_password", "Set either password or password_file, not both."
            )
        return self


class MailConfig(Section):
    """How mails leave the node."""

    transport: Annotated[
        Literal["page", "smtp"],
        Field(
            description='"page" shows mails to the office instead of sending them, '
            '"smtp" sends them.'
        ),
    ] = "page"
    sender: Annotated[
        str, Field(description="Sender of all mails, for smtp.", max_length=254)
    ] = ""
    smtp: SmtpConfig = SmtpConfig()

    @model_validator(mode="after")
    def _complete(self) -> "MailConfig":
        if self.transport == "smtp" and not (self.smtp.host and "@" in self.sender):
            raise PydanticCustomError(
                "smtp_incomplete",
                'transport = "smtp" needs a sender (an e-mail address) and smtp.host.',
            )
        return self


class LogConfig(Section):
    """What the node writes to standard error."""

    level: Annotated[
        Literal["debug", "info", "warning", "error"],
        Field(description="Least important level that is written."),
    ] = "info"
    format: Annotated[
        Literal["json", "console"],
        Field(description='"json" one object a line, "console" for reading.'),
    ] = "json"
