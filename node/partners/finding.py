"""Find a partner by what a person types: address, host or name."""

from collections.abc import Sequence

from federation.ids import BaseUrl, authority_of, host_of
from node.errors import InvalidInputError, NotFoundError
from node.partners.model import Partner
from node.sentence import Sentence
from node.storage.database import Transaction
from node.storage.partners import list_partners


async def find_partner(tx: Transaction, ref: str) -> Partner:
    """Find one partner by id, base_url, host (with or without port) or name.

    Raises:
        NotFoundError: Nobody fits; lists who there is.
        InvalidInputError: Several fit; names them.
    """
    everybody = await list_partners(tx)
    wanted = ref.strip().rstrip("/").casefold()
    for fits in (_is_address, _is_host, _is_name, _starts_with, _was_there):
        found = [partner for partner in everybody if fits(partner, wanted)]
        if len(found) == 1:
            return found[0]
        if found:
            raise InvalidInputError(
                Sentence(
                    "“{ref}” fits several partners: {names}.",
                    ref=ref,
                    names=_listed(found),
                ),
                code="partner-ambiguous",
                path="partner",
                hint="Use the address of the one you mean.",
            )
    raise NotFoundError(
        _nobody(ref, everybody),
        code="partner-unknown",
        path="partner",
        hint="Use the address, the host or the name of a partner.",
    )


def _nobody(ref: str, everybody: Sequence[Partner]) -> Sentence:
    if not everybody:
        return Sentence("There is no partner “{ref}”.", ref=ref)
    return Sentence(
        "There is no partner “{ref}”. Known are: {names}.",
        ref=ref,
        names=_listed(everybody),
    )


def _is_address(partner: Partner, wanted: str) -> bool:
    return wanted in {partner.id, partner.base_url}


def _is_host(partner: Partner, wanted: str) -> bool:
    base_url = BaseUrl(partner.base_url)
    return wanted in {authority_of(base_url), host_of(base_url)}


def _was_there(partner: Partner, wanted: str) -> bool:
    """Whether this was the partner's address or host before it moved."""
    return any(
        wanted in {base_url, authority_of(base_url), host_of(base_url)}
        for base_url in partner.former_urls
    )


def _is_name(partner: Partner, wanted: str) -> bool:
    return partner.name.casefold() == wanted


def _starts_with(partner: Partner, wanted: str) -> bool:
    return bool(wanted) and partner.name.casefold().startswith(wanted)


def _listed(partners: Sequence[Partner]) -> str:
    return ", ".join(f"{each.name} ({each.base_url})" for each in partners)
