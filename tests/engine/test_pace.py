"""How fast a run goes, by what preflight has found."""

import boto3
import pytest

from cognito_import import aws
from cognito_import.engine.pace import children, planned_slots, run_pace, slot_pacer
from cognito_import.engine.pacing import Category
from cognito_import.run import pace
from cognito_import.run.pace import RunPace
from cognito_import.settings import Settings

USED = (Category.USER_CREATION, Category.USER_UPDATE)


@pytest.fixture
def chosen(resources):
    """Settings with some of them changed."""
    return lambda **change: Settings.parse(resources.variable(**change))


@pytest.mark.parametrize(
    ("change", "limit"),
    [
        pytest.param({}, 20.0, id="steady"),
        pytest.param({"pace": "all"}, 22.0, id="all"),
        pytest.param({"pace": "all", "reserve": 0}, 25.0, id="no-reserve"),
        pytest.param({"pace": "all", "slots": 60}, 22.0, id="more-slots-than-quota"),
    ],
)
def test_the_scarcest_category_limits_a_run(resources, chosen, local_aws, change, limit):
    """Raising one quota does not help while every user needs a call of another."""
    cognito = boto3.client("cognito-idp", config=aws.COGNITO)
    found = run_pace(cognito, chosen(**change), USED)
    assert (found.limit, found.scarcest) == (limit, "UserUpdate")
    local_aws.quotas(UserUpdate=100)
    found = run_pace(cognito, chosen(**change), USED)
    assert found.quotas == {"UserCreation": 50.0, "UserUpdate": 100.0}
    assert found.limit == (50.0 - chosen(**change).reserve if "pace" in change else 20.0)


@pytest.mark.parametrize(("throttles", "quota"), [(2, 80.0), (9, 50.0)], ids=["a-few", "all"])
def test_quotas_are_read_at_the_one_call_a_second_that_cognito_allows(chosen, local_aws, throttles, quota):
    """A raised quota is found although other runs ask, too; where they take every turn, the default is as good as any."""
    local_aws.quotas(UserCreation=80, UserUpdate=80)
    local_aws.fault("GetProvisionedLimit", code="TooManyRequestsException", times=throttles)
    slept = []
    found = run_pace(boto3.client("cognito-idp", config=aws.COGNITO), chosen(), USED[:1], sleep=slept.append)
    assert found.quotas == {"UserCreation": quota}
    assert slept
    assert all(1 <= seconds <= 2 for seconds in slept)


def test_all_slots_together_reach_the_limit_and_no_more(folder, chosen):
    """Whatever the number of slots, their highest rates add up to what was found."""
    pace.write(folder, RunPace(22.0, {"UserUpdate": 25.0}))
    for slots in (10, 20, 60):
        settings = chosen(pace="all", slots=slots)
        pacer = slot_pacer(settings, folder, held_for=1.0)
        assert pacer.rate <= 1.0
        pacer._own = 100.0
        assert pacer.rate * settings.users_per_second == pytest.approx(22.0)
    assert slot_pacer(chosen(), folder).rate == 1.0


@pytest.mark.parametrize(
    ("change", "count"),
    [({}, 20), ({"pace": "all"}, 22), ({"pace": "all", "pacing_seconds": 2}, 44), ({"pace": "all", "slots": 60}, 22)],
)
def test_an_execution_has_a_child_for_each_call(folder, chosen, change, count):
    """Children wait whole seconds, so what is free above their pace is used by more of them."""
    assert children(chosen(**change), folder) == chosen(**change).slots
    pace.write(folder, RunPace(22.0, {"UserUpdate": 25.0}))
    assert children(chosen(**change), folder) == count


def test_a_run_that_preflight_has_not_seen_keeps_the_steady_pace(folder, chosen):
    """Without its record nobody knows what is free."""
    pacer = slot_pacer(chosen(pace="all"), folder)
    pacer._own = 100.0
    assert pacer.rate == 1.0


def test_an_execution_s_users_are_split_for_all_children(resources, chosen, local_aws):
    """Twenty batches would keep twenty children busy, however many calls a second are free."""
    local_aws.quotas(UserUpdate=40)
    cognito = boto3.client("cognito-idp", config=aws.COGNITO)
    assert planned_slots(cognito, chosen(pace="all"), "step_functions", USED) == 37
    assert planned_slots(cognito, chosen(pace="all", slots=60), "step_functions", USED) == 60
    assert planned_slots(cognito, chosen(pace="all"), "mapped", USED) == 20
    assert planned_slots(cognito, chosen(), "step_functions", USED) == 20
    assert planned_slots(None, chosen(pace="all"), "step_functions", USED) == 20


def test_a_slot_begins_where_the_quota_was_free(folder, chosen):
    """And no faster than the limit, nor more slowly than the steady pace."""
    for start, rate in ((0.0, 1.0), (10.0, 1.0), (37.0, 1.85), (99.0, 2.35)):
        pace.write(folder, RunPace(47.0, {"UserUpdate": 50.0}, start=start))
        assert slot_pacer(chosen(pace="all"), folder).rate == pytest.approx(rate)
