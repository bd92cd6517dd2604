"""Downloads that a name asks for: tried once, so that being offline is known in seconds, and reported in one line."""

import contextlib
from collections.abc import Generator
from importlib import import_module
from typing import Any

from geomrob.errors import UsageError
from geomrob.models.schemes.opened import Request, reason

PATIENCE = 4.0
"""Seconds to wait for the first byte of the hub."""


@contextlib.contextmanager
def fetching(request: Request, *, download: bool) -> Generator[None, None, None]:
    """Let libraries of the Hugging Face hub download, or take what is stored where the hub cannot be reached.

    Left to themselves they try again for half a minute. Their switch is restored.

    Args:
        request: For messages.
        download: Whether the hub is needed at all.

    Raises:
        UsageError: The hub cannot be reached and nothing is stored, or it has no such model.
    """
    if not download:
        yield
        return
    constants: Any = import_module("huggingface_hub.constants")
    errors: Any = import_module("huggingface_hub.errors")
    before = constants.HF_HUB_OFFLINE
    offline = before or not _reachable(constants.ENDPOINT)
    constants.HF_HUB_OFFLINE = offline
    try:
        yield
    except (errors.LocalEntryNotFoundError, errors.OfflineModeIsEnabled) as error:
        raise UsageError(
            f"model {request.name} must be downloaded from {constants.ENDPOINT}, which cannot be reached, and is not "
            f"stored in {constants.HF_HUB_CACHE}: connect, or give a file with --weights"
        ) from error
    except errors.GatedRepoError as error:
        raise UsageError(
            f"model {request.name} must be open to you; its authors have to grant access: run `hf auth login` first"
        ) from error
    except (errors.RepositoryNotFoundError, errors.RevisionNotFoundError, errors.HFValidationError) as error:
        raise UsageError(
            f"model {request.name} must exist on {constants.ENDPOINT}; it says {reason(error)}: check the name"
        ) from error
    finally:
        constants.HF_HUB_OFFLINE = before


def _reachable(endpoint: str) -> bool:
    """Return whether the hub responds, asked once through its own session, which knows the proxies."""
    session: Any = import_module("huggingface_hub.utils").get_session()
    try:
        session.head(endpoint, timeout=PATIENCE)
    except Exception as error:  # noqa: BLE001 - httpx or requests, whichever this version of the library uses
        # Any response, also one of an error, would be a connection; only a failed connection raises.
        return not _failed_connection(error)
    return True


def _failed_connection(error: BaseException) -> bool:
    """Return whether an exception of the session is one of the connection."""
    names = {kind.__name__ for kind in type(error).__mro__}
    return bool(names & {"TransportError", "ConnectionError", "Timeout", "OSError", "OfflineModeIsEnabled"})
