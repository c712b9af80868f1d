"""What the Dockerfile puts into an image, for tests and for running the image's processes without one."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Stage:
    """One stage: its base image, and for each copy the sources and the target."""

    base: str
    copies: list[tuple[list[str], str]] = field(default_factory=list)
    user: str = ""


def read(path: Path) -> dict[str, Stage]:
    """Read the stages by name. An instruction on several lines is read as one."""
    stages: dict[str, Stage] = {}
    text = path.read_text().replace("\\\n", " ")
    stage = Stage("")
    for line in text.splitlines():
        words = shlex.split(line, comments=True)
        if not words:
            continue
        instruction, *rest = words
        if instruction == "FROM":
            base, _, name = rest
            stage = stages[name] = Stage(base)
        elif instruction == "COPY":
            *sources, target = [word for word in rest if not word.startswith("--")]
            stage.copies.append((sources, target))
        elif instruction == "USER":
            stage.user = rest[0]
    return stages


def place(root: Path, target: str, source: str, *, several: bool) -> Path:
    """Return where in a file system at `root` a copy puts one of its sources; `several` when it has more than one."""
    inside = root / target.lstrip("/")
    source_path = Path(source)
    return inside / source_path.name if several or (target.endswith("/") and source_path.suffix) else inside
