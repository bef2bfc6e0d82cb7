"""`simulate`: several real nodes in virtual time, with everything going wrong."""

from pathlib import Path

import click

from node.cli.invocation import invocation
from node.cli.options import for_every_command
from node.cli.wording import gettext as _
from node.cli.wording import lazy_gettext
from node.clock import SystemRandom

_SEED_BYTES = 4


@click.command(
    "simulate",
    help=lazy_gettext(
        "Let several nodes exchange entries in virtual time while networks, machines "
        "and partners fail; check that nothing leaks and nothing is lost."
    ),
)
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    help=lazy_gettext("Replay this run; left out, a new one."),
)
@click.option(
    "--nodes",
    type=click.IntRange(2, 8),
    default=4,
    show_default=True,
    help=lazy_gettext("Nodes; from three on the last one lies."),
)
@click.option(
    "--steps",
    type=click.IntRange(min=1),
    default=2000,
    show_default=True,
    help=lazy_gettext("Requests that arrive and changes that are made, at least."),
)
@click.option(
    "--hours",
    type=click.FloatRange(min=0),
    default=0.0,
    help=lazy_gettext("Hours of virtual time, at least."),
)
@click.option(
    "--trace",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help=lazy_gettext("Write every event into this file."),
)
@for_every_command
def simulate(
    *, seed: int | None, nodes: int, steps: int, hours: float, trace: Path | None
) -> None:
    """Simulate, and fail if a promise was broken."""
    from node.cli import simulate_views
    from node.cli.printing import say_aside
    from node.simulation.run import Order
    from node.simulation.run import simulate as run
    from node.simulation.world import World

    if seed is None:
        seed = int.from_bytes(SystemRandom().bytes(_SEED_BYTES), "big")

    def tell(world: World) -> None:
        say_aside(
            _(
                "%(steps)s steps, %(hours)s virtual hours, all promises kept",
                steps=world.steps,
                hours=round(world.virtual_hours),
            )
        )

    say_aside(_("Seed %(seed)s, %(nodes)s nodes", seed=seed, nodes=nodes))
    order = Order(seed, nodes=nodes, steps=steps, hours=hours)
    if trace is None:
        summary = run(order, progress=tell)
    else:
        with trace.open("w", encoding="utf-8") as file:
            summary = run(order, progress=tell, trace=file)
    if summary.violations:
        say_aside(*summary.last)
    invocation().show(summary.document(), simulate_views.show_summary)
    if summary.violations:
        click.get_current_context().exit(1)


COMMANDS: tuple[click.Command, ...] = (simulate,)
