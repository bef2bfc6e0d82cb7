"""How a run of the simulator reads on a terminal."""

from typing import Any

from node.cli.printing import say
from node.cli.wording import gettext as _


def show_summary(document: dict[str, Any]) -> None:
    """Print what went wrong, the faults, and how far it came."""
    for violation in document["violations"]:
        say(
            _(
                "BROKEN %(promise)s after %(step)s steps: %(what)s",
                promise=violation["promise"],
                step=violation["step"],
                what=violation["what"],
            )
        )
    steps = document["steps"]
    for name, count in document["faults"].items():
        say(f"  {name:<16}{count:>8}  {100 * count / max(steps, 1):5.1f} %")
    say(
        _(
            "Seed %(seed)s: %(steps)s steps, %(hours)s virtual hours in "
            "%(seconds)s seconds, trace %(trace)s",
            seed=document["seed"],
            steps=steps,
            hours=document["virtual_hours"],
            seconds=document["seconds"],
            trace=document["trace"][:16],
        )
    )
