"""The form of an entry: one place that maps its fields to form fields and back."""

from node.web.pages.entry_form.form import (
    EntryForm,
    Shape,
    form_of_document,
    new_form,
    sent_form,
    sent_shape,
)

__all__ = [
    "EntryForm",
    "Shape",
    "form_of_document",
    "new_form",
    "sent_form",
    "sent_shape",
]
