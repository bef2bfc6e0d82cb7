"""`conform`: asks another node whether it keeps the specification."""

import asyncio
import signal
from datetime import timedelta
from importlib.metadata import version as installed_version

import click

from node.cli.invocation import invocation
from node.cli.options import for_every_command
from node.cli.wording import gettext as _
from node.cli.wording import lazy_gettext
from node.errors import InvalidInputError

CONFIRM_MINUTES = 10


@click.command(
    "conform",
    help=lazy_gettext(
        "Check from outside whether another node keeps the specification; with an "
        "invitation also as a temporary partner."
    ),
)
@click.argument("url", metavar="URL")
@click.option(
    "--code", metavar="INVITATION", help=lazy_gettext("Invitation of that node.")
)
@click.option(
    "--listen",
    metavar="HOST:PORT",
    help=lazy_gettext("Where the temporary node accepts requests."),
)
@click.option(
    "--guest-url",
    metavar="URL",
    help=lazy_gettext("How the other node reaches the temporary one."),
)
@click.option(
    "--confirm-minutes",
    type=click.IntRange(1, 24 * 60),
    default=CONFIRM_MINUTES,
    help=lazy_gettext("How long the other office gets to confirm."),
)
@click.option(
    "--message-about",
    metavar="ENTRY",
    help=lazy_gettext("Entry of that node whose owner may get a test message."),
)
@click.option(
    "--allow-loopback-http",
    is_flag=True,
    help=lazy_gettext(
        "Also talk to http://127.0.0.1:PORT; for trying on one machine only."
    ),
)
@for_every_command
def conform(
    *,
    url: str,
    code: str | None,
    listen: str | None,
    guest_url: str | None,
    confirm_minutes: int,
    message_about: str | None,
    allow_loopback_http: bool,
) -> None:
    """Check another node."""
    from node.cli.conform_views import Progress, show_report
    from node.clock import SystemClock, SystemRandom
    from node.conform.checks import Severity
    from node.conform.run import Order, Report, visit_node

    call = invocation()
    order = Order(
        target=url,
        code=code,
        guest_url=guest_url,
        listen=None if listen is None else _host_and_port(listen),
        allow_loopback_http=allow_loopback_http,
        confirm_within=timedelta(minutes=confirm_minutes),
        message_about=message_about,
    )
    progress = Progress(quiet=call.as_json)

    async def visit() -> Report:
        task = asyncio.current_task()
        if task is not None:
            # As Ctrl-C: the visit ends with taking everything back.
            loop = asyncio.get_running_loop()
            loop.add_signal_handler(signal.SIGTERM, task.cancel)
        return await visit_node(
            order,
            clock=SystemClock(),
            random=SystemRandom(),
            progress=progress.outcome,
            tell=progress.tell,
        )

    try:
        report = asyncio.run(visit())
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None
    call.show(
        report.document(version=installed_version("spalier")),
        lambda _shown: show_report(report),
    )
    if report.failures(Severity.MUST):
        click.get_current_context().exit(1)


def _host_and_port(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon or not host or not port.isdigit():
        raise InvalidInputError(
            _("--listen must be HOST:PORT, for example 127.0.0.1:8080."), path="listen"
        )
    return host.strip("[]"), int(port)


COMMANDS: tuple[click.Command, ...] = (conform,)
