"""Of two audiences of one entry, whom both of them name (SPEC NOD-071)."""

from node.catalogue.model import Audience, AudienceLevel


def narrower(one: Audience, other: Audience) -> Audience:
    """Return whom both audiences name."""
    if one.level is AudienceLevel.PUBLIC:
        return other
    if other.level is AudienceLevel.PUBLIC:
        return one
    if one == other:
        return one
    levels = {one.level, other.level}
    if AudienceLevel.GROUP in levels:
        for each, beside in ((one, other), (other, one)):
            if beside.level in {AudienceLevel.CLUSTER, AudienceLevel.TRUSTED}:
                return each
        return Audience(AudienceLevel.PARTNERS)  # nobody but owner and office
    if levels == {AudienceLevel.PARTNERS}:
        both = one.partner_ids & other.partner_ids
        return Audience(AudienceLevel.PARTNERS, both)
    if AudienceLevel.PARTNERS in levels and AudienceLevel.CLUSTER in levels:
        return Audience(AudienceLevel.PARTNERS)  # nobody but owner and office
    return one if one.level is not AudienceLevel.TRUSTED else other
