"""The feed: what a member sees of the own cluster and of the partners."""

from node.feed.feed import Feed, FeedItem, FeedPage, FeedQuery, own_item

__all__ = ["Feed", "FeedItem", "FeedPage", "FeedQuery", "own_item"]
