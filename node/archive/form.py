"""What an archive is made of.

A ZIP file with `manifest.json`, `actor.json`, `entries/ID.json` (the signed documents
as partners got them) and pages to read, `index.html` and `entries/ID.html`. The
manifest names every other file with its SHA-256 and is signed; the keys stand in the
actor document, whose fingerprints a reader compares with what is known from elsewhere.

Source: SPEC.md EXC-026.
"""

from typing import Final

FORMAT: Final = "spalier-archive"
FORMAT_VERSION: Final = 1
MANIFEST: Final = "manifest.json"
ACTOR: Final = "actor.json"
INDEX: Final = "index.html"
STYLE: Final = "archive.css"
FOLDER: Final = "entries/"
