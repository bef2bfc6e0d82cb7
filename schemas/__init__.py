"""What an entry is: JSON Schemas, JSON-LD contexts, vocabularies and examples.

Data and its loader. Nothing here reads the network, the clock or a database.
"""

from schemas.formats import FORMATS
from schemas.kinds import KINDS, KindInfo
from schemas.loading import (
    SCHEMA_BASE,
    Example,
    Term,
    contexts,
    examples,
    house_context,
    load_schema,
    registry,
    schema_id,
    schema_names,
    split_file,
    vocabulary,
    vocabulary_names,
)
from schemas.rules import BrokenRule, broken_rules

__all__ = [
    "FORMATS",
    "KINDS",
    "SCHEMA_BASE",
    "BrokenRule",
    "Example",
    "KindInfo",
    "Term",
    "broken_rules",
    "contexts",
    "examples",
    "house_context",
    "load_schema",
    "registry",
    "schema_id",
    "schema_names",
    "split_file",
    "vocabulary",
    "vocabulary_names",
]
