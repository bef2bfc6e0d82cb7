"""Put pages, doors and health checks of a running node into one application."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from federation.rates import DoorRates
from node.app import Node
from node.web.application import build_application, installed_pages
from node.web.client_address import PROXIES, TrustedProxies
from node.web.connections import Bounds, ConnectionGate, open_port
from node.web.doors import register_doors
from node.web.page_limits import PAGE_LIMITS, PageLimits
from node.web.pages import register_pages
from node.web.partner_addresses import PartnerAddresses
from node.web.running import NODE
from node.web.site import SiteSettings


@asynccontextmanager
async def opened_doors(
    node: Node, *, stop_seconds: float, bounds: Bounds | None = None
) -> AsyncIterator[ConnectionGate]:
    """Serve pages and doors of a node where its settings say.

    Args:
        node: The opened node.
        stop_seconds: How long open requests may take after the order to stop.
        bounds: Other bounds for connections, for tests.

    Raises:
        OSError: The port is taken.
    """
    config, clock = node.config, node.context.clock
    partners = PartnerAddresses()
    rates = DoorRates(factor=config.limits.factor)
    gate = ConnectionGate(
        (bounds or Bounds()).times(config.limits.factor),
        clock,
        proxies=TrustedProxies.of(config),
        partners=partners,
        rates=rates,
    )
    app = build_node_application(node, rates=rates, partners=partners)
    async with open_port(
        app,
        gate,
        stop_seconds=stop_seconds,
        host=config.listen.host,
        port=config.listen.port,
    ):
        yield gate


def build_node_application(
    node: Node,
    *,
    rates: DoorRates | None = None,
    partners: PartnerAddresses | None = None,
) -> web.Application:
    """Build the application that `serve` runs.

    Args:
        node: The opened node; handlers find it under `running.NODE`.
        rates: How much may come at the doors.
        partners: Remembers from where partners come.
    """

    def carry_node(app: web.Application) -> None:
        app[NODE] = node
        app[PAGE_LIMITS] = PageLimits(node.config, node.context.clock)
        app[PROXIES] = TrustedProxies.of(node.config)
        register_doors(app, node, rates=rates, addresses=partners)
        _register_metrics(app, node)
        register_pages(app)

    config = node.config
    return build_application(
        site=SiteSettings(
            base_url=config.base_url,
            cluster_name=config.name,
            node_id=node.context.node_id,
            demo=config.demo,
            default_language=config.default_language,
            former_urls=node.context.address.former,
        ),
        clock=node.context.clock,
        random=node.context.random,
        registrars=[carry_node, *installed_pages()],
    )


def _register_metrics(app: web.Application, node: Node) -> None:
    token = node.config.metrics.token.get_secret_value()
    if not token:
        return
    # Few nodes are asked for figures; the others do without the library.
    from node.web.metrics import Metrics  # noqa: PLC0415

    Metrics(node.context, token=token, backups=node.backups).register(app)
