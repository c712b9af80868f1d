"""This machine's temporary files, and the one place that says that there is no room for them."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from cognito_import.errors import CognitoImportError

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def room_for(what: str, kind: type[CognitoImportError], then: str) -> Iterator[None]:
    """Raise an error of `kind`, a temporary one, if `what` cannot be written; `then` is what to do when there is room."""
    try:
        yield
    except OSError as error:
        failed = kind(
            f"{what} cannot be written to this machine's temporary folder: {error.strerror or error}. Make room there (or "
            f"name another folder in the environment variable TMPDIR), then {then}."
        )
        failed.temporary = True
        raise failed from error
