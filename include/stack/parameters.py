"""The parameters that the template takes, and those that an AWS on this machine wants."""

from __future__ import annotations

import ipaddress
import os
import platform
import sys
from pathlib import Path
from urllib.parse import urlsplit

import yaml

TEMPLATE = Path(__file__).with_name("template.yaml")


class _Loader(yaml.SafeLoader):
    """Reads a template's parameters, whatever functions the rest of it has."""


_Loader.add_multi_constructor("!", lambda loader, suffix, node: None)  # noqa: ARG005


def parameters() -> dict[str, str]:
    """Return the template's parameters with their defaults, "" for one that has none."""
    template = yaml.load(TEMPLATE.read_text(encoding="utf-8"), _Loader)  # noqa: S506 - a SafeLoader
    return {name: str(entry.get("Default", "")) for name, entry in template["Parameters"].items()}


def is_local() -> bool:
    """Return whether AWS is this machine."""
    host = urlsplit(os.environ.get("AWS_ENDPOINT_URL", "")).hostname or ""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def local_platform() -> dict[str, str]:
    """Return the parameters of an AWS that is this machine: its Python, its processor, and no TLS."""
    machine = "arm64" if platform.machine() in ("aarch64", "arm64") else "x86_64"
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    return {"Runtime": version, "Architecture": machine, "RequireTls": "false"}
