"""The rules of the house that no linter knows. Run by `make check`; prints what breaks them and exits 1."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
MAX_LINES = dict.fromkeys(("plugins", "include", "bench", "dags"), 250)
"""Lines of a module; above this it has to be split."""

FORBIDDEN = {
    r"\bTODO\b|\bFIXME\b": "what is left to do is not kept in the code",
    r"\bissue #?\d+(?!\d* *\)?;)": "the repository speaks of the product alone",
    r"/root/|/home/\w+/|/tmp/scratch": "no path of one machine",
    r"except Exception:\s*\n\s*pass": "nothing is swallowed",
}


def main() -> int:
    """Check every tracked file."""
    command = ["git", "ls-files", "-co", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    problems = []
    for name in listed.stdout.split("\n"):
        path = ROOT / name
        if path == Path(__file__) or path.suffix not in {
            ".py",
            ".md",
            ".yaml",
            ".yml",
            ".toml",
            ".env",
            ".json",
            ".in",
        }:
            continue
        text = path.read_text(encoding="utf-8")
        for pattern, why in FORBIDDEN.items():
            problems += [
                f"{name}:{text.count(chr(10), 0, match.start()) + 1}: {match[0]!r}: {why}"
                for match in re.finditer(pattern, text)
            ]
        lines = text.count("\n")
        if path.suffix == ".py" and lines > MAX_LINES.get(name.partition("/")[0], 10_000):
            problems.append(f"{name}: {lines} lines; split it")
    print("\n".join(problems) or "The rules of the house are kept.")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
