"""Tokens of links and sessions: 256 random bits, stored as their SHA-256 only.

A plain hash is enough: nobody can guess 256 random bits, so a slow hash would
protect nothing more.
"""

import base64
import hashlib
import re
from typing import Final

from federation.ports import RandomSource

TOKEN_BYTES: Final = 32
_TOKEN: Final = re.compile(r"[A-Za-z0-9_-]{43}\Z")


def new_token(random: RandomSource) -> str:
    """Make a token: 43 letters, digits, `-` and `_` (base64url, RFC 4648 §5)."""
    raw = base64.urlsafe_b64encode(random.bytes(TOKEN_BYTES))
    return raw.rstrip(b"=").decode("ascii")


def token_hash(token: str) -> str:
    """Return what is stored of a token: SHA-256, hexadecimal."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def looks_like_token(text: str) -> bool:
    """Tell whether a text has the form of `new_token`."""
    return _TOKEN.match(text) is not None
