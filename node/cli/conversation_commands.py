"""`answer`, `messages` and `reveal`."""

import sys

import click

from node.cli.invocation import invocation
from node.cli.options import acting
from node.cli.wording import gettext as _
from node.cli.wording import lazy_gettext


@click.command(
    "answer", help=lazy_gettext("Answer an entry, or write on in a conversation.")
)
@click.argument("entry_id", metavar="ENTRY")
@click.option(
    "--text", required=True, help=lazy_gettext("What to say; - reads the input.")
)
@click.option(
    "--hidden",
    is_flag=True,
    help=lazy_gettext("Without your name, under a box number, until you reveal it."),
)
@acting
def answer(*, entry_id: str, text: str, hidden: bool) -> None:
    """Answer."""
    from node.cli import conversation_views

    call = invocation()
    if text == "-":
        text = sys.stdin.read()
    document = call.perform("answer", entry=entry_id, text=text, hidden=hidden)
    call.show(
        document,
        lambda shown: conversation_views.show_sent(shown, served=call.served),
    )


@click.command(
    "messages", help=lazy_gettext("Show one conversation, or all of a member.")
)
@click.argument("thread", metavar="[THREAD]", required=False)
@acting
def messages(*, thread: str | None) -> None:
    """Show conversations."""
    from node.cli import conversation_views

    call = invocation()
    document = call.perform("messages", thread=thread)
    view = (
        conversation_views.show_threads
        if thread is None
        else conversation_views.show_thread
    )
    call.show(document, view)


@click.command(
    "reveal",
    help=lazy_gettext(
        "Write with your name in a conversation under a box number; this is for good."
    ),
)
@click.argument("thread", metavar="THREAD")
@click.option(
    "--text", required=True, help=lazy_gettext("What to say; - reads the input.")
)
@acting
def reveal(*, thread: str, text: str) -> None:
    """Give the name."""
    from node.cli import conversation_views

    call = invocation()
    if text == "-":
        text = sys.stdin.read()
    call.agree(
        _("The other side learns your name and organisation. Go on?"),
        also_without_terminal=True,
    )
    document = call.perform("reveal", thread=thread, text=text)
    call.show(
        document,
        lambda shown: conversation_views.show_sent(shown, served=call.served),
    )


COMMANDS: tuple[click.Command, ...] = (answer, messages, reveal)
