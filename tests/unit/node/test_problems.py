"""What went wrong with a delivery, as a code."""

import pytest

from federation.errors import (
    FederationError,
    LocalError,
    PermanentFetchError,
    ProofInvalidError,
    TemporaryFetchError,
)
from node.exchange.problems import CODE_CHARACTERS_MAX, problem_of


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (TemporaryFetchError("x", problem_code="connection"), "connection"),
        (TemporaryFetchError("x"), "no-answer"),
        (TemporaryFetchError("x: 502", status=502), "http-502"),
        (
            PermanentFetchError("x", status=403, problem_code="partnership-paused"),
            "partnership-paused",
        ),
        (ProofInvalidError("No.", code="proof-missing"), "answer-proof-missing"),
        (LocalError("ours"), "own-fault"),
    ],
)
def test_code_of_a_failure(error: FederationError, code: str) -> None:
    assert problem_of(error) == code


def test_a_partners_long_code_fits_its_column() -> None:
    error = PermanentFetchError("x", status=400, problem_code="y" * 500)
    assert len(problem_of(error)) == CODE_CHARACTERS_MAX
