"""What a Map state works on: reading, selecting and batching its items.

Follows "ItemReader (Map)", "ItemSelector (Map)" and "ItemBatcher (Map)" in the AWS documentation.
"""

# The emulator offers no public names for any of this, and JSON may hold anything.
# ruff: noqa: ANN401, SLF001

from __future__ import annotations

import csv
import io
import json
from typing import Any

from ministack.services import stepfunctions as sfn

from local_aws.step_functions.runs import LIMITS, text_of
from local_aws.step_functions.storage import read_object
from local_aws.step_functions.tasks import require, s3_failure

JSON = dict[str, Any]
Item = tuple[dict[str, Any], Any]
"""The item's entry in the context object (Index, Value, ...) and what it is passed on as."""


def field(state: JSON, name: str, data: Any, context: JSON, default: Any = None) -> Any:
    """Return a field that may be a value, a JSONata expression, or a path under `name` + "Path"."""
    if f"{name}Path" in state:
        return sfn._resolve_path_or_ctx(state[f"{name}Path"], data, context)
    if name not in state:
        return default
    return template(state[name], data, context)


def template(value: Any, data: Any, context: JSON) -> Any:
    """Return `value` with its expressions or paths evaluated."""
    if context.get("QueryLanguage") == "JSONata":
        return sfn._apply_jsonata_template(value, data, context)
    return sfn._resolve_params_obj(value, data, context)


def items_of(state: JSON, data: Any, context: JSON) -> list[Item]:
    """Return the items of a Map state, in order, after its ItemSelector."""
    if "ItemReader" in state:
        values = read_items(state["ItemReader"], data, context)
    elif "Items" in state:
        values = template(state["Items"], data, context)
    else:
        effective = sfn._apply_input_path(state, data, context)
        values = sfn._resolve_path_or_ctx(state.get("ItemsPath", "$"), effective, context)
    if isinstance(values, dict):
        entries = [{"Index": n, "Key": key, "Value": value} for n, (key, value) in enumerate(values.items())]
    elif isinstance(values, list):
        entries = [{"Index": n, "Value": value} for n, value in enumerate(values)]
    else:
        raise sfn._ExecutionError("States.Runtime", "The items of a Map state must be an array or an object")
    selector = state.get("ItemSelector") or state.get("Parameters")
    if not selector:
        return [(entry, entry["Value"]) for entry in entries]
    return [(entry, template(selector, data, {**context, "Map": {"Item": entry}})) for entry in entries]


def read_items(reader: JSON, data: Any, context: JSON) -> list[Any] | JSON:
    """Return the items of a JSON, JSON Lines or CSV object in S3, or a listing of its keys."""
    where = template(reader.get("Arguments") or reader.get("Parameters") or {}, data, context)
    config = reader.get("ReaderConfig") or {}
    resource = str(reader.get("Resource", ""))
    if resource.endswith("s3:listObjectsV2"):
        require("s3:ListBucket", f"arn:aws:s3:::{where['Bucket']}", "aws-sdk:s3")
        items: Any = sfn._read_map_items({**reader, "Arguments": where, "Parameters": where}, data, {})
    else:
        require("s3:GetObject", f"arn:aws:s3:::{where['Bucket']}/{where['Key']}", "aws-sdk:s3")
        answer = read_object(where["Bucket"], where["Key"])
        if answer[0] != 200:  # noqa: PLR2004
            raise s3_failure("States.ItemReaderFailed", where["Bucket"], answer)
        items = parse(answer[2].decode("utf-8-sig"), config)
    most = field(config, "MaxItems", data, context)
    return items[: int(most)] if most and isinstance(items, list) else items


def parse(text: str, config: JSON) -> list[Any] | JSON:
    """Return the items in `text` by the ReaderConfig's InputType (JSON, JSONL or CSV)."""
    kind = config.get("InputType", "JSON")
    if kind == "JSONL":
        return [_json(line) for line in text.split("\n") if line.strip()]
    if kind == "CSV":
        delimiter = sfn._CSV_DELIMITERS[config.get("CSVDelimiter", "COMMA")]
        rows = [row for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter) if row]
        given = config.get("CSVHeaderLocation", "FIRST_ROW") == "GIVEN"
        header, rows = (config["CSVHeaders"], rows) if given else (rows[0], rows[1:]) if rows else ([], [])
        # A missing field is an empty string, one too many is dropped.
        return [dict(zip(header, [*row, *[""] * len(header)], strict=False)) for row in rows]
    if kind != "JSON":
        raise sfn._ExecutionError("States.ItemReaderFailed", f"InputType {kind} is not emulated")
    value = _json(text)
    for part in config.get("ItemsPointer", "").strip("/").split("/"):
        if part:
            value = value[int(part)] if isinstance(value, list) else value[part]
    if not isinstance(value, list | dict):
        raise sfn._ExecutionError("States.ItemReaderFailed", "Attempting to read an array of items from JSON failed")
    return value


def batches_of(state: JSON, items: list[Item], data: Any, context: JSON) -> list[tuple[Any, int]]:
    """Return each child's input with how many items it holds; without an ItemBatcher one item each.

    A batch is full at MaxItemsPerBatch items or at MaxInputBytesPerBatch, which is 256 KiB at most.
    """
    batcher = state.get("ItemBatcher")
    if not batcher:
        return [(value, 1) for _, value in items]
    most_items = field(batcher, "MaxItemsPerBatch", data, context)
    most_bytes = min(
        int(field(batcher, "MaxInputBytesPerBatch", data, context, LIMITS.payload_bytes)), LIMITS.payload_bytes
    )
    common = {"BatchInput": template(batcher["BatchInput"], data, context)} if "BatchInput" in batcher else {}
    frame = len(text_of({**common, "Items": []}).encode())
    batches: list[tuple[Any, int]] = []
    batch: list[Any] = []
    size = frame
    for _, value in items:
        weight = len(text_of(value).encode()) + 2
        if batch and (size + weight > most_bytes or (most_items and len(batch) >= int(most_items))):
            batches.append(({**common, "Items": batch}, len(batch)))
            batch, size = [], frame
        batch.append(value)
        size += weight
    if batch:
        batches.append(({**common, "Items": batch}, len(batch)))
    return batches


def _json(text: str) -> Any:
    """Return the value of a JSON text, raising what a state machine reports for a malformed one."""
    try:
        return json.loads(text)
    except ValueError as error:
        raise sfn._ExecutionError("States.ItemReaderFailed", f"Attempting to parse JSON failed: {error}") from error
