"""README and docs: what they name exists, what they print works, and nothing that users meet is left out."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml

from cognito_import import outcomes, settings
from cognito_import.engine import precedence
from cognito_import.engine.error_policy import POLICIES, ErrorPolicy
from cognito_import.request import user_fields, users
from cognito_import.request.model import KEYS, ImportRequest
from cognito_import.settings import Settings
from stack.parameters import TEMPLATE

ROOT = Path(__file__).parents[1]
PAGES = [*ROOT.glob("README*.md"), *(ROOT / "docs").rglob("*.md"), ROOT / "include" / "stack" / "README.md"]
EACH_PAGE = pytest.mark.parametrize("page", sorted(PAGES), ids=lambda page: str(page.relative_to(ROOT)))
ADMINISTRATORS = [ROOT / "docs" / "administrator.md", ROOT / "docs" / "ja" / "administrator.md"]
SETTINGS = Settings("ap-northeast-1_abc", "reports", "from@example.com")


def text_of(page: Path) -> str:
    """Return the text of a page."""
    return page.read_text(encoding="utf-8")


def blocks(page: Path, language: str) -> list[str]:
    """Return the fenced blocks of a page in one language."""
    return re.findall(rf"^ *```{language}\n(.*?)^ *```", text_of(page), re.DOTALL | re.MULTILINE)


def anchors(page: Path) -> set[str]:
    """Return the headings of a page as GitHub makes anchors of them."""
    headings = re.findall(r"^#+ (.+)$", re.sub(r"```.*?```", "", text_of(page), flags=re.DOTALL), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@EACH_PAGE
def test_every_link_leads_somewhere(page):
    """Files and headings alike; other sites are not asked."""
    for link in re.findall(r"\]\(([^)\s]+)\)", text_of(page)):
        if "://" in link:
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


@EACH_PAGE
def test_every_conf_is_taken(page):
    """A JSON block, and the conf of a command, that is a request can be pasted; so can one that is a Variable."""
    texts = [*blocks(page, "json")]
    for command in blocks(page, "sh"):
        texts += re.findall(r"--conf '(.*?)'", command, re.DOTALL)
        texts += [json.dumps(json.loads(body).get("conf", {})) for body in re.findall(r"--json '(.*?)'", command)]
    for text in texts:
        value = json.loads(text)
        if set(value) & set(KEYS):
            assert ImportRequest.parse(value, SETTINGS).adminemail
        elif "user_pool_id" in value:
            assert Settings.parse(value)


@pytest.mark.parametrize("page", sorted((ROOT / "docs").glob("deploy-*.md")), ids=lambda page: page.stem)
def test_a_page_to_deploy_leads_to_an_import(page):
    """It ends with a request to paste, and says what was tried and what was not."""
    assert re.search(r'"adminemail": "[^"]+"', text_of(page))
    assert "## What was tried" in text_of(page)


@EACH_PAGE
def test_every_command_of_make_exists(page):
    """Each `make …` of a page is a target."""
    targets = set(re.findall(r"^([a-z-]+):", text_of(ROOT / "Makefile"), re.MULTILINE))
    named = set(re.findall(r"(?:`|^)make ([a-z][a-z-]+)", text_of(page), re.MULTILINE))
    assert named <= targets


def test_every_file_of_the_developers_page_exists():
    """Its paths are the repository's, or below the package or `include`."""
    page = ROOT / "docs" / "development.md"
    places = [ROOT, ROOT / "plugins" / "cognito_import", ROOT / "include"]
    for path in re.findall(r"`([\w./*]+/[\w.*-]+\.\w+)`", text_of(page)):
        assert any(list(place.glob(path)) for place in places), path
    for path, words in re.findall(r"pytest (tests/\S+\.py)(?: -k (\w+))?", text_of(page)):
        assert re.search(rf"def test_\w*{words}", text_of(ROOT / path)), (path, words)


@pytest.mark.parametrize("page", ADMINISTRATORS, ids=["en", "ja"])
def test_every_code_of_an_outcome_is_described(page):
    """Whoever looks up the `code` of a row finds it."""
    checks = text_of(Path(user_fields.__file__))
    own = set(re.findall(r'RowProblemError\(\s*"(\w+)"|\bcode = "(\w+)"', text_of(Path(users.__file__)) + checks))
    codes = {code for pair in own for code in pair if code} | {
        outcomes.NOT_ATTEMPTED,
        outcomes.INTERRUPTED,
    }
    codes |= {precedence.IMPORTED_SINCE, precedence.CREATED_SINCE}
    codes |= {code for code, policy in POLICIES.items() if policy in {ErrorPolicy.RESULT, ErrorPolicy.RECHECK}}
    assert {code for code in codes if f"`{code}`" not in text_of(page)} == set()


@pytest.mark.parametrize("page", ADMINISTRATORS, ids=["en", "ja"])
def test_every_key_of_a_request_is_described(page):
    """The conf's table has a row for each."""
    assert {key for key in KEYS if f"| `{key}` |" not in text_of(page)} == set()


def test_every_setting_is_described():
    """The operator's page has a row for each, alone or with another."""
    rows = [
        line.split("|")[1] for line in text_of(ROOT / "docs" / "operator.md").splitlines() if line.startswith("| `")
    ]
    described = set(re.findall(r"`(\w+)`", "".join(rows)))
    assert {name for name in settings.Settings.__slots__ if name not in described} == set()


class Loader(yaml.SafeLoader):
    """Reads a template without the values of its functions."""


Loader.add_multi_constructor("!", lambda *_: None)


def actions(statements):
    """Return all actions of a policy's statements, but for those that a condition adds, such as the link signer's."""
    return {
        action
        for item in filter(None, statements)
        for action in (item["Action"] if isinstance(item["Action"], list) else [item["Action"]])
    }


def test_the_policy_allows_what_the_stacks_policies_allow():
    """For a worker without the stack: the same actions and prefixes, but for those of executions."""
    text, template = (ROOT / "docs" / "worker-policy.json").read_text(), TEMPLATE.read_text()
    policy = json.loads(text)
    resources = yaml.load(template, Loader)["Resources"]  # noqa: S506 - a SafeLoader
    stack = [
        resources[name]["Properties"]["PolicyDocument"]["Statement"] for name in ("WorkerPolicy", "MappedEnginePolicy")
    ]
    wanted = {one for one in actions([*stack[0], *stack[1]]) if not one.startswith("states:")}
    assert actions(policy["Statement"]) == wanted
    names = [item["Sid"] for item in policy["Statement"]]
    assert len(set(names)) == len(names), "IAM refuses a Sid that occurs twice"
    part = template[template.index("  WorkerPolicy:\n") : template.index("  StepFunctionsEnginePolicy:\n")]
    prefixes = set(re.findall(r"Bucket\.Arn\}/([\w/]+)/\*", part))
    assert set(re.findall(r"BUCKET/([\w/]+)/\*", text)) == prefixes >= {"runs", "inbox"}
