"""Writes schemas/examples/wire, and the vectors and tables that stand in SPEC.md.

Each vector holds every intermediate value, so that a second implementation sees at
which step it differs.
"""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any, Final

from deploy.setup.wire_examples import (
    GUEST,
    HOST,
    KINDS,
    NEW_ADDRESS,
    NOW,
    SECRET,
    empty_page,
    entry,
    examples,
    message,
    partner_request,
    withdrawal,
)
from federation import handshake
from federation.canonical import canonical_bytes, content_hash
from federation.exchange import ViewDigest, bucket_of, element_hash
from federation.inbox import ACTIVITY_JSON
from federation.moving import move_number
from federation.signatures.http import (
    HttpMessage,
    sign_answer,
    sign_request,
    signature_base,
)
from federation.signatures.proof import hash_data
from federation.signatures.structured import parse_signature_input
from federation.trust import (
    PERMITTED,
    TRANSITIONS,
    TrustAction,
    TrustEvent,
    TrustState,
)
from federation.version import Version

ROOT: Final = Path(__file__).parents[2]
FOLDER: Final = ROOT / "schemas" / "examples" / "wire"
SPEC: Final = ROOT / "SPEC.md"

_BLOCK: Final = re.compile(
    r"(?P<head><!-- vector: (?P<name>[a-z-]+) -->\n```[a-z]*\n)"
    r"(?P<text>.*?)(?P<end>```)"
    r"|(?P<table_head><!-- table: (?P<table>[a-z-]+) -->\n\n)"
    r"(?P<rows>.*?)(?P<table_end>\n<!-- end of table -->)",
    re.DOTALL,
)


def keys_vector() -> dict[str, Any]:
    """Return the keys of the examples."""
    return {
        name: {
            "baseUrl": node.address.base_url,
            "seed": node.seed.hex(),
            "publicKey": node.signer.key.public_key.raw.hex(),
            "publicKeyMultibase": node.signer.key.public_key.multibase,
            "keyId": node.signer.key_id,
            "fingerprint": node.signer.key.public_key.fingerprint,
        }
        for name, node in (("host", HOST), ("guest", GUEST))
    }


def proof_vector() -> dict[str, Any]:
    """Return every step of a proof, for `withdrawal.json`."""
    document = withdrawal().document
    proof = document["proof"]
    if not isinstance(proof, dict):
        raise TypeError("a signed document has a proof")
    unsigned = {name: value for name, value in document.items() if name != "proof"}
    options = {name: value for name, value in proof.items() if name != "proofValue"}
    signature = HOST.signer.key.sign(hash_data(unsigned, options))
    return {
        "document": "withdrawal.json",
        "canonicalOptions": canonical_bytes(options).decode(),
        "canonicalDocument": canonical_bytes(unsigned).decode(),
        "hashOfOptions": hashlib.sha256(canonical_bytes(options)).hexdigest(),
        "hashOfDocument": hashlib.sha256(canonical_bytes(unsigned)).hexdigest(),
        "signature": signature.hex(),
        "proofValue": proof["proofValue"],
        "contentHash": content_hash(document),
    }


def _base_of(message: HttpMessage, fields: dict[str, str]) -> str:
    parsed = parse_signature_input(fields["Signature-Input"])
    return signature_base(message, parsed.components, parsed.text).decode("ascii")


def request_vector() -> dict[str, Any]:
    """Return a signed delivery of `message.json`."""
    target, body = HOST.address.inbox, message().raw
    fields = sign_request(
        "POST",
        target,
        body=body,
        signer=GUEST.signer,
        created=NOW,
        nonce="AAAAAAAAAAAAAAAAAAAAAA",
    )
    sent = HttpMessage("POST", target, tuple(fields.items()))
    return {
        "body": "message.json, canonical",
        "method": "POST",
        "targetUri": target,
        "fields": {"Content-Type": ACTIVITY_JSON, **fields},
        "signatureBase": _base_of(sent, fields),
    }


def pull_vector() -> dict[str, Any]:
    """Return a signed pull and its signed answer, the page `page-empty.json`."""
    target = HOST.address.page(57)
    asked = sign_request(
        "GET",
        target,
        body=None,
        signer=GUEST.signer,
        created=NOW,
        nonce="BBBBBBBBBBBBBBBBBBBBBB",
    )
    request = HttpMessage("GET", target, tuple(asked.items()))
    body = canonical_bytes(empty_page())
    answered = sign_answer(
        200,
        body,
        request=request,
        signer=HOST.signer,
        created=NOW,
        nonce="CCCCCCCCCCCCCCCCCCCCCC",
    )
    answer = HttpMessage(
        "", target, tuple(answered.items()), status=200, request=request
    )
    return {
        "method": "GET",
        "targetUri": target,
        "fields": asked,
        "signatureBase": _base_of(request, asked),
        "answerBody": "page-empty.json, canonical",
        "answerStatus": 200,
        "answerFields": {"Content-Type": ACTIVITY_JSON, **answered},
        "answerSignatureBase": _base_of(answer, answered),
    }


def handshake_vector() -> dict[str, Any]:
    """Return the invitation, and the MAC of `partner_request.json`."""
    document = partner_request().document
    covered = {
        name: value for name, value in document.items() if name not in {"mac", "proof"}
    }
    code = handshake.format_code(HOST.address.base_url, SECRET)
    host_key, guest_key = HOST.signer.key.public_key, GUEST.signer.key.public_key
    return {
        "secret": SECRET.hex(),
        "code": code,
        "link": handshake.link(HOST.address.base_url, code, host_key.fingerprint),
        "invitation": handshake.invitation_id(SECRET),
        "macInput": canonical_bytes(covered).decode(),
        "hashOfMacInput": hashlib.sha256(canonical_bytes(covered)).hexdigest(),
        "mac": document["mac"],
        "checkNumber": handshake.check_number(SECRET, host_key, guest_key),
    }


def digest_vector() -> dict[str, Any]:
    """Return the digest of growing views."""
    view = ViewDigest()
    steps: list[dict[str, Any]] = [{"held": 0, "digest": view.hex()}]
    for kind in KINDS[:3]:
        document = entry(kind)
        entry_id, version = str(document.document["id"]), Version(1, 1)
        view.add(entry_id, version, document.content_hash)
        element = element_hash(entry_id, version, document.content_hash)
        steps.append(
            {
                "adds": f"entry-{kind}.json",
                "id": entry_id,
                "contentHash": document.content_hash,
                "bucket": bucket_of(entry_id),
                "element": element.to_bytes(32, "big").hex(),
                "held": view.count,
                "digest": view.hex(),
            }
        )
    return {"steps": steps}


def move_vector() -> dict[str, Any]:
    """Return the check number of the move in `move.json`."""
    key = HOST.signer.key.public_key
    return {
        "old": HOST.address.base_url,
        "new": NEW_ADDRESS,
        "key": key.multibase,
        "checkNumber": move_number(old=HOST.address.base_url, new=NEW_ADDRESS, key=key),
    }


def vectors() -> dict[str, dict[str, Any]]:
    """Return every vector by its name."""
    return {
        "keys": keys_vector(),
        "proof": proof_vector(),
        "request": request_vector(),
        "pull": pull_vector(),
        "handshake": handshake_vector(),
        "digest": digest_vector(),
        "move": move_vector(),
    }


# -- what stands in SPEC.md ---------------------------------------------------------


def blocks() -> dict[str, str]:
    """Return the text of every marked block of SPEC.md."""
    found = vectors()
    proof, request, pull = found["proof"], found["request"], found["pull"]
    keys = found["keys"]
    return {
        "keys": _lines(
            {
                f"{name} {field}": keys[name][field]
                for name in keys
                for field in ("seed", "publicKeyMultibase", "fingerprint", "keyId")
            }
        ),
        "proof": _lines(
            {
                "canonical options": f"{len(proof['canonicalOptions'].encode())} bytes",
                "SHA-256 of them": proof["hashOfOptions"],
                "canonical document": (
                    f"{len(proof['canonicalDocument'].encode())} bytes"
                ),
                "SHA-256 of it": proof["hashOfDocument"],
                "signature": proof["signature"],
                "proofValue": proof["proofValue"],
                "content hash": proof["contentHash"],
            }
        ),
        "request": f"{request['signatureBase']}\n",
        "request-fields": _fields(request["fields"]),
        "pull": f"{pull['signatureBase']}\n",
        "answer": f"{pull['answerSignatureBase']}\n",
        "answer-fields": _fields(pull["answerFields"]),
        "handshake": _lines(
            {
                name: str(value)
                for name, value in found["handshake"].items()
                if name != "macInput"
            }
        ),
        "move": _lines(found["move"]),
        "digest": "".join(
            _lines({name: str(value) for name, value in step.items()})
            for step in found["digest"]["steps"]
        ),
    }


def _lines(values: dict[str, str]) -> str:
    width = max(len(name) for name in values)
    return "".join(f"{name:<{width}}  {value}\n" for name, value in values.items())


def _fields(values: dict[str, str]) -> str:
    return "".join(f"{name}: {value}\n" for name, value in values.items())


def tables() -> dict[str, str]:
    """Return the rows of every marked table of SPEC.md."""
    return {
        "documents": _documents_table(),
        "trust-transitions": _transitions_table(),
        "trust-permissions": _permissions_table(),
    }


def _documents_table() -> str:
    rows: dict[str, list[str]] = {}
    for name, (schema, _) in examples().items():
        if schema:
            rows.setdefault(schema, []).append(f"`{name}`")
    told = "".join(
        f"| `schemas/{schema}.schema.json` | {', '.join(names)} |\n"
        for schema, names in rows.items()
    )
    return f"| schema | examples in `schemas/examples/wire` |\n|---|---|\n{told}"


def _transitions_table() -> str:
    states = [None, *TrustState]
    head = " | ".join("none" if state is None else state.value for state in states)
    rows = []
    for event in TrustEvent:
        cells = [
            found.value if (found := TRANSITIONS.get((state, event))) else ""
            for state in states
        ]
        rows.append(f"| `{event.value}` | {' | '.join(cells)} |\n")
    line = "|---" * (len(states) + 1)
    return f"| event \\ state | {head} |\n{line}|\n{''.join(rows)}"


def _permissions_table() -> str:
    states = [None, *TrustState]
    head = " | ".join("none" if state is None else state.value for state in states)
    rows = []
    for action in TrustAction:
        cells = ["yes" if action in PERMITTED[state] else "" for state in states]
        rows.append(f"| `{action.value}` | {' | '.join(cells)} |\n")
    line = "|---" * (len(states) + 1)
    return f"| action \\ state | {head} |\n{line}|\n{''.join(rows)}"


def with_blocks(text: str) -> str:
    """Return a text with every marked block and table written anew.

    Raises:
        KeyError: One has a name that does not exist.
    """
    written, rows = blocks(), tables()

    def anew(found: re.Match[str]) -> str:
        if found["name"] is not None:
            return f"{found['head']}{written[found['name']]}{found['end']}"
        return f"{found['table_head']}{rows[found['table']]}{found['table_end']}"

    return _BLOCK.sub(anew, text)


def block_names(text: str) -> set[str]:
    """Return the names of the marked blocks and tables of a text."""
    return {found["name"] or found["table"] for found in _BLOCK.finditer(text)}


def files() -> dict[str, str]:
    """Return every file of the folder by its name."""
    made = examples()
    index = {f"{name}.json": schema for name, (schema, _) in made.items()}
    documents: dict[str, Any] = {name: document for name, (_, document) in made.items()}
    documents |= {f"vector-{name}": value for name, value in vectors().items()}
    documents["index"] = index
    return {f"{name}.json": _written(value) for name, value in documents.items()}


def _written(value: dict[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2) + "\n"


def main() -> None:
    """Write the folder and the blocks."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    made = files()
    for path in FOLDER.glob("*.json"):
        if path.name not in made:
            path.unlink()
    for name, text in made.items():
        (FOLDER / name).write_text(text, encoding="utf-8")
    before = SPEC.read_text(encoding="utf-8")
    after = with_blocks(before)
    if after != before:
        SPEC.write_text(after, encoding="utf-8")


if __name__ == "__main__":
    main()
