"""Checks of the node's own keys: files, backup, and a change that is under way."""

from collections.abc import Iterable
from datetime import timedelta
from typing import ClassVar

from node.doctor.finding import Finding, Severity, Subject
from node.errors import ConfigInvalidError
from node.keys.model import KeyState, NodeKey
from node.keys.opening import read_secrets, unknown_files
from node.keys.rules import REVOCATION_DAYS, due_at
from node.keys.telling import TOLD_STATES
from node.node_key import key_file, load_key, stored_numbers
from node.partners.model import Partner
from node.web.i18n import gettext as _
from node.web.i18n import ngettext


class KeyCheck:
    """The secret keys are there, private, and the ones that the database knows."""

    id: ClassVar[str] = "key"

    @property
    def title(self) -> str:
        """Name for people."""
        return _("Key")

    def findings(self, subject: Subject) -> Iterable[Finding]:
        """Load the keys as the node would."""
        keys = () if subject.facts is None else subject.facts.keys
        if not keys:
            yield self._without_database(subject)
            return
        secrets, faults = read_secrets(subject.folder, keys)
        for fault in faults:
            yield self._finding(Severity.ERROR, fault.in_words(_))
        for number in unknown_files(subject.folder, keys):
            yield self._finding(
                Severity.NOTE,
                _(
                    "%(file)s belongs to no key of the database.",
                    file=key_file(number),
                ),
                _(
                    "If a change of keys was broken off, the next one takes it up; if "
                    "the database is an old copy, bring back the newest one."
                ),
            )
        for number in _left_behind(subject, keys):
            yield self._finding(
                Severity.WARNING,
                _(
                    "%(file)s is still there, although its key has ended.",
                    file=key_file(number),
                ),
                _("The node removes it while it runs; look into its log if not."),
            )
        signing = _signing(keys)
        if not faults and signing is not None:
            message = _(
                "Fingerprint %(fingerprint)s, readable by its owner only.",
                fingerprint=secrets[signing.number].public_key.fingerprint,
            )
            yield self._finding(Severity.OK, message)

    def _without_database(self, subject: Subject) -> Finding:
        """Look at the first key alone: nothing says which there should be."""
        try:
            key = load_key(subject.folder)
        except ConfigInvalidError as error:
            return self._finding(Severity.ERROR, error.faults[0].in_words(_))
        message = _(
            "Fingerprint %(fingerprint)s, readable by its owner only.",
            fingerprint=key.public_key.fingerprint,
        )
        return self._finding(Severity.OK, message)

    def _finding(self, severity: Severity, message: str, fix: str = "") -> Finding:
        return Finding(self.id, self.title, severity, message, fix)


class KeyBackupCheck:
    """Somebody has a backup of the secret keys that are in use."""

    id: ClassVar[str] = "key-backup"

    @property
    def title(self) -> str:
        """Name for people."""
        return _("Key backup")

    def findings(self, subject: Subject) -> Iterable[Finding]:
        """Look for keys in use that were never backed up."""
        if subject.facts is None or not subject.facts.keys:
            return
        lacking = [
            str(key.number)
            for key in subject.facts.keys
            if key.is_live and key.backed_up_at is None
        ]
        if not lacking:
            message = _("There is a backup of every key in use.")
            yield Finding(self.id, self.title, Severity.OK, message)
            return
        yield Finding(
            self.id,
            self.title,
            # The data of a demonstration are worth nothing.
            Severity.NOTE if subject.config.demo else Severity.WARNING,
            _("There is no backup of key %(numbers)s.", numbers=", ".join(lacking)),
            "spalier keys backup FILE --sheet SHEET.html",
        )


class KeyChangeCheck:
    """A change of keys gets on, and partners know the key that signs."""

    id: ClassVar[str] = "key-change"

    @property
    def title(self) -> str:
        """Name for people."""
        return _("Key change")

    def findings(self, subject: Subject) -> Iterable[Finding]:
        """Look for partners that do not know the newest key."""
        if subject.facts is None or not subject.facts.keys:
            return
        keys = subject.facts.keys
        live = [key for key in keys if key.is_live]
        newest = max(live, key=lambda key: key.number)
        partners = [
            each.partner
            for each in subject.facts.partners
            if each.partner.state in TOLD_STATES
        ]
        waiting = [each for each in partners if each.told_key_number < newest.number]
        if not waiting:
            message = _("Every partner cluster knows the newest key.")
            yield Finding(self.id, self.title, Severity.OK, message)
            return
        strangers = [
            each
            for each in waiting
            if not any(key.number <= each.told_key_number for key in live)
        ]
        if strangers:
            yield self._to_be_compared(strangers, newest)
        late = [each for each in waiting if each not in strangers]
        if late:
            yield self._late(late, newest, subject)

    def _to_be_compared(self, partners: list[Partner], newest: NodeKey) -> Finding:
        return Finding(
            self.id,
            self.title,
            Severity.WARNING,
            ngettext(
                "%(num)s partner cluster believes nothing from us before its office "
                "has compared the new fingerprint: %(names)s.",
                "%(num)s partner clusters believe nothing from us before their offices "
                "have compared the new fingerprint: %(names)s.",
                len(partners),
                names=_names(partners),
            ),
            _(
                "Call them and read them %(fingerprint)s.",
                fingerprint=newest.fingerprint,
            ),
        )

    def _late(
        self, partners: list[Partner], newest: NodeKey, subject: Subject
    ) -> Finding:
        message = _(
            "Key %(number)s was announced on %(day)s; not taken yet: %(names)s.",
            number=newest.number,
            day=f"{newest.created_at:%Y-%m-%d}",
            names=_names(partners),
        )
        if subject.now < due_at(newest):
            fix = _("Nothing to do: it goes on by itself.")
            return Finding(self.id, self.title, Severity.NOTE, message, fix)
        fix = _(
            "Ask these offices whether their node runs. If one will not come back, end "
            "the partnership, or let the old key go: spalier keys retire"
        )
        return Finding(self.id, self.title, Severity.WARNING, message, fix)


def _left_behind(subject: Subject, keys: Iterable[NodeKey]) -> list[int]:
    """List the files of ended keys; a revoked one may stay while it says so."""
    silent_at = subject.now - timedelta(days=REVOCATION_DAYS)
    ended = {
        key.number
        for key in keys
        if not key.is_live and (key.revoked_at is None or key.revoked_at < silent_at)
    }
    return [number for number in stored_numbers(subject.folder) if number in ended]


def _signing(keys: Iterable[NodeKey]) -> NodeKey | None:
    active = [key for key in keys if key.state is KeyState.ACTIVE]
    return max(active, key=lambda key: key.number, default=None)


def _names(partners: list[Partner]) -> str:
    return ", ".join(each.name for each in partners)
