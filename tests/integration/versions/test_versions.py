"""The same imports on every version of Airflow that users have."""

from __future__ import annotations

import json
import os
import re
import subprocess

import pytest

from cognito_import.run import approval
from cognito_import.run.folder import RunFolder
from cognito_import.run.manifest import run_name
from demo.sandbox import DAG, NIGHTLY

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


def test_dags_and_plugin_load(version, tmp_path):
    """No file fails to parse, and the plugin is Airflow's, with no import of its own that warns or fails."""
    env = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "AIRFLOW"))},
        "AIRFLOW_HOME": str(tmp_path),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(ROOT / "plugins"),
    }
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
