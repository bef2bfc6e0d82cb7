"""Make a backup of the keys: the sheet is shown once, the file is downloaded.

The recovery code is in one answer only and stored nowhere. The file travels in a
hidden field of that page and comes back as a download, so that nothing of it has to
be kept on the server either; only files of this node come back.
"""

import base64
import binascii
from typing import Final

from aiohttp import web

from admin_ui.views.keys import PATH, admin_desk_of
from admin_ui.wording import explain
from node.errors import InvalidInputError, NodeError
from node.keys.backup import FILE_SUFFIX
from node.keys.status import key_status
from node.web.flash import see_other
from node.web.keys import SITE
from node.web.recovery_sheet import SHEET_STYLE, SheetPartner, recovery_sheet
from node.web.rendering import render

_NEVER_STORED: Final = {"Cache-Control": "private, no-store"}


async def make(request: web.Request) -> web.Response:
    """Make a backup and show its sheet, this once."""
    desk = admin_desk_of(request)
    try:
        made = await desk.node.key_backups.make(desk.person)
    except NodeError as error:
        return see_other(request, PATH, flash=explain(error), tone="danger")
    context = desk.node.context
    status = await key_status(context)
    sheet = recovery_sheet(
        cluster=request.config_dict[SITE].cluster_name,
        base_url=context.address.base_url,
        number=status.active.number,
        fingerprint=status.active.fingerprint,
        created=made.created,
        code=made.code,
        file_name=_file_name(context.address.authority, f"{made.created:%Y-%m-%d}"),
        partners=[
            SheetPartner(
                each.name, each.base_url, str(each.card.get("contact", "") or "")
            )
            for each in (*status.progress.taken, *status.progress.waiting)
        ],
    )
    response = render(
        request,
        "admin_ui/key_sheet.html",
        {
            "sheet": sheet,
            "style": SHEET_STYLE,
            "content": base64.b64encode(made.content).decode("ascii"),
            "path": PATH,
        },
    )
    response.headers.update(_NEVER_STORED)
    return response


async def download(request: web.Request) -> web.Response:
    """Give the file to the browser, and note that it was taken away.

    Raises:
        InvalidInputError: It is no backup, or damaged.
        ConflictError: It is another node's.
    """
    desk = admin_desk_of(request)
    sent = await request.post()
    try:
        content = base64.b64decode(str(sent.get("datei", "")), validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidInputError(
            "The file did not arrive whole. Make another backup.",
            code="backup-damaged",
        ) from error
    await desk.node.key_backups.note_taken(desk.person, content)
    name = _file_name(desk.node.context.address.authority, f"{desk.now:%Y-%m-%d}")
    return web.Response(
        body=content,
        content_type="application/octet-stream",
        headers={
            **_NEVER_STORED,
            "Content-Disposition": f'attachment; filename="{name}"',
        },
    )


def _file_name(authority: str, day: str) -> str:
    return f"{authority.replace(':', '-')}-{day}{FILE_SUFFIX}"
