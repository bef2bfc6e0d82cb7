"""What the little host does to a page, with and without bugs."""

from collections.abc import Collection
from typing import Any

from federation.documents import PageFault, ReceivedEntry, Withdrawal
from federation.errors import SchemaInvalidError
from federation.exchange import (
    HeldVersion,
    Ignore,
    Quarantine,
    Remove,
    Store,
    decide_item,
)
from federation.inbox import AdmittedRequest, ReadActivity, read_activity


def has_update(document: dict[str, Any]) -> bool:
    items = document.get("orderedItems", [])
    return any(item.get("type") == "Update" for item in items)


def read_with(admitted: AdmittedRequest, *, bugs: Collection[str]) -> ReadActivity:
    read = read_activity(admitted)
    if "held" in read.document and "refuses-verifying" in bugs:
        raise SchemaInvalidError("/held: What is this?")
    if "verifies-anything" in bugs:
        for name in ("held", "digest", "published"):
            read.document.pop(name, None)
    return read


def decision_of(item: Any, held: HeldVersion | None, *, bugs: Collection[str]) -> Any:
    content = item.content
    if isinstance(content, PageFault) and "stumbles" in bugs:
        raise SchemaInvalidError(content.reason)
    decision = decide_item(item, held)
    changed = {
        "older-version": "older-wins",
        "withdrawn": "withdrawn-returns",
        "deleted": "deleted-returns",
    }
    if isinstance(decision, Ignore) and changed.get(decision.reason) in bugs:
        if isinstance(content, Withdrawal):
            return Remove(content)
        return Store(content)
    if isinstance(decision, Quarantine) and isinstance(content, ReceivedEntry):
        return Store(content) if "equivocates" in bugs else decision
    if isinstance(decision, Remove) and "keeps-withdrawn" in bugs:
        return Ignore("bug")
    if isinstance(decision, Store):
        if held is not None and "keeps-first" in bugs:
            return Ignore("bug")
        if not item.known_kind and "drops-unknown" in bugs:
            return Ignore("bug")
    return decision
