"""What workers store in a run's folder: their checkpoints, and the lease of each batch."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final

from botocore.exceptions import BotoCoreError, ClientError

from cognito_import.aws import server_time
from cognito_import.errors import RunFolderError
from cognito_import.run.checkpoints import Checkpoint, StoredPart
from cognito_import.run.s3_folder import S3Folder

if TYPE_CHECKING:
    from collections.abc import Iterator

_READERS: Final = 16


class WorkerFiles(S3Folder):
    """The files of a run's workers. Every method raises RunFolderError where S3 fails."""

    def write_checkpoint(self, number: int, token: str, checkpoint: Checkpoint) -> None:
        """Store what the worker `token` has made of batch `number` so far, in place of what it stored before."""
        self._put(f"outcomes/{number:05d}/{token}.json", checkpoint.to_json())

    def begin_checkpoint(self, number: int, token: str, checkpoint: Checkpoint) -> bool:
        """Store a worker's first part; False if there is one of this `token` already."""
        return self._put_if(f"outcomes/{number:05d}/{token}.json", checkpoint.to_json(), IfNoneMatch="*")

    def checkpoint(self, number: int, token: str) -> tuple[Checkpoint, str]:
        """Return what the worker `token` has stored of batch `number`, and its version for `replace_checkpoint`."""
        name = f"outcomes/{number:05d}/{token}.json"
        found = self._version(name)
        if found is None:
            message = f"{self._name(name)} is missing; expected what the worker stored when it began."
            raise RunFolderError(message)
        return Checkpoint.from_json(found[0], self._name(name)), found[1]

    def replace_checkpoint(self, number: int, token: str, checkpoint: Checkpoint, version: str) -> bool:
        """Store a worker's part in place of the `version` that was read; False if another has been stored since."""
        return self._put_if(f"outcomes/{number:05d}/{token}.json", checkpoint.to_json(), IfMatch=version)

    def checkpoints(self, number: int) -> list[tuple[Checkpoint, float]]:
        """Return what each worker of batch `number` has stored, and how many seconds ago by S3's own clock."""
        return [self._checkpoint(key)[:2] for key in self._keys(f"outcomes/{number:05d}/")]

    def all_checkpoints(self) -> Iterator[tuple[int, Checkpoint, float]]:
        """Yield what each worker of each batch has stored: the batch's number, the part, and its age in seconds."""
        return ((number, stored.checkpoint, stored.age) for number, stored in self._all_parts())

    def _all_parts(self) -> Iterator[tuple[int, StoredPart]]:
        keys = list(self._keys("outcomes/"))
        pool = ThreadPoolExecutor(_READERS)
        try:
            for key, stored in zip(keys, pool.map(self._checkpoint, keys), strict=True):
                yield int(key.split("/")[1]), stored
        finally:
            pool.shutdown(cancel_futures=True)  # whoever has seen enough does not wait for the rest

    def _checkpoint(self, key: str) -> StoredPart:
        try:
            response = self.s3.get_object(Bucket=self.bucket, Key=self.prefix + key)
            text = response["Body"].read()
        except (ClientError, BotoCoreError) as error:
            raise self._failure("read", key, error) from error
        written = response["LastModified"]
        return StoredPart(
            Checkpoint.from_json(text, self._name(key)), (server_time(response) - written).total_seconds(), written
        )

    # ---- leases

    def take_lease(self, number: int, token: str) -> None:
        """Let the worker `token`, and no other from now on, call for batch `number`."""
        self._put(f"leases/{number:05d}", token.encode())

    def holds_lease(self, number: int, token: str) -> bool:
        """Return whether the worker `token` is still the one that may call for batch `number`."""
        return self._get(f"leases/{number:05d}") == token.encode()
