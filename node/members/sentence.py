"""The sentence of `node.sentence`, under its former name."""

from node.sentence import Sentence

__all__ = ["Sentence"]
