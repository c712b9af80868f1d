"""`python -m tests.chaos --seeds 100`: run seeds, and name those whose reports are not true."""

from __future__ import annotations

import argparse
import logging
import sys
import time
import traceback
from collections import Counter

from .kinds import ENGINES, KINDS
from .two_runs import TwoRuns


def main() -> int:
    """Run the seeds with each engine: each kind of run, and an import beside another that shares addresses."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=100, help="how many")
    parser.add_argument("--first", type=int, default=1, help="the first of them; with --seeds 1 it is repeated alone")
    parser.add_argument("--engine", choices=ENGINES, action="append")
    parser.add_argument("--kind", choices=KINDS, action="append")
    parser.add_argument("--traceback", action="store_true", help="show where a failure comes from")
    asked = parser.parse_args()
    logging.disable(logging.CRITICAL)
    met: Counter[str] = Counter()
    codes: Counter[str] = Counter()
    runs = rows = reports = bad = pairs = meetings = 0
    began = time.monotonic()
    for seed in range(asked.first, asked.first + asked.seeds):
        for engine in asked.engine or ENGINES:
            for kind in asked.kind or KINDS:
                runs += 1
                try:
                    told = KINDS[kind](seed, engine, kind).to_its_end()
                except Exception as error:  # noqa: BLE001 - every seed is told
                    bad += 1
                    print(f"seed {seed}, {engine}, {kind}: {type(error).__name__}: {error}", flush=True)
                    if asked.traceback:
                        traceback.print_exc()
                else:
                    rows, reports = rows + told.rows, reports + told.reports
                    met += told.met
                    codes += told.codes
            if asked.kind:
                continue
            pairs += 1
            try:
                meetings += TwoRuns(seed, engine).to_its_end()
            except Exception as error:  # noqa: BLE001 - as above
                bad += 1
                print(f"seed {seed}, mapped beside {engine}: {type(error).__name__}: {error}", flush=True)
                if asked.traceback:
                    traceback.print_exc()
    print(f"{pairs} pairs of runs that share addresses met {meetings} times.")
    print(
        f"{runs} runs in {time.monotonic() - began:.0f} s: {reports} reports, {rows:,} rows judged, {bad} runs untrue."
    )
    print("Met: " + ", ".join(f"{name} {count:,}" for name, count in met.most_common()))
    print("Reported: " + ", ".join(f"{name} {count:,}" for name, count in codes.most_common()))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
