from __future__ import annotations

from typing import Any

import pytest

from federation import handshake
from federation.documents import (
    NoticeType,
    PartnerRequest,
    Refusal,
    SentRange,
    build_actor,
    build_message,
    build_notice,
    build_partner_request,
    build_receipt,
    parse_actor,
    parse_message,
    parse_notice,
    parse_partner_request,
    parse_receipt,
    verify_invitation,
)
from federation.documents.signed import sign
from federation.errors import (
    ConflictError,
    ContextNotAllowedError,
    LocalError,
    NotPermittedError,
    OriginMismatchError,
    PeerError,
    ProofInvalidError,
    SchemaInvalidError,
)
from federation.ids import BaseUrl
from federation.version import Version
from tests.unit.federation.nodes import EPOCH, NOW, Bytes, Node

SECRET = b"0123456789"


def resigned(node: Node, document: dict[str, Any], **changes: Any) -> dict[str, Any]:
    unsigned = {k: v for k, v in {**document, **changes}.items() if k != "proof"}
    return sign(unsigned, signer=node.signer, created=NOW).document


class TestActor:
    def test_it_reads_as_it_was_written(self, optence: Node) -> None:
        document = build_actor(optence.actor)
        assert parse_actor(document, base_url=optence.base_url) == optence.actor
        assert document["webfinger"] == "cluster@spalier.optence.example"

    def test_it_answers_for_its_own_address_only(
        self, optence: Node, laser: Node
    ) -> None:
        document = build_actor(optence.actor)
        with pytest.raises(OriginMismatchError):
            parse_actor(document, base_url=laser.base_url)

    @pytest.mark.parametrize("name", ["inbox", "outbox", "partnerRequests", "id"])
    def test_its_addresses_are_its_own(self, optence: Node, name: str) -> None:
        document = build_actor(optence.actor)
        document[name] = document[name].replace("optence", "evil")
        with pytest.raises(OriginMismatchError):
            parse_actor(document, base_url=optence.base_url)

    @pytest.mark.parametrize(
        ("name", "value", "error"),
        [
            ("controller", "https://evil.example/actor", OriginMismatchError),
            ("id", "https://evil.example/actor#key-1", OriginMismatchError),
            ("id", "https://spalier.optence.example/actor", SchemaInvalidError),
            ("type", "JsonWebKey", SchemaInvalidError),
            ("publicKeyMultibase", "z6Mk", SchemaInvalidError),
            ("secretKeyMultibase", "z3u2", SchemaInvalidError),
        ],
    )
    def test_its_keys_are_its_own(
        self, optence: Node, name: str, value: str, error: Any
    ) -> None:
        document = build_actor(optence.actor)
        document["assertionMethod"][0][name] = value
        with pytest.raises(error):
            parse_actor(document, base_url=optence.base_url)

    def test_a_key_of_small_order_cannot_be_registered(self, optence: Node) -> None:
        import base58

        document = build_actor(optence.actor)
        raw = b"\xed\x01" + bytes([1]) + bytes(31)
        document["assertionMethod"][0]["publicKeyMultibase"] = (
            "z" + base58.b58encode(raw).decode()
        )
        with pytest.raises(PeerError) as caught:
            parse_actor(document, base_url=optence.base_url)
        assert caught.value.status == 422

    def test_a_later_minor_version_may_add_capabilities(self, optence: Node) -> None:
        document = build_actor(optence.actor)
        document["spalierProtocol"] = "1.7"
        document["capabilities"] = ["pages", "something-new"]
        actor = parse_actor(document, base_url=optence.base_url)
        assert actor.capabilities == ("pages", "something-new")
        document["spalierProtocol"] = "2.0"
        with pytest.raises(SchemaInvalidError):
            parse_actor(document, base_url=optence.base_url)

    def test_two_keys_with_one_id(self, optence: Node) -> None:
        document = build_actor(optence.actor)
        document["assertionMethod"] *= 2
        with pytest.raises(SchemaInvalidError):
            parse_actor(document, base_url=optence.base_url)


class TestReceipt:
    @pytest.fixture
    def document(self, optence: Node, swissmem: Node) -> dict[str, Any]:
        """Swissmem's receipt for optence."""
        receipt = swissmem.receipt(optence, position=5)
        return build_receipt(receipt, signer=swissmem.signer, created=NOW).document

    def read(self, document: Any, optence: Node, swissmem: Node, **sent: Any) -> Any:
        values = {"epoch": EPOCH, "first": 3, "last": 6, **sent}
        return parse_receipt(
            document,
            peer=swissmem.peer,
            address=optence.address,
            sent=SentRange(**values),
        )

    def test_it_reads_as_it_was_written(self, optence: Node, swissmem: Node) -> None:
        refusal = Refusal(optence.entry_id(), Version(1, 4), "/title: wrong")
        receipt = swissmem.receipt(optence, position=6)
        import dataclasses

        receipt = dataclasses.replace(receipt, refused=(refusal,), refused_count=9)
        signed = build_receipt(receipt, signer=swissmem.signer, created=NOW)
        read = self.read(signed.document, optence, swissmem)
        assert read.refused == (refusal,)
        assert read.refused_count == 9
        assert read.signed == signed
        assert dataclasses.replace(read, signed=None) == receipt

    @pytest.mark.parametrize(
        ("sent", "fits"),
        [
            ({"first": 6, "last": 9}, True),
            ({"first": 1, "last": 5}, True),
            ({"first": 7, "last": 9}, False),
            ({"first": 1, "last": 4}, False),
            ({"epoch": "f" * 32}, False),
        ],
    )
    def test_its_position_fits_the_page(
        self, optence: Node, swissmem: Node, document: Any, sent: Any, fits: bool
    ) -> None:
        if fits:
            assert self.read(document, optence, swissmem, **sent).position == 5
            return
        with pytest.raises(ConflictError) as caught:
            self.read(document, optence, swissmem, **sent)
        assert caught.value.code == "receipt-out-of-range"

    def test_it_must_be_the_partners_and_about_us(
        self, optence: Node, swissmem: Node, laser: Node, document: Any
    ) -> None:
        other = build_receipt(
            laser.receipt(optence, position=5), signer=laser.signer, created=NOW
        )
        with pytest.raises(OriginMismatchError):
            self.read(other.document, optence, swissmem)
        with pytest.raises(ProofInvalidError):
            self.read({**document, "held": 4}, optence, swissmem)
        for changes in (
            {"partner": laser.address.actor},
            {
                "refused": [
                    {
                        "id": laser.entry_id(),
                        "incarnation": 1,
                        "version": 1,
                        "reason": "x",
                    }
                ]
            },
        ):
            with pytest.raises(OriginMismatchError):
                self.read(resigned(swissmem, document, **changes), optence, swissmem)


class TestMessage:
    def read(self, document: Any, optence: Node, swissmem: Node) -> Any:
        return parse_message(document, peer=optence.peer, address=swissmem.address)

    @pytest.fixture
    def document(self, optence: Node, swissmem: Node) -> dict[str, Any]:
        message = optence.message(swissmem)
        return build_message(message, signer=optence.signer, created=NOW).document

    def test_it_reads_as_it_was_written(self, optence: Node, swissmem: Node) -> None:
        import dataclasses

        message = optence.message(swissmem)
        signed = build_message(message, signer=optence.signer, created=NOW)
        read = self.read(signed.document, optence, swissmem)
        assert dataclasses.replace(read, signed=None) == message
        assert read.note_id == f"{message.id}#note"
        assert "Maschine" not in repr(read)

    def test_what_cannot_be_built(self, optence: Node, swissmem: Node) -> None:
        for changes in (
            {"text": ""},
            {"text": "x" * 8001},
            {"text": "\u202etext"},
            {"sender": swissmem.address.actor},
            {"id": swissmem.activity_id()},
        ):
            message = optence.message(swissmem, **changes)
            with pytest.raises(LocalError):
                build_message(message, signer=optence.signer, created=NOW)

    def test_it_is_the_senders_and_for_us(
        self, optence: Node, swissmem: Node, laser: Node, document: Any
    ) -> None:
        with pytest.raises(OriginMismatchError):
            self.read(document, optence, laser)
        with pytest.raises(OriginMismatchError):
            self.read(document, laser, swissmem)
        note = document["object"]
        for changes in (
            {"object": {**note, "attributedTo": laser.address.actor}},
            {"object": {**note, "id": laser.activity_id() + "#note"}},
            {"object": {**note, "context": laser.activity_id()}},
            {"object": {**note, "about": laser.entry_id()}},
            {"object": {**note, "inReplyTo": laser.entry_id()}},
            {"id": laser.activity_id()},
        ):
            with pytest.raises(OriginMismatchError):
                self.read(resigned(optence, document, **changes), optence, swissmem)

    def test_its_text_cannot_be_changed(
        self, optence: Node, swissmem: Node, document: Any
    ) -> None:
        note = {**document["object"], "content": "Anderer Text"}
        with pytest.raises(ProofInvalidError):
            self.read({**document, "object": note}, optence, swissmem)

    def test_html_is_only_text_and_markup_types_are_refused(
        self, optence: Node, swissmem: Node, document: Any
    ) -> None:
        note = document["object"]
        for changes in (
            {**note, "mediaType": "text/html"},
            {**note, "source": {"content": "x"}},
            {**note, "tag": []},
        ):
            with pytest.raises(SchemaInvalidError):
                self.read(
                    resigned(optence, document, object=changes), optence, swissmem
                )


class TestNotice:
    @pytest.mark.parametrize("kind", NoticeType)
    def test_it_reads_as_it_was_written(
        self, optence: Node, swissmem: Node, kind: NoticeType
    ) -> None:
        import dataclasses

        notice = dataclasses.replace(
            optence.notice(swissmem, kind), reason="Zur Zeit nicht."
        )
        signed = build_notice(notice, signer=optence.signer, created=NOW)
        read = parse_notice(
            signed.document, peer=optence.peer, address=swissmem.address
        )
        assert dataclasses.replace(read, signed=None) == notice

    @pytest.mark.parametrize("kind", NoticeType)
    def test_it_is_the_senders_and_about_us(
        self, optence: Node, swissmem: Node, laser: Node, kind: NoticeType
    ) -> None:
        notice = optence.notice(swissmem, kind)
        document = build_notice(notice, signer=optence.signer, created=NOW).document
        with pytest.raises(OriginMismatchError):
            parse_notice(document, peer=optence.peer, address=laser.address)
        with pytest.raises(OriginMismatchError):
            parse_notice(document, peer=laser.peer, address=swissmem.address)
        with pytest.raises(ProofInvalidError):
            parse_notice(
                resigned(laser, document), peer=optence.peer, address=swissmem.address
            )
        about = resigned(optence, document, object=laser.activity_id())
        with pytest.raises(OriginMismatchError):
            parse_notice(about, peer=optence.peer, address=swissmem.address)

    def test_another_context_is_refused(self, optence: Node, swissmem: Node) -> None:
        notice = optence.notice(swissmem, NoticeType.LEAVE)
        document = build_notice(notice, signer=optence.signer, created=NOW).document
        with pytest.raises(ContextNotAllowedError):
            parse_notice(
                {**document, "@context": []},
                peer=optence.peer,
                address=swissmem.address,
            )


class TestPartnerRequest:
    @pytest.fixture
    def document(self, swissmem: Node, optence: Node) -> dict[str, Any]:
        """Swissmem, with optence's code, asks optence."""
        return build_partner_request(
            swissmem.actor,
            host=optence.actor,
            secret=SECRET,
            signer=swissmem.signer,
            random=Bytes("request"),
            created=NOW,
        ).document

    def read(self, document: Any, optence: Node) -> PartnerRequest:
        return parse_partner_request(
            document, address=optence.address, allow_loopback_http=False
        )

    def test_it_reads_as_it_was_written(
        self, optence: Node, swissmem: Node, document: Any
    ) -> None:
        request = self.read(document, optence)
        assert request.guest == swissmem.actor
        assert request.target == optence.base_url
        assert request.invitation == handshake.invitation_id(SECRET)
        verify_invitation(request, secret=SECRET, own_key=optence.key.public_key)

    def test_it_shows_that_the_guest_owns_the_key(
        self, optence: Node, laser: Node, document: Any
    ) -> None:
        with pytest.raises(ProofInvalidError):
            self.read(resigned(laser, document), optence)
        with pytest.raises(ProofInvalidError):
            self.read({**document, "nonce": "B" * 22}, optence)

    def test_another_secret_proves_nothing(self, optence: Node, document: Any) -> None:
        request = self.read(document, optence)
        with pytest.raises(NotPermittedError) as caught:
            verify_invitation(
                request, secret=b"9876543210", own_key=optence.key.public_key
            )
        assert caught.value.code == "invitation-refused"

    def test_a_key_exchanged_on_the_way_is_noticed(
        self, optence: Node, swissmem: Node, laser: Node
    ) -> None:
        import dataclasses

        fake = dataclasses.replace(optence.actor, keys=laser.keys)
        document = build_partner_request(
            swissmem.actor,
            host=fake,
            secret=SECRET,
            signer=swissmem.signer,
            random=Bytes("request"),
            created=NOW,
        ).document
        with pytest.raises(NotPermittedError) as caught:
            verify_invitation(
                self.read(document, optence),
                secret=SECRET,
                own_key=optence.key.public_key,
            )
        assert caught.value.code == "host-key-mismatch"

    def test_it_is_for_us_and_of_the_guest(
        self, optence: Node, swissmem: Node, laser: Node, document: Any
    ) -> None:
        with pytest.raises(OriginMismatchError):
            self.read(document, laser)
        with pytest.raises(OriginMismatchError):
            self.read(resigned(swissmem, document, id=laser.activity_id()), optence)
        actor = {**document["actor"], "inbox": laser.address.inbox}
        with pytest.raises(OriginMismatchError):
            self.read(resigned(swissmem, document, actor=actor), optence)

    def test_a_node_is_not_its_own_partner(self, optence: Node) -> None:
        document = build_partner_request(
            optence.actor,
            host=optence.actor,
            secret=SECRET,
            signer=optence.signer,
            random=Bytes("request"),
            created=NOW,
        ).document
        with pytest.raises(NotPermittedError) as caught:
            self.read(document, optence)
        assert caught.value.code == "own-node"

    def test_a_loopback_guest_needs_the_switch(self, optence: Node) -> None:
        guest = Node("guest", base_url="http://127.0.0.1:8101")
        document = build_partner_request(
            guest.actor,
            host=optence.actor,
            secret=SECRET,
            signer=guest.signer,
            random=Bytes("request"),
            created=NOW,
        ).document
        with pytest.raises(SchemaInvalidError):
            self.read(document, optence)
        request = parse_partner_request(
            document, address=optence.address, allow_loopback_http=True
        )
        assert request.guest.base_url == BaseUrl("http://127.0.0.1:8101")
