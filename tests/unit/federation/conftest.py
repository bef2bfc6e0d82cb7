from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.unit.federation.nodes import Node, Nonces, Peers

VECTORS = Path(__file__).parents[2] / "vectors"


@pytest.fixture
def optence() -> Node:
    return Node("spalier.optence.example")


@pytest.fixture
def swissmem() -> Node:
    return Node("spalier.swissmem.example")


@pytest.fixture
def laser() -> Node:
    return Node("spalier.laser.example")


@pytest.fixture
def nonces() -> Nonces:
    return Nonces()


@pytest.fixture
def peers(optence: Node) -> Peers:
    """What swissmem knows: optence alone."""
    return Peers({optence.signer.key_id: optence.known()})


@pytest.fixture
def vectors() -> Any:
    def load(name: str) -> Any:
        return json.loads((VECTORS / f"{name}.json").read_text(encoding="utf-8"))

    return load
