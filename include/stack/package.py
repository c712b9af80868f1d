"""Build what the stack is deployed from: the Lambda function's package and the state machine's definition.

    python -m stack.package [--runtime python3.13] [--architecture arm64]

Both go to `build/aws/`, named after a hash of their content. The package holds the core as it is, the function's own modules,
and wheels for the function's platform, at the versions of `requirements.lock`; the same input gives the same bytes. Only
the package index is asked, and only when the versions or the platform have changed.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import io
import json
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cognito_import.aws import CONFIGS
from stack import definition

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build" / "aws"
LOCK = ROOT / "requirements.lock"
CORE = ROOT / "plugins" / "cognito_import"

FUNCTION = tuple(
    Path(__file__).with_name(f"{name}.py")
    for name in ("__init__", "handler", "environment", "execution_input", "reporting")
)
"""The function's own modules."""
LIBRARIES = ("boto3", "jinja2", "pandas", "pydantic", "tenacity", "tzdata")
"""What the core imports. boto3 is in Lambda's runtime too, but at a version of its own and without warning of a change."""
SERVICES = frozenset(CONFIGS)
"""The services whose models the function needs; botocore brings 400, three quarters of its size."""
MAX_BYTES = 250 * 1024 * 1024
"""Bytes of an unpacked function at most ("Lambda quotas", AWS Lambda Developer Guide)."""
MACHINES = {"arm64": "aarch64", "x86_64": "x86_64"}
_EPOCH = (1980, 1, 1, 0, 0, 0)
_READABLE = 0o644 << 16


@dataclass(frozen=True)
class Artifacts:
    """The two files that a deployment uploads."""

    function: Path
    definition: Path


def build(runtime: str, architecture: str) -> Artifacts:
    """Build both files for a runtime such as `python3.13` and an architecture such as `arm64`.

    Raises ValueError if the package is too large, and CalledProcessError if the wheels are not available.
    """
    BUILD.mkdir(parents=True, exist_ok=True)
    with (BUILD / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two builds at once would take the libraries away from one another
        function = _named(BUILD / "function.zip", _packed(install(runtime, architecture)))
        states = json.dumps(definition.load(), ensure_ascii=False).encode()
        return Artifacts(function, _named(BUILD / "definition.json", states))


def install(runtime: str, architecture: str) -> Path:
    """Return a folder with the libraries for the platform; install them unless that folder has them already."""
    version = runtime.removeprefix("python")
    folder = BUILD / f"libraries-{version}-{architecture}"
    stamp = folder / ".installed"
    wanted = hashlib.sha256(LOCK.read_bytes() + repr(LIBRARIES).encode()).hexdigest()
    if stamp.exists() and stamp.read_text(encoding="utf-8") == wanted:
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    subprocess.run(_installer(version, MACHINES[architecture], folder), check=True)
    stamp.write_text(wanted, encoding="utf-8")
    return folder


def _installer(version: str, machine: str, folder: Path) -> list[str]:
    common = [
        "install",
        "--quiet",
        "--target",
        str(folder),
        "--only-binary",
        ":all:",
        "--constraint",
        str(LOCK),
        *LIBRARIES,
    ]
    beside = Path(sys.executable).with_name("uv")
    uv = str(beside) if beside.exists() else shutil.which("uv")
    if uv:
        platform = ["--python-version", version, "--python-platform", f"{machine}-manylinux_2_28"]
        return [uv, "pip", *common, *platform]
    tags = [
        f"--platform=manylinux_2_28_{machine}",
        f"--platform=manylinux2014_{machine}",
        f"--platform=manylinux_2_17_{machine}",
    ]
    return [sys.executable, "-m", "pip", *common, "--python-version", version, *tags]


def core() -> list[Path]:
    """Return the files of the core, without what knows Airflow."""
    found = [path for path in sorted(CORE.rglob("*")) if path.is_file() and "__pycache__" not in path.parts]
    return [path for path in found if path.relative_to(CORE).parts[0] not in {"airflow", "console"}]


def _files(libraries: Path) -> Iterator[tuple[str, Path]]:
    """Yield each file of the package with its name there."""
    for path in sorted(libraries.rglob("*")):
        name = path.relative_to(libraries)
        if path.is_file() and _needed(name):
            yield name.as_posix(), path
    for path in core():
        yield f"{CORE.name}/{path.relative_to(CORE).as_posix()}", path
    for path in FUNCTION:
        yield f"stack/{path.name}", path


def _needed(name: Path) -> bool:
    if name.name == ".installed" or name.parts[0] == "bin" or {"__pycache__", "tests"} & set(name.parts):
        return False
    if name.parts[:2] == ("botocore", "data") and len(name.parts) > 3:  # noqa: PLR2004 - botocore/data/SERVICE/...
        return name.parts[2] in SERVICES
    return name.suffix not in {".pyi", ".pxd", ".h", ".c"}


def _packed(libraries: Path) -> bytes:
    """Return a zip of the package that depends on nothing but its content."""
    draft = io.BytesIO()
    size = 0
    with zipfile.ZipFile(draft, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as file:
        for name, path in _files(libraries):
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = _READABLE
            content = path.read_bytes()
            size += len(content)
            file.writestr(entry, content)
    if size > MAX_BYTES:
        message = f"The function has {size:,} bytes unpacked; Lambda takes at most {MAX_BYTES:,}."
        raise ValueError(message)
    return draft.getvalue()


def _named(target: Path, content: bytes) -> Path:
    """Store the content under the target's name with a hash of it, and return that path."""
    path = target.with_stem(f"{target.stem}-{hashlib.sha256(content).hexdigest()[:16]}")
    if not path.exists():  # another process may be reading it
        draft = path.with_suffix(".draft")
        draft.write_bytes(content)
        draft.replace(path)
    return path


def main() -> None:
    """Build for the command line's platform and print what was built."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runtime", default="python3.13", help="default: %(default)s")
    parser.add_argument("--architecture", default="arm64", choices=sorted(MACHINES), help="default: %(default)s")
    options = parser.parse_args()
    artifacts = build(options.runtime, options.architecture)
    for path in (artifacts.function, artifacts.definition):
        print(f"{path.relative_to(ROOT)}  {path.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
