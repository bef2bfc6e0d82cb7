"""The guest's part of a handshake: read a code, look at the host, ask it."""

from dataclasses import dataclass
from datetime import date

from federation.documents.actor import ActorDocument, Card
from federation.documents.partner_request import build_partner_request
from federation.documents.signed import SignedDocument
from federation.errors import FetchError, PermanentFetchError, TemporaryFetchError
from federation.handshake import (
    InvitationCode,
    InvitationCodeError,
    check_number,
    parse_code,
)
from federation.keys import Signer
from federation.negotiation import PROTOCOL_VERSION, UNSUPPORTED, version_shown
from federation.trust import TrustEvent, TrustState, TrustTransitionError, next_state
from node.errors import (
    ConflictError,
    InvalidInputError,
    NodeError,
    NotAuthorisedError,
    UnavailableError,
)
from node.members.model import Person
from node.partners.history import add_step, describe_state
from node.partners.model import HandshakeRole, Partner
from node.partners.own_actor import own_actor
from node.partners.pinning import Handshake, comes_back, pin, unpin
from node.partners.ports import PeerClient
from node.partners.taken_addresses import who_is_called_so
from node.ports import NodeContext
from node.sentence import Sentence, sentence_of
from node.storage import outgoing
from node.storage import partners as rows
from node.storage.database import Transaction
from node.storage.node_state import require_not_closing

_UNCONFIRMED = "The request has not been confirmed by the other node."
REQUEST_UNCONFIRMED = "request-unconfirmed"


@dataclass(frozen=True, slots=True)
class PartnerPreview:
    """The node that a code names, before anything was agreed.

    Attributes:
        check_number: What both offices compare, e.g. `4711 0815`.
    """

    base_url: str
    name: str
    card: Card
    fingerprint: str
    check_number: str


@dataclass(frozen=True, slots=True)
class _WrittenDown:
    """A request of ours, and what stood there before.

    Attributes:
        undelivered: Ids of the activities that the earlier partnership left.
    """

    partner: Partner
    before: Partner | None
    undelivered: tuple[str, ...]


class Joining:
    """Codes of other offices."""

    def __init__(self, context: NodeContext, *, client: PeerClient) -> None:
        self._context = context
        self._client = client

    async def preview(self, code: str) -> PartnerPreview:
        """Fetch the card of the node that a code names.

        Raises:
            InvalidInputError: The code is mistyped; says in which group.
            ConflictError: It is our own code, or we are partners already.
            UnavailableError: The node does not answer.
        """
        invitation = self._parsed(code)
        async with self._context.database.read() as tx:
            known = await rows.find_by_base_url(tx, invitation.base_url)
        _require_new(known)
        host = await self._fetched(invitation)
        _require_unanswered(known, host)
        _require_no_ended_key(known, host)
        async with self._context.database.read() as tx:
            await self._require_own_names(tx, host)
        key = host.keys[0].public_key
        return PartnerPreview(
            base_url=host.base_url,
            name=host.name,
            card=host.card,
            fingerprint=key.fingerprint,
            check_number=_check_number(invitation, host, self._context.signer),
        )

    async def accept(
        self, actor: Person | None, code: str, *, release: bool
    ) -> Partner:
        """Ask the node that a code names to become a partner.

        The partner is written down before the request leaves, so that its answer,
        which may come at any time afterwards, finds it; a refusal takes it back.

        Raises:
            InvalidInputError: The code is mistyped; says in which group.
            ConflictError: The code is our own, used, revoked or expired, or we
                are partners already.
            NotAuthorisedError: The host knows no such invitation.
            UnavailableError: The node does not answer.
        """
        invitation = self._parsed(code)
        async with self._context.database.read() as tx:
            known = await rows.find_by_base_url(tx, invitation.base_url)
        _require_new(known)
        host = await self._fetched(invitation)
        _require_unanswered(known, host)
        _require_no_ended_key(known, host)
        async with self._context.database.read() as tx:
            # Our keys may have changed while the host answered. Actor and signer are
            # of one moment: nothing waits between them.
            guest = await own_actor(tx, self._context)
            signer = self._context.signer
        request = build_partner_request(
            guest,
            host=host,
            secret=invitation.secret,
            signer=signer,
            random=self._context.random,
            created=self._context.clock.now(),
        )
        written = await self._write_down(
            actor, invitation, host, request, signer=signer, release=release
        )
        waiting = written.partner
        try:
            await self._client.post_partner_request(
                host.base_url, request, signer=signer
            )
        except PermanentFetchError as error:
            await self._take_back(written)
            raise _refused(error, host) from error
        except TemporaryFetchError as error:
            raise UnavailableError(
                Sentence(
                    "{name} ({base_url}) did not confirm the request: {reason}.",
                    name=host.name,
                    base_url=host.base_url,
                    reason=str(error),
                ),
                code="partner-unreachable",
                hint="Accept the same code again a little later.",
            ) from error

        async def work(tx: Transaction) -> Partner:
            await rows.update_partner(
                tx, waiting.id, last_error=None, problem_code=None
            )
            return await rows.load_partner(tx, waiting.id) or waiting

        return await self._context.database.write(work)

    def _parsed(self, code: str) -> InvitationCode:
        try:
            invitation = parse_code(
                code,
                allow_loopback_http=self._context.config.network.allow_loopback_http,
            )
        except InvitationCodeError as error:
            raise InvalidInputError(
                sentence_of(error),
                code="invitation-mistyped",
                path="code" if error.group is None else f"code/{error.group}",
                hint="Compare the code with the invitation, group by group.",
            ) from error
        if invitation.base_url == self._context.address.base_url:
            raise ConflictError(
                "This is an invitation of your own node.",
                code="invitation-own",
                hint="Give it to the office of the other cluster.",
            )
        return invitation

    async def _fetched(self, invitation: InvitationCode) -> ActorDocument:
        try:
            return await self._client.fetch_actor(invitation.base_url)
        except TemporaryFetchError as error:
            raise UnavailableError(
                Sentence(
                    "{base_url} does not answer: {reason}.",
                    base_url=invitation.base_url,
                    reason=str(error),
                ),
                code="partner-unreachable",
                hint="Try again later, or ask the other office.",
            ) from error
        except FetchError as error:
            if error.problem_code == UNSUPPORTED:
                raise _other_version(invitation.base_url, error) from error
            raise UnavailableError(
                Sentence(
                    "At {base_url} there is no node that can be read: {reason}.",
                    base_url=invitation.base_url,
                    reason=str(error),
                ),
                code="partner-unreadable",
                hint="Ask the other office whether the code is right.",
            ) from error

    async def _write_down(
        self,
        actor: Person | None,
        invitation: InvitationCode,
        host: ActorDocument,
        request: SignedDocument,
        *,
        signer: Signer,
        release: bool,
    ) -> _WrittenDown:
        handshake = Handshake(
            other=host,
            role=HandshakeRole.GUEST,
            request_id=str(request.document["id"]),
            check_number=_check_number(invitation, host, signer),
            told_key_number=signer.key_number,
            last_error=_UNCONFIRMED,
            problem_code=REQUEST_UNCONFIRMED,
        )

        async def work(tx: Transaction) -> _WrittenDown:
            await require_not_closing(tx)
            known = await rows.find_by_base_url(tx, host.base_url)
            if known is not None:
                known = await rows.lock_partner(tx, known.id)
            _require_new(known)
            _require_unanswered(known, host)
            _require_no_ended_key(known, host)
            await self._require_own_names(tx, host)
            self._require_signing(signer)
            waiting = (
                [] if known is None else await outgoing.list_undelivered(tx, known.id)
            )
            state = next_state(
                None if known is None else known.state, TrustEvent.WE_REQUESTED
            )
            partner = await pin(tx, self._context, handshake, state=state, known=known)
            await rows.update_partner(
                tx,
                partner.id,
                released_at=self._context.clock.now() if release else None,
                released_by=actor.id if release and actor is not None else None,
            )
            await add_step(
                tx,
                self._context,
                partner.id,
                event=TrustEvent.WE_REQUESTED.value,
                person=actor,
                note=None,
            )
            return _WrittenDown(partner, known, tuple(waiting))

        return await self._context.database.write(work)

    async def _require_own_names(self, tx: Transaction, host: ActorDocument) -> None:
        """Require that nobody else is or was where the host says that it is or was."""
        name = await who_is_called_so(tx, self._context, host)
        if name is not None:
            raise ConflictError(
                Sentence(
                    "{base_url} is, or says that it was, at an address of {name}.",
                    base_url=host.base_url,
                    name=name,
                ),
                code="address-taken",
                hint=Sentence(
                    "If {name} has moved, confirm that on its page; or end that "
                    "partnership first.",
                    name=name,
                ),
            )

    def _require_signing(self, signer: Signer) -> None:
        """Require that the key of a request may still sign.

        A newer one may have become active meanwhile: the host is told of it.
        """
        key = self._context.keys.find(signer.key_number)
        if key is None or not key.is_live:
            raise ConflictError(
                "The node's key has changed meanwhile.",
                code="keys-changed",
                hint="Accept the same code again.",
            )

    async def _take_back(self, written: _WrittenDown) -> None:
        """Undo what was written down for a request that the host refused.

        Not if the partnership has moved on meanwhile: the host's signed notice
        counts more than an answer that is not signed.
        """
        waiting, before = written.partner, written.before

        async def work(tx: Transaction) -> None:
            current = await rows.lock_partner(tx, waiting.id)
            if (
                current is None
                or current.state is not TrustState.WAITING
                or current.request_id != waiting.request_id
            ):
                return
            await unpin(tx, waiting.id, before=before)
            if before is None:
                return
            await outgoing.queue_again(tx, written.undelivered)
            await rows.delete_last_event(
                tx, before.id, event=TrustEvent.WE_REQUESTED.value
            )

        await self._context.database.write(work)


def _check_number(
    invitation: InvitationCode, host: ActorDocument, signer: Signer
) -> str:
    return check_number(
        invitation.secret, signer.key.public_key, host.keys[0].public_key
    )


def _require_new(known: Partner | None) -> None:
    """Refuse a code of a node with which something is agreed."""
    if known is None:
        return
    try:
        next_state(known.state, TrustEvent.WE_REQUESTED)
    except TrustTransitionError as error:
        raise ConflictError(
            _standing(known),
            code=f"partner-{known.state.value}",
            hint=(
                "Confirm its request instead."
                if known.state is TrustState.REQUESTED
                else ""
            ),
        ) from error


def _require_unanswered(known: Partner | None, host: ActorDocument) -> None:
    """Refuse to ask once more while the host's answer can still be believed.

    A request that the host has not confirmed to us may be sent again, and so may one
    whose answer would be signed by a key that we do not know: the host has another
    one since, and whoever compares the check number has to see which.
    """
    if known is None or known.state is not TrustState.WAITING or known.last_error:
        return
    awaited = known.key.pinned
    if not awaited.is_current or awaited.public_key != host.keys[0].public_key:
        return
    raise ConflictError(
        Sentence(
            "You have accepted an invitation of {name} on {day}; {name} has to "
            "confirm it.",
            name=known.name,
            day=f"{known.created_at:%Y-%m-%d}",
        ),
        code="partner-waiting",
        hint="Ask the other office to confirm.",
    )


def _require_no_ended_key(known: Partner | None, host: ActorDocument) -> None:
    if known is None or not comes_back(known, host):
        return
    raise ConflictError(
        Sentence(
            "{name} signs with a key that it has retired or revoked before.",
            name=known.name,
        ),
        code="partner-key-ended",
        hint="Do not go on. Call the other office.",
    )


def _other_version(base_url: str, error: FetchError) -> ConflictError:
    """Say which versions of the protocol the two nodes speak."""
    members = error.members if isinstance(error, PermanentFetchError) else {}
    # Our own words if we refused their actor, theirs if they refused our request.
    versions = {version_shown(members.get(name)) for name in ("protocol", "offered")}
    theirs = next(iter(sorted(versions - {PROTOCOL_VERSION, None}, key=str)), None)
    return ConflictError(
        Sentence(
            "{base_url} speaks version {theirs} of the protocol, this node version "
            "{ours}: they do not understand each other.",
            base_url=base_url,
            theirs=theirs or "?",
            ours=PROTOCOL_VERSION,
        ),
        code=UNSUPPORTED,
        hint="The cluster with the older version has to update its node first.",
    )


def _standing(known: Partner) -> Sentence:
    if known.state is not TrustState.ACTIVE or known.active_since is None:
        return Sentence("{state}.", state=describe_state(known))
    return Sentence(
        "{partner} is an active partner since {day}.",
        partner=known.name,
        day=f"{known.active_since:%Y-%m-%d}",
    )


_SENTENCES = {
    "invitation-expired": (
        "The invitation of {name} has expired.",
        "Ask {name} for a new code.",
    ),
    "invitation-used": (
        "The invitation of {name} was used already.",
        "Ask {name} for a new code.",
    ),
    "invitation-revoked": (
        "{name} has taken the invitation back.",
        "Ask {name} whether that was intended.",
    ),
    "host-key-mismatch": (
        "{name} sees another key of itself than this node: somebody may be in between.",
        "Do not go on. Call {name}.",
    ),
    "guest-key-mismatch": (
        "{name} knows another key of this node.",
        "Call {name}: its office has to end the earlier partnership or request.",
    ),
    "guest-key-ended": (
        "{name} knows that this node has retired or revoked the key it signs with.",
        "Ask your administrator to make a new key, and call {name}.",
    ),
    "partnership-active": (
        "{name} has this node as an active partner already.",
        "Ask {name} to end the old partnership first.",
    ),
}


def _refused(error: PermanentFetchError, host: ActorDocument) -> NodeError:
    """Turn the host's refusal into what our office has to know."""
    code = error.problem_code or ""
    if code == UNSUPPORTED:
        return _other_version(host.base_url, error)
    if code == "invitation-refused":
        return NotAuthorisedError(
            Sentence("{name} knows no open invitation with this code.", name=host.name),
            code=code,
            hint=Sentence(
                "Compare the code, or ask {name} for a new one.", name=host.name
            ),
        )
    if code not in _SENTENCES:
        return NotAuthorisedError(
            Sentence(
                "{name} refused the request: {reason}.",
                name=host.name,
                reason=str(error),
            ),
            code=code or "partner-refused-request",
        )
    template, hint = _SENTENCES[code]
    sentence = Sentence(template, name=host.name)
    if code == "invitation-expired" and (day := _day(error.members.get("expired"))):
        sentence = Sentence(
            "The invitation of {name} expired on {day}.", name=host.name, day=day
        )
    return ConflictError(sentence, code=code, hint=Sentence(hint, name=host.name))


def _day(value: str | int | None) -> str | None:
    """Return a day that the host named, if it is one."""
    try:
        return date.fromisoformat(str(value)).isoformat()
    except ValueError:
        return None
