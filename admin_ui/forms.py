"""Forms of the office's pages."""

from typing import Final

import wtforms
from wtforms.validators import InputRequired, Length, NumberRange, Optional

from admin_ui.policy_wording import PRESETS
from node.errors import InvalidInputError
from node.members.fields import FieldError, read_email
from node.members.model import Role
from node.partners.moving import number_digits
from node.visibility.policy import Preset
from node.web.forms import DateField, Form, WholeNumberField, choices
from node.web.i18n import gettext as _
from node.web.i18n import lazy_gettext
from node.web.pages.wording import in_words

INVITATION_DAYS: Final = 7
_INVITATION_DAYS_MAX: Final = 60
_NOTE_CHARACTERS_MAX: Final = 200
_REASON_CHARACTERS_MAX: Final = 300
_CODE_CHARACTERS_MAX: Final = 400
_NAME_CHARACTERS_MAX: Final = 200
_NUMBER_CHARACTERS_MAX: Final = 20

_ROLES: Final = (
    (Role.PERSON.value, lazy_gettext("Member")),
    (Role.ORGANISATION_ADMIN.value, lazy_gettext("Organisation's administrator")),
    (Role.OFFICE.value, lazy_gettext("Office")),
    (Role.NODE_ADMIN.value, lazy_gettext("Technical administrator")),
)


def _is_move_number(_form: wtforms.Form, form_field: wtforms.Field) -> None:
    try:
        number_digits(form_field.data or "")
    except InvalidInputError as error:
        raise wtforms.ValidationError(in_words(error.message)) from error


class InvitationForm(Form):
    """A code for another office."""

    note = wtforms.StringField(
        lazy_gettext("For whom is the code?"),
        [Optional(), Length(max=_NOTE_CHARACTERS_MAX)],
        description=lazy_gettext("For your own list, for example the cluster's name."),
    )
    days = WholeNumberField(
        lazy_gettext("Valid for how many days?"),
        [InputRequired(), NumberRange(min=1, max=_INVITATION_DAYS_MAX)],
        default=INVITATION_DAYS,
        description=lazy_gettext("1 to 60. The code can be used once."),
    )
    preset = wtforms.RadioField(
        lazy_gettext("Level to begin with"),
        [InputRequired()],
        choices=choices((preset.value, label) for preset, label in PRESETS.items()),
        default=Preset.PARTNER.value,
        description=lazy_gettext(
            "For both directions. You can change it at any time, for each direction."
        ),
    )


class CodeForm(Form):
    """A code from another office."""

    code = wtforms.TextAreaField(
        lazy_gettext("Code or link of the other office"),
        [InputRequired(), Length(max=_CODE_CHARACTERS_MAX)],
        description=lazy_gettext(
            "Paste it as you received it. Capital letters, spaces and dashes do not"
            " matter."
        ),
    )


class ReasonForm(Form):
    """Why a request is refused or a partnership ended."""

    reason = wtforms.TextAreaField(
        lazy_gettext("Reason"),
        [Optional(), Length(max=_REASON_CHARACTERS_MAX)],
        description=lazy_gettext("The other office reads it."),
    )


class MoveNumberForm(Form):
    """The check number of a partner's move."""

    number = wtforms.StringField(
        lazy_gettext("Check number that the other office reads out"),
        [InputRequired(), Length(max=_NUMBER_CHARACTERS_MAX), _is_move_number],
        description=lazy_gettext("Eight digits. It is not shown here on purpose."),
    )


class RevocationForm(Form):
    """Why the key is revoked, and that it is meant.

    Attributes:
        host: What has to be typed: the node's address without scheme.
    """

    host: str = ""

    reason = wtforms.TextAreaField(
        lazy_gettext("What has happened"),
        [InputRequired(), Length(max=_REASON_CHARACTERS_MAX)],
        description=lazy_gettext("It stays in your own history."),
    )
    typed = wtforms.StringField(
        lazy_gettext("Type the address of your node to confirm"),
        [InputRequired(), Length(max=_NAME_CHARACTERS_MAX)],
    )

    def validate_typed(self, form_field: wtforms.Field) -> None:
        """Compare with the node's address."""
        if (form_field.data or "").strip().lower() != self.host:
            raise wtforms.ValidationError(
                _("This is not the address: %(address)s", address=self.host)
            )


class CloseDownForm(Form):
    """That closing down is meant.

    Attributes:
        cluster: What has to be typed: the cluster's name.
    """

    cluster: str = ""

    typed = wtforms.StringField(
        lazy_gettext("Type the name of your cluster to confirm"),
        [InputRequired(), Length(max=_NAME_CHARACTERS_MAX)],
    )

    def validate_typed(self, form_field: wtforms.Field) -> None:
        """Compare with the cluster's name."""
        if (form_field.data or "").strip().casefold() != self.cluster.casefold():
            raise wtforms.ValidationError(
                _("This is not the name: %(name)s", name=self.cluster)
            )


def _is_address(_form: wtforms.Form, form_field: wtforms.Field) -> None:
    try:
        read_email(form_field.data or "")
    except FieldError as error:
        raise wtforms.ValidationError(in_words(error.sentence)) from error


class PersonForm(Form):
    """A new member."""

    name = wtforms.StringField(
        lazy_gettext("First and last name"),
        [InputRequired(), Length(max=_NAME_CHARACTERS_MAX)],
    )
    email = wtforms.EmailField(lazy_gettext("E-mail"), [InputRequired(), _is_address])
    organisation = wtforms.StringField(
        lazy_gettext("Organisation"),
        [InputRequired(), Length(max=_NAME_CHARACTERS_MAX)],
        description=lazy_gettext("A name that is not in the list yet is added."),
    )
    role = wtforms.SelectField(
        lazy_gettext("Role"),
        [InputRequired()],
        choices=choices(_ROLES),
        default=Role.PERSON.value,
    )
    send = wtforms.BooleanField(
        lazy_gettext("Mail the link to choose a password"), default=True
    )


class RoleForm(Form):
    """Another role for a member."""

    role = wtforms.SelectField(
        lazy_gettext("Role"), [InputRequired()], choices=choices(_ROLES)
    )


class ConsentForm(Form):
    """A member's consent to be shown to partners."""

    on = DateField(lazy_gettext("Agreed on"), [InputRequired()])
    source = wtforms.StringField(
        lazy_gettext("Where is it written down?"),
        [InputRequired(), Length(max=_NAME_CHARACTERS_MAX)],
        description=lazy_gettext("For example: membership form, e-mail of 12 March."),
    )


class UploadForm(Form):
    """A list as a file."""

    file = wtforms.FileField(
        lazy_gettext("CSV file"),
        [InputRequired()],
        description=lazy_gettext(
            "Saved from a spreadsheet as CSV, at most 2 MB. Nothing is stored before"
            " you have seen what would happen."
        ),
    )
