"""Forms: a base with our languages, and the fields that WTForms lacks."""

import re
from collections.abc import Iterable, Sequence
from datetime import date
from decimal import Decimal
from typing import Any, TypeVar

import wtforms
from aiohttp import web
from babel.numbers import get_decimal_symbol
from multidict import MultiDict
from typing_extensions import override
from wtforms import widgets
from wtforms.fields import SelectChoice  # type: ignore[attr-defined] # new in 3.3
from wtforms.i18n import get_translations

from node.web.i18n import current_language, lazy_gettext
from node.web.i18n import gettext as _

# The exchange knows no fractions but decimal texts (schemas, "values").
_DECIMAL = re.compile(r"-?[0-9]{1,12}(\.[0-9]{1,6})?")
_WHOLE_DIGITS_MAX = 15
_DOTTED_THOUSANDS = re.compile(r"-?[1-9][0-9]{0,2}(\.[0-9]{3})+,[0-9]+")
_COMMA_THOUSANDS = re.compile(r"-?[1-9][0-9]{0,2}(,[0-9]{3})+\.[0-9]+")
_SEVERAL_GROUPS = re.compile(r"-?[1-9][0-9]{0,2}([.,])[0-9]{3}(\1[0-9]{3})+")
_ONE_GROUP = re.compile(r"-?[1-9][0-9]{0,2}([.,])[0-9]{3}")

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


class WholeNumberField(wtforms.IntegerField):
    """A whole number; what has more digits than any amount of ours is none."""

    @override
    def process_formdata(self, valuelist: list[Any]) -> None:
        """Read the number.

        Raises:
            ValueError: It is none, or too long to be compared with a bound.
        """
        if valuelist and len(str(valuelist[0]).strip()) > _WHOLE_DIGITS_MAX:
            self.data = None
            raise ValueError(self.gettext("Not a valid integer value."))
        super().process_formdata(valuelist)


class DecimalTextField(wtforms.StringField):
    """A number that stays decimal text; accepts the comma and grouped thousands.

    `data` is None if nothing was entered. What was typed stays on the page.
    """

    @override
    def process_formdata(self, valuelist: list[Any]) -> None:
        """Turn `1.234,5` into `1234.5`.

        Raises:
            ValueError: It is no number, can be read in two ways, or has more
                digits than can be exchanged.
        """
        text = str(valuelist[0]).strip() if valuelist else ""
        self.data = None
        if not text:
            return
        number = _without_thousands(text.replace(" ", "").replace("\u00a0", ""))
        if not _DECIMAL.fullmatch(number):
            raise ValueError(
                _("Enter a number, for example 12,5: at most 6 places after the comma.")
            )
        self.data = format(Decimal(number), "f")

    def _value(self) -> str:
        if self.raw_data:
            return str(self.raw_data[0])
        return self.data or ""


def _without_thousands(number: str) -> str:
    """Drop grouping signs and write the decimal sign as a point.

    Raises:
        ValueError: `1.234` on a German page may be 1234 or 1,234.
    """
    group = _ONE_GROUP.fullmatch(number)
    if group and group[1] != get_decimal_symbol(current_language().locale):
        raise ValueError(
            _(
                "“%(number)s” can be read in two ways. Write it without a sign for"
                " thousands.",
                number=number,
            )
        )
    if _DOTTED_THOUSANDS.fullmatch(number):
        number = number.replace(".", "")
    elif _COMMA_THOUSANDS.fullmatch(number):
        number = number.replace(",", "")
    elif _SEVERAL_GROUPS.fullmatch(number):
        number = number.replace(".", "").replace(",", "")
    return number.replace(",", ".")


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


def choices(pairs: Iterable[tuple[str, str]]) -> Any:
    """Build the choices of a select, radio or checklist field.

    Args:
        pairs: Value and lazily translated label; both may come from an enum.
    """
    return [SelectChoice(str(value), label) for value, label in pairs]


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
