"""Make an archive of the public entries, readable and verifiable without the node."""

import hashlib
import io
import zipfile
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from federation import jsonld
from federation.canonical import canonical_bytes
from federation.documents.actor import build_actor
from federation.documents.signed import sign
from federation.json_types import JsonObject, JsonValue
from federation.timestamps import format_timestamp
from node.archive.form import (
    ACTOR,
    FOLDER,
    FORMAT,
    FORMAT_VERSION,
    INDEX,
    MANIFEST,
    STYLE,
)
from node.catalogue.model import Entry
from node.partners.own_actor import own_actor
from node.ports import NodeContext
from node.storage.database import Transaction
from node.storage.entries import list_entries
from node.storage.tables import entries
from node.visibility import PublicViewer, visible_entries

# Whoever opens the archive has no node that could speak their language.
_ABOUT: Final = (
    (
        "de",
        (
            "Öffentliche Einträge vom {day}. Jeder ist mit dem Schlüssel des Clusters"
            " signiert; die signierten Dokumente (JSON) liegen neben den Seiten."
        ),
    ),
    (
        "en",
        (
            "Public entries as of {day}. Each is signed by the cluster's key; the"
            " signed documents (JSON) are beside the pages. To verify: spalier archive"
            " verify"
        ),
    ),
)
_STYLE: Final = """\
body { font-family: sans-serif; max-width: 44rem; margin: 2rem auto; padding: 0 1rem;
  line-height: 1.5; }
li { margin: .5rem 0; }
.body { white-space: pre-line; }
"""
# The first time that a ZIP file can hold: the same entries give the same bytes.
_ZIP_TIME: Final = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class Archive:
    """A finished archive.

    Attributes:
        data: The ZIP file.
        held: Entries in it.
        left_out: Public entries that name a person or a telephone number.
    """

    data: bytes = field(repr=False)
    held: int
    left_out: int


async def make_archive(
    tx: Transaction, context: NodeContext, *, with_contacts: bool
) -> Archive:
    """Collect and sign everything that is public now.

    Args:
        tx: Everything is read in it.
        context: The node.
        with_contacts: Also entries that name a person or a telephone number; a
            signed document cannot be shortened, so they are left out as a whole.
    """
    now = context.clock.now()
    found = await list_entries(
        tx,
        context.address,
        where=visible_entries(PublicViewer(), now.date()),
        order_by=[entries.c.published_at, entries.c.id],
    )
    public = [entry for entry in found if entry.document is not None]
    kept = [each for each in public if with_contacts or not _names_somebody(each)]
    files = {ACTOR: canonical_bytes(build_actor(await own_actor(tx, context)))}
    name = context.config.name
    for entry in kept:
        files[f"{FOLDER}{entry.id}.json"] = entry.document or b""
        page = _page("entry.html", entry=entry, cluster=name)
        files[f"{FOLDER}{entry.id}.html"] = page
    day = now.date().isoformat()
    files[STYLE] = _STYLE.encode("utf-8")
    files[INDEX] = _page(
        "index.html",
        cluster=name,
        entries=kept,
        sentences=[(code, text.format(day=day)) for code, text in _ABOUT],
        fingerprint=context.keys.active.fingerprint,
        address=context.address.base_url,
    )
    manifest = _manifest(context, files, made_at=now, with_contacts=with_contacts)
    return Archive(
        _zipped({MANIFEST: manifest, **files}), len(kept), len(found) - len(kept)
    )


def _names_somebody(entry: Entry) -> bool:
    contact = entry.content.get("contact")
    has_phone = isinstance(contact, dict) and "phone" in contact
    return has_phone or (entry.person_id is not None and entry.person_consented)


def _manifest(
    context: NodeContext,
    files: dict[str, bytes],
    *,
    made_at: datetime,
    with_contacts: bool,
) -> bytes:
    listed: list[JsonValue] = [
        {
            "path": path,
            "bytes": len(content),
            "sha256": hashlib.sha256(content).hexdigest(),
        }
        for path, content in sorted(files.items())
    ]
    document: JsonObject = {
        "@context": jsonld.context_copy(),
        "format": FORMAT,
        "version": FORMAT_VERSION,
        "actor": context.address.actor,
        "name": context.config.name,
        "created": format_timestamp(made_at),
        "withContacts": with_contacts,
        "files": listed,
    }
    return sign(document, signer=context.signer, created=made_at).raw


def _zipped(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, content in files.items():
            archive.writestr(zipfile.ZipInfo(path, _ZIP_TIME), content)
    return buffer.getvalue()


def _page(template: str, **values: Any) -> bytes:
    return _TEMPLATES.get_template(template).render(values).encode("utf-8")


_TEMPLATES: Final = Environment(
    loader=PackageLoader("node.archive", "templates"),
    undefined=StrictUndefined,
    autoescape=select_autoescape(("html",)),
    trim_blocks=True,
    lstrip_blocks=True,
)
