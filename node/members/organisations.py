"""What an organisation is known by: VAT id, register number, domains.

Source: SPEC.md VIS-072.
"""

from collections.abc import Sequence

from node.audit.model import SubjectKind
from node.audit.noting import note_decision
from node.errors import InputFault, InvalidInputError, NotAuthorisedError, NotFoundError
from node.members.fields import FieldError, read_line
from node.members.identifiers import read_domain
from node.members.model import Organisation, Person, Role
from node.ports import NodeContext
from node.sentence import Sentence
from node.storage.database import Transaction
from node.storage.members import find_organisation, load_organisation
from node.storage.members import update_organisation as update_row

NUMBER_CHARS = 60
DOMAINS_MAX = 10


class Organisations:
    """What the office and an organisation's administrators say about it."""

    def __init__(self, context: NodeContext) -> None:
        self._context = context

    async def identify(
        self,
        actor: Person | None,
        reference: str,
        *,
        vat_id: str | None,
        register_id: str | None,
        domains: Sequence[str],
    ) -> Organisation:
        """Say what an organisation is known by; what it was known by is replaced.

        Raises:
            InvalidInputError: A number is too long, or a text is no domain.
            NotAuthorisedError: Only its administrators and the office may.
            NotFoundError: There is no such organisation.
        """
        values = {
            "vat_id": _number("vat_id", vat_id),
            "register_id": _number("register_id", register_id),
            "domains": _domains(domains),
        }

        async def work(tx: Transaction) -> Organisation:
            found = await find_organisation(tx, reference)
            if found is None:
                raise NotFoundError(
                    Sentence("There is no organisation {name}.", name=reference),
                    code="organisation-not-found",
                )
            _require_administrator(actor, found)
            await update_row(tx, found.id, values, now=self._context.clock.now())
            note_decision(
                tx,
                self._context,
                "organisation_identified",
                actor=actor,
                about=(SubjectKind.ORGANISATION, found.id),
            )
            return await load_organisation(tx, found.id) or found

        return await self._context.database.write(work)


def _require_administrator(actor: Person | None, organisation: Organisation) -> None:
    if actor is None or (
        actor.may_act_for(organisation.id)
        and (actor.is_office or actor.role is Role.ORGANISATION_ADMIN)
    ):
        return
    raise NotAuthorisedError(
        "Only the organisation's administrators and the office may do this.",
        hint="Ask your organisation's administrator.",
    )


def _number(path: str, text: str | None) -> str | None:
    if text is None or not text.strip():
        return None
    try:
        return read_line(text, limit=NUMBER_CHARS)
    except FieldError as error:
        raise InvalidInputError(
            error.sentence, faults=[InputFault(path, error.sentence)]
        ) from error


def _domains(texts: Sequence[str]) -> tuple[str, ...]:
    found = []
    for text in texts[: DOMAINS_MAX + 1]:
        domain = read_domain(text)
        if domain is None:
            message = Sentence("{text} is not a domain.", text=text[:60])
            raise InvalidInputError(message, faults=[InputFault("domains", message)])
        found.append(domain)
    if len(found) > DOMAINS_MAX:
        message = Sentence("At most {number} domains.", number=DOMAINS_MAX)
        raise InvalidInputError(message, faults=[InputFault("domains", message)])
    return tuple(dict.fromkeys(found))
