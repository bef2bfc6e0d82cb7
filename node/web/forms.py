"""Forms: a base with our languages, and the fields that WTForms lacks."""

import re
from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Any, TypeVar

import wtforms
from aiohttp import web
from multidict import MultiDict
from typing_extensions import override
from wtforms import widgets
from wtforms.i18n import get_translations

from node.web.i18n import current_language
from node.web.i18n import gettext as _
from node.web.i18n import lazy_gettext

# The exchange knows no fractions but decimal texts (schemas, "values").
_DECIMAL = re.compile(r"-?\d{1,12}(\.\d{1,6})?")
_GROUPED = re.compile(r"-?\d{1,3}(\.\d{3})+(,\d{1,6})?")

# Sentences of WTForms that ours replace: these say what to do.
REPLACED_MESSAGES = (
    lazy_gettext("This field is required."),
    lazy_gettext("Not a valid choice."),
    lazy_gettext("Invalid email address."),
    lazy_gettext("Invalid URL."),
)

FormType = TypeVar("FormType", bound="Form")


class _Translations:
    """Our catalogue first, then the one that WTForms brings."""

    def gettext(self, string: str) -> str:
        own = current_language().translations.gettext(string)
        if own != string:
            return own
        theirs: str = _built_in().gettext(string)
        return theirs

    def ngettext(self, singular: str, plural: str, n: int) -> str:
        theirs: str = _built_in().ngettext(singular, plural, n)
        return theirs


def _built_in() -> Any:
    return get_translations([current_language().locale.language, "en"])


class Form(wtforms.Form):
    """Base of all forms: messages in the page's language.

    A form is protected by the check of its origin (`security`), not by a token.
    """

    class Meta:
        """Settings of WTForms."""

        def get_translations(self, form: wtforms.Form) -> _Translations:  # noqa: ARG002
            """Return what translates the messages of validators."""
            return _Translations()


async def read_form(
    request: web.Request, form_type: type[FormType], **values: Any
) -> FormType:
    """Fill a form: from the request if it was sent, else from `values`.

    Args:
        request: The request; its body is read if it is a POST.
        form_type: Class of the form.
        **values: Initial values by field name, or WTForms' `obj` and `data`.
    """
    if request.method != "POST":
        return form_type(None, **values)
    sent = await request.post()
    return form_type(MultiDict(sent), **values)


class DecimalTextField(wtforms.StringField):
    """A number that stays decimal text; accepts the comma and grouped thousands.

    `data` is None if nothing was entered. What was typed stays on the page.
    """

    @override
    def process_formdata(self, valuelist: list[Any]) -> None:
        """Turn `1.234,5` into `1234.5`.

        Raises:
            ValueError: It is no number, or has more digits than can be exchanged.
        """
        text = str(valuelist[0]).strip() if valuelist else ""
        self.data = None
        if not text:
            return
        number = text.replace(" ", "").replace("\u00a0", "")
        if _GROUPED.fullmatch(number):
            number = number.replace(".", "")
        number = number.replace(",", ".")
        if not _DECIMAL.fullmatch(number):
            raise ValueError(
                _("Enter a number, for example 12,5: at most 6 places after the comma.")
            )
        self.data = str(Decimal(number))

    def _value(self) -> str:
        if self.raw_data:
            return str(self.raw_data[0])
        return self.data or ""


class DateField(wtforms.DateField):
    """A day; takes what browsers send and what people type (31.12.2026)."""

    def __init__(
        self,
        label: str | None = None,
        validators: list[Any] | None = None,
        **options: Any,
    ) -> None:
        super().__init__(label, validators, format=["%Y-%m-%d", "%d.%m.%Y"], **options)

    @override
    def process_formdata(self, valuelist: list[Any]) -> None:
        """Read the day.

        Raises:
            ValueError: It is no day of the calendar.
        """
        if not valuelist or not str(valuelist[0]).strip():
            self.data = None
            return
        try:
            super().process_formdata(valuelist)
        except ValueError as error:
            raise ValueError(_("Enter a day, for example 31.12.2026.")) from error


class ChecklistField(wtforms.SelectMultipleField):
    """Several of a few choices, each with a box to tick."""

    widget = widgets.ListWidget(prefix_label=False)
    option_widget = widgets.CheckboxInput()


class TermsField(wtforms.StringField):
    """A list of words, typed with commas between them; `data` is a list."""

    @override
    def process_formdata(self, valuelist: list[Any]) -> None:
        """Split at commas and line ends, dropping blanks and repetitions."""
        text = str(valuelist[0]) if valuelist else ""
        words = (word.strip() for word in re.split(r"[,;\n]", text))
        self.data = list(dict.fromkeys(word for word in words if word))  # type: ignore[assignment]

    def _value(self) -> str:
        words: Sequence[str] = self.data or ()
        return ", ".join(words)


def not_before(first: date, message: str) -> Any:
    """Build a validator that refuses days before `first`."""

    def check(_form: wtforms.Form, form_field: wtforms.Field) -> None:
        if form_field.data is not None and form_field.data < first:
            raise wtforms.ValidationError(message)

    return check
