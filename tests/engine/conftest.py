"""What tests of the engine share."""

from __future__ import annotations

import threading

import boto3
import pytest

from cognito_import import aws
from cognito_import.engine.pacing import Pacer
from cognito_import.engine.user_pool import UserPool
from cognito_import.run.checkpoints import Unsettled
from cognito_import.settings import Settings


@pytest.fixture
def paused():
    """Have the worker of a pool stop before it calls for an address; events say that it is there, and let it go on."""

    def pause(pool, address):
        there, go_on = threading.Event(), threading.Event()
        original = pool.process

        def process(row, resume):
            if row.useremail == address:
                there.set()
                assert go_on.wait(30)
            return original(row, resume)

        pool.process = process
        return there, go_on

    return pause


@pytest.fixture
def left(resources):
    """What a worker that died at the user leaves: begun now, and the username if it knew one."""
    from email.utils import parsedate_to_datetime

    answer = resources.s3.head_bucket(Bucket=resources.bucket)
    since = parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"])
    return lambda username="": Unsettled(1, "new@example.com", since.isoformat(), username)


@pytest.fixture
def make(resources):
    """Make a user pool that never sleeps, with other settings if wanted."""

    def make(jobtype="import", pacer=None, **settings):
        made = Settings.parse(resources.variable(pacing_seconds=0.001, **settings))
        client = boto3.client("cognito-idp", config=aws.COGNITO)
        return UserPool(client, made, pacer or Pacer(0), jobtype=jobtype, sleep=lambda _: None)

    return make


@pytest.fixture
def deleted(resources, local_aws):
    """The username of the user to delete, whom somebody else created before the run."""
    resources.add_user("new@example.com")
    username = resources.users()["new@example.com"].username
    local_aws.reset()
    return username
