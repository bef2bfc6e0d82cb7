"""A partner that lies: its node is real, what leaves it is not what it says.

It has its own keys and signs every lie properly where it can. Nobody else may come to
harm by it: no honest node holds what is forged, goes back to an old version, sends it
what it may not have, or falls over.

Source: SPEC.md FED-052, FED-053, PRT-022, PRT-027.
"""

import hashlib
import json
from collections import defaultdict
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any, Final

from typing_extensions import override

from federation.canonical import canonical_bytes
from federation.documents.partner_request import new_nonce
from federation.documents.signed import sign
from federation.signatures.http import HttpMessage, sign_answer, sign_request
from federation.transport.wire import Fields, WireAnswer, WireRequest
from node.simulation.machine import Machine
from node.simulation.network import Letter
from node.simulation.world import Meddler, World

_LIES_ABOUT_PAGES: Final = ("equivocated", "replayed", "forged", "withheld")
_SPOKEN: Final = ("equivocated", "replayed", "forged")
_LIST_FALSE: Final = 0.5  # of the lists of what it holds
_LIES_IN_RECEIPTS: Final = ("wrong_digest", "false_receipt")
_OLD_KEPT: Final = 12
_SIGNATURE: Final = frozenset({"signature", "signature-input", "content-digest"})


@dataclass
class Liar(Meddler):
    """Changes what one node says.

    Args:
        world: Where it lies.
        machine: Whose node it is.
        chance: Draws the lies.
        share: How many of its pages and receipts are lies.
    """

    world: World
    machine: Machine
    chance: Random
    share: float = 0.9
    _pages: dict[str, list[bytes]] = field(default_factory=lambda: defaultdict(list))
    _requests: dict[str, WireRequest] = field(default_factory=dict)
    _spoken: set[bytes] = field(default_factory=set)
    _receipts: dict[str, list[bytes]] = field(default_factory=lambda: defaultdict(list))

    @override
    def leaves(self, letter: Letter) -> WireRequest | None:
        request = letter.request
        page = _document(request.body, "OrderedCollectionPage")
        if letter.sender != self.machine.name or page is None or request.body is None:
            return request
        if request.body in self._spoken:
            return request
        self._requests[letter.receiver] = request
        old = self._pages[letter.receiver]
        self._pages[letter.receiver] = [*old, request.body][-_OLD_KEPT:]
        if self.chance.random() > self.share or self.machine.node is None:
            return request
        lie = self._choice(_LIES_ABOUT_PAGES)
        if lie == "withheld":
            return self._counted(lie, None)
        if lie == "replayed":
            page_before = self.chance.choice([*old, request.body])
            return self._counted(lie, self._signed(request, page_before))
        if not page["orderedItems"] or not self._falsify(page, lie):
            return request
        body = json.dumps(page, ensure_ascii=False).encode()
        return self._counted(lie, self._signed(request, body))

    @override
    def speak(self, to: str | None) -> tuple[str, WireRequest] | None:
        if not self._requests or self.machine.node is None:
            return None
        receiver = self.chance.choice(sorted(self._requests))
        if to in self._requests:
            receiver = to
        told = [json.loads(body) for body in self._pages[receiver]]
        page = self.chance.choice(told)
        lie = self._choice(_SPOKEN)
        if lie != "replayed" and not self._falsify(page, lie):
            lie = "replayed"
        body = json.dumps(page, ensure_ascii=False).encode()
        self._spoken.add(body)
        self.world.faults[lie] += 1
        return self.machine.name, self._signed(self._requests[receiver], body)

    @override
    def answers(self, letter: Letter, answer: WireAnswer) -> WireAnswer:
        if letter.receiver == self.machine.name:
            answer = self._listed(letter, answer)
        receipt = _document(answer.body, "Receipt")
        if letter.receiver != self.machine.name or receipt is None:
            return answer
        old = self._receipts[letter.sender]
        self._receipts[letter.sender] = [*old, answer.body][-_OLD_KEPT:]
        if self.chance.random() > self.share or self.machine.node is None:
            return answer
        lie = self._choice(_LIES_IN_RECEIPTS)
        self.world.faults[lie] += 1
        if lie == "false_receipt" and old and self.chance.random() < 0.3:  # noqa: PLR2004
            return _answer(answer, self.chance.choice(old))
        return _answer(answer, self._false_receipt(receipt, lie))

    def _listed(self, letter: Letter, answer: WireAnswer) -> WireAnswer:
        """Leave out one thing that is held, so that the list does not fit."""
        page = _document(answer.body, "HoldingsPage")
        if page is None:
            return answer
        present = [each for each in page["holds"] if each["state"] == "present"]
        false = bool(present) and self.chance.random() < _LIST_FALSE
        lists = self.world.promises.restores.false_lists
        if not false or self.machine.node is None:
            lists.discard((letter.sender, letter.receiver))
            return answer
        lists.add((letter.sender, letter.receiver))
        page["holds"].remove(self.chance.choice(present))
        self.world.faults["false_list"] += 1
        body = json.dumps(page, ensure_ascii=False).encode()
        return self._signed_answer(letter.request, answer, body)

    def _choice(self, lies: tuple[str, ...]) -> str:
        """Draw a lie; the rarest so far if it should be more frequent."""
        rarest = min(lies, key=lambda lie: self.world.faults[lie])
        return rarest if self.world.lags(rarest) else self.chance.choice(lies)

    # -- lies -------------------------------------------------------------------------

    def _falsify(self, page: dict[str, Any], lie: str) -> bool:
        items = page["orderedItems"]
        entries = [each for each in items if isinstance(each.get("object"), dict)]
        if not entries:
            return False
        item = self.chance.choice(entries)
        entry = item["object"]
        if lie == "equivocated":
            # The same version, with a proof of our own, and another content.
            entry["summary"] = "Etwas anderes."
            entry["summaryMap"] = {"de": "Etwas anderes."}
            item["object"] = self._signed_document(entry)
            return True
        stolen = self._stolen()
        match self.chance.randrange(3):
            case 0 if stolen is not None:
                # An entry of somebody else, whose proof is right.
                item["object"] = stolen
                return True  # what it is, its origin may have sent itself
            case 1:  # somebody else's address, our proof
                other = self.chance.choice(
                    [m for m in self.world.machines.values() if m is not self.machine]
                )
                local_id = entry["id"].rpartition("/")[2]
                entry["id"] = f"{other.base_url}/entries/{local_id}"
                item["object"] = self._signed_document(entry)
            case _:  # changed after it was signed
                entry["summary"] = "Gefälscht."
                entry["summaryMap"] = {"de": "Gefälscht."}
        forged = hashlib.sha256(canonical_bytes(item["object"])).hexdigest()
        self.world.promises.forged.add(forged)
        return True

    def _stolen(self) -> dict[str, Any] | None:
        rows = self.world.promises.rows(
            self.machine.name,
            "SELECT document FROM received_entries WHERE state = 'present'"
            " ORDER BY entry_uri",
        )
        if not rows:
            return None
        found: dict[str, Any] = json.loads(self.chance.choice(rows)["document"])
        return found

    def _false_receipt(self, receipt: dict[str, Any], lie: str) -> bytes:
        if lie == "wrong_digest":
            receipt["digest"] = hashlib.sha256(self.chance.randbytes(8)).hexdigest()
        else:
            match self.chance.randrange(4):
                case 0:
                    receipt["position"] += self.chance.randint(1, 9)
                case 1:
                    receipt["position"] = max(0, receipt["position"] - 2)
                case 2:
                    receipt["epoch"] = self.chance.randbytes(16).hex()
                case _:
                    receipt["held"] = receipt["held"] + 7
                    receipt["refusedCount"] = 0
                    receipt["refused"] = []
        return canonical_bytes(self._signed_document(receipt))

    # -- signatures -------------------------------------------------------------------

    def _signed_document(self, document: dict[str, Any]) -> dict[str, Any]:
        node = self.machine.node
        assert node is not None  # noqa: S101 - asked before
        bare = {key: value for key, value in document.items() if key != "proof"}
        signer, now = node.context.signer, self.machine.clock.now()
        return dict(sign(bare, signer=signer, created=now).document)

    def _signed(self, request: WireRequest, body: bytes) -> WireRequest:
        node = self.machine.node
        assert node is not None  # noqa: S101 - asked before
        kept = _unsigned(request.headers)
        signature = sign_request(
            request.method,
            request.target,
            body=body,
            signer=node.context.signer,
            created=self.machine.clock.now(),
            nonce=new_nonce(self.machine.random),
        )
        return replace(request, body=body, headers=(*kept, *signature.items()))

    def _signed_answer(
        self, request: WireRequest, answer: WireAnswer, body: bytes
    ) -> WireAnswer:
        node = self.machine.node
        assert node is not None  # noqa: S101 - it has just answered
        signature = sign_answer(
            answer.status,
            body,
            request=HttpMessage(request.method, request.target, list(request.headers)),
            signer=node.context.signer,
            created=self.machine.clock.now(),
            nonce=new_nonce(self.machine.random),
        )
        headers = (*_unsigned(answer.headers), *signature.items())
        return replace(answer, headers=headers, body=body)

    def _counted(self, lie: str, request: WireRequest | None) -> WireRequest | None:
        self.world.faults[lie] += 1
        return request


def _document(body: bytes | None, kind: str) -> dict[str, Any] | None:
    if not body or f'"{kind}"'.encode() not in body:
        return None
    try:
        document = json.loads(body)
    except ValueError:
        return None
    is_wanted = isinstance(document, dict) and document.get("type") == kind
    return document if is_wanted else None


def _unsigned(headers: Fields) -> list[tuple[str, str]]:
    return [each for each in headers if each[0].lower() not in _SIGNATURE]


def _answer(answer: WireAnswer, body: bytes) -> WireAnswer:
    return replace(answer, body=body)
