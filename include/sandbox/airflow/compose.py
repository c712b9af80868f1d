"""docker-compose.yaml as the Compose Specification reads it, as far as this project's file goes.

What is known: interpolation (`$$` and `${NAME:-default}`), merge keys, `env_file`, variables without a value, profiles,
commands as text or list, dependencies, health checks, ports and named volumes. What is not known is an error, so that
nothing in the file is overlooked.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

import yaml

from sandbox.airflow.settings import read_env_file

COMPLETED, HEALTHY, STARTED = "service_completed_successfully", "service_healthy", "service_started"

VARIABLE = re.compile(r"\$(?:(?P<escaped>\$)|\{(?P<name>\w+):-(?P<word>[^}$]*)\}|(?P<wrong>))")

# Keys of a service that this module reads, and those that only an engine can follow.
READ = frozenset(
    {"image", "build", "entrypoint", "command", "environment", "env_file", "ports", "volumes", "depends_on", "profiles"}
    | {"healthcheck", "networks", "restart", "user"}
)
ENGINES = frozenset({"init", "logging", "pull_policy", "shm_size", "stop_grace_period"})


class ComposeError(ValueError):
    """The file cannot be read; the message names the place and what is wrong."""


@dataclass(frozen=True)
class HealthCheck:
    """`command` is run as it is, or by `sh -c` when it is text; `timeout` in seconds."""

    command: list[str] | str
    timeout: float


@dataclass(frozen=True)
class Service:
    """One service, everything resolved. `ports`: (address, port on the host, port in the container)."""

    name: str
    image: str
    target: str | None
    """The Dockerfile's stage, None for an image of somebody else's."""
    entrypoint: list[str] | None
    command: list[str]
    environment: Mapping[str, str]
    ports: list[tuple[str, int, int]]
    mounts: Mapping[str, str]
    """Named volume or folder by its place in the container, read-only or not."""
    depends_on: Mapping[str, str]
    healthcheck: HealthCheck | None
    aliases: list[str]
    raw: Mapping[str, Any]


def interpolate(text: str, variables: Mapping[str, str]) -> str:
    """Replace the variables in a value of the file. Raises ComposeError for a form that the file does not use."""

    def replaced(match: re.Match[str]) -> str:
        if match["wrong"] is not None:
            message = f"{text!r}: a variable is written ${{NAME:-default}} here, and a dollar sign $$"
            raise ComposeError(message)
        return "$" if match["escaped"] else variables.get(match["name"]) or match["word"]

    return VARIABLE.sub(replaced, text)


def seconds(text: str) -> float:
    """Read a duration such as `20s`."""
    if not re.fullmatch(r"\d+s", text):
        message = f"{text!r} is no duration in whole seconds"
        raise ComposeError(message)
    return float(text[:-1])


def variables_in(text: str) -> set[str]:
    """Name the variables that a file's text asks for by interpolation, comments left out."""
    lines = (re.sub(r"(^|\s)#.*", "", line) for line in text.splitlines())
    return {match["name"] for line in lines for match in VARIABLE.finditer(line) if not match["escaped"]}


def read(path: Path, variables: Mapping[str, str], profiles: Iterable[str] = ()) -> dict[str, Service]:
    """Read the services that `docker compose up` starts with these variables and profiles, each after those it waits for."""
    document = _resolved(yaml.safe_load(path.read_text()), variables)
    active = set(profiles)
    chosen = {
        name: _service(name, raw, path.parent, variables, document.get("volumes") or {})
        for name, raw in document["services"].items()
        if not raw.get("profiles") or active & set(raw["profiles"])
    }
    for service in chosen.values():
        for other in service.depends_on:
            if other not in chosen:
                message = f"{service.name} depends on {other}, which is not started"
                raise ComposeError(message)
    order = TopologicalSorter({name: service.depends_on for name, service in chosen.items()}).static_order()
    return {name: chosen[name] for name in order}


def _resolved(value: Any, variables: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {key: _resolved(each, variables) for key, each in value.items()}
    if isinstance(value, list):
        return [_resolved(each, variables) for each in value]
    return interpolate(value, variables) if isinstance(value, str) else value


def _service(
    name: str, raw: dict[str, Any], folder: Path, variables: Mapping[str, str], volumes: Mapping[str, Any]
) -> Service:
    if unknown := raw.keys() - READ - ENGINES:
        message = f"{name}: {', '.join(sorted(unknown))} is not known to this reader"
        raise ComposeError(message)
    environment: dict[str, str] = {}
    for file in _listed(raw.get("env_file")):
        environment |= read_env_file(folder / file)
    for key, value in (raw.get("environment") or {}).items():
        given = variables.get(key) if value is None else str(value)
        if given is not None:
            environment[key] = given
    depends_on = {other: each["condition"] for other, each in (raw.get("depends_on") or {}).items()}
    networks = raw.get("networks") or {}
    return Service(
        name=name,
        image=raw["image"],
        target=raw["build"]["target"] if "build" in raw else None,
        entrypoint=None if raw.get("entrypoint") is None else _words(raw["entrypoint"]),
        command=_words(raw.get("command") or []),
        environment=environment,
        ports=[_port(name, each) for each in raw.get("ports") or ()],
        mounts=dict(_mount(name, each, volumes) for each in raw.get("volumes") or ()),
        depends_on=depends_on,
        healthcheck=_health_check(name, raw.get("healthcheck")),
        aliases=[alias for network in networks.values() for alias in network.get("aliases", ())],
        raw=raw,
    )


def _listed(value: str | list[str] | None) -> list[str]:
    return [value] if isinstance(value, str) else list(value or ())


def _words(value: str | list[str]) -> list[str]:
    return shlex.split(value) if isinstance(value, str) else [str(each) for each in value]


def _port(name: str, text: str) -> tuple[str, int, int]:
    parts = str(text).split(":")
    if len(parts) != 3:  # noqa: PLR2004 - the one form that this file uses
        message = f"{name}: the port {text!r} must say ADDRESS:PORT:PORT, or it is open to every network"
        raise ComposeError(message)
    return parts[0], int(parts[1]), int(parts[2])


def _mount(name: str, text: str, volumes: Mapping[str, Any]) -> tuple[str, str]:
    source, target, *_ = text.split(":")
    if not source.startswith((".", "/")) and source not in volumes:
        message = f"{name}: the volume {source} is not declared"
        raise ComposeError(message)
    return target, source


def _health_check(name: str, raw: dict[str, Any] | None) -> HealthCheck | None:
    if raw is None:
        return None
    kind, *rest = raw["test"]
    if kind not in {"CMD", "CMD-SHELL"}:
        message = f"{name}: the health check must begin with CMD or CMD-SHELL"
        raise ComposeError(message)
    command: list[str] | str = rest[0] if kind == "CMD-SHELL" else rest
    return HealthCheck(command, seconds(raw["timeout"]))
