"""The readers of an entry before it is published, in words."""

from collections.abc import Iterator
from dataclasses import dataclass

from node.catalogue.audience_preview import AudiencePreview
from node.web.i18n import gettext as _
from node.web.i18n import ngettext
from node.web.pages.wording import in_words


@dataclass(frozen=True, slots=True)
class Reader:
    """A reader of the preview in words."""

    name: str
    members: str
    sees: bool
    verdict: str
    reason: str
    notes: tuple[str, ...] = ()


def reader_view(found: AudiencePreview) -> Reader:
    """Say who a reader is, what it sees and what is not certain."""
    name = found.name or _("Everybody, without signing in")
    if found.own:
        name = _("%(cluster)s, your own cluster", cluster=name)
    members = (
        ngettext("%(num)s member", "%(num)s members", found.members)
        if found.members
        else ""
    )
    verdict = _("Sees the entry.") if found.verdict.visible else _("Sees nothing.")
    reason = in_words(found.verdict.reason)
    if found.own and not found.verdict.visible:
        verdict = _("Only your organisation and the office see the entry.")
    return Reader(
        name, members, found.verdict.visible, verdict, reason, tuple(_notes(found))
    )


def _notes(found: AudiencePreview) -> Iterator[str]:
    """Say what is not certain about the organisations that are excluded."""
    if found.kept_from:
        yield _("Not: %(names)s.", names=", ".join(found.kept_from))
    if found.alike:
        yield _(
            "Perhaps the same as an organisation that you exclude, by its name alone:"
            " %(names)s. Add its VAT id, register number or domain to be certain.",
            names=", ".join(found.alike),
        )
    if found.known is None:
        return
    if found.members:
        yield _(
            "Of its %(members)s members %(known)s are known here by name. An excluded"
            " organisation could read there.",
            members=found.members,
            known=found.known,
        )
    else:
        yield _(
            "Its members are not known here. An excluded organisation could read there."
        )
