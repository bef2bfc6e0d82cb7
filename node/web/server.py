"""Put pages, doors and health checks of a running node into one application."""

from aiohttp import web

from node.app import Node
from node.web.application import build_application, installed_pages
from node.web.doors import register_doors
from node.web.pages import register_pages
from node.web.running import NODE
from node.web.site import SiteSettings


def build_node_application(node: Node) -> web.Application:
    """Build the application that `serve` runs.

    Args:
        node: The opened node; handlers find it under `running.NODE`.
    """

    def carry_node(app: web.Application) -> None:
        app[NODE] = node
        register_doors(app, node)
        register_pages(app)

    config = node.config
    return build_application(
        site=SiteSettings(
            base_url=config.base_url,
            cluster_name=config.name,
            node_id=node.context.node_id,
            demo=config.demo,
            default_language=config.default_language,
        ),
        clock=node.context.clock,
        random=node.context.random,
        registrars=[carry_node, *installed_pages()],
    )
