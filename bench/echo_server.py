"""A bare aiohttp server: reads a body, answers with the same body.

The yardstick for what HTTP alone costs.
"""

from __future__ import annotations

import sys

from aiohttp import web


async def _echo(request: web.Request) -> web.Response:
    return web.Response(body=await request.read())


async def _alive(_request: web.Request) -> web.Response:
    return web.Response(text="ok\n")


def _run() -> None:
    app = web.Application(client_max_size=8 * 1024 * 1024)
    app.router.add_post("/inbox", _echo)
    app.router.add_get("/livez", _alive)
    web.run_app(
        app,
        host="127.0.0.1",
        port=int(sys.argv[1]),
        access_log=None,
        print=lambda *_: None,
    )


if __name__ == "__main__":
    _run()
