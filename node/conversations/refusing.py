"""What a conversation refuses, and in which words."""

from federation.errors import NotFoundError as PeerNotFoundError
from federation.limits import MESSAGE_CHARACTERS_MAX
from federation.negotiation import Capability
from federation.trust import ESTABLISHED
from node.errors import ConflictError, InvalidInputError, NotFoundError
from node.partners.history import describe_state
from node.partners.model import Partner
from node.plain_text import clean_text
from node.sentence import Sentence


def checked_text(text: str) -> str:
    """Return a message as it can be sent (schemas/wire/message).

    Raises:
        InvalidInputError: It is empty or too long.
    """
    checked = clean_text(text)
    if not checked:
        raise InvalidInputError(
            "The message is empty.", path="text", hint="Write what you want to say."
        )
    if len(checked) > MESSAGE_CHARACTERS_MAX:
        raise InvalidInputError(
            Sentence(
                "The message has {number} characters; at most {limit} are possible.",
                number=len(checked),
                limit=MESSAGE_CHARACTERS_MAX,
            ),
            path="text",
            hint="Shorten it, or agree on another way for long texts.",
        )
    return checked


def require_open(partner: Partner | None) -> None:
    """Require that a message can go to the other node.

    Raises:
        NotFoundError: There is no such partner.
        ConflictError: The partnership is not active, or it takes no messages.
    """
    if partner is None:
        raise NotFoundError("There is no such conversation.")
    if partner.state not in ESTABLISHED:
        raise ConflictError(
            Sentence(
                "The message cannot be sent: {state}.", state=describe_state(partner)
            ),
            code=f"partner-{partner.state.value}",
        )
    if not partner.has(Capability.MESSAGES):
        raise ConflictError(
            Sentence("The node of {name} takes no messages.", name=partner.name),
            code="partner-takes-no-messages",
            hint="Write to the other office by mail.",
        )


def no_entry(ref: str) -> NotFoundError:
    """Name what was asked for, never what was found: hidden looks like absent."""
    return NotFoundError(
        Sentence("There is no entry {reference}.", reference=ref), code="entry-unknown"
    )


def nothing_for_partner() -> PeerNotFoundError:
    """Say to a partner that there is nothing; hidden looks like absent."""
    return PeerNotFoundError("There is no such entry or thread here.")
