"""The Step Functions checks of cfn-lint, which reads no definition in S3, on the definition inside the template."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from stack import definition
from stack.parameters import TEMPLATE


def findings(machine: dict[str, Any], folder: Path) -> str:
    """What cfn-lint finds in the template when it holds the definition itself."""
    text = TEMPLATE.read_text(encoding="utf-8")
    location = "DefinitionS3Location: {Bucket: !Ref ArtifactsBucket, Key: !Ref DefinitionKey}"
    assert location in text
    # Its schema takes no JSONata here; AWS does ("Map workflow state", AWS Step Functions Developer Guide).
    machine["States"]["Map"]["MaxConcurrency"] = 20
    file = folder / "template.yaml"
    file.write_text(text.replace(location, f"Definition: {json.dumps(machine)}"), encoding="utf-8")
    # W2001: the parameter of the definition's place is of no use now. W6001: see the template.
    ignored = ["--ignore-checks", "W2001", "W6001"]
    command = [str(Path(sys.executable).with_name("cfn-lint")), *ignored, "--template", str(file)]
    return subprocess.run(command, check=False, capture_output=True, text=True).stdout


def test_definition_is_without_a_finding(tmp_path: Path) -> None:
    """cfn-lint finds nothing in the stored definition."""
    assert findings(definition.load(), tmp_path) == ""


def test_planted_mistake_is_found(tmp_path: Path) -> None:
    """It does look: a first state that does not exist is found, and a property of the wrong type."""
    machine = definition.load()
    machine["States"]["Map"]["ItemProcessor"]["StartAt"] = "Nowhere"
    machine["States"]["AcquireLock"]["TimeoutSeconds"] = {}
    found = findings(machine, tmp_path)
    assert "Missing 'Next' target 'Nowhere'" in found
    assert "{} is not" in found
