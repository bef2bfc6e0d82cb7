"""Whether a name looks like another: nobody may take on somebody else's."""

import unicodedata
from collections.abc import Iterable


def is_taken(name: str, names: Iterable[str]) -> bool:
    """Whether a name reads like one of these.

    Letters of another script that look the same are told apart; pages therefore
    show the address beside the name.
    """
    wanted = _as_read(name)
    return any(_as_read(each) == wanted for each in names)


def _as_read(name: str) -> str:
    """Return a name without what people do not see in it (Unicode TR 36 §2)."""
    plain = unicodedata.normalize("NFKC", name)
    # Twice: folding may leave a form that is to be composed anew.
    folded = unicodedata.normalize("NFKC", plain.casefold())
    seen = "".join(sign for sign in folded if unicodedata.category(sign) != "Cf")
    return " ".join(seen.split())
