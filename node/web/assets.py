"""The few static files: read once, served from memory, cached by content."""

import gzip
import hashlib
import mimetypes
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

_FOREVER = "public, max-age=31536000, immutable"  # one year: the address names it
_HASH_DIGITS = 12  # hexadecimal; enough to tell versions of one file apart
_STATIC_FOLDER = Path(__file__).parent / "static"


@dataclass(frozen=True, slots=True)
class Asset:
    """One file with its compressed form and the hash of its bytes."""

    content_type: str
    body: bytes
    compressed: bytes
    version: str


class Assets:
    """All static files of a folder, by name; nothing else can be asked for.

    Args:
        folder: Flat folder; read completely when the application is built.
    """

    def __init__(self, folder: Path = _STATIC_FOLDER) -> None:
        self._assets = {
            path.name: _read(path)
            for path in sorted(folder.iterdir())
            if path.is_file() and path.suffix in {".css", ".js", ".svg", ".png", ".ico"}
        }

    def url(self, name: str) -> str:
        """Give the address of the present version of a file.

        Raises:
            KeyError: There is no such file.
        """
        return f"/static/{name}?v={self._assets[name].version}"

    async def serve(self, request: web.Request) -> web.Response:
        """Answer a request for `/static/{name}`.

        Raises:
            web.HTTPNotFound: There is no such file.
        """
        asset = self._assets.get(request.match_info["name"])
        if asset is None:
            raise web.HTTPNotFound
        current = request.query.get("v") == asset.version
        headers = {
            "Content-Type": asset.content_type,
            # An old page may ask for an old version: it gets the new one, unkept.
            "Cache-Control": _FOREVER if current else "no-cache",
            "Vary": "Accept-Encoding",
        }
        if "gzip" in request.headers.get("Accept-Encoding", ""):
            headers["Content-Encoding"] = "gzip"
            return web.Response(body=asset.compressed, headers=headers)
        return web.Response(body=asset.body, headers=headers)


def _read(path: Path) -> Asset:
    body = path.read_bytes()
    content_type = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    if content_type.startswith("text/"):
        content_type += "; charset=utf-8"
    return Asset(
        content_type=content_type,
        body=body,
        compressed=gzip.compress(body, mtime=0),
        version=hashlib.sha256(body).hexdigest()[:_HASH_DIGITS],
    )
