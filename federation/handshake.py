"""How two nodes become partners: invitation code, proof of it, check number.

The host's office hands a code to the guest's office by telephone or letter. The
code names the host and carries 80 secret bits. The guest proves the secret by a
MAC over a request that names both nodes and both keys; afterwards both offices
compare a check number. Source: SPEC.md FED-080 to FED-086.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote

from federation.canonical import canonical_bytes
from federation.errors import IdentifierError, NotPermittedError, WordedError
from federation.ids import LOOPBACK_HOST, BaseUrl, authority_of, parse_base_url

if TYPE_CHECKING:
    from federation.json_types import JsonObject
    from federation.keys import PublicKey
    from federation.ports import RandomSource

ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Crockford's base 32: no I, L, O, U."""
SECRET_BYTES: Final = 10
"""80 bits, the 16 data characters of a code."""
GROUPS: Final = 4
GROUP_DATA: Final = 4
"""Data characters of a group; a check letter follows."""

_GROUP: Final = GROUP_DATA + 1
_GROUPS_MAX: Final = 30  # the position of a group must fit into its check letter
_BITS_IN_GROUP: Final = 20
_MISREAD: Final = str.maketrans({"O": "0", "I": "1", "L": "1"})
_SEPARATORS: Final = re.compile(r"[\s\-\u2010-\u2015]+")
_LINK_PATH: Final = "/kopplung"
_FIVE_BITS: Final = 5
_FIELD: Final = 32
_FIELD_POLYNOMIAL: Final = 0b100101  # x^5 + x^2 + 1, irreducible over GF(2)
_CHECK_NUMBER_DIGITS: Final = 8


class InvitationCodeError(WordedError, ValueError):
    """A code was mistyped.

    Args:
        template: What is wrong and what to do.
        group: The wrong group, 1 to 4; None if host or length is wrong.
        part: "group", "host" or "length".
        values: What stands in the places of the template.
    """

    def __init__(
        self, template: str, *, group: int | None, part: str, **values: object
    ) -> None:
        self.group = group
        self.part = part
        super().__init__(template, **values)


class LettersError(ValueError):
    """Letters are no secret: their number or one group is wrong.

    Args:
        letters: The wrong group as it was read; empty if the number is wrong.
        group: The wrong group, from 1; None if the number of letters is wrong.
        number: How many letters there are, without spaces and dashes.
    """

    def __init__(self, letters: str, *, group: int | None, number: int) -> None:
        self.letters = letters
        self.group = group
        self.number = number
        super().__init__(f"group {group}" if group else f"{number} letters")


@dataclass(frozen=True, slots=True)
class InvitationCode:
    """What a code says: whom to ask and how to prove that we were invited."""

    base_url: BaseUrl
    secret: bytes


def new_secret(random: RandomSource) -> bytes:
    """Make the secret of an invitation."""
    return random.bytes(SECRET_BYTES)


def invitation_id(secret: bytes) -> str:
    """Return the public name of an invitation, by which the host finds it.

    A hash, because a part of the code itself would give bits of the secret away
    to whoever sees the request. Sixteen letters of lower-case base32.
    """
    digest = hashlib.sha256(b"spalier invitation 1\0" + secret).digest()
    return base64.b32encode(digest[:10]).decode("ascii").lower()


def format_code(base_url: BaseUrl, secret: bytes) -> str:
    """Write a code: `HOST[:PORT]/K7QF9-2XBD4-MW4RC-8TJNH`."""
    if len(secret) != SECRET_BYTES:
        raise ValueError(f"a secret has {SECRET_BYTES} bytes")
    return f"{authority_of(base_url)}/{format_groups(secret)}"


def format_groups(secret: bytes) -> str:
    """Write secret bytes in groups of four letters and a check letter.

    Args:
        secret: A multiple of five bytes: two groups for each five.
    """
    count, rest = divmod(len(secret) * 8, _BITS_IN_GROUP)
    if rest or not 0 < count <= _GROUPS_MAX:
        raise ValueError(f"{len(secret)} bytes do not fill groups")
    number = int.from_bytes(secret, "big")
    values = [
        number >> shift & (_FIELD - 1)
        for shift in range((count * GROUP_DATA - 1) * _FIVE_BITS, -1, -_FIVE_BITS)
    ]
    groups = []
    for index in range(count):
        data = values[index * GROUP_DATA : (index + 1) * GROUP_DATA]
        data = [*data, _check_value(data, group=index + 1)]
        groups.append("".join(ALPHABET[value] for value in data))
    return "-".join(groups)


def parse_groups(typed: str, *, size: int) -> bytes:
    """Read what `format_groups` wrote, as somebody typed it.

    Case, spaces and dashes do not matter; O reads as 0, I and L as 1.

    Args:
        typed: The letters.
        size: Number of secret bytes.

    Raises:
        LettersError: The number of letters or a named group is wrong.
    """
    letters = _SEPARATORS.sub("", typed).upper().translate(_MISREAD)
    count = size * 8 // _BITS_IN_GROUP
    if len(letters) != count * _GROUP:
        raise LettersError("", group=None, number=len(letters))
    number = 0
    for index in range(count):
        group = letters[index * _GROUP : (index + 1) * _GROUP]
        for value in _group_values(group, number=index + 1):
            number = number << _FIVE_BITS | value
    return number.to_bytes(size, "big")


def parse_code(text: str, *, allow_loopback_http: bool) -> InvitationCode:
    """Read a code as somebody typed it, or the link that carries one.

    Case, spaces and dashes do not matter; O reads as 0, I and L as 1.

    Args:
        text: For example `spalier.optence.example/K7QF9-2XBD4-MW4RC-8TJNH`.
        allow_loopback_http: True on nodes of the demo and of tests only.

    Raises:
        InvitationCodeError: The host, the length or a named group is wrong.
    """
    host, slash, typed = _without_link(text.strip()).partition("/")
    if not slash:
        raise InvitationCodeError(
            "The code must have the form HOST/XXXXX-XXXXX-XXXXX-XXXXX; "
            "the address before the slash is missing.",
            group=None,
            part="host",
        )
    base_url = _base_url(
        _SEPARATORS.sub("", host) if " " in host else host,
        allow_loopback_http=allow_loopback_http,
    )
    try:
        return InvitationCode(base_url, parse_groups(typed, size=SECRET_BYTES))
    except LettersError as error:
        raise _mistyped(error) from error


def _mistyped(error: LettersError) -> InvitationCodeError:
    if error.group is None:
        return InvitationCodeError(
            "The part after the slash must have {wanted} letters and digits; this "
            "one has {number}. Please compare it with the invitation.",
            group=None,
            part="length",
            wanted=GROUPS * _GROUP,
            number=error.number,
        )
    return InvitationCodeError(
        "Group {number} ({letters}) is mistyped or in the wrong place. "
        "Please compare it with the invitation.",
        group=error.group,
        part="group",
        number=error.group,
        letters=error.letters,
    )


def link(base_url: BaseUrl, code: str, fingerprint: str) -> str:
    """Return a link for the invitation mail.

    Code and fingerprint stand in the fragment, which browsers do not send, so
    that no server and no log along the way reads the secret.
    """
    letters = code.partition("/")[2]
    return f"{base_url}{_LINK_PATH}#code={letters}&key={fingerprint.replace(' ', '')}"


def check_number(secret: bytes, key_a: PublicKey, key_b: PublicKey) -> str:
    """Return the eight digits that both offices read to each other.

    Equal on both sides exactly if both saw the same two keys. The order of the
    keys does not matter.

    Returns:
        For example `4711 0815`.
    """
    first, second = sorted((key_a.raw, key_b.raw))
    covered = b"spalier check number 1\0" + secret + first + second
    return eight_digits(hashlib.sha256(covered).digest())


def eight_digits(digest: bytes) -> str:
    """Return a SHA-256 as eight digits in two groups, to be read aloud (FED-085)."""
    number = int.from_bytes(digest[:16], "big") % 10**_CHECK_NUMBER_DIGITS
    digits = f"{number:0{_CHECK_NUMBER_DIGITS}d}"
    return f"{digits[:4]} {digits[4:]}"


def request_mac(secret: bytes, document: JsonObject) -> str:
    """Return the MAC of a partner request, base64url without padding.

    HMAC-SHA256 over the canonical bytes of the request without `mac` and
    `proof`. The request names guest actor, guest key, host address, host key,
    invitation and nonce, so all of them are bound.
    """
    covered = {
        name: value for name, value in document.items() if name not in {"mac", "proof"}
    }
    digest = hmac.digest(secret, canonical_bytes(covered), "sha256")
    return base64.urlsafe_b64encode(digest).decode("ascii").rstrip("=")


def verify_request_mac(secret: bytes, document: JsonObject) -> None:
    """Check the MAC of a partner request.

    Raises:
        NotPermittedError: It was not made with this secret.
    """
    given = document.get("mac")
    expected = request_mac(secret, document)
    if not isinstance(given, str) or not hmac.compare_digest(
        given.encode("utf-8"), expected.encode("ascii")
    ):
        raise invitation_refused()


def invitation_refused() -> NotPermittedError:
    """Return the one answer for unknown, mistyped and unproven invitations.

    Who cannot prove the secret does not learn whether an invitation exists.
    """
    return NotPermittedError(
        "There is no open invitation that fits this request.",
        code="invitation-refused",
    )


def _without_link(text: str) -> str:
    """Turn a link into the code that it carries; leave other texts alone."""
    scheme, separator, rest = text.partition("://")
    if not separator or scheme.lower() not in {"http", "https"}:
        return text
    address, _, fragment = rest.partition("#")
    if not address.endswith(_LINK_PATH):
        return rest
    fields = dict(part.partition("=")[::2] for part in fragment.split("&"))
    return f"{address.removesuffix(_LINK_PATH)}/{unquote(fields.get('code', ''))}"


def _base_url(host: str, *, allow_loopback_http: bool) -> BaseUrl:
    authority = host.strip().lower()
    scheme = "http" if authority.partition(":")[0] == LOOPBACK_HOST else "https"
    try:
        return parse_base_url(
            f"{scheme}://{authority}", allow_loopback_http=allow_loopback_http
        )
    except IdentifierError as error:
        raise InvitationCodeError(
            "The address before the slash is wrong: {reason}.",
            group=None,
            part="host",
            reason=error,
        ) from error


def _group_values(group: str, *, number: int) -> list[int]:
    """Return the data values of a group whose check letter fits."""
    values = [ALPHABET.find(letter) for letter in group]
    data, check = values[:GROUP_DATA], values[GROUP_DATA]
    if min(values) < 0 or _check_value(data, group=number) != check:
        raise LettersError(group, group=number, number=len(group))
    return data


def _check_value(data: list[int], *, group: int) -> int:
    """Return the check value: a weighted sum in GF(32) plus the position.

    Different weights (2, 4, 8, 16 for the data, 1 for the check letter) make every
    single wrong letter and every exchange of two letters visible; the position
    makes groups in the wrong order visible.
    """
    total = group
    for index, value in enumerate(data):
        total ^= _times(value, 1 << (index + 1))
    return total


def _times(first: int, second: int) -> int:
    """Multiply in GF(32)."""
    product = 0
    while second:
        if second & 1:
            product ^= first
        second >>= 1
        first <<= 1
        if first & _FIELD:
            first ^= _FIELD_POLYNOMIAL
    return product
