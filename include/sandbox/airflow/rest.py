"""A small client of Airflow's REST API (version 2)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast
from urllib.parse import quote

import httpx
from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_fixed

from sandbox.waiting import until

FINAL_STATES = frozenset({"success", "failed"})
PAGE = 100  # Airflow's own limit, [api] maximum_page_limit.

# Of a log event: what is written first, and what Airflow adds to every event of a task.
PARTS_OF_A_LINE = frozenset({"timestamp", "level", "event", "error_detail"}) | frozenset(
    {"logger", "filename", "lineno", "loc", "dag_id", "run_id", "task_id", "map_index", "try_number", "ti_id"}
)


class RestError(RuntimeError):
    """Airflow answered a request with an error; the text carries the status and Airflow's own words."""

    def __init__(self, response: httpx.Response) -> None:
        """Keep the status code beside the text."""
        self.status = response.status_code
        request = response.request
        super().__init__(f"{request.method} {request.url}: {response.status_code} {response.text[:2000]}")


class AirflowRest:
    """Requests to one Airflow as one user. Paths are relative to `/api/v2`; answers are parsed JSON."""

    def __init__(self, url: str, username: str, password: str) -> None:
        """`url` is the API server's base URL; the first request logs in."""
        self.url = url
        self._credentials = {"username": username, "password": password}
        self._token = ""
        self._client = httpx.Client(base_url=url, timeout=60.0, trust_env=False)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    # --- any request ---

    def request(self, method: str, path: str, *, params: Mapping[str, Any] | None = None, json: Any = None) -> Any:
        """Send a request and return its JSON, or None for an empty answer; `RestError` for an error answer.

        What only reads is asked again when Airflow has a fault of its own, such as no connection left to its database.
        """
        attempts = Retrying(
            retry=retry_if_exception(
                lambda error: isinstance(error, RestError) and httpx.codes.is_server_error(error.status)
            ),
            stop=stop_after_attempt(3 if method == "GET" else 1),
            wait=wait_fixed(2),
            reraise=True,
        )
        return attempts(self._request, method, path, params, json)

    def _request(self, method: str, path: str, params: Mapping[str, Any] | None, json: Any) -> Any:
        for attempt in range(2):
            if not self._token or attempt:
                self._log_in()
            response = self._client.request(
                method, f"/api/v2/{path}", params=params, json=json, headers={"Authorization": f"Bearer {self._token}"}
            )
            if response.status_code != httpx.codes.UNAUTHORIZED:
                break
        _checked(response)
        return response.json() if response.content else None

    def _log_in(self) -> None:
        self._token = _checked(self._client.post("/auth/token", json=self._credentials)).json()["access_token"]

    def pages(self, path: str, key: str, params: Mapping[str, Any] | None = None) -> Iterator[dict[str, Any]]:
        """Yield every entry of a collection, one page after the other; `key` names the list in an answer."""
        offset = 0
        while True:
            answer = self.request("GET", path, params={**(params or {}), "limit": PAGE, "offset": offset})
            yield from answer[key]
            offset += len(answer[key])
            if not answer[key] or offset >= answer["total_entries"]:
                return

    # --- the installation ---

    def health(self) -> dict[str, str | None]:
        """Return each component's status, such as `healthy`, by its name; needs no login."""
        response = _checked(self._client.get("/api/v2/monitor/health"))
        return {name: part["status"] for name, part in response.json().items() if part is not None}

    def has_dag(self, dag_id: str) -> bool:
        """Return whether Airflow knows a DAG yet."""
        try:
            self.request("GET", f"dags/{quote(dag_id, safe='')}")
        except RestError as error:
            if error.status == httpx.codes.NOT_FOUND:
                return False
            raise
        return True

    def import_errors(self) -> dict[str, str]:
        """Return the traceback of every DAG file that cannot be imported, by file name."""
        return {entry["filename"]: entry["stack_trace"] for entry in self.pages("importErrors", "import_errors")}

    def pool(self, name: str) -> dict[str, Any]:
        """Return a pool with its slots by use: `slots`, `open_slots`, `running_slots` and others."""
        return cast("dict[str, Any]", self.request("GET", f"pools/{quote(name, safe='')}"))

    def set_pool(self, name: str, slots: int, *, description: str = "", include_deferred: bool = True) -> None:
        """Create a pool or change it."""
        body = {"slots": slots, "description": description, "include_deferred": include_deferred}
        try:
            self.request("PATCH", f"pools/{quote(name, safe='')}", json={"pool": name, **body})
        except RestError as error:
            if error.status != httpx.codes.NOT_FOUND:
                raise
            self.request("POST", "pools", json={"name": name, **body})

    # --- runs ---

    def trigger(self, dag_id: str, conf: Mapping[str, Any] | None = None, run_id: str | None = None) -> str:
        """Start a run now and return its id."""
        body: dict[str, Any] = {"logical_date": None, "conf": conf or {}}
        if run_id is not None:
            body["dag_run_id"] = run_id
        return str(self.request("POST", f"dags/{quote(dag_id, safe='')}/dagRuns", json=body)["dag_run_id"])

    def run(self, dag_id: str, run_id: str) -> dict[str, Any]:
        """Return a run."""
        return cast("dict[str, Any]", self.request("GET", _run(dag_id, run_id)))

    def latest(self, dag_id: str) -> str:
        """Return the id of the run that was started last."""
        runs = self.request("GET", f"dags/{dag_id}/dagRuns", params={"order_by": "-id", "limit": 1})["dag_runs"]
        return str(runs[0]["dag_run_id"])

    def run_state(self, dag_id: str, run_id: str) -> str:
        """Return a run's state: `queued`, `running`, `success` or `failed`."""
        return str(self.run(dag_id, run_id)["state"])

    def wait(self, dag_id: str, run_id: str, seconds: float = 600.0, every: float = 0.5) -> str:
        """Wait until a run has ended and return its state; WaitError after `seconds`.

        An API server that is away for a while is waited for too.
        """

        def state() -> str:
            try:
                return self.run_state(dag_id, run_id)
            except httpx.TransportError:
                return "unknown"

        what = f"the end of the run {run_id} of {dag_id}"
        return until(what, state, FINAL_STATES.__contains__, seconds=seconds, every=every)

    # --- tasks of a run ---

    def task_instances(
        self, dag_id: str, run_id: str, task_id: str | None = None, states: Sequence[str] = ()
    ) -> list[dict[str, Any]]:
        """Return the task instances of a run in the order of task and map index, mapped ones one by one."""
        found = self.pages(f"{_run(dag_id, run_id)}/taskInstances", "task_instances", _filter(task_id, states))
        return sorted(found, key=lambda instance: (instance["task_id"], instance["map_index"]))

    def count(self, dag_id: str, run_id: str, task_id: str | None = None, states: Sequence[str] = ()) -> int:
        """Return how many task instances of a run are in one of `states`, by one small request."""
        path = f"{_run(dag_id, run_id)}/taskInstances"
        return int(self.request("GET", path, params={**_filter(task_id, states), "limit": 1})["total_entries"])

    def log(self, dag_id: str, run_id: str, task_id: str, try_number: int = 1, map_index: int = -1) -> str:
        """Return the log of one attempt, one line an event."""
        path = f"{_task(dag_id, run_id, task_id)}/logs/{try_number}"
        answer = self.request("GET", path, params={"map_index": map_index, "full_content": True})
        events = answer["content"]
        return "\n".join(_line(event) if isinstance(event, dict) else str(event) for event in events)

    def xcom(self, dag_id: str, run_id: str, task_id: str, key: str = "return_value", map_index: int = -1) -> Any:
        """Return the value of an XCom."""
        path = f"{_task(dag_id, run_id, task_id)}/xcomEntries/{quote(key, safe='')}"
        return self.request("GET", path, params={"map_index": map_index, "deserialize": False})["value"]

    def task_states(self, dag_id: str, run_id: str, task_id: str, map_index: int = -1) -> dict[str, Any]:
        """Return everything in a task instance's state store, by key; also while the task runs."""
        path = f"{_task(dag_id, run_id, task_id)}/state-store"
        entries = self.pages(path, "task_state_store", {"map_index": map_index})
        return {entry["key"]: entry["value"] for entry in entries}

    def question(self, dag_id: str, run_id: str, task_id: str, map_index: int = -1) -> dict[str, Any]:
        """Return what a task asks of a person: `subject`, `body`, `options`, and the answer if there is one."""
        return cast("dict[str, Any]", self.request("GET", f"{_task(dag_id, run_id, task_id)}/{map_index}/hitlDetails"))

    def answer(self, dag_id: str, run_id: str, task_id: str, option: str, map_index: int = -1) -> None:
        """Answer a task that waits for a person with one of its options."""
        path = f"{_task(dag_id, run_id, task_id)}/{map_index}/hitlDetails"
        self.request("PATCH", path, json={"chosen_options": [option], "params_input": {}})

    def clear(
        self,
        dag_id: str,
        run_id: str,
        tasks: Sequence[str | tuple[str, int]] | None = None,
        *,
        only_failed: bool = False,
        downstream: bool = False,
    ) -> int:
        """Clear tasks of a run, so that they run again, and return how many; a tuple names one map index."""
        body = {
            "dry_run": False,
            "dag_run_id": run_id,
            "task_ids": None if tasks is None else list(tasks),
            "only_failed": only_failed,
            "include_downstream": downstream,
            "reset_dag_runs": True,
        }
        answer = self.request("POST", f"dags/{quote(dag_id, safe='')}/clearTaskInstances", json=body)
        return int(answer["total_entries"])


def _checked(response: httpx.Response) -> httpx.Response:
    if response.is_error:
        raise RestError(response)
    return response


def _run(dag_id: str, run_id: str) -> str:
    return f"dags/{quote(dag_id, safe='')}/dagRuns/{quote(run_id, safe='')}"


def _task(dag_id: str, run_id: str, task_id: str) -> str:
    return f"{_run(dag_id, run_id)}/taskInstances/{quote(task_id, safe='')}"


def _filter(task_id: str | None, states: Sequence[str]) -> dict[str, Any]:
    chosen: dict[str, Any] = {"state": list(states)} if states else {}
    if task_id is not None:
        chosen["task_id"] = task_id
    return chosen


def _line(event: dict[str, Any]) -> str:
    """Write a structured log event as one line; an error's chain of exceptions follows as `Type: text`."""
    parts = [str(event.get(key) or "") for key in ("timestamp", "level", "event")]
    errors = [f"{error['exc_type']}: {error['exc_value']}" for error in event.get("error_detail") or ()]
    rest = [f"{key}={value}" for key, value in event.items() if key not in PARTS_OF_A_LINE]
    return " ".join(filter(None, [*parts, *errors, *rest]))
