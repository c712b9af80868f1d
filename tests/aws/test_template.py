"""The template, and the package that is deployed with it."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from aws import definition, package
from aws.parameters import TEMPLATE, local_platform

REGION = ["--regions", "ap-northeast-1", "us-east-1"]


class Loader(yaml.SafeLoader):
    """Reads a template with its functions as `{NAME: VALUE}`."""


def _function(loader: Any, name: str, node: yaml.Node) -> Any:
    if isinstance(node, yaml.ScalarNode):
        return {name: loader.construct_scalar(node)}
    if isinstance(node, yaml.SequenceNode):
        return {name: loader.construct_sequence(node, deep=True)}
    return {name: loader.construct_mapping(node, deep=True)}


Loader.add_multi_constructor("!", _function)


@pytest.fixture(scope="module")
def template() -> dict[str, Any]:
    """The template as it is stored."""
    loaded: dict[str, Any] = yaml.load(TEMPLATE.read_text(encoding="utf-8"), Loader)  # noqa: S506 - a SafeLoader
    return loaded


def lint(file: Path) -> subprocess.CompletedProcess[str]:
    """Run cfn-lint on a template."""
    command = [str(Path(sys.executable).with_name("cfn-lint")), *REGION, "--template", str(file)]
    return subprocess.run(command, check=False, capture_output=True, text=True)


def test_template_is_clean_and_a_planted_mistake_is_found(tmp_path: Path) -> None:
    """cfn-lint finds nothing in the template, and a misspelt property in a copy of it."""
    assert lint(TEMPLATE).stdout == ""
    planted = tmp_path / "template.yaml"
    planted.write_text(TEMPLATE.read_text(encoding="utf-8").replace("MemorySize:", "MemorySiz:"), encoding="utf-8")
    assert "MemorySiz" in lint(planted).stdout


def test_only_actions_that_know_no_resource_are_allowed_on_all(template: dict[str, Any]) -> None:
    """No role or policy allows anything on every resource but what AWS offers in no other way."""
    everywhere = set()
    for resource in template["Resources"].values():
        policies = [entry["PolicyDocument"] for entry in resource.get("Properties", {}).get("Policies", ())]
        if resource["Type"] == "AWS::IAM::ManagedPolicy":
            policies.append(resource["Properties"]["PolicyDocument"])
        for statement in (entry for policy in policies for entry in policy["Statement"]):
            statement = statement["If"][1] if "If" in statement else statement  # noqa: PLW2901
            actions = [statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"]
            assert not any("*" in action for action in actions)
            if statement["Resource"] == "*":
                everywhere |= {action.split(":")[0] if action[:4] in ("logs", "xray") else action for action in actions}
    assert everywhere == {"logs", "xray", "cognito-idp:GetProvisionedLimit", "ses:GetIdentityVerificationAttributes"}


def test_state_machine_may_do_what_its_definition_does(template: dict[str, Any]) -> None:
    """The actions of the role and the calls of the definition are the same."""
    services = {"cognitoidentityprovider": "cognito-idp", "secretsmanager": "secretsmanager", "s3": "s3"}
    called = {"s3:GetObject", "lambda:InvokeFunction", "states:StartExecution"}
    for _, state in definition.states_in(definition.load()):
        resource = state.get("Resource", "")
        if ":aws-sdk:" in resource:
            service, operation = resource.split(":")[-2:]
            called.add(
                f"{services[service]}:{operation[0].upper()}{operation[1:]}".replace("ListObjectsV2", "ListBucket")
            )
    allowed = set()
    for statement in template["Resources"]["StateMachineRole"]["Properties"]["Policies"][0]["PolicyDocument"][
        "Statement"
    ]:
        statement = statement["If"][1] if "If" in statement else statement  # noqa: PLW2901
        if statement["Resource"] != "*" and statement["Sid"] != "ChildrenUnderWay":
            allowed |= {statement["Action"]} if isinstance(statement["Action"], str) else set(statement["Action"])
    assert allowed == called


def test_no_personal_data_reaches_the_log_of_the_state_machine(template: dict[str, Any]) -> None:
    """Executions are logged without their data, and every log ends."""
    logging = template["Resources"]["StateMachine"]["Properties"]["LoggingConfiguration"]
    assert logging["IncludeExecutionData"] is False
    groups = [entry for entry in template["Resources"].values() if entry["Type"] == "AWS::Logs::LogGroup"]
    assert all("RetentionInDays" in group["Properties"] for group in groups)


def test_password_is_no_parameter(template: dict[str, Any]) -> None:
    """The template takes the ARN of a secret, and no output or environment names even that."""
    assert "ARN" in template["Parameters"]["TemporaryPasswordSecret"]["Description"]
    assert "Password" not in json.dumps(template["Outputs"])
    assert "Password" not in json.dumps(template["Resources"]["Function"])


@pytest.fixture(scope="module")
def artifacts() -> package.Artifacts:
    """What is deployed, built for this machine."""
    return package.build(**{key.lower(): value for key, value in local_platform().items() if key != "RequireTls"})


def test_package_holds_the_core_as_it_is_and_no_airflow(artifacts: package.Artifacts) -> None:
    """The function runs the same modules as Airflow, without Airflow, its plugin page or anybody's bytecode."""
    with zipfile.ZipFile(artifacts.function) as file:
        names = file.namelist()
        for path in package.CORE.glob("*.py"):
            assert file.read(f"cognito_import/{path.name}") == path.read_bytes()
        assert {entry.date_time for entry in file.infolist()} == {(1980, 1, 1, 0, 0, 0)}
    assert names == list(dict.fromkeys(names))
    assert not [
        name for name in names if name.startswith(("airflow", "cognito_import/console")) or "__pycache__" in name
    ]


def test_same_input_makes_the_same_package(artifacts: package.Artifacts) -> None:
    """A second build has the same name, which is a hash of its bytes, so nothing is deployed anew for nothing."""
    again = package.build(**{key.lower(): value for key, value in local_platform().items() if key != "RequireTls"})
    assert again == artifacts
