"""`init`, `serve`, `demo`, `doctor`, `version`."""

import asyncio
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from node.cli.invocation import invocation
from node.cli.options import acting, for_every_command, on_a_node
from node.cli.supervisor import tell_ready
from node.cli.wording import gettext as _
from node.cli.wording import lazy_gettext
from node.errors import InvalidInputError, UnavailableError

if TYPE_CHECKING:
    from node.app import Node
    from node.config import NodeConfig

DEMO_PORT = 8101
DEMO_FOLDER = Path(".demo")


@click.command(
    "init", help=lazy_gettext("Set up a node in a folder: settings, key, database.")
)
@click.option(
    "--url",
    required=True,
    help=lazy_gettext("Address of the node; choose it with care."),
)
@click.option("--name", required=True, help=lazy_gettext("Name of the cluster."))
@click.option(
    "--office", metavar="EMAIL", help=lazy_gettext("First person of the office.")
)
@click.option(
    "--office-name", metavar="NAME", help=lazy_gettext("Name of that person.")
)
@click.option(
    "--language",
    type=click.Choice(["de", "en"]),
    default="de",
    help=lazy_gettext("Language of pages and mails where nobody has chosen."),
)
@click.option(
    "--listen",
    metavar="HOST:PORT",
    help=lazy_gettext("Where the node accepts requests."),
)
@click.option(
    "--database",
    metavar="URL",
    default="",
    help=lazy_gettext("PostgreSQL instead of SQLite in the folder."),
)
@click.option(
    "--allow-loopback-http",
    is_flag=True,
    help=lazy_gettext(
        "Also talk to http://127.0.0.1:PORT; for trying on one machine only."
    ),
)
@acting
def init(
    *,
    url: str,
    name: str,
    office: str | None,
    office_name: str | None,
    language: str,
    listen: str | None,
    database: str,
    allow_loopback_http: bool,
) -> None:
    """Set up a node."""
    from node.cli import node_views
    from node.clock import SystemClock, SystemRandom
    from node.initialise import initialise

    call = invocation()
    folder = call.folder
    if folder is None:
        raise click.UsageError(_("Say where: --node DIR"))
    done = asyncio.run(
        initialise(
            folder,
            base_url=url,
            name=name,
            office_email=office or _office_address(url),
            office_name=office_name,
            default_language=language,
            listen=None if listen is None else _host_and_port(listen),
            allow_loopback_http=allow_loopback_http,
            database_url=database,
            clock=SystemClock(),
            random=SystemRandom(),
        )
    )
    document = {
        "node_id": done.node_id,
        "base_url": done.base_url,
        "actor": done.actor,
        "fingerprint": done.fingerprint,
        "admin": {"email": done.admin_email, "link": done.admin_link},
    }
    call.show(document, lambda shown: node_views.show_init(shown, folder=folder))


def _office_address(url: str) -> str:
    """Return an address for the office where none was given."""
    host = url.partition("://")[2].partition(":")[0].partition("/")[0]
    is_name = "." in host and not host.replace(".", "").isdigit()
    return f"office@{host}" if is_name else "office@cluster.example"


def _host_and_port(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon or not host or not port.isdigit():
        raise InvalidInputError(
            _("--listen must be HOST:PORT, for example 127.0.0.1:8080."), path="listen"
        )
    return host.strip("[]"), int(port)


@click.command(
    "serve", help=lazy_gettext("Run the node until it is stopped (Ctrl-C, SIGTERM).")
)
@click.option(
    "--without-worker",
    is_flag=True,
    help=lazy_gettext(
        "Pages and doors only; “spalier worker” delivers (PostgreSQL only)."
    ),
)
@click.option("--with-parent", is_flag=True, hidden=True)
@on_a_node
def serve(*, without_worker: bool, with_parent: bool) -> None:
    """Run the node.

    Args:
        without_worker: Pages and doors only.
        with_parent: Stop when standard input closes, which is a pipe of the
            process that started us.
    """
    from node.app import serve as serve_node
    from node.cli import node_views

    call = invocation()
    folder = call.node_folder()
    config = _configured(folder)

    if with_parent:
        _stop_with_parent()

    def ready(node: "Node") -> None:
        import os

        document = {"base_url": node.config.base_url, "process": os.getpid()}
        call.show(
            document,
            lambda shown: node_views.show_serving(shown, name=node.config.name),
        )
        tell_ready(os.environ)

    try:
        asyncio.run(serve_node(folder, ready=ready, with_worker=not without_worker))
    except UnavailableError as error:
        if error.code != "port-in-use":
            raise
        raise port_in_use(config.listen.port, hint=error.hint) from error


def _configured(folder: Path) -> "NodeConfig":
    """Read a node's settings, and log as they say."""
    from node.clock import SystemClock
    from node.config import load_config
    from node.logs import configure_logs

    config = load_config(folder)
    configure_logs(config.log, clock=SystemClock())
    return config


@click.command(
    "worker",
    help=lazy_gettext(
        "Deliver and do what time brings, beside “spalier serve” (PostgreSQL only)."
    ),
)
@on_a_node
def worker() -> None:
    """Run a worker of the node."""
    from node.app import work
    from node.cli import node_views

    call = invocation()
    folder = call.node_folder()
    _configured(folder)

    def ready(node: "Node") -> None:
        import os

        document = {"base_url": node.config.base_url, "process": os.getpid()}
        call.show(
            document, lambda _shown: node_views.show_working(name=node.config.name)
        )
        tell_ready(os.environ)

    asyncio.run(work(folder, ready=ready))


def _stop_with_parent() -> None:
    import os
    import signal
    import sys
    import threading

    def wait_for_end() -> None:
        while sys.stdin.buffer.read(1024):
            pass
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait_for_end, name="parent", daemon=True).start()


def port_in_use(port: int, *, hint: str) -> UnavailableError:
    """Say that a port is taken, and by whom if the system tells."""
    from node.cli.ports import owner_of_port

    owner = owner_of_port(port)
    message = (
        _("Port %(port)s is in use.", port=port)
        if owner is None
        else _(
            "Port %(port)s is in use (program “%(program)s”, process %(process)s).",
            port=port,
            program=owner.program,
            process=owner.process,
        )
    )
    return UnavailableError(
        message, code="port-in-use", path="listen.port", hint=_(hint)
    )


@click.command(
    "demo", help=lazy_gettext("Run three clusters with invented data on this machine.")
)
@click.option(
    "--port",
    type=click.IntRange(1024, 65_000),
    default=None,
    help=lazy_gettext("First of three ports (default: 8101)."),
)
@click.option(
    "--folder",
    type=click.Path(path_type=Path),
    default=DEMO_FOLDER,
    help=lazy_gettext("Where the three nodes live (default: .demo)."),
)
@click.option(
    "--reset", is_flag=True, help=lazy_gettext("Forget the nodes that are there.")
)
@for_every_command
def demo(*, port: int | None, folder: Path, reset: bool) -> None:
    """Run the demonstration."""
    from node.demo.demonstration import Demonstration

    call = invocation()
    demonstration = Demonstration(
        folder.absolute(), first_port=port, default_port=DEMO_PORT
    )
    if reset:
        demonstration.reset()
    demonstration.run(announce=call.announce if call.as_json else None)


@click.command(
    "doctor", help=lazy_gettext("Check the node and say what to do; changes nothing.")
)
@click.option(
    "--check",
    "only",
    multiple=True,
    metavar="ID",
    help=lazy_gettext("Only this check (repeatable), as --json names it."),
)
@on_a_node
def doctor(*, only: tuple[str, ...]) -> None:
    """Check the node."""
    import os

    from node.cli import node_views
    from node.clock import SystemClock
    from node.doctor import CHECKS, examine

    call = invocation()
    folder = call.node_folder()
    if unknown := set(only) - {check.id for check in CHECKS}:
        raise click.UsageError(
            _("There is no check %(name)s.", name=", ".join(sorted(unknown)))
        )
    findings = examine(folder, clock=SystemClock(), environ=dict(os.environ), only=only)
    document = {
        "checks": [
            {
                "id": finding.id,
                "severity": finding.severity.value,
                "message": finding.message,
                "fix": finding.fix,
            }
            for finding in findings
        ]
    }
    call.show(document, lambda _shown: node_views.show_doctor(findings))
    if any(finding.is_error for finding in findings):
        click.get_current_context().exit(1)


@click.command("version", help=lazy_gettext("Show the version."))
@for_every_command
def version() -> None:
    """Show the version."""
    call = invocation()
    document: dict[str, Any] = {"version": installed_version("spalier")}
    call.show(document, lambda shown: click.echo(f"spalier {shown['version']}"))


COMMANDS: tuple[click.Command, ...] = (init, serve, worker, demo, doctor, version)
