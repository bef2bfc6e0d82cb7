"""States, steps and faults in the words of an office."""

import re
from collections.abc import Mapping
from typing import Final

from federation.trust import TrustEvent, TrustState
from node.catalogue.model import AudienceLevel, Entry, EntryState
from node.errors import InvalidInputError, NodeError
from node.ledger.ledger import LedgerLine
from node.mail.model import MailKind, MailState
from node.members.model import Role
from node.partners.history import WITH_REASON
from node.partners.model import HandshakeRole, Partner, PartnerEvent
from node.storage.ledger import UPSERT
from node.storage.removals import Removals
from node.web.i18n import current_language, lazy_gettext, ngettext
from node.web.i18n import gettext as _
from node.web.pages.wording import in_words
from node.web.views import Status, StatusTone
from schemas import KINDS

_STATES: Final[Mapping[TrustState, tuple[str, StatusTone]]] = {
    TrustState.REQUESTED: (lazy_gettext("waits for your decision"), "warning"),
    TrustState.WAITING: (lazy_gettext("waits for the other office"), "warning"),
    TrustState.ACTIVE: (lazy_gettext("connected"), "ok"),
    TrustState.PAUSED: (lazy_gettext("paused"), "warning"),
    TrustState.SUSPENDED: (lazy_gettext("suspended: compare the key"), "danger"),
    TrustState.REFUSED: (lazy_gettext("refused"), "neutral"),
    TrustState.ENDING: (lazy_gettext("is being ended"), "warning"),
    TrustState.ENDED: (lazy_gettext("ended"), "neutral"),
}
_STEPS: Final[Mapping[str, tuple[str, str]]] = {
    "they_requested": (
        lazy_gettext("%(partner)s has accepted your code and asks to be connected."),
        "",
    ),
    "we_requested": (
        lazy_gettext("A code of %(partner)s was accepted."),
        lazy_gettext("%(person)s accepted a code of %(partner)s."),
    ),
    "we_confirmed": (
        lazy_gettext("The request of %(partner)s was confirmed."),
        lazy_gettext("%(person)s confirmed the request of %(partner)s."),
    ),
    "we_refused": (
        lazy_gettext("The request of %(partner)s was refused."),
        lazy_gettext("%(person)s refused the request of %(partner)s."),
    ),
    "they_confirmed": (lazy_gettext("%(partner)s has confirmed the partnership."), ""),
    "they_refused": (lazy_gettext("%(partner)s has refused your request."), ""),
    "we_paused": (
        lazy_gettext("The partnership was paused."),
        lazy_gettext("%(person)s paused the partnership."),
    ),
    "we_resumed": (
        lazy_gettext("The partnership was resumed."),
        lazy_gettext("%(person)s resumed the partnership."),
    ),
    "we_ended": (
        lazy_gettext("The partnership was ended."),
        lazy_gettext("%(person)s ended the partnership."),
    ),
    "they_left": (lazy_gettext("%(partner)s has ended the partnership."), ""),
    "withdrawals_done": (lazy_gettext("The end is complete."), ""),
    "copies_removed": (
        lazy_gettext("The copies of the entries of %(partner)s were removed here."),
        "",
    ),
    "we_stayed": (
        lazy_gettext("The end was taken back."),
        lazy_gettext("%(person)s took the end back."),
    ),
    "we_hid": (
        lazy_gettext("The entries of %(partner)s were hidden."),
        lazy_gettext("%(person)s hid the entries of %(partner)s."),
    ),
    "we_showed": (
        lazy_gettext("The entries of %(partner)s were shown again."),
        lazy_gettext("%(person)s showed the entries of %(partner)s again."),
    ),
    "we_purged": (
        lazy_gettext("The copies of the entries of %(partner)s were removed."),
        lazy_gettext("%(person)s removed the copies of the entries of %(partner)s."),
    ),
    "we_released": (
        lazy_gettext("What is for all partner clusters was released."),
        lazy_gettext("%(person)s released what is for all partner clusters."),
    ),
    "we_fetched": (
        lazy_gettext("The entries of %(partner)s were fetched anew."),
        lazy_gettext("%(person)s fetched the entries of %(partner)s anew."),
    ),
    "we_told_uncompared": (
        lazy_gettext("%(partner)s was told your entries without a comparison."),
        lazy_gettext(
            "%(person)s let %(partner)s be told your entries without a comparison."
        ),
    ),
    "policy_out": (
        lazy_gettext("The rules for what %(partner)s gets were set."),
        lazy_gettext("%(person)s set the rules for what %(partner)s gets."),
    ),
    "policy_in": (
        lazy_gettext("The rules for what is taken from %(partner)s were set."),
        lazy_gettext("%(person)s set the rules for what is taken from %(partner)s."),
    ),
    "policy_out_ended": (
        lazy_gettext("The rules for what %(partner)s gets have ended."),
        "",
    ),
    "policy_in_ended": (
        lazy_gettext("The rules for what is taken from %(partner)s have ended."),
        "",
    ),
    "we_closed": (
        lazy_gettext("The partnership was closed without confirmation."),
        lazy_gettext("%(person)s closed the partnership without confirmation."),
    ),
    "key_changed": (
        lazy_gettext("The key of %(partner)s is in question; nothing flows any more."),
        "",
    ),
    "key_confirmed": (
        lazy_gettext("The key of %(partner)s was confirmed."),
        lazy_gettext(
            "%(person)s compared the key of %(partner)s by telephone and confirmed it."
        ),
    ),
    "key_announced": (lazy_gettext("%(partner)s has announced a new key."), ""),
    "key_retired": (lazy_gettext("%(partner)s no longer signs with an old key."), ""),
    "key_revoked": (lazy_gettext("%(partner)s has revoked a key."), ""),
    "renamed": (lazy_gettext("%(partner)s has changed its name."), ""),
    "move_announced": (
        lazy_gettext("%(partner)s has announced another address."),
        "",
    ),
    "move_confirmed": (
        lazy_gettext("The move of %(partner)s was confirmed."),
        lazy_gettext(
            "%(person)s compared the move of %(partner)s by telephone and confirmed it."
        ),
    ),
    "move_refused": (
        lazy_gettext("The move of %(partner)s was refused."),
        lazy_gettext("%(person)s refused the move of %(partner)s."),
    ),
    "we_moved": (lazy_gettext("Our new address is announced to %(partner)s."), ""),
    "our_move_confirmed": (
        lazy_gettext("%(partner)s has confirmed our new address."),
        "",
    ),
    "our_move_refused": (lazy_gettext("%(partner)s has refused our new address."), ""),
    "compared": (
        lazy_gettext("The check number was compared."),
        lazy_gettext("%(person)s compared the check number."),
    ),
}
_NOTES: Final = {
    "check number compared": lazy_gettext("The check number was compared.")
}
_INVITATION_NOTE: Final = re.compile(r"invitation (?P<group>[0-9A-Z]+)…?")
_STEPS_WITHOUT_NOTE: Final = frozenset(
    {"compared", "policy_out_ended", "policy_in_ended"}
)
_STEPS_WITH_NUMBER: Final = frozenset({"copies_removed", "we_purged", "we_fetched"})
_STEPS_WITH_FINGERPRINT: Final = frozenset(
    {"key_changed", "key_confirmed", "key_announced", "key_retired", "key_revoked"}
)
# Steps whose note is what one office wrote for the other.
_ENTRY_STATES: Final[Mapping[EntryState, tuple[str, StatusTone]]] = {
    EntryState.DRAFT: (lazy_gettext("draft"), "neutral"),
    EntryState.PUBLISHED: (lazy_gettext("published"), "ok"),
    EntryState.FULFILLED: (lazy_gettext("fulfilled"), "neutral"),
    EntryState.EXPIRED: (lazy_gettext("expired"), "warning"),
    EntryState.WITHDRAWN: (lazy_gettext("withdrawn"), "neutral"),
    EntryState.DELETED: (lazy_gettext("deleted"), "neutral"),
}
_ROLES: Final = {
    Role.PERSON: lazy_gettext("Member"),
    Role.ORGANISATION_ADMIN: lazy_gettext("Organisation's administrator"),
    Role.OFFICE: lazy_gettext("Office"),
    Role.NODE_ADMIN: lazy_gettext("Technical administrator"),
}
_MAIL_KINDS: Final = {
    MailKind.SIGN_IN_LINK: lazy_gettext("Link to sign in"),
    MailKind.FIRST_PASSWORD: lazy_gettext("Link to choose a password"),
    MailKind.NEW_ANSWER: lazy_gettext("Answer to an entry"),
    MailKind.NEW_MESSAGE: lazy_gettext("New message"),
    MailKind.ENTRY_EXPIRES: lazy_gettext("Entry ends soon"),
    MailKind.ENTRY_EXPIRED: lazy_gettext("Entry has ended"),
    MailKind.PARTNER_REQUEST: lazy_gettext("Partner request"),
    MailKind.PARTNER_ACTIVE: lazy_gettext("Partner connected"),
    MailKind.PARTNER_KEY_CHANGED: lazy_gettext("Key of a partner to be compared"),
    MailKind.PARTNER_KEY_ANNOUNCED: lazy_gettext("New key of a partner"),
    MailKind.PARTNER_MOVES: lazy_gettext("A partner says that it has moved"),
    MailKind.POLICY_ENDS: lazy_gettext("Rules for a partner end"),
}
_MAIL_STATES: Final[Mapping[MailState, tuple[str, StatusTone]]] = {
    MailState.PENDING: (lazy_gettext("waits"), "warning"),
    MailState.SENT: (lazy_gettext("sent"), "ok"),
    MailState.CANCELLED: (lazy_gettext("cancelled"), "neutral"),
    MailState.FAILED: (lazy_gettext("could not be sent"), "danger"),
}
_FAILURES: Final[Mapping[str, str]] = {
    "no-answer": lazy_gettext("The other node did not answer in time."),
    "certificate": lazy_gettext(
        "The secure connection failed: the certificate is not valid."
    ),
    "address-unknown": lazy_gettext("The address of the other node is not found."),
    "address-not-public": lazy_gettext(
        "The address of the other node leads into a private network. Ask the other"
        " office which address is right."
    ),
    "connection": lazy_gettext(
        "The other node cannot be reached; it may be switched off."
    ),
    "quota-exceeded": lazy_gettext(
        "Your share at the other node is used up for now. What waits is sent again"
        " by itself; ask the other office if it stays so."
    ),
    "partnership-suspended": lazy_gettext(
        "The other office has to compare your node's key first. Call it and read"
        " out the fingerprint."
    ),
    "keys-suspended": lazy_gettext(
        "The other node knows a key in your node's name that your node does not know."
        " Somebody may have copied a key, or your node was put back from a backup."
        " Tell your administrator, then call the other office: it has to compare your"
        " node's key."
    ),
    "partnership-paused": lazy_gettext(
        "The other office has paused the partnership. Withdrawals still arrive."
    ),
    "partnership-ended": lazy_gettext("The other office has ended the partnership."),
    "partnership-not-confirmed": lazy_gettext(
        "The other office has not confirmed the partnership yet."
    ),
    "protocol-unsupported": lazy_gettext(
        "The other node speaks another version of the protocol. One of the two has"
        " to be updated."
    ),
    "own-fault": lazy_gettext(
        "This node has a fault of its own. Tell your administrator; the log says more."
    ),
    "position-lost-again": lazy_gettext(
        "The other node has confirmed what it was sent and lost it again, several"
        " times within an hour. It is told everything again once an hour; call the"
        " other office."
    ),
    "request-key-ended": lazy_gettext(
        "The other node has revoked the key that would confirm your request. Accept"
        " the same code again, then compare the check number anew."
    ),
    "request-unconfirmed": lazy_gettext(
        "The request did not arrive. Accept the same code again."
    ),
    "signature-stale": lazy_gettext(
        "The clocks of the two nodes differ too much. Compare them with the other"
        " office."
    ),
}
# Codes that mean the same to an office.
_FAILURE_GROUPS: Final[Mapping[str, str]] = {
    "context-not-allowed": "protocol-unsupported",
    "partnership-refused": "partnership-ended",
    "http-408": "no-answer",
    "http-504": "no-answer",
}
_SIGNATURE_PROBLEMS: Final = frozenset(
    {
        "unknown-key",
        "key-ended",
        "replayed",
        "digest-mismatch",
        "http-401",
        "proof-missing",
        "proof-invalid",
    }
)
_WAIT_PROBLEMS: Final = frozenset(
    {"rate-limit-exceeded", "too-many-keys", "busy", "timeout", "http-429"}
)
_PROBLEMS: Final = {
    "invitation-own": lazy_gettext(
        "This is a code of your own node. Give it to the office of the other cluster."
    ),
    "partner-unreachable": lazy_gettext(
        "The other node does not answer at the moment. Try the same again a little"
        " later."
    ),
    "partner-suspended": lazy_gettext(
        "The key of this cluster is in question. Telephone its office and compare the"
        " fingerprint first."
    ),
    "fingerprint-differs": lazy_gettext(
        "The other node shows another key now. Do not confirm; telephone the other"
        " office again."
    ),
    "partner-key-ended": lazy_gettext(
        "The other node signs with a key that it has retired or revoked before. Call"
        " its office: its administrator has to make a new key."
    ),
    "guest-key-ended": lazy_gettext(
        "The other office knows that your node has retired or revoked the key it signs"
        " with. Ask your technical administrator to make a new key."
    ),
    "partner-unreadable": lazy_gettext(
        "At this address no node answers that can be read. Ask the other office"
        " whether the code is right."
    ),
    "invitation-refused": lazy_gettext(
        "The other office knows no open invitation with this code. Compare the code,"
        " or ask for a new one."
    ),
    "invitation-expired": lazy_gettext(
        "The code has expired. Ask the other office for a new one."
    ),
    "invitation-used": lazy_gettext(
        "The code was used already. Ask the other office for a new one."
    ),
    "invitation-revoked": lazy_gettext(
        "The other office has taken the code back. Ask whether that was intended."
    ),
    "host-key-mismatch": lazy_gettext(
        "The other node sees another key of itself than this node: somebody may be in"
        " between. Do not go on; call the other office."
    ),
    "partnership-active": lazy_gettext(
        "The other office has you as a partner already. Ask it to end the old"
        " partnership first."
    ),
    "partner-waiting": lazy_gettext(
        "You have accepted a code of this cluster; its office has to confirm now."
    ),
    "partner-requested": lazy_gettext(
        "This cluster has asked to be your partner. Confirm its request instead."
    ),
    "partner-active": lazy_gettext("You are partners already."),
    "partner-paused": lazy_gettext("The partnership is paused. Resume it first."),
    "partner-refused": lazy_gettext(
        "The partnership was refused. A new code starts again."
    ),
    "partner-ending": lazy_gettext(
        "The partnership is being ended. Wait until everything is taken back."
    ),
    "partner-ended": lazy_gettext(
        "The partnership has ended. A new code starts again."
    ),
    "partner-key-differs": lazy_gettext(
        "The node at this address shows another key than the request. Do not confirm;"
        " call the other office."
    ),
    "partner-address-wrong": lazy_gettext(
        "At this address no node answers. Ask the other office whether the address is"
        " right."
    ),
    "email-taken": lazy_gettext("This address belongs to a member already."),
    "last-admin": lazy_gettext(
        "This is the last technical administrator. Give the role to somebody else"
        " first."
    ),
    "person-left": lazy_gettext("This person has left already."),
}


def partner_status(partner: Partner) -> Status:
    """Say where a partnership stands; trouble with delivery comes first."""
    text, tone = _STATES[partner.state]
    if partner.state is TrustState.ACTIVE and partner.attempts:
        return Status(_("not reachable at the moment"), "danger")
    if partner.state is TrustState.ACTIVE and partner.digest_equal is False:
        return Status(_("connected, states differ"), "warning")
    if partner.state is TrustState.ACTIVE and partner.hidden_at is not None:
        return Status(_("connected, hidden from members"), "warning")
    return Status(str(text), tone)


def direction(partner: Partner) -> str:
    """Say who invited whom."""
    if partner.state is TrustState.REQUESTED:
        return _("They have used your code. You decide.")
    if partner.state is TrustState.WAITING:
        return _("You have accepted their code. Their office has to confirm.")
    if partner.role is HandshakeRole.HOST:
        return _("You have invited this cluster.")
    return _("This cluster has invited you.")


def step_sentence(event: PartnerEvent, partner: Partner) -> str:
    """Write one step of a partnership's history."""
    if event.event not in _STEPS:
        return event.event
    impersonal, personal = _STEPS[event.event]
    template = personal if personal and event.person_name else impersonal
    names = {"partner": partner.name, "person": event.person_name or ""}
    return str(template) % names


def step_note(event: PartnerEvent) -> str:
    """Return the note of a step; the reason that an office wrote stays as it is."""
    if not event.note or event.event in _STEPS_WITHOUT_NOTE:
        return ""
    known = _NOTES.get(event.note)
    if known is not None:
        return str(known)
    if event.event in _STEPS_WITH_FINGERPRINT:
        return _("Fingerprint %(fingerprint)s", fingerprint=event.note)
    if event.event in WITH_REASON:
        return _("Reason: %(text)s", text=event.note)
    if event.event == TrustEvent.WITHDRAWALS_DONE.value:
        return _removals_note(event.note)
    if event.event in _STEPS_WITH_NUMBER and event.note.isdecimal():
        return ngettext("%(num)s entry", "%(num)s entries", int(event.note))
    group = _INVITATION_NOTE.fullmatch(event.note)
    if group is not None:
        return _("The code began with %(group)s.", group=group["group"])
    return event.note


def _removals_note(note: str) -> str:
    """Say how much of what was taken back is confirmed, and no more than that."""
    counted = Removals.read(note)
    if counted is None:
        return note
    if not counted.asked:
        return _("Nothing had to be taken back.")
    return ngettext(
        "%(confirmed)s of %(num)s entry is confirmed as removed.",
        "%(confirmed)s of %(num)s entries are confirmed as removed.",
        counted.asked,
        confirmed=counted.confirmed,
    )


def plain_failure(partner: Partner) -> str:
    """Say in plain words why the last delivery failed; empty if it did not.

    The code decides; the log's words stay beside it.
    """
    if partner.last_error is None:
        return ""
    code = partner.problem_code or ""
    known = _FAILURES.get(_FAILURE_GROUPS.get(code, code))
    if known is not None:
        return str(known)
    if code in _SIGNATURE_PROBLEMS or code.startswith("signature-"):
        return _(
            "The other node does not accept our signature. Compare clocks and keys"
            " with the other office."
        )
    if code in _WAIT_PROBLEMS:
        return _("The other node has too much to do and asks to wait.")
    if code == "internal-error" or code.startswith("http-5"):
        return _("The other node is disturbed or in maintenance.")
    if code in {"http-403", "not-permitted"}:
        return _(
            "The other node refuses at the moment; the partnership may be paused there."
        )
    return _("The other node gave an answer that this node cannot use.")


def entry_status(state: EntryState) -> Status:
    """Name the state of an entry."""
    text, tone = _ENTRY_STATES[state]
    return Status(str(text), tone)


def entry_states() -> dict[str, str]:
    """Name all states in which the office sees entries."""
    return {
        state.value: str(text)
        for state, (text, _tone) in _ENTRY_STATES.items()
        if state is not EntryState.DELETED
    }


def kind_label(kind: str) -> str:
    """Name a kind in the reader's language."""
    if kind not in KINDS:
        return kind
    labels = KINDS[kind].label
    return labels.get(current_language().code, labels["en"])


def audience_words(entry: Entry, names: Mapping[str, str]) -> str:
    """Say in a few words for whom an entry is.

    Args:
        entry: The entry.
        names: Partners' names by our ids of them.
    """
    match entry.audience.level:
        case AudienceLevel.GROUP:
            return _("a group of members")
        case AudienceLevel.CLUSTER:
            return _("own cluster")
        case AudienceLevel.TRUSTED:
            return _("all partner clusters")
        case AudienceLevel.PUBLIC:
            return _("public")
        case AudienceLevel.PARTNERS:
            known = (names.get(each, "?") for each in entry.audience.partner_ids)
            return ", ".join(sorted(known))


def role_label(role: Role) -> str:
    """Name a role."""
    return str(_ROLES[role])


def mail_kind(kind: str) -> str:
    """Say why a mail is sent."""
    return str(_MAIL_KINDS[MailKind(kind)]) if kind in set(MailKind) else kind


def mail_status(state: MailState, *, sends: bool) -> Status:
    """Say where a mail is; nothing waits where nothing is sent."""
    if state is MailState.PENDING and not sends:
        return Status(_("shown here only"), "neutral")
    text, tone = _MAIL_STATES[state]
    return Status(str(text), tone)


def line_status(line: LedgerLine) -> Status:
    """Say how far one entry got with one partner."""
    if line.op == UPSERT and line.refused_reason is not None:
        return Status(_("not taken by the partner"), "danger")
    if line.op == UPSERT:
        if line.acknowledged_at is not None:
            return Status(_("confirmed"), "ok")
        return Status(_("on its way"), "warning")
    if line.acknowledged_at is not None:
        return Status(_("taken back, confirmed"), "neutral")
    return Status(_("is being taken back"), "warning")


def explain(error: NodeError) -> str:
    """Say what went wrong and what to do."""
    if error.code == "invitation-mistyped":
        return _mistyped(error)
    if error.code in _PROBLEMS:
        return str(_PROBLEMS[error.code])
    faults = error.faults if isinstance(error, InvalidInputError) else ()
    sentences = [in_words(fault.message) for fault in faults] or [
        in_words(error.message)
    ]
    if error.hint:
        sentences.append(in_words(error.hint))
    return " ".join(sentences)


def _mistyped(error: NodeError) -> str:
    _code, _slash, group = error.path.partition("/")
    if group:
        return _(
            "Group %(number)s of the code does not fit: probably a slip of the pen."
            " Compare it with the invitation.",
            number=group,
        )
    return _(
        "This is not a complete code. It has the form"
        " address/XXXXX-XXXXX-XXXXX-XXXXX; compare it with the invitation."
    )
