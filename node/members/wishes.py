"""What persons decide for themselves about their account."""

from node.members.model import Person
from node.ports import NodeContext
from node.storage.database import Transaction
from node.storage.members import update_person


async def keep_language(context: NodeContext, person: Person, language: str) -> None:
    """Store the language in which a person wants pages and mails.

    Args:
        context: The node.
        person: Whose wish it is.
        language: BCP 47 tag of a language that the pages have.
    """

    async def work(tx: Transaction) -> None:
        values = {"language": language}
        await update_person(tx, person.id, values, now=context.clock.now())

    await context.database.write(work)
