"""One container of docker-compose.yaml as a process of this machine: what its image, its mounts and its network would give it."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sandbox.airflow import dockerfile
from sandbox.airflow.compose import Service
from sandbox.airflow.processes import Component, StackError
from sandbox.airflow.settings import ROOT

PORTS = (4566, 5432, 6379, 8080, 8974)
"""The ports that the file speaks of; each stands for a free one."""

PROGRAMS = {"airflow": Path(sys.executable).parent, "local-aws": ROOT / ".venv-local-aws" / "bin"}
"""Where the programs of an image of ours are, by its stage in the Dockerfile."""

NATIVE = {
    # No name service is asked for this machine's name.
    "AIRFLOW__CORE__HOSTNAME_CALLABLE": "socket.gethostname",
    "AIRFLOW__LOGGING__COLORED_CONSOLE_LOG": "False",
}


@dataclass(frozen=True)
class Site:
    """What the containers of one deployment share on this machine.

    `ports`: free port by the file's; `names`: what stands for 127.0.0.1; `programs`: folders with those of the images that
    are not ours.
    """

    folder: Path
    ports: Mapping[int, int]
    names: tuple[str, ...]
    programs: tuple[Path, ...]

    def volume(self, source: str) -> Path:
        """Return the folder of a named volume, or the mounted folder itself."""
        return Path(source) if source.startswith(("/", ".")) else self.folder / "volumes" / source


class Container:
    """One process under `name`, with a folder of its own in place of its file system."""

    def __init__(self, site: Site, service: Service, name: str) -> None:
        """Lay out its file system: the image's files, as the Dockerfile copies them, and the mounted volumes."""
        self.site, self.service, self.name = site, service, name
        self.root = site.folder / "containers" / name
        (self.root / "tmp").mkdir(parents=True)
        if service.target is not None:
            self._lay_out_image(service.target)
        for target, source in service.mounts.items():
            volume, link = site.volume(source), self.root / target.lstrip("/")
            volume.mkdir(parents=True, exist_ok=True)
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(volume)
        self._places = {target: self.root / target.lstrip("/") for target in service.mounts}
        if service.target is not None:
            self._places |= {f"/opt/{each.name}": each for each in (self.root / "opt").iterdir()}

    def _lay_out_image(self, target: str) -> None:
        stage = dockerfile.read(ROOT / "Dockerfile")[target]
        for sources, where in stage.copies:
            for source in sources:
                link = dockerfile.place(self.root, where, source, several=len(sources) > 1)
                link.parent.mkdir(parents=True, exist_ok=True)
                link.symlink_to(ROOT / source)

    def rewritten(self, text: str) -> str:
        """Put this machine's addresses and folders into a text of the file."""
        for target in sorted(self._places, key=len, reverse=True):
            text = re.sub(rf"(?<![\w/.-]){re.escape(target)}(?![\w-])", str(self._places[target]), text)
        for name in self.site.names:
            text = re.sub(rf"(?<![\w.-]){re.escape(name)}(?=:\d)", "127.0.0.1", text)
        for port, free in self.site.ports.items():
            text = re.sub(rf"(?<!\d){port}(?!\d)", str(free), text)
        return text.replace("0.0.0.0", "127.0.0.1")  # noqa: S104 - nothing of a test listens to other machines

    def environment(self) -> dict[str, str]:
        """Return the environment of its processes: the image's, the file's, and its own host name."""
        own = [PROGRAMS[self.service.target]] if self.service.target else self.site.programs
        environment = {
            "PATH": os.pathsep.join([*map(str, own), os.environ.get("PATH", os.defpath)]),
            "HOME": str(self.root),
            "TMPDIR": str(self.root / "tmp"),
            "HOSTNAME": self.name,
            "LC_ALL": "C.UTF-8",
            "NO_PROXY": "127.0.0.1,localhost",
            "PYTHONUNBUFFERED": "1",
        }
        if self.service.target == "airflow":
            environment |= {"AIRFLOW_HOME": str(self._places["/opt/airflow"]), **NATIVE}
        return environment | {key: self.rewritten(value) for key, value in self.service.environment.items()}

    def argv(self) -> list[str]:
        """Return the command line that the image's entrypoint makes of the file's command."""
        command = [self.rewritten(word) for word in [*(self.service.entrypoint or ()), *self.service.command]]
        if self.service.target == "airflow" and not self.service.entrypoint:
            if command[0] not in {"bash", "python", "airflow"}:
                command.insert(0, "airflow")
            if command[1:3] == ["celery", "worker"]:
                # In a container it would be called so after its host.
                command += ["--celery-hostname", f"celery@{self.name}"]
        if self.service.image.startswith("redis:"):
            command = [re.sub(r"\bredis-server\b", "redis-server --bind 127.0.0.1", word) for word in command]
        return command

    def component(self) -> Component:
        """Return how it is started. Raises StackError if this machine lacks its program."""
        environment, argv = self.environment(), self.argv()
        if shutil.which(argv[0], path=environment["PATH"]) is None:
            message = f"{self.name} needs {argv[0]}, which is not on this machine"
            raise StackError(message)
        return Component(argv=argv, env=environment, cwd=self.root, log=self.site.folder / "logs" / f"{self.name}.log")

    def health_check(self) -> list[str]:
        """Return the command of its health check."""
        check = self.service.healthcheck
        assert check is not None
        if isinstance(check.command, str):
            return ["sh", "-c", self.rewritten(check.command)]
        return [self.rewritten(word) for word in check.command]
