"""The ledger: who is to be told which version, and who confirmed it."""

from node.ledger.ledger import Ledger, LedgerLine

__all__ = ["Ledger", "LedgerLine"]
