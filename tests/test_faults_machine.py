"""What befalls the machine that a task runs on: a full disk, and a clock that is set back."""

import io

import pytest

from cognito_import.engine.pacing import Category, Pacer
from cognito_import.errors import RunFolderError
from cognito_import.ingest import ingest_request
from cognito_import.run.folder import RunFolder


class FullDisk:
    """The module tempfile on a disk without room."""

    @staticmethod
    def TemporaryFile():  # noqa: N802 - its name
        return io.BufferedRandom(io.FileIO("/dev/full", "r+"))


@pytest.mark.parametrize(
    "module", ["cognito_import.ingest", "cognito_import.request.sources", "cognito_import.run.folder"]
)
def test_a_full_disk_is_said_and_the_request_can_be_read_again(resources, settings, monkeypatch, module):
    """Whichever file has no room: the error says what to do, nothing is stored by halves, and a retry reads the request."""
    resources.s3.put_object(Bucket=resources.bucket, Key="users.csv", Body=b"useremail\na@example.com\nb@example.com\n")
    request = {"source": f"s3://{resources.bucket}/users.csv", "adminemail": resources.admin}
    with monkeypatch.context() as on_a_full_disk:
        on_a_full_disk.setattr(f"{module}.tempfile", FullDisk)
        with pytest.raises(RunFolderError, match=r"temporary folder: No space left on device. Make room") as failed:
            ingest_request(request, settings, resources.s3, RunFolder(resources.s3, resources.bucket, "run-1"))
        assert failed.value.temporary
    folder = RunFolder(resources.s3, resources.bucket, "run-1")
    assert folder.manifest() is None
    assert ingest_request(request, settings, resources.s3, folder).users == 2


def test_a_clock_that_was_set_back_costs_no_time():
    """By the wall clock the slot is held for minus five minutes: its first call waits for the pace, and no longer."""
    now = [0.0]

    def sleep(seconds):
        now[0] += seconds

    pacer = Pacer(1.0, held_for=-300.0, clock=lambda: now[0], sleep=sleep)
    pacer.wait(Category.USER_CREATION)
    assert now[0] == pytest.approx(1.0)
