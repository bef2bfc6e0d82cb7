"""By when a copy lapses whose removal a partner has not confirmed."""

from dataclasses import dataclass
from datetime import datetime

from federation.lease import lapses_at
from node.partners.model import Partner
from node.storage.ledger import UPSERT, Disclosure


@dataclass(frozen=True, slots=True)
class Lapse:
    """What becomes of a copy by itself.

    Attributes:
        at: By then a partner that keeps the rules shows it no more; None for a
            public copy, which never lapses.
    """

    at: datetime | None


def lapse_of(row: Disclosure, partner: Partner, *, personal: bool) -> Lapse | None:
    """Return what becomes of the copy that a row asks to remove.

    Nothing that leaves after the row was written renews the copy, and nothing that
    left before the partner was reached last. Whatever else is not known makes the
    time later, never earlier (SPEC FED-154).

    Args:
        row: The ledger's row.
        partner: Whose copy it is.
        personal: The entry is of a kind that always names a person.

    Returns:
        None if nothing has to be removed, or if the removal is confirmed.
    """
    if row.op == UPSERT or row.acknowledged_at is not None or row.told_at is None:
        return None
    if row.told_public:
        return Lapse(None)
    moments = (row.told_at, partner.renewed_at, partner.last_sent_at)
    reached = max(moment for moment in moments if moment is not None)
    return Lapse(lapses_at(min(reached, row.recorded_at), personal=personal))
