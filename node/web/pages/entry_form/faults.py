"""What the check of an entry says, in the reader's language and the field's words."""

from typing import Final

from node.web.i18n import gettext as _
from node.web.i18n import lazy_gettext
from node.web.pages.wording import in_words

_NO_FORM: Final = "This does not have the right form."

# Sentences of the checks (federation.validation, schemas.rules, the catalogue),
# written down here so that the translations know them.
SENTENCES: Final = (
    lazy_gettext("This field is missing."),
    lazy_gettext("This field is not known here."),
    lazy_gettext("This does not have the right form."),
    lazy_gettext("This must be one of: {values}."),
    lazy_gettext("This must be {type}."),
    lazy_gettext("This must be {limit}."),
    lazy_gettext("This must be below {limit}."),
    lazy_gettext("This must be above {limit}."),
    lazy_gettext("This is not a valid {limit}."),
    lazy_gettext("There are more than {limit} values."),
    lazy_gettext("There are fewer than {limit} values."),
    lazy_gettext("This is longer than {limit} characters."),
    lazy_gettext("This is shorter than {limit} characters."),
    lazy_gettext("This is above {limit}."),
    lazy_gettext("This is below {limit}."),
    lazy_gettext("The same value stands here twice."),
    lazy_gettext("The maximum is below the minimum."),
    lazy_gettext("The last day it is needed is before the first."),
    lazy_gettext("The event ends before it starts."),
    lazy_gettext("Registration closes after the event is over."),
    lazy_gettext("{day} is already over."),
    lazy_gettext("{name} is not a partner cluster of this node."),
    lazy_gettext("Name at least one partner cluster."),
    lazy_gettext("The event takes place somewhere: name the place."),
)


def fault_words(message: str, *, wrong: str = "") -> str:
    """Say what is wrong with a field.

    Args:
        message: What the check said.
        wrong: What the field itself says about a wrong form.
    """
    if message == _NO_FORM and wrong:
        return str(wrong)
    if message == "This field is missing.":
        return _("This field is needed.")
    return in_words(message)
