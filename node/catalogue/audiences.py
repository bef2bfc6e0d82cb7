"""Whom an entry is for: names of partners into partners."""

from federation.trust import ESTABLISHED
from node.catalogue.model import Audience, AudienceLevel
from node.catalogue.publication import Publication
from node.errors import InputFault, InvalidInputError
from node.partners.model import Partner
from node.sentence import Sentence


def named_audience(publication: Publication, partners: list[Partner]) -> Audience:
    """Find the named partners; a name that is none is a fault, never ignored."""
    if publication.level is not AudienceLevel.PARTNERS:
        return Audience(publication.level)
    known = [each for each in partners if each.state in ESTABLISHED]
    ids: set[str] = set()
    faults: list[InputFault] = []
    for index, named in enumerate(publication.partners):
        wanted = named.rstrip("/")
        found = [
            each.id
            for each in known
            if wanted in {each.base_url, each.base_url.partition("://")[2], each.name}
        ]
        if len(found) == 1:
            ids.add(found[0])
        else:
            message = Sentence(
                "{name} is not a partner cluster of this node.", name=named
            )
            faults.append(InputFault(f"/audience/partners/{index}", message))
    if not faults and not ids:
        fault = InputFault("/audience/partners", "Name at least one partner cluster.")
        faults.append(fault)
    if faults:
        raise InvalidInputError(
            "The entry names partners that this node does not have.",
            faults=faults,
            code="unknown-partner",
            hint="See the list of partner clusters for their addresses.",
        )
    return Audience(AudienceLevel.PARTNERS, frozenset(ids))
