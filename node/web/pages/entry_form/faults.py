"""What the check of an entry says, in the reader's language and the field's words."""

from typing import Final

from node.web.i18n import gettext as _
from node.web.pages.wording import in_words

_NO_FORM: Final = "This does not have the right form."
_MISSING: Final = "This field is missing."


def fault_words(message: str, *, wrong: str = "") -> str:
    """Say what is wrong with a field.

    Args:
        message: What the check said.
        wrong: What the field itself says about a wrong form.
    """
    if message == _NO_FORM and wrong:
        return str(wrong)
    if message == _MISSING:
        return _("This field is needed.")
    return in_words(message)
