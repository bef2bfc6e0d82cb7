"""Addresses that pass for others: hosts, ports, paths and their spellings."""

from collections.abc import Iterator
from urllib.parse import urlsplit


def foreign_spellings(identifier: str, *, ours: str) -> Iterator[str]:
    """Identifiers of the same form at another origin, or at the same one misspelled.

    Args:
        identifier: A right one, `http://127.0.0.1:PORT/...`.
        ours: Address of the node that is attacked.
    """
    parts = urlsplit(identifier)
    tail = identifier.removeprefix(f"{parts.scheme}://{parts.netloc}")
    own, port = parts.netloc, parts.port or 80
    for base in (
        "https://angreifer.example",
        "http://angreifer.example",
        ours,
        f"https://{own}",
        f"HTTP://{own}",
        f"http://127.0.0.1:{port + 1}",
        "http://127.0.0.1",
        f"http://127.0.0.1:0{port}",
        f"http://127.0.0.1.:{port}",
        f"http://localhost:{port}",
        f"http://127.1:{port}",
        f"http://2130706433:{port}",
        f"http://0x7f000001:{port}",
        f"http://[::ffff:127.0.0.1]:{port}",
        f"http://{own}@angreifer.example",
        f"http://angreifer.example@{own}",
        f"http://{own}\\@angreifer.example",
        f"http://{own}%2eangreifer.example",
        f"http://{own}.angreifer.example",
        f"http://①②⑦.0.0.1:{port}",
        f"http://127.0.0.1:{port} ",
        f"http://127.0.0.1\t:{port}",
        f"http://127.0.0.1:{port}//angreifer.example",
        f"//{own}",
        "",
    ):
        yield base + tail
    yield f" {identifier}"
    yield f"{identifier} "
    yield f"{identifier}\n"
    yield identifier.replace("127.0.0.1", "127。0。0。1")
    yield "urn:uuid:00000000-0000-0000-0000-000000000000"
    yield "data:application/activity+json,{}"
    yield "javascript:alert(1)"
