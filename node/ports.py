"""What every service of a node needs, in one bundle."""

from concurrent.futures import Executor
from dataclasses import dataclass
from datetime import datetime

from federation.ids import NodeAddress
from federation.keys import Signer
from federation.ports import Clock, RandomSource
from node.config import NodeConfig
from node.keys.ring import KeyRing
from node.storage.database import Database


@dataclass(frozen=True, slots=True)
class NodeContext:
    """The parts of a running node that services share.

    Attributes:
        address: The node's own addresses.
        keys: The node's keys; `keys.signer_for` signs what is for one partner.
        node_id: Identifier of this installation, for diagnosis only.
        threads: Runs the long steps of doors and client; None for threads of their
            own. The simulator has none.
        restored_at: When the database was put back from a backup last; what was
            signed before is not believed, because its nonces are forgotten.
    """

    config: NodeConfig
    clock: Clock
    random: RandomSource
    database: Database
    address: NodeAddress
    keys: KeyRing
    node_id: str
    threads: Executor | None = None
    restored_at: datetime | None = None

    @property
    def signer(self) -> Signer:
        """Signs entries, and what is for nobody whom we know yet."""
        return self.keys.signer
