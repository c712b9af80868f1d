"""The template, and the package that is deployed with it."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
import zipfile
from fnmatch import fnmatchcase
from functools import reduce
from operator import getitem
from pathlib import Path
from typing import Any

import pytest
import yaml

from cognito_import.settings import Settings
from stack import definition, handler, package
from stack.parameters import TEMPLATE, local_platform

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
    assert everywhere == {
        "logs",
        "xray",
        "cognito-idp:GetProvisionedLimit",
        "cloudwatch:GetMetricData",
        "cloudwatch:ListMetrics",
        "ses:GetAccount",
        "ses:GetIdentityVerificationAttributes",
        "ses:GetSuppressedDestination",
    }


def test_state_machine_may_do_what_its_definition_does(template: dict[str, Any]) -> None:
    """The actions of the role and the calls of the definition are the same."""
    services = {"cognitoidentityprovider": "cognito-idp", "lambda": "lambda", "s3": "s3"}
    called = {"states:StartExecution"}
    for _, state in definition.states_in(definition.load()):
        for resource in (state.get("Resource"), state.get("ItemReader", {}).get("Resource")):
            if resource:
                service, operation = resource.split(":")[-2:]
                action = f"{services[service]}:{operation[0].upper()}{operation[1:]}"
                called.add(action.replace("lambda:Invoke", "lambda:InvokeFunction"))
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
    """The template takes the ARN of a secret; the function's environment holds that ARN, and no output even names it."""
    assert "ARN" in template["Parameters"]["TemporaryPasswordSecret"]["Description"]
    assert "Password" not in json.dumps(template["Outputs"])
    environment = template["Resources"]["Function"]["Properties"]["Environment"]["Variables"]
    assert environment.pop("COGNITO_IMPORT_SECRET") == {"Ref": "TemporaryPasswordSecret"}
    assert "Password" not in json.dumps(environment)


def test_key_of_the_link_signer_is_in_its_secret_alone(template: dict[str, Any]) -> None:
    """Nothing but the secret's text is made of the key, and only who signs links may read it."""
    parts = {**template["Resources"], **template["Outputs"]}
    assert {name for name, entry in parts.items() if "LinkKey" in json.dumps(entry)} == {"LinkSecret"}
    named = {name for name, entry in parts.items() if "LinkSecret" in json.dumps(entry)}
    assert named == {"FunctionRole", "Function", "WorkerPolicy", "LinkSecretArn"}
    text = template["Resources"]["LinkSecret"]["Properties"]["SecretString"]["Sub"]
    assert json.loads(text).keys() == {"conn_type", "login", "password", "extra"}


def test_alarms_arrive(template: dict[str, Any]) -> None:
    """Every alarm goes to a topic that CloudWatch may publish to, and that no key of SNS's own keeps it from."""
    resources = template["Resources"]
    alarms = [entry["Properties"] for entry in resources.values() if entry["Type"] == "AWS::CloudWatch::Alarm"]
    assert {alarm["MetricName"] for alarm in alarms} == {
        "ExecutionsFailed", "ExecutionsTimedOut", "ExecutionsAborted", "ExecutionThrottled", "Errors",
    }  # fmt: skip
    assert all(
        alarm["AlarmActions"] == {"If": ["HasAlarmMail", [{"Ref": "AlarmTopic"}], {"Ref": "AWS::NoValue"}]}
        for alarm in alarms
    )
    assert "KmsMasterKeyId" not in resources["AlarmTopic"]["Properties"]
    (statement,) = resources["AlarmTopicPolicy"]["Properties"]["PolicyDocument"]["Statement"]
    assert (statement["Principal"], statement["Action"]) == ({"Service": "cloudwatch.amazonaws.com"}, "sns:Publish")
    pattern = statement["Condition"]["ArnLike"]["aws:SourceArn"]["Sub"].rpartition(":alarm:")[2]
    assert all(fnmatchcase(alarm["AlarmName"]["Sub"], pattern) for alarm in alarms)


# "Event: Execution Status Change" from the AWS Step Functions Developer Guide, cut down to what rules look at.
_ASKED = [
    "approve_deletions", "approve_disabling", "approval_seconds", "approve_own", "approvers", "approver_ids",
]  # fmt: skip
NOT_OF_THE_FUNCTION = {
    "temporary_password": "the function reads it from the secret that a parameter names",
    "state_machine_arn": "the function is a part of it",
    "engine": "the function's is always step_functions",
    **dict.fromkeys(["link_conn_id", "aws_conn_id"], "connections are Airflow's"),
    "console_addresses": "the page is Airflow's",
    **dict.fromkeys(["inbox", "inbox_rules", "inbox_quiet_seconds"], "the nightly run is Airflow's"),
    **dict.fromkeys(_ASKED, "Airflow asks"),
}
NOT_OF_THE_STACK = {
    "temporary_password": "a secret is in no output",
    **dict.fromkeys(
        ["engine", "aws_conn_id", "inbox_quiet_seconds", "console_addresses"], "the operator's choice, not the stack's"
    ),
    **dict.fromkeys(_ASKED, "as above"),
}


def settings_in(value: Any) -> set[str]:
    """Return the keys of the JSON that a template's value makes, those of its conditional parts among them."""
    return set(re.findall(r'"(\w+)": ', json.dumps(value).replace("\\", ""))) & set(Settings.__slots__)


def test_function_and_variable_know_every_setting(template: dict[str, Any]) -> None:
    """A new setting reaches a direct execution and the Variable that the stack makes, or stands above with the reason."""
    resources, everything = template["Resources"], set(Settings.__slots__)
    function = resources["Function"]["Properties"]["Environment"]["Variables"]["COGNITO_IMPORT"]
    assert settings_in(function) == everything - set(NOT_OF_THE_FUNCTION)
    assert settings_in(template["Outputs"]["CognitoImport"]["Value"]) == everything - set(NOT_OF_THE_STACK)


def test_parameters_have_the_settings_defaults(template: dict[str, Any]) -> None:
    """A direct execution does what Airflow does where nobody decides anything."""
    defaults = Settings("ap-northeast-1_abc", "reports", "from@example.com")
    named = {name: re.sub("_([a-z])", lambda match: match[1].upper(), f"_{name}") for name in Settings.__slots__}
    shared = {name for name in named if named[name] in template["Parameters"]} - {"user_pool_id", "mail_from"}
    assert shared == set(Settings.__slots__) - {"user_pool_id", "report_bucket", "mail_from", *NOT_OF_THE_FUNCTION}
    for name in shared:
        value = getattr(defaults, name)
        text = ",".join(value) if isinstance(value, tuple) else json.dumps(value).strip('"')
        default = template["Parameters"][named[name]]["Default"]
        assert text == str(type(value)(default) if isinstance(value, float) else default), name


ENDED = {
    "source": "aws.states",
    "detail-type": "Step Functions Execution Status Change",
    "detail": {
        "executionArn": "arn:aws:states:us-east-1:123456789012:execution:cognito-import-main:night",
        "stateMachineArn": "arn:aws:states:us-east-1:123456789012:stateMachine:cognito-import-main",
        "status": "ABORTED",
        "input": "{}",
    },
}


def test_function_hears_of_executions_that_end_badly(template: dict[str, Any]) -> None:
    """The rule matches what Step Functions says of this machine's bad ends, and hands the function one of its actions."""
    resources = template["Resources"]
    rule = resources["EndedRule"]["Properties"]
    pattern = rule["EventPattern"]
    assert {key: ENDED[key] in pattern[key] for key in ("source", "detail-type")} == {
        "source": True,
        "detail-type": True,
    }
    assert pattern["detail"] == {
        "stateMachineArn": [{"Ref": "StateMachine"}], "status": ["FAILED", "TIMED_OUT", "ABORTED"],
    }  # fmt: skip
    (target,) = rule["Targets"]
    text = target["InputTransformer"]["InputTemplate"]
    for name, path in target["InputTransformer"]["InputPathsMap"].items():
        value = reduce(getitem, path.removeprefix("$.").split("."), ENDED)
        text = text.replace(f"<{name}>", json.dumps(value))
    event = json.loads(text)
    assert event == {"action": "ended", "execution": ENDED["detail"]["executionArn"], "status": "ABORTED"}
    assert event["action"] in handler._ACTIONS
    assert target["Arn"] == {"GetAtt": "Function.Arn"}
    permission = resources["EndedPermission"]["Properties"]
    assert (permission["Principal"], permission["SourceArn"]) == ("events.amazonaws.com", {"GetAtt": "EndedRule.Arn"})


def test_files_with_addresses_expire(template: dict[str, Any]) -> None:
    """Run folders, reports and the nightly run's files of the past are deleted, each after a parameter's days."""
    rules = template["Resources"]["Bucket"]["Properties"]["LifecycleConfiguration"]["Rules"]
    days = {rule["Prefix"]: rule["ExpirationInDays"]["Ref"] for rule in rules if "Prefix" in rule}
    assert days == {
        "runs/": "WorkingDays",
        "console/": "WorkingDays",
        "cognitoimportlog/": "ReportDays",
        "cognitodeletelog/": "ReportDays",
        "cognitodisablelog/": "ReportDays",
        "cognitoenablelog/": "ReportDays",
        "inbox/processed/": "ProcessedDays",
        "inbox/failed/": "ProcessedDays",
    }


def test_package_holds_what_the_core_imports() -> None:
    """Every library that a module of the core or the function imports is among those that are packaged, and no other."""
    imported = set()
    for path in [*(file for file in package.core() if file.suffix == ".py"), *package.FUNCTION]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            imported |= {name.partition(".")[0] for name in names}
    typing_only = {name for name in imported if name.startswith("mypy_boto3_")}
    bundled = {"botocore", "pydantic_core", "cognito_import", "stack"}  # with boto3 and pydantic, and what is ours
    assert imported - sys.stdlib_module_names - typing_only - bundled == {*package.LIBRARIES} - {"tzdata"}


@pytest.fixture(scope="module")
def artifacts() -> package.Artifacts:
    """What is deployed, built for this machine."""
    return package.build(**{key.lower(): value for key, value in local_platform().items() if key != "RequireTls"})


def test_package_holds_the_core_as_it_is_and_no_airflow(artifacts: package.Artifacts) -> None:
    """The function runs the same modules as Airflow, without Airflow, its plugin page or anybody's bytecode."""
    with zipfile.ZipFile(artifacts.function) as file:
        names = file.namelist()
        for path in package.core():
            assert file.read(f"cognito_import/{path.relative_to(package.CORE)}") == path.read_bytes()
        assert {entry.date_time for entry in file.infolist()} == {(1980, 1, 1, 0, 0, 0)}
    assert names == list(dict.fromkeys(names))
    left_out = ("airflow", "cognito_import/airflow", "cognito_import/console")
    assert not [name for name in names if name.startswith(left_out) or "__pycache__" in name]


def test_same_input_makes_the_same_package(artifacts: package.Artifacts) -> None:
    """A second build has the same name, which is a hash of its bytes, so nothing is deployed anew for nothing."""
    again = package.build(**{key.lower(): value for key, value in local_platform().items() if key != "RequireTls"})
    assert again == artifacts
