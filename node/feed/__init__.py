"""The feed: what a member sees of the own cluster and of the partners."""

from node.feed.feed import Feed, FeedItem, FeedPage, own_item
from node.feed.visible import FeedQuery

__all__ = ["Feed", "FeedItem", "FeedPage", "FeedQuery", "own_item"]
