"""The form of a policy sheet."""

from typing import Final

import wtforms
from wtforms.validators import InputRequired, Length, NumberRange, Optional

from admin_ui.policy_wording import PRESETS
from node.limits import (
    POLICY_LEASE_DAYS_MAX,
    POLICY_RETENTION_DAYS_MAX,
    POLICY_TOPIC_CHARACTERS_MAX,
    POLICY_TOPICS_MAX,
)
from node.visibility.policy import Direction, PolicySheet, Preset, Profiles
from node.web.forms import (
    ChecklistField,
    DateField,
    Form,
    TermsField,
    WholeNumberField,
    choices,
)
from node.web.i18n import gettext as _
from node.web.i18n import lazy_gettext
from node.web.pages.wording import kind_label
from schemas import KINDS

_REASON_CHARACTERS_MAX: Final = 300
_AS_PRESET: Final = ""
_SCOPES: Final = (
    (_AS_PRESET, lazy_gettext("as the level says")),
    (Profiles.NONE.value, lazy_gettext("none")),
    (Profiles.ORGANISATIONS.value, lazy_gettext("of organisations")),
    (Profiles.PERSONS.value, lazy_gettext("of organisations and persons")),
)


_YES, _NO = "ja", "nein"
_YES_OR_NO: Final = (
    (_AS_PRESET, lazy_gettext("as the level says")),
    (_YES, lazy_gettext("pass")),
    (_NO, lazy_gettext("do not pass")),
)


class PolicyForm(Form):
    """What passes in one direction, and why."""

    preset = wtforms.RadioField(
        lazy_gettext("Level"),
        [InputRequired()],
        choices=choices((preset.value, label) for preset, label in PRESETS.items()),
    )
    profiles = wtforms.SelectField(
        lazy_gettext("Profiles"), [Optional()], choices=choices(_SCOPES)
    )
    chiffre = wtforms.SelectField(
        lazy_gettext("Entries under Chiffre"),
        [Optional()],
        choices=choices(_YES_OR_NO),
    )
    closed_kinds = ChecklistField(
        lazy_gettext("Kinds that do not pass"),
        [Optional()],
        choices=choices((kind, kind) for kind in KINDS),
    )
    closed_topics = TermsField(
        lazy_gettext("Topics that do not pass"),
        [Optional()],
        description=lazy_gettext("Separated by commas. Capitals make no difference."),
    )
    lease_days = WholeNumberField(
        lazy_gettext("Show unconfirmed for how many days?"),
        [Optional(), NumberRange(min=1, max=POLICY_LEASE_DAYS_MAX)],
        description=lazy_gettext(
            "Empty: 30 days, 14 for what names a person. Public entries stay."
        ),
    )
    retention_days = WholeNumberField(
        lazy_gettext("Remove after how many days?"),
        [Optional(), NumberRange(min=1, max=POLICY_RETENTION_DAYS_MAX)],
        description=lazy_gettext(
            "Counted from the day on which an entry is no longer shown here. Empty:"
            " once the other cluster takes it back."
        ),
    )
    valid_until = DateField(
        lazy_gettext("Until"),
        [Optional()],
        description=lazy_gettext(
            "The last day. Afterwards “Getting to know” counts at most. Empty: no end."
        ),
    )
    reason = wtforms.TextAreaField(
        lazy_gettext("Why do you change this?"),
        [InputRequired(), Length(max=_REASON_CHARACTERS_MAX)],
        description=lazy_gettext("It stays in your own history; nobody else reads it."),
    )

    def of(self, direction: Direction) -> "PolicyForm":
        """Keep what this direction knows, with the labels of this language."""
        self.closed_kinds.choices = choices((kind, kind_label(kind)) for kind in KINDS)
        if direction is Direction.OUT:
            del self.lease_days
            del self.retention_days
        return self

    def validate_closed_topics(self, form_field: wtforms.Field) -> None:
        """Take no more topics, and no longer ones, than a sheet holds."""
        topics = form_field.data or []
        if len(topics) > POLICY_TOPICS_MAX or any(
            len(topic) > POLICY_TOPIC_CHARACTERS_MAX for topic in topics
        ):
            raise wtforms.ValidationError(
                _(
                    "At most %(count)s topics of %(length)s characters.",
                    count=POLICY_TOPICS_MAX,
                    length=POLICY_TOPIC_CHARACTERS_MAX,
                )
            )

    def sheet(self, before: PolicySheet) -> PolicySheet:
        """Return the sheet that was filled in; what has no field stays as it was."""
        profiles = self.profiles.data or None
        lease, retention = self.data.get("lease_days"), self.data.get("retention_days")
        return PolicySheet(
            preset=Preset(self.preset.data),
            closed_kinds=frozenset(self.closed_kinds.data or ()),
            closed_topics=frozenset(self.closed_topics.data or ()),
            chiffre=None if not self.chiffre.data else self.chiffre.data == _YES,
            profiles=None if profiles is None else Profiles(profiles),
            approval=before.approval,
            lease_days=lease,
            retention_days=retention,
            valid_until=self.valid_until.data,
        )


def values_of(sheet: PolicySheet) -> dict[str, object]:
    """Return the values of the form for a sheet."""
    return {
        "preset": sheet.preset.value,
        "profiles": _AS_PRESET if sheet.profiles is None else sheet.profiles.value,
        "chiffre": _AS_PRESET
        if sheet.chiffre is None
        else (_YES if sheet.chiffre else _NO),
        "closed_kinds": sorted(sheet.closed_kinds),
        "closed_topics": sorted(sheet.closed_topics),
        "lease_days": sheet.lease_days,
        "retention_days": sheet.retention_days,
        "valid_until": sheet.valid_until,
    }
