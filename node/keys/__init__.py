"""The node's own keys: which there are, who signs with which, how they change."""

from node.keys.model import KeyState, NodeKey
from node.keys.ring import KeyRing

__all__ = ["KeyRing", "KeyState", "NodeKey"]
