"""S3 fails once at each single call that a run makes, from its source to the note of what was reported.

The clients here repeat nothing themselves, so that each failure stands for one that outlasts their patience; what follows is
what Airflow does: the task is tried again, by a process that knows nothing of the first.
"""

from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime

import boto3
import pytest
from airflow.sdk.exceptions import AirflowFailException
from botocore.config import Config

from cognito_import import aws
from cognito_import.airflow.context import final_errors
from cognito_import.engine.batches import run_batch
from cognito_import.engine.pacing import Pacer
from cognito_import.engine.user_pool import UserPool
from cognito_import.errors import CognitoImportError, NotReadyError
from cognito_import.ingest import ingest_request
from cognito_import.preflight import Clients, check
from cognito_import.report.ending import conclude
from cognito_import.run.folder import RunFolder
from demo.watch import fetch, link_in, rows_of
from stack import definition

ONCE = Config(retries={"total_max_attempts": 1})
TRIES = 4  # of a task that has three retries


class Tasks:
    """The tasks of one import of three users from a file, in one batch."""

    def __init__(self, resources, settings, name, operation=""):
        self.resources, self.settings, self.name = resources, replace(settings, slots=1), name
        self.addresses = [f"user{number}-{name}@example.com" for number in (1, 2, 3)]
        resources.s3.put_object(
            Bucket=resources.bucket, Key=f"{name}.csv", Body="\n".join(["email", *self.addresses]).encode()
        )
        self.request = {"source": f"s3://{resources.bucket}/{name}.csv", "adminemail": resources.admin}
        self.cognito = boto3.client("cognito-idp", config=aws.COGNITO)
        self.s3 = boto3.client("s3", config=aws.S3.merge(ONCE))
        self.calls = 0
        self.s3.meta.events.register(f"before-send.s3.{operation}".rstrip("."), self._count)

    def _count(self, **_):
        self.calls += 1

    def run(self):
        """Run them all, each as often as Airflow would. Raises what is final."""
        for task in (self.read_request, self.preflight, self.process_users, self.report, self.finish):
            for attempt in range(TRIES):
                with suppress(*([CognitoImportError] if attempt < TRIES - 1 else [])), final_errors():
                    task(RunFolder(self.s3, self.resources.bucket, self.name))
                    break

    def read_request(self, folder):
        ingest_request(self.request, self.settings, folder.s3, folder)

    def preflight(self, folder):
        clients = Clients(self.cognito, folder.s3, self.resources.ses, self.resources.step_functions)
        manifest, settings = folder.required_manifest(), replace(self.settings, pacing_seconds=1.0)
        check(manifest, settings, clients, None, rows=folder.all_rows(), sleep=lambda _: None)

    def process_users(self, folder):
        pool = UserPool(self.cognito, self.settings, Pacer(0.001))
        (batch,) = folder.required_manifest().batches
        run_batch(folder, batch, pool, sleep=lambda _: None)

    def report(self, folder):
        return conclude(
            folder,
            self.settings,
            self.resources.ses,
            None,  # no execution of a mapped run is looked for
            request=self.request,
            from_inbox=False,
            signer=None,
            credentials_expire_at=None,
            now=datetime.now(UTC),
        )

    def finish(self, folder):
        self.report(folder).raise_if_incomplete()


def judged(tasks, local_aws, mails):
    """Assert that the user pool, the CSV and the calls of a run agree, and that one mail went out."""
    (mail,) = mails
    rows = rows_of(fetch(link_in(mail)))
    pool = tasks.resources.users()
    assert [(row["useremail"], row["status"]) for row in rows] == [
        (address, "succeeded") for address in tasks.addresses
    ]
    assert [(row["username"], {"BASIC"}) for row in rows] == [
        (pool[address].username, pool[address].groups) for address in tasks.addresses
    ]
    names = {*tasks.addresses, *(row["username"] for row in rows)}
    called = [call["operation"] for call in local_aws.calls() if call["username"] in names]
    assert sorted(called) == ["AdminAddUserToGroup"] * 3 + ["AdminCreateUser"] * 3


@pytest.mark.parametrize(
    ("operation", "kind", "details"),
    [
        pytest.param("", "error", {"code": "SlowDown", "status": 503}, id="503", marks=pytest.mark.slow),
        # A read has no effect, so an answer that is lost is like a 503.
        pytest.param("PutObject", "drop_after", {}, id="no answer after the effect"),
    ],
)
def test_s3_may_fail_at_any_step(resources, settings, local_aws, mails, operation, kind, details):
    """Wherever it fails, the run ends by itself: each user called once, each row true, one mail."""
    undisturbed = Tasks(resources, settings, "run-0", operation)
    undisturbed.run()
    for number in range(undisturbed.calls):
        told = len(mails())
        tasks = Tasks(resources, settings, f"run-{number + 1}", operation)
        local_aws.reset()
        local_aws.fault(operation, kind, service="s3", after=number, **details)
        try:
            tasks.run()
        except (AirflowFailException, CognitoImportError) as error:
            pytest.fail(f"call {number + 1} of {undisturbed.calls}: {error}")
        assert tasks.calls > number, "nothing has failed"
        judged(tasks, local_aws, mails()[told:])


def test_a_source_that_s3_cannot_give_is_no_bad_request(resources, settings, local_aws):
    """The error is one that both engines repeat, not one that refuses the request for good."""
    tasks = Tasks(resources, settings, "run-1")
    local_aws.fault("GetObject", service="s3", code="SlowDown", status=503, after=1)
    with pytest.raises(NotReadyError, match="cannot be read: S3 answered SlowDown") as failed:
        tasks.read_request(RunFolder(tasks.s3, resources.bucket, "run-1"))
    assert failed.value.temporary
    final, retry = definition.load()["States"]["Ingest"]["Retry"]
    assert (retry["ErrorEquals"], final["MaxAttempts"]) == (["States.ALL"], 0)
    assert not {type(failed.value).__name__, "RunFolderError"} & set(final["ErrorEquals"])
