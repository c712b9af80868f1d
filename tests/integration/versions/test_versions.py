"""The same imports on every version of Airflow that users have."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess

import httpx
import pytest
import yaml
from openpyxl import Workbook

from cognito_import.report.delivery import Reported
from cognito_import.run import approval
from cognito_import.run.folder import RunFolder
from cognito_import.run.manifest import run_name
from demo.sandbox import DAG, NIGHTLY
from sandbox.waiting import until

from .conftest import MWAA, ROOT, VERSIONS, pins


@pytest.mark.parametrize("version", [one for one in VERSIONS if one.mwaa], ids=lambda one: one.name, indirect=True)
def test_mwaa_installs_the_requirements_and_moves_nothing(version):
    """With all that MWAA constrains it resolves, and only adds to what is there."""
    requirements = ROOT / "requirements.txt"
    # In a comment, too, MWAA would take it for constraints of the user's own and leave its own out.
    assert re.search("-c |--constraint ", requirements.read_text()) is None
    files = [MWAA / f"essential-{version.name}.txt", MWAA / f"airflow-constraints-{version.name}.txt"]
    command = [ROOT / ".venv" / "bin" / "uv", "pip", "compile", "--quiet", "--no-header", "--no-annotate"]
    command += ["--python-version", "3.12", requirements, *(part for file in files for part in ("-c", file))]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    wanted, there = pins(done.stdout), pins((MWAA / f"installed-{version.name}.txt").read_text())
    assert {name: (there[name], wanted[name]) for name in wanted if there.get(name, wanted[name]) != wanted[name]} == {}
    assert {"pandas", "numpy"} <= wanted.keys() - there.keys()
    assert "apache-airflow" not in pins(requirements.read_text())


def test_what_is_installed_is_what_is_said(version):
    """The virtual environment has this Airflow, and MWAA's version of every package that both have."""
    assert version.packages["apache-airflow"] == version.name
    if version.mwaa:
        there = pins((MWAA / f"installed-{version.name}.txt").read_text())
        both = version.packages.keys() & there.keys() - {"pip", "setuptools", "wheel"}
        assert len(both) > 100
        assert {
            name: (there[name], version.packages[name]) for name in both if there[name] != version.packages[name]
        } == {}


@pytest.fixture
def bare(tmp_path):
    """The environment of an Airflow without a database."""
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "AIRFLOW"))},
        "AIRFLOW_HOME": str(tmp_path),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
    }


def test_no_private_name_has_moved(version, bare):
    """What Airflow, its providers and boto3 keep to themselves is where the package looks for it."""
    printed = version.run(ROOT / "tests" / "private_names.py", **bare, PYTHONPATH=str(ROOT / "plugins"))
    # Imported ahead of the tasks where they are; before 3.3 there is nothing in them that a task would need.
    later = {"airflow.sdk.execution_time.request_handlers", "airflow.sdk.execution_time.schema.migrator"}
    assert json.loads(printed.rpartition("MOVED")[2]).keys() == (later if version.before_3_3 else set())


def test_dags_and_plugin_load(version, bare):
    """No file fails to parse, and the plugin is Airflow's, with no import of its own that warns or fails."""
    env = {**bare, "AIRFLOW__CORE__PLUGINS_FOLDER": str(ROOT / "plugins")}
    printed = version.run(ROOT / "tests" / "parse_dags.py", ROOT / "dags", **env, PYTHONPATH=str(ROOT / "plugins"))
    parsed = json.loads(printed.rpartition("PARSED")[2])
    assert parsed["errors"] == {}
    assert set(parsed["dags"]) == {DAG, NIGHTLY}
    code = """if True:
        import json
        from airflow import plugins_manager as m
        found, errors = m._get_plugins() if hasattr(m, "_get_plugins") else (m.plugins, m.import_errors)
        print("FOUND" + json.dumps([[p.name for p in found], dict(errors)]))
    """
    names, errors = json.loads(version.run("-c", code, **env).rpartition("FOUND")[2])
    assert "cognito_import" in names
    assert errors == {}


def test_the_options_that_the_pages_name_exist(version, bare):
    """MWAA's configuration options and the chart's `config`, but for Celery's, which are a provider's."""
    code = """if True:
        import json
        from airflow.configuration import conf
        options = {section: list(part["options"]) for section, part in conf.configuration_description.items()}
        print("OPTIONS" + json.dumps(options))
    """
    options = json.loads(version.run("-c", code, **bare).rpartition("OPTIONS")[2])
    mwaa = re.findall(r"^\| `(\w+)\.(\w+)` \|", (ROOT / "docs" / "deploy-mwaa.md").read_text(), re.MULTILINE)
    chart = (ROOT / "docs" / "deploy-kubernetes.md").read_text().partition("```yaml\n")[2].partition("```")[0]
    named = {*mwaa, *((section, one) for section, part in yaml.safe_load(chart)["config"].items() for one in part)}
    assert len(mwaa) == 4
    unknown = {(section, option) for section, option in named if option not in options.get(section, ())}
    assert {section for section, _ in unknown} <= {"celery", "celery_broker_transport_options"}


def test_an_import_by_either_engine_a_deletion_and_a_night(
    version, sandbox, start, addresses, approver, resources, aws, reported, truth, admin
):
    """On an Airflow with defaults: triggered runs begin, the plugin makes the pool, an approval is asked for and followed."""
    users = addresses(134)
    leavers, tonight, imported = users[:6], users[6:14], {"mapped": users[14:74], "step_functions": users[74:]}
    for user in leavers:
        resources.add_user(user)
    aws.reset()
    rest = sandbox.airflow.rest
    deletion = start(leavers, jobtype="delete")
    resources.s3.put_object(
        Bucket=resources.bucket, Key="inbox/new.csv", Body="\n".join(["useremail", *tonight]).encode()
    )
    rest.request("PATCH", f"dags/{NIGHTLY}", json={"is_paused": False})
    night = rest.trigger(NIGHTLY, {})

    for engine, those in imported.items():
        run = start(those, engine=engine)
        assert run.wait() == "success"
        rows = reported(run)
        assert {row["status"] for row in rows} == {"succeeded"}
        truth(rows, those)
        if engine == "mapped":
            assert len(run.states("process_users")) > 1
            assert rest.pool("cognito_api")["slots"] == 20
        else:
            (task,) = rest.task_instances(DAG, run.run_id, "await_execution")
            assert (task["state"], task["try_number"]) == ("success", 1)
            assert "Rescheduling task" in run.log("await_execution")  # given back in time, which is no failure

    sandbox.airflow.wait_until_parked(DAG, deletion.run_id, "approve")
    assert "依頼者: `admin`" in rest.question(DAG, deletion.run_id, "approve")["body"]
    assert set(leavers) <= set(resources.users())
    approver.answer(DAG, deletion.run_id, "approve", "Approve")
    assert deletion.wait() == "success"
    assert approval.read(deletion.folder).by == "approver"
    assert {(row["useremail"], row["status"]) for row in reported(deletion)} == {
        (user, "succeeded") for user in leavers
    }

    assert rest.wait(NIGHTLY, night, seconds=240) == "success"
    (filed,) = resources.s3.list_objects_v2(Bucket=resources.bucket, Prefix="inbox/processed/")["Contents"]
    assert filed["Key"].endswith("_new.csv")
    pool = resources.users()
    assert set(pool) >= {*tonight, *imported["mapped"], *imported["step_functions"]}
    assert not set(pool) & set(leavers)
    (task,) = rest.task_instances(NIGHTLY, night, "file.import_file")
    assert task["try_number"] == 1
    assert "Rescheduling task" in rest.log(NIGHTLY, night, "file.import_file", map_index=0)
    run_id = rest.xcom(NIGHTLY, night, "file.import_file", "trigger_run_id", 0)
    manifest = RunFolder(resources.s3, resources.bucket, run_name(run_id)).manifest()
    assert manifest.users == len(tonight)


def test_the_page_takes_a_list_to_its_csv(sandbox, resources, admin, addresses):
    """By the requests of the browser: a workbook is checked, corrected, started and watched; its CSV is the one in S3."""
    airflow, users = sandbox.airflow, addresses(4)
    book, file = Workbook(), io.BytesIO()
    for cell in ("メールアドレス", *users[:3], users[3].replace("@", " @")):
        book.active.append([cell])
    book.save(file)
    login = {"username": airflow.username, "password": airflow.password}
    token = httpx.post(f"{airflow.url}/auth/token", json=login).json()["access_token"]
    with httpx.Client(
        base_url=f"{airflow.url}/cognito-import/",
        cookies={"_token": token},
        headers={"X-Cognito-Import": "page"},
        timeout=60,
        event_hooks={"response": [httpx.Response.raise_for_status]},
    ) as page:
        assert "static/app.js" in page.get("").text
        assert page.get("static/app.js").headers["content-type"].startswith("text/javascript")
        binary = {"Content-Type": "application/octet-stream"}
        draft = page.post("api/drafts?kind=xlsx&name=users.xlsx", content=file.getvalue(), headers=binary).json()
        assert (draft["users"], draft["wrong"]) == (4, 1)
        edits = {"edits": {str(draft["problems"][0]["row"]): {"useremail": users[3]}}}
        draft = page.post(f"api/drafts/{draft['token']}", json=edits).json()
        assert (draft["users"], draft["wrong"]) == (4, 0)
        source = page.post(f"api/drafts/{draft['token']}/source").json()["source"]
        order = {"logical_date": None, "conf": {"source": source, "adminemail": admin}}
        run = page.post(f"{airflow.url}/api/v2/dags/{DAG}/dagRuns", json=order).json()["dag_run_id"]
        view = until(
            "the report on the page",
            lambda: page.get("api/run", params={"run": run}).json(),
            lambda seen: seen["read"] and seen["report"],
            seconds=240,
            every=1,
        )
        assert (view["state"], view["counts"]["succeeded"]) == ("success", 4)
        assert page.get("api/runs").json()["runs"][0]["run"] == run
        rows = page.get("api/run/outcomes", params={"run": run, "q": users[3]}).json()["rows"]
        assert [(row["row"], row["kind"]) for row in rows] == [(4, "succeeded")]
        assert page.post("api/preflight").json()["problems"] == []
        csv = page.get("api/run/report.csv", params={"run": run}).content
    folder = RunFolder(resources.s3, resources.bucket, run_name(run))
    key = folder.read_report(Reported).delivery.csv_key
    assert csv == resources.s3.get_object(Bucket=resources.bucket, Key=key)["Body"].read()
    assert set(users) <= set(resources.users())
