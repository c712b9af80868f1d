"""One rate for the slots of all runs."""

import heapq
import logging
import random
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import boto3
import pytest

from cognito_import import aws
from cognito_import.engine.batches import run_batch
from cognito_import.engine.pacing import MAX_SLOWDOWN, Category, Pacer
from cognito_import.engine.shared_rate import CUT, CUT_AGAIN, HOLD_SECONDS, LEAST, REGAIN, Rate, SharedRate
from cognito_import.engine.user_pool import UserPool
from cognito_import.ingest import ingest_request
from cognito_import.run.folder import PACE, RunFolder
from cognito_import.run.s3_folder import S3Folder

LIVE = -1
QUOTA, NEEDED = 25.0, 12


class Time:
    """A clock that moves by what sleeps take."""

    def __init__(self) -> None:
        self.now = 100.0

    def sleep(self, seconds: float) -> None:
        self.now += seconds


class Objects:
    """The bucket in a simulation: its clock is that of whoever calls, and tells whole seconds as S3's does."""

    def __init__(self) -> None:
        self.now = 0.0
        self.written: list[float] = []
        self.reads = 0
        self._content = b""

    def stored(self, name):
        assert PACE.endswith(name)
        self.reads += 1
        return (self._content, f"{len(self.written)}", int(self.now) - int(self.written[-1])) if self.written else None

    def replace(self, name, content, version):
        assert (PACE.endswith(name), version or "0") == (True, f"{len(self.written)}")
        self.written.append(self.now)
        self._content = content
        return True


class Bucket:
    """A token bucket that holds what the quota allows in a second."""

    def __init__(self) -> None:
        self._tokens, self._filled = QUOTA, 100.0

    def fits(self, now):
        self._tokens = min(QUOTA, self._tokens + (now - self._filled) * QUOTA)
        self._filled = now
        fits = self._tokens >= 1
        self._tokens -= fits
        return fits


class Window:
    """So many calls in each second of the clock."""

    def __init__(self) -> None:
        self._served: Counter[int] = Counter()

    def fits(self, now):
        self._served[int(now)] += 1
        return self._served[int(now)] <= QUOTA


@pytest.fixture
def rate(resources):
    """The rate of the test's bucket, as a slot of its own would see it."""
    return lambda: SharedRate(S3Folder(resources.s3, resources.bucket, ""))


@pytest.fixture
def made_of():
    """A pacer on a clock of its own."""

    def make(shared, ceiling=1.0):
        time = Time()
        return time, Pacer(1.0, shared=shared, ceiling=ceiling, clock=lambda: time.now, sleep=time.sleep)

    return make


def simulated(quota, live, seconds, ceiling=1.0):
    """20 slots of the real classes beside `live` calls a second: calls by (live, served), and the bucket."""
    chance = random.Random(1)  # noqa: S311 - a simulation
    objects, times, pacers = Objects(), [], []
    events = [(100.0, LIVE)]
    for slot in range(20):
        time, shared = Time(), SharedRate(S3Folder(None, "", ""))  # type: ignore[arg-type]
        shared._objects = objects  # type: ignore[assignment]
        times.append(time)
        clock = lambda time=time: time.now  # noqa: E731 - each slot has its own
        pacers.append(Pacer(1.0, held_for=1.0, shared=shared, ceiling=ceiling, clock=clock, sleep=time.sleep))
        time.now += chance.random()
        pacers[slot].wait(Category.USER_CREATION)
        events.append((time.now, slot))
    heapq.heapify(events)
    served: Counter[tuple[bool, bool]] = Counter()
    while (event := heapq.heappop(events))[0] < 100 + seconds:
        now, slot = event
        fits = quota.fits(now)
        served[slot == LIVE, fits] += 1
        if slot == LIVE:
            heapq.heappush(events, (now + chance.expovariate(live), LIVE))
            continue
        times[slot].now = max(now, times[slot].now)
        if not fits:
            pacers[slot].throttled()
            times[slot].now += chance.uniform(0, 0.3)  # a call and the backoff's jitter
        objects.now = times[slot].now
        pacers[slot].share()
        pacers[slot].wait(Category.USER_CREATION)
        heapq.heappush(events, (times[slot].now, slot))
    return served, objects


@pytest.mark.parametrize(
    ("quota", "used", "harmed"), [(Bucket, 0.93, 0.025), (Window, 0.5, 0.05)], ids=["bucket", "window"]
)
def test_live_traffic_comes_first(quota, used, harmed):
    """Beside live traffic that needs half of the quota, the slots take what is free and throttle few of the live calls."""
    served, _ = simulated(quota(), NEEDED, 600)
    assert served[True, False] < harmed * (served[True, True] + served[True, False])
    assert served[False, True] > used * 600 * (QUOTA - NEEDED)


def test_all_uses_what_is_free():
    """Alone, the slots reach the quota less the reserve; beside live traffic they yield as they do at the steady pace."""
    served, _ = simulated(Bucket(), 0.01, 300, ceiling=22 / 20)
    assert served[False, True] > 0.94 * 300 * 22
    served, _ = simulated(Bucket(), NEEDED, 600, ceiling=22 / 20)
    assert served[True, False] < 0.025 * (served[True, True] + served[True, False])
    assert served[False, True] > 0.93 * 600 * (QUOTA - NEEDED)


def test_what_the_rate_costs():
    """1,000 users take some 300 reads, and a write only where somebody was throttled, at most one in two seconds."""
    served, quiet = simulated(Bucket(), 0.1, 300)
    assert served[False, False] == 0
    assert not quiet.written
    assert quiet.reads < 0.35 * served[False, True]
    served, busy = simulated(Bucket(), NEEDED, 300)
    assert len(busy.written) < 0.006 * served[False, True]
    assert all(after - before > HOLD_SECONDS - 1 for before, after in pairwise(busy.written))


def test_a_throttle_of_one_slot_slows_the_others_down(rate, made_of):
    """Another slot, of another run, learns of it when it looks the next time, and keeps its pace until then."""
    _, met = made_of(rate())
    time, other = made_of(rate())
    other.share()
    met.throttled()
    met.share()
    other.share()
    assert other.rate == 1.0
    time.now += 3.0
    other.share()
    assert CUT <= other.rate < CUT + 3 * REGAIN
    assert abs(met.rate - other.rate) < 3 * REGAIN


def test_throttles_at_one_moment_are_one(rate):
    """However many slots are throttled at once, the rate is cut once."""
    with ThreadPoolExecutor(10) as pool:
        found = list(pool.map(lambda shared: shared.exchange(throttled=True), [rate() for _ in range(10)]))
    assert all(abs(one.after(0.0) - CUT) < 3 * REGAIN for one in found)


def test_a_second_cut_goes_deeper(rate):
    """Throttles that go on after a cut say that live traffic has grown; after a while a cut is an ordinary one again."""
    shared, objects = rate(), Objects()
    shared._objects = objects
    left = [shared.exchange(throttled=True).after(0.0)]
    for seconds in (2.0, 60.0):
        objects.now += seconds
        left.append(shared.exchange(throttled=True).after(0.0))
    second = (CUT + 2 * REGAIN) * CUT_AGAIN
    assert left == pytest.approx([CUT, second, (second + 60 * REGAIN) * CUT], abs=1e-3)


def test_a_slowed_slot_looks_more_often(rate, made_of):
    """The others' next cut is near; at the pace itself a look every three seconds is enough."""
    time, pacer = made_of(shared := rate())
    objects = shared._objects = Objects()
    for _ in range(30):
        pacer.share()
        time.now = objects.now = time.now + 1.0
    assert objects.reads == 10
    pacer.throttled()
    for _ in range(10):
        pacer.share()
        time.now = objects.now = time.now + 1.0
    assert objects.reads == 20


def test_the_rate_comes_back_by_itself(rate, made_of):
    """Nobody has to write for it: what a worker that has died since has cut is forgotten in the end."""
    assert Rate(LEAST, 0.0).after(0.0) == LEAST
    assert Rate(LEAST, 10.0).after(20.0) == LEAST + 30 * REGAIN
    rate().exchange(throttled=True)
    time, pacer = made_of(rate())
    pacer.share()
    assert pacer.rate < 1.0
    time.now += (1.0 - CUT) / REGAIN
    assert pacer.rate == 1.0


def test_a_throttled_slot_stays_slower_than_its_pace(rate, made_of):
    """It slows down at once, before it tells anybody, and once it has told it is no faster than the others."""
    _, pacer = made_of(rate())
    pacer.throttled()
    alone = pacer.rate
    pacer.share()
    assert alone < pacer.rate < CUT + 3 * REGAIN


@pytest.mark.parametrize("content", [b"", b"slow", b"[]", b'{"rate": null}', b'{"rate": NaN}'])
def test_an_object_that_says_nothing_is_replaced(resources, rate, content):
    """What somebody else has put there hinders nobody, and the next throttle writes over it."""
    resources.s3.put_object(Bucket=resources.bucket, Key=PACE, Body=content)
    shared = rate()
    assert shared.exchange(throttled=False).after(0.0) >= 1.0
    shared._objects.stored = lambda _: (
        content,
        resources.s3.head_object(Bucket=resources.bucket, Key=PACE)["ETag"],
        9.0,
    )
    assert shared.exchange(throttled=True).after(0.0) == CUT
    assert rate().exchange(throttled=False).left == CUT


def test_nobody_goes_below_the_least(rate):
    """A rate is never cut to less than what a worker's lease counts on."""
    shared = rate()
    shared._objects.stored = lambda _: (b'{"rate": 0.001}', None, 9.0)
    assert shared.exchange(throttled=True) == Rate(max(LEAST, (LEAST + 9 * REGAIN) * CUT), 0.0)
    assert 1 / LEAST == MAX_SLOWDOWN


def test_a_slot_that_cannot_read_yields_by_itself(resources, made_of, caplog):
    """Without the object a throttle slows its own slot down as before; that is said once, and is no failure."""
    time, pacer = made_of(SharedRate(S3Folder(resources.s3, f"{resources.bucket}-gone", "")))
    with caplog.at_level(logging.WARNING):
        pacer.throttled()
        pacer.share()
        time.now += 5.0
        pacer.share()
    assert pacer.rate == pytest.approx(0.7)
    assert len(caplog.records) == 1
    assert PACE in caplog.text


def test_a_worker_shares_what_it_meets(resources, local_aws, settings, rate):
    """A throttle in a batch is in the bucket before its call is repeated, and a throttle elsewhere slows the batch's slot."""
    folder = RunFolder(resources.s3, resources.bucket, "shared")
    users = [{"useremail": "user1@example.com"}]
    manifest = ingest_request({"data": users, "adminemail": resources.admin}, settings, resources.s3, folder)
    local_aws.fault("AdminCreateUser", code="TooManyRequestsException", times=1)
    pacer = Pacer(0.001, shared=rate())
    client = boto3.client("cognito-idp", config=aws.COGNITO)
    result = run_batch(folder, manifest.batches[0], UserPool(client, settings, pacer, sleep=lambda _: None))
    assert result.succeeded == 1
    assert rate().exchange(throttled=False).left == CUT
    assert CUT <= pacer.rate < 1.0


def test_all_begins_at_the_steady_pace_and_goes_up(rate, made_of):
    """With more allowed than the steady pace a slot finds out slowly, and a throttle takes it back below."""
    time, pacer = made_of(rate(), ceiling=1.1)
    pacer.share()
    assert pacer.rate == 1.0
    for _ in range(50):
        pacer.wait(Category.USER_CREATION)
    assert pacer.rate == 1.1
    pacer.throttled()
    pacer.share()
    assert pacer.rate == pytest.approx(1.1 * CUT)
    time.now += 60
    for _ in range(50):
        pacer.wait(Category.USER_CREATION)
    assert pacer.rate == 1.1
