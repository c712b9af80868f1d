"""What AWS checks of every Cognito request before anything else: the lengths and patterns of its SDK model.

A violation is an `InvalidParameterException` in AWS's own words, e.g. "1 validation error detected: Value
at 'username' failed to satisfy constraint: Member must have length less than or equal to 128".
"""

# A request's members may hold anything.

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import cache
from typing import Any

import botocore.session
from botocore.model import ServiceModel, Shape


@cache
def _service_model() -> ServiceModel:
    return botocore.session.get_session().get_service_model("cognito-idp")


def violations(operation: str, request: dict[str, Any]) -> str:
    """Return AWS's message on what is wrong with the form of `request`, or "" if nothing is."""
    model = _service_model()
    if operation not in model.operation_names:
        return ""
    found = list(_violations(model.operation_model(operation).input_shape, request, ""))
    if not found:
        return ""
    plural = "s" if len(found) > 1 else ""
    return f"{len(found)} validation error{plural} detected: {'; '.join(found)}"


def _violations(shape: Shape, value: Any, path: str) -> Iterator[str]:
    """Yield one sentence for each member of `value` that breaks the model; `path` is where it stands."""
    if shape.type_name == "structure" and isinstance(value, dict):
        for name, member in shape.members.items():
            there = f"{path}.{name[0].lower()}{name[1:]}" if path else f"{name[0].lower()}{name[1:]}"
            if value.get(name) is not None:
                yield from _violations(member, value[name], there)
            elif name in shape.required_members:
                yield f"Value null at '{there}' failed to satisfy constraint: Member must not be null"
    elif shape.type_name == "list" and isinstance(value, list):
        for number, member in enumerate(value, 1):
            yield from _violations(shape.member, member, f"{path}.{number}.member")
    elif shape.type_name == "string" and isinstance(value, str):
        shown = "Value" if shape.metadata.get("sensitive") else f"Value '{value}'"
        for broken in _broken_rules(shape.metadata, value):
            yield f"{shown} at '{path}' failed to satisfy constraint: {broken}"


def _broken_rules(rules: dict[str, Any], value: str) -> Iterator[str]:
    """Yield AWS's wording of each rule of a string shape that `value` breaks."""
    if "max" in rules and len(value) > rules["max"]:
        yield f"Member must have length less than or equal to {rules['max']}"
    if "min" in rules and len(value) < rules["min"]:
        yield f"Member must have length greater than or equal to {rules['min']}"
    if "pattern" in rules and not _matches(rules["pattern"], value):
        yield f"Member must satisfy regular expression pattern: {rules['pattern']}"


def _matches(pattern: str, value: str) -> bool:
    r"""Return whether all of `value` matches; `re` does not know \p{L}, so those are spelled by category."""
    kinds = re.findall(r"\\p\{(\w)\}", pattern)
    if not kinds:
        return re.fullmatch(pattern, value) is not None
    blanks = "\t\n\r " if r"\t" in pattern else ""
    return value != "" and all(unicodedata.category(char)[0] in kinds or char in blanks for char in value)
