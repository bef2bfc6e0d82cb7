"""The ledger: who is to be told which version, and who confirmed it."""

from node.ledger.lapse import Lapse
from node.ledger.ledger import Ledger, LedgerLine

__all__ = ["Lapse", "Ledger", "LedgerLine"]
