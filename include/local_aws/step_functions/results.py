"""ResultWriter: where a distributed Map leaves what its children did.

Follows "ResultWriter (Map)" in the AWS documentation: a `manifest.json` that names the files with the results
of the children that succeeded, that failed (timed out and stopped ones too) and that never started. An
execution that is stopped or times out writes none of them.
"""

# The emulator offers no public names for any of this, and JSON may hold anything.
# ruff: noqa: ANN401

from __future__ import annotations

import json
from typing import Any

from local_aws.step_functions.items import template
from local_aws.step_functions.runs import text_of
from local_aws.step_functions.storage import write_object
from local_aws.step_functions.tasks import require, s3_failure

JSON = dict[str, Any]
FILES = {"SUCCEEDED": ("SUCCEEDED",), "FAILED": ("FAILED", "TIMED_OUT", "ABORTED"), "PENDING": ("PENDING",)}


def metadata(child: JSON) -> JSON:
    """Return a child as the result files show it (Transformation NONE)."""
    shown = {
        "ExecutionArn": child.get("executionArn"),
        "Input": child["input"],
        "InputDetails": {"Included": True},
        "Name": child.get("name"),
        "Output": child.get("output"),
        "OutputDetails": {"Included": True} if child.get("output") is not None else None,
        "Error": child.get("error"),
        "Cause": child.get("cause"),
        "RedriveCount": child.get("redriveCount", 0),
        "StartDate": child.get("startDate"),
        "StateMachineArn": child.get("stateMachineArn"),
        "Status": child["status"],
        "StopDate": child.get("stopDate"),
    }
    return {key: value for key, value in shown.items() if value is not None}


def transformed(children: list[JSON], transformation: str) -> list[Any]:
    """Return the results by the WriterConfig's Transformation: NONE, COMPACT or FLATTEN."""
    if transformation == "NONE":
        return [metadata(child) for child in children]
    outputs = [json.loads(child["output"]) if child["status"] == "SUCCEEDED" else metadata(child) for child in children]
    if transformation == "COMPACT":
        return outputs
    return [part for output in outputs for part in (output if isinstance(output, list) else [output])]


def write(writer: JSON, data: Any, context: JSON, map_run_arn: str, children: list[JSON]) -> JSON:
    """Write the files and return the Map state's result, `{"MapRunArn", "ResultWriterDetails"}`.

    `children` are in the order in which they ended: AWS promises no other.
    """
    where = template(writer.get("Arguments") or writer.get("Parameters") or {}, data, context)
    config = writer.get("WriterConfig") or {}
    bucket, prefix = where["Bucket"], str(where.get("Prefix", "")).rstrip("/")
    folder = "/".join(part for part in (prefix, map_run_arn.rpartition(":")[2]) if part)
    require("s3:PutObject", f"arn:aws:s3:::{bucket}/{folder}/manifest.json", "aws-sdk:s3")
    lines = config.get("OutputType") == "JSONL"
    files: dict[str, list[JSON]] = {}
    for name, statuses in FILES.items():
        chosen = [child for child in children if child["status"] in statuses]
        files[name] = []
        if chosen:
            results = transformed(chosen, config.get("Transformation", "NONE"))
            text = "\n".join(text_of(result) for result in results) if lines else text_of(results)
            key = f"{folder}/{name}_0.{'jsonl' if lines else 'json'}"
            files[name].append({"Key": key, "Size": _put(bucket, key, text)})
    manifest = {"DestinationBucket": bucket, "MapRunArn": map_run_arn, "ResultFiles": files}
    _put(bucket, f"{folder}/manifest.json", text_of(manifest))
    return {
        "MapRunArn": map_run_arn,
        "ResultWriterDetails": {"Bucket": bucket, "Key": f"{folder}/manifest.json"},
    }


def _put(bucket: str, key: str, text: str) -> int:
    body = text.encode()
    answer = write_object(bucket, key, body)
    if answer[0] != 200:  # noqa: PLR2004
        raise s3_failure("States.ResultWriterFailed", bucket, answer)
    return len(body)
