"""Words that several pages share: kinds, states, reasons, refusals."""

from collections.abc import Mapping
from dataclasses import replace

from aiohttp import web

from node.errors import InvalidInputError, NodeError
from node.members.sentence import Sentence
from node.signin.attempts import TooManyAttemptsError
from node.web.i18n import gettext, lazy_gettext, localized
from node.web.i18n import gettext as _
from node.web.security import Handler
from node.web.views import EntryTone, Status
from schemas import KINDS, vocabulary

_KIND_LABELS: Mapping[str, str] = {
    "capacity_offer": lazy_gettext("Offer · Capacity"),
    "capacity_request": lazy_gettext("Request · Capacity"),
    "technology_offer": lazy_gettext("Offer · Technology"),
    "technology_request": lazy_gettext("Request · Technology"),
    "event": lazy_gettext("Event"),
    "expert_profile": lazy_gettext("Profile · Expert"),
    "organisation_profile": lazy_gettext("Profile · Organisation"),
}

# What services say in fixed English sentences; written down here so that the
# catalogue knows them.
_SENTENCES = (
    lazy_gettext("There is no such conversation."),
    lazy_gettext("The entry is no longer open for answers."),
    lazy_gettext("This is your own entry."),
    lazy_gettext("Answers of others appear in your messages."),
    lazy_gettext("The message is empty."),
    lazy_gettext("Write what you want to say."),
    lazy_gettext("Shorten it, or agree on another way for long texts."),
    lazy_gettext("It may have been taken back by its owner."),
    lazy_gettext("Check the address, or look it up in the list of entries."),
    lazy_gettext("Somebody else is responsible for this entry."),
    lazy_gettext("Ask its author, the organisation's administrator or the office."),
    lazy_gettext("This entry cannot be extended."),
    lazy_gettext("Publish it again with a new last day."),
    lazy_gettext("This link does not exist."),
    lazy_gettext("Copy the whole address from the mail, or ask for a new link."),
    lazy_gettext("This link has been used already."),
    lazy_gettext("Ask for a new one, or sign in."),
    lazy_gettext("This link is too old."),
    lazy_gettext("Ask for a new one."),
    lazy_gettext("A sign-in link by mail works in the meantime."),
    lazy_gettext("This person is no member any more."),
    lazy_gettext("This password cannot be used."),
    lazy_gettext(
        "The password needs at least 12 characters; four words in a row are easy"
        " to remember."
    ),
    lazy_gettext("The password must not be longer than 200 characters."),
    lazy_gettext("The password repeats the same few characters."),
    lazy_gettext("The password is your name or address; choose something else."),
)

# Sentences with something filled in are known by their code.
_BY_CODE: Mapping[str, str] = {
    "entry-not-found": lazy_gettext("This entry is not available to you."),
    "entry-unknown": lazy_gettext("This entry is not available to you."),
    "wrong-state": lazy_gettext("The entry has changed; this is no longer possible."),
    "partner-paused": lazy_gettext("The partnership with this cluster is paused."),
    "partner-ended": lazy_gettext("The partnership with this cluster has ended."),
    "partner-ending": lazy_gettext("The partnership with this cluster has ended."),
    "partner-refused": lazy_gettext("There is no partnership with this cluster."),
}


def kind_label(kind: str) -> str:
    """Name a kind for the head of a card; a kind from a newer node has none."""
    label = _KIND_LABELS.get(kind)
    return str(label) if label is not None else _("Another kind of entry")


def kind_tone(kind: str) -> EntryTone:
    """Colour and shape of a kind; the words say the same."""
    known = KINDS.get(kind)
    if known is not None and known.purpose is not None:
        return known.purpose
    return "event" if kind == "event" else "profile"


def term(name: str, code: str) -> str:
    """Return the words for a code of a vocabulary; an unknown one stays a code."""
    for known in vocabulary(name):
        if known.code == code:
            return localized(known.label).text
    return code


def state_words(state: str) -> Status | None:
    """Say the state of an own entry where it is another than published."""
    words = {
        "draft": Status(_("draft"), "neutral"),
        "fulfilled": Status(_("done: found what it looked for"), "ok"),
        "expired": Status(_("expired"), "warning"),
        "withdrawn": Status(_("withdrawn"), "warning"),
    }
    return words.get(state)


def in_words(text: str) -> str:
    """Say what a service said in the reader's language."""
    if isinstance(text, Sentence):
        return text.translated(gettext)
    return gettext(text) if text else ""


def refusal(error: NodeError) -> str:
    """Say in one line why something was refused, and what to do."""
    return " ".join(part for part in (_message(error), in_words(error.hint)) if part)


def _message(error: NodeError) -> str:
    if isinstance(error, TooManyAttemptsError):
        minutes = max(1, -(-int(error.retry_after.total_seconds()) // 60))
        return _("Too many attempts. Please wait %(minutes)s minutes.", minutes=minutes)
    if error.code in _BY_CODE:
        return str(_BY_CODE[error.code])
    return in_words(error.message)


@web.middleware
async def translate_refusals(
    request: web.Request, handler: Handler
) -> web.StreamResponse:
    """Put what services refuse into the reader's language before it is shown."""
    try:
        return await handler(request)
    except NodeError as error:
        error.message, error.hint = _message(error), in_words(error.hint)
        if isinstance(error, InvalidInputError):
            error.faults = tuple(
                replace(fault, message=in_words(fault.message))
                for fault in error.faults
            )
        raise
