"""A sample of the random runs on real Airflow: `make chaos AIRFLOW=5`.

Each seed is an import of 60 users on one Airflow. Two or three faults of the bench's table strike it, one after another, at
random moments. It is judged as the bench judges: by the mailed CSV, the emulated user pool and the calls that were made.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from random import Random

from bench.fault_import import Import
from bench.fault_kinds import BY_NAME, Fault, Site, outage, single
from bench.faults import Result, machine, suffer

USERS = 60
PACE = 5.0
"""Seconds between a slot's calls, so that an import lasts long enough to be struck."""

Strike = Callable[[Site, Import], None]
MAILED_TWICE = "ses-after"
STRIKES: dict[str, Strike] = {
    **{
        name: BY_NAME[name].strike
        for name in ("worker", "scheduler", "api", "postgres", "s3-503", "s3-hangs", "ses-throttles", MAILED_TWICE)
    },
    "cognito-hangs": outage("cognito-idp", 30, kind="silent_before"),
    "cognito-resets": outage("cognito-idp", 30, kind="drop_before"),
    "cognito-500": outage("cognito-idp", 30, code="InternalErrorException", status=500),
    "lost-answers": single("", "error_after", probability=0.3, times=15),
    "throttles": single(
        "", "error", code="TooManyRequestsException", message="Rate exceeded", probability=0.5, times=30
    ),
}


def play(seeds: Iterable[int]) -> Iterator[Result]:
    """Run an import for each of the seeds on one Airflow, print what became of it, and give that."""
    with machine(settings={"pacing_seconds": PACE}) as site:
        for seed in seeds:
            fault = _drawn(seed)
            result = Result(fault, suffer(site, fault, USERS))
            print(f"seed {seed}, {fault.words}: {result.figures}", *result.wrong, sep="\n  WRONG: ", flush=True)
            yield result


def _drawn(seed: int) -> Fault:
    """The seed's faults as one."""
    draw = Random(seed)  # noqa: S311 - repeatable, not secret
    names = draw.sample(sorted(STRIKES), draw.choice((2, 3)))
    pauses = [draw.uniform(0, 10) for _ in names]

    def strike(site: Site, run: Import) -> None:
        for name, pause in zip(names, pauses, strict=True):
            time.sleep(pause)
            STRIKES[name](site, run)

    return Fault(", ".join(names), "machine", strike, mails=1 + (MAILED_TWICE in names))


def main() -> int:
    """Run the seeds, and tell whether a run was not as it has to be."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5, help="how many")
    parser.add_argument("--first", type=int, default=1, help="the first of them")
    asked = parser.parse_args()
    results = list(play(range(asked.first, asked.first + asked.seeds)))
    wrong = sum(bool(result.wrong) for result in results)
    print(f"{len(results)} imports on real Airflow: {wrong} are not as they have to be.")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
