"""What every service of a node needs, in one bundle."""

from dataclasses import dataclass

from federation.ids import NodeAddress
from federation.keys import Signer
from federation.ports import Clock, RandomSource
from node.config import NodeConfig
from node.storage.database import Database


@dataclass(frozen=True, slots=True)
class NodeContext:
    """The parts of a running node that services share.

    Attributes:
        address: The node's own addresses.
        signer: Signs documents and requests with the node's key.
        node_id: Identifier of this installation, for diagnosis only.
    """

    config: NodeConfig
    clock: Clock
    random: RandomSource
    database: Database
    address: NodeAddress
    signer: Signer
    node_id: str
