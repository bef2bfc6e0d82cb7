from __future__ import annotations

from federation import errors
from federation.transport.problems import problem_document


def peer_errors() -> list[type[errors.PeerError]]:
    found, pending = [], [errors.PeerError]
    while pending:
        kind = pending.pop()
        found.append(kind)
        pending += kind.__subclasses__()
    return found


def test_every_refusal_has_a_status_and_a_code() -> None:
    ours = {errors.BusyError, errors.FaultError}
    for kind in peer_errors():
        if kind is errors.MethodNotAllowedError:
            continue  # takes methods, not a sentence
        problem = problem_document(kind("Bitte prüfen."))
        assert problem["status"] == kind.status
        assert (400 <= kind.status < 500) != (kind in ours)
        assert problem["type"].startswith("https://w3id.org/spalier/problems#")
        assert problem["detail"] == "Bitte prüfen."


def test_members_never_replace_the_standard_ones() -> None:
    error = errors.ConflictError("x", members={"status": 200, "position": 4})
    problem = problem_document(error)
    assert problem["status"] == 409
    assert problem["position"] == 4


def test_the_log_text_holds_status_and_code() -> None:
    error = errors.ProofInvalidError("The proof does not verify.")
    assert str(error) == "401 proof-invalid: The proof does not verify."


def test_other_methods_are_refused_with_the_ones_that_are_known() -> None:
    error = errors.MethodNotAllowedError(("GET", "HEAD"))
    assert (error.status, error.allowed) == (405, ("GET", "HEAD"))
    assert problem_document(error)["detail"] == "Possible here: GET, HEAD."
