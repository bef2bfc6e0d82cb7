"""The sheet of paper that leads out of an emergency with the node's keys.

One page A4, without script and without anything from elsewhere. The same markup
stands in a page of the office (with the style sheet beside it) and in a file that
the command line writes (with the style sheet in it).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final

import jinja2
from babel.dates import format_date
from markupsafe import Markup

from node.web import i18n

SHEET_STYLE: Final = "recovery-sheet.css"
PARTNERS_MAX: Final = 10
"""As many as fit on one page; the others stand in the list of partners."""
_HERE: Final = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class SheetPartner:
    """A partner whose office has to be called when the key is a new one."""

    name: str
    address: str
    contact: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoverySheet:
    """What stands on the sheet.

    Attributes:
        code: Groups of the recovery code, in order.
        further_partners: How many partners did not fit.
    """

    cluster: str
    base_url: str
    number: int
    fingerprint: str
    created: datetime
    code: tuple[str, ...] = field(repr=False)
    file_name: str
    partners: tuple[SheetPartner, ...]
    further_partners: int

    @property
    def day(self) -> str:
        """The day on which it was made, in the language that is spoken."""
        return format_date(
            self.created, format="long", locale=i18n.current_language().locale
        )


def recovery_sheet(
    *,
    cluster: str,
    base_url: str,
    number: int,
    fingerprint: str,
    created: datetime | str,
    code: str,
    file_name: str,
    partners: Sequence[SheetPartner],
) -> RecoverySheet:
    """Collect what stands on the sheet.

    Args:
        cluster: Name of the cluster.
        base_url: Address of the node.
        number: Number of the key that signs.
        fingerprint: Its fingerprint.
        created: When the backup was made; aware, or RFC 3339.
        code: The recovery code.
        file_name: Name of the backup file.
        partners: Whom to call when the key is a new one.
    """
    moment = datetime.fromisoformat(created) if isinstance(created, str) else created
    return RecoverySheet(
        cluster=cluster,
        base_url=base_url,
        number=number,
        fingerprint=fingerprint,
        created=moment,
        code=tuple(code.split("-")),
        file_name=file_name,
        partners=tuple(partners[:PARTNERS_MAX]),
        further_partners=max(0, len(partners) - PARTNERS_MAX),
    )


def standalone_page(sheet: RecoverySheet, *, language: str) -> str:
    """Write the sheet as one HTML file that needs nothing else.

    Args:
        sheet: What stands on it.
        language: Tag of the language to write it in.
    """
    languages = i18n.Languages(language)
    spoken = languages.find(language) or i18n.SOURCE
    with i18n.speaking(spoken):
        template = _environment().get_template("recovery_sheet_file.html")
        return template.render(
            sheet=sheet,
            language=spoken,
            style=_style_element(),
        )


def _style_element() -> Markup:
    """Return our own style sheet as an element; nothing from outside is in it."""
    style = (_HERE / "static" / SHEET_STYLE).read_text(encoding="utf-8")
    return Markup("<style>\n{}</style>").format(Markup(style))  # noqa: S704 - our file


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_HERE / "templates"),
        extensions=["jinja2.ext.i18n"],
        undefined=jinja2.StrictUndefined,
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.install_gettext_callables(  # type: ignore[attr-defined]
        i18n.gettext, i18n.ngettext, newstyle=True, pgettext=i18n.pgettext
    )
    return environment
