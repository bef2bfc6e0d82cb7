"""`answer` and `messages`."""

from typing import TYPE_CHECKING, Any

from node.control.commands.acting import acting_person
from node.control.commands.described import conversation_document
from node.control.request import ControlRequest
from node.conversations.model import Conversation
from node.errors import NotFoundError
from node.members.model import Person

if TYPE_CHECKING:
    from node.app import Node


async def answer(node: "Node", request: ControlRequest) -> dict[str, Any]:
    """Answer an entry, or write on in a conversation."""
    actor = await acting_person(node, request)
    reference, text = request.text("entry"), request.text("text")
    try:
        thread = await node.conversations.answer(
            actor, reference, text, hidden=request.flag("hidden")
        )
    except NotFoundError as no_entry:
        # A thread has an address of its own; an entry's owner can only reply there.
        try:
            thread = await node.conversations.reply(actor, reference, text)
        except NotFoundError:
            raise no_entry from None
    return _described(actor, thread)


async def reveal(node: "Node", request: ControlRequest) -> dict[str, Any]:
    """Write with the own name in a conversation under a box number."""
    actor = await acting_person(node, request)
    thread = await node.conversations.reveal(
        actor, request.text("thread"), request.text("text")
    )
    return _described(actor, thread)


async def messages(node: "Node", request: ControlRequest) -> dict[str, Any]:
    """Show one conversation, or all of the acting person."""
    actor = await acting_person(node, request)
    reference = request.optional_text("thread")
    if reference is not None:
        return _described(actor, await node.conversations.show(actor, reference))
    threads = [
        _described(actor, thread) for thread in await node.conversations.list_for(actor)
    ]
    return {
        "thread": None,
        "state": None,
        "messages": [
            {**message, "thread": thread["thread"]}
            for thread in threads
            for message in thread["messages"]
        ],
        "threads": [
            {name: value for name, value in thread.items() if name != "messages"}
            for thread in threads
        ],
    }


def _described(actor: Person, conversation: Conversation) -> dict[str, Any]:
    return conversation_document(
        conversation,
        for_owner=conversation.owner_side and conversation.asker_id != actor.id,
    )
