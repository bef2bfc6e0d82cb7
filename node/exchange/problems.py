"""What went wrong with a delivery, as a code that pages say in their language.

The code is stored beside the log's sentence (`partners.problem_code`). It is the
problem type of the partner's answer, or one of our own for what is no answer.
"""

from federation.errors import FederationError, FetchError, LocalError, PeerError

CODE_CHARACTERS_MAX = 60  # column partners.problem_code
OWN_FAULT = "own-fault"


def problem_of(error: FederationError) -> str:
    """Return the code of a failed delivery.

    Returns:
        The answer's problem type, `http-STATUS` for an answer without one,
        `answer-CODE` for an answer that breaks a rule itself, `no-answer`,
        `own-fault` if the fault is this node's, or `unusable-answer` for everything
        else.
    """
    if isinstance(error, FetchError):
        code = error.problem_code
        if code is None:
            code = "no-answer" if error.status is None else f"http-{error.status}"
    elif isinstance(error, PeerError):
        code = f"answer-{error.code}"
    elif isinstance(error, LocalError):
        code = OWN_FAULT
    else:
        code = "unusable-answer"
    return code[:CODE_CHARACTERS_MAX]
