"""What boto3 and botocore keep to themselves and this package uses all the same: nothing else here touches it.

`tests/private_names.py` tries each function with every version that the package runs on, so a release that moves one fails there.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from boto3.session import Session
    from botocore.credentials import Credentials
    from botocore.loaders import Loader

_LOADER = "data_loader"


def expiry_of(credentials: Credentials) -> datetime | None:
    """Return when the credentials end, or None if they do not say: there is no public name for it (boto/botocore#2604)."""
    return getattr(credentials, "_expiry_time", None)


@cache
def service_descriptions() -> Loader:
    """Return what botocore knows of AWS's services, megabytes of JSON: read once and shared by all sessions of a process.

    A process that forks tasks can read it for them (see :func:`read_descriptions`).
    """
    from botocore.loaders import create_loader

    return create_loader()


def share_descriptions(session: Session) -> None:
    """Have the session use the shared descriptions: boto3 has no public way to give a session of its own a loader."""
    session._session.register_component(_LOADER, service_descriptions())


def read_descriptions(services: Iterable[str]) -> None:
    """Read the descriptions of services ahead, by making a client of each. Calls nobody."""
    from botocore.session import Session

    session = Session()
    session.register_component(_LOADER, service_descriptions())
    for service in services:
        session.create_client(service, "us-east-1", aws_access_key_id="nobody", aws_secret_access_key="nothing")  # noqa: S106
