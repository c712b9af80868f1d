"""Secrets, links and addresses stay where they belong."""

import json

from demo.stage import DAG
from demo.watch import link_in


def test_no_secret_is_left_anywhere(start, addresses, stage, aws, admin, settings_password):
    """Temporary password, link and AWS secret are in no log, XCom, rendered template or message, on failure either."""
    users = addresses(3)
    aws.fault("AdminAddUserToGroup", code="InternalErrorException", status=500, username=users[0], times=1)
    aws.fault("SendEmail", service="ses", code="MessageRejected", times=1)
    run = start(users)
    assert run.wait() == "success"
    link = link_in(run.mails(admin)[-1])
    signature = link.rpartition("X-Amz-Signature=")[2]
    secret = aws.environment()["AWS_SECRET_ACCESS_KEY"]
    left = {str(path): path.read_text(errors="replace") for path in stage.airflow.logs.rglob("*") if path.is_file()}
    instances = run.rest.task_instances(DAG, run.run_id)
    left["task instances"] = json.dumps(instances)
    for item in instances:
        path = f"dags/{DAG}/dagRuns/{run.run_id}/taskInstances/{item['task_id']}/xcomEntries"
        for entry in run.rest.pages(path, "xcom_entries", {"map_index": item["map_index"]}):
            value = run.rest.xcom(DAG, run.run_id, item["task_id"], entry["key"], item["map_index"])
            left[f"xcom {item['task_id']} {entry['key']}"] = json.dumps(value)
    assert len(left) > 10
    hidden = [settings_password, "X-Amz-Signature=", signature, f"AWS_SECRET_ACCESS_KEY={secret}"]
    found = [(place, what) for place, text in left.items() for what in hidden if what in text]
    assert found == []
    addressed = [place for place, text in left.items() if any(user in text for user in users)]
    assert addressed == []
