"""Points of edwards25519 that no key may be (RFC 8032 §5.1, Cas Cremers and
Dennis Jackson, "Prime, Order Please!", 2019, table of small-order points)."""

P = 2**255 - 19


def encoded(y: int, *, sign: int = 0) -> bytes:
    return (y | sign << 255).to_bytes(32, "little")


_ORDER_EIGHT = (
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
)

SMALL_ORDER: tuple[bytes, ...] = (
    encoded(1),  # order 1, the neutral element
    encoded(P - 1),  # order 2
    encoded(0),  # order 4
    encoded(0, sign=1),  # order 4
    *(bytes.fromhex(text) for text in _ORDER_EIGHT),
    *(
        encoded(int.from_bytes(bytes.fromhex(text), "little"), sign=1)
        for text in _ORDER_EIGHT
    ),
)
"""All eight."""

NON_CANONICAL: tuple[bytes, ...] = (
    encoded(1, sign=1),  # x is 0, its sign set
    encoded(P - 1, sign=1),
    *(
        encoded(value, sign=sign)
        for value in (P, P + 1, P + 2, P + 18, 2**255 - 1)
        for sign in (0, 1)
    ),
)
"""Second spellings: y not reduced, or the sign of zero."""

NOT_ON_CURVE: tuple[bytes, ...] = (encoded(2), encoded(7), encoded(59))
"""No x belongs to this y."""
