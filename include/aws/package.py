"""Build what the stack is deployed from: the Lambda function's package and the state machine's definition.

    python -m aws.package [--runtime python3.13] [--architecture arm64]

Both go to `build/aws/`, named after a hash of their content. The package holds the core as it is, `handler.py`, and
wheels for the function's platform, at the versions of `requirements.lock`; the same input gives the same bytes. Only
the package index is asked, and only when the versions or the platform have changed.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from aws import definition

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build" / "aws"
LOCK = ROOT / "requirements.lock"
CORE = ROOT / "plugins" / "cognito_import"

LIBRARIES = ("boto3", "jinja2", "pandas", "tenacity", "tzdata")
"""What the core imports. boto3 is in Lambda's runtime too, but at a version of its own and without warning of a change."""
SERVICES = frozenset({"s3", "ses", "stepfunctions", "sts"})
"""The services whose models the function needs; botocore brings 400, three quarters of its size."""
LARGEST = 250 * 1024 * 1024
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

    Raises ValueError if the definition does not follow the table of decisions or the package is too large, and
    CalledProcessError if the wheels cannot be had.
    """
    stored = definition.load()
    if definition.decided(stored) != stored:
        message = "The definition does not follow the table of decisions: run python -m aws.definition"
        raise ValueError(message)
    BUILD.mkdir(parents=True, exist_ok=True)
    libraries = install(runtime, architecture)
    function = _named(BUILD / "function.zip", _packed(libraries))
    return Artifacts(function, _named(BUILD / "definition.json", json.dumps(stored, ensure_ascii=False).encode()))


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


def _files(libraries: Path) -> Iterator[tuple[str, Path]]:
    """Yield each file of the package with its name there."""
    for path in sorted(libraries.rglob("*")):
        name = path.relative_to(libraries)
        if path.is_file() and _needed(name):
            yield name.as_posix(), path
    for path in sorted(CORE.rglob("*")):
        name = path.relative_to(CORE)
        if path.is_file() and "__pycache__" not in name.parts and name.parts[0] != "console":
            yield f"{CORE.name}/{name.as_posix()}", path
    yield "handler.py", Path(__file__).with_name("handler.py")


def _needed(name: Path) -> bool:
    if name.name == ".installed" or name.parts[0] == "bin" or {"__pycache__", "tests"} & set(name.parts):
        return False
    if name.parts[:2] == ("botocore", "data") and len(name.parts) > 3:  # noqa: PLR2004 - botocore/data/SERVICE/...
        return name.parts[2] in SERVICES
    return name.suffix not in {".pyi", ".pxd", ".h", ".c"}


def _packed(libraries: Path) -> Path:
    """Return a zip of the package that depends on nothing but its content."""
    draft = BUILD / "function.draft"
    size = 0
    with zipfile.ZipFile(draft, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as file:
        for name, path in _files(libraries):
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = _READABLE
            content = path.read_bytes()
            size += len(content)
            file.writestr(entry, content)
    if size > LARGEST:
        message = f"The function has {size:,} bytes unpacked; Lambda takes at most {LARGEST:,}."
        raise ValueError(message)
    return draft


def _named(target: Path, content: Path | bytes) -> Path:
    """Store the content under the target's name with a hash of it, and return that path."""
    data = content if isinstance(content, bytes) else content.read_bytes()
    path = target.with_stem(f"{target.stem}-{hashlib.sha256(data).hexdigest()[:16]}")
    path.write_bytes(data)
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
