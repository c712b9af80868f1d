"""What is wrong with one row of a report, by what was really done to the user."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cognito_import.engine.deletion import CHANGED_SINCE
from cognito_import.engine.precedence import CREATED_SINCE
from cognito_import.outcomes import EXISTED, LEFT_UNCHANGED, SUCCEEDED

from .cognito import Cognito
from .truth import GROUP, Deed, User


@dataclass(frozen=True, slots=True)
class Case:
    """A row that says what became of a user, what was asked for, and what was done to the users of the address."""

    cognito: Cognito
    request: dict[str, Any]
    given: dict[str, Any]
    row: dict[str, str]
    ours: list[Deed]
    others: list[Deed]
    user: User | None
    """Of this address now."""
    name: str
    """The user whom the row is about: whom it names, or else whom the import has created that is undone."""

    @classmethod
    def of(
        cls, cognito: Cognito, request: dict[str, Any], given: dict[str, Any], row: dict[str, str], since: float
    ) -> Case:
        """Gather what is known. What a run did before `since` is an earlier run's."""
        deeds = cognito.deeds.get(row["useremail"], [])
        ours = [deed for deed in deeds if deed.maker == "run" and deed.at >= since]
        others = [deed for deed in deeds if deed.maker != "run"]
        created = [deed.username for deed in deeds if deed.maker == "run" and deed.at < since]
        name = row["username"] or (created[0] if created else "")
        return cls(cognito, request, given, row, ours, others, cognito.find(row["useremail"]), name)

    @property
    def code(self) -> str:
        """The row's code, empty for a plain success."""
        return self.row["code"]

    @property
    def there(self) -> User | None:
        """The user of the row's name."""
        return self.cognito.users.get(self.name)

    def done(self, deeds: list[Deed]) -> set[str]:
        """What of the deeds was done to the user of the row's name."""
        return {deed.what for deed in deeds if deed.username == self.name}

    @property
    def unknown(self) -> str:
        """What to say of a code that nobody has made."""
        return f"no such error was made: {self.row['message']}"


def wrong(case: Case) -> str:
    """Say what is wrong with the row, or nothing."""
    if "undo" in case.request:
        return _undo(case)
    match case.request["jobtype"]:
        case "delete":
            return _deletion(case)
        case "disable" | "enable":
            return _access(case, case.request["jobtype"])
    return _completion(case) if case.code == EXISTED else _creation(case)


def _deletion(case: Case) -> str:  # noqa: PLR0911 - one for each kind of lie
    removed = any(deed.what == "removed" for deed in case.others)
    if case.row["status"] == SUCCEEDED:
        if case.there is not None:
            return "it is there"
        return "" if case.ours or removed else "nobody deleted it"
    if case.code == "UserNotFoundException":
        if case.ours:
            return "the run deleted it"
        before = case.others and (case.others[0].what, case.others[0].maker) == ("made", "before")
        return "it was there" if before and not removed else ""
    if case.code == CREATED_SINCE:
        if "removed" in case.done(case.ours):
            return "the run deleted it"
        made = any((deed.maker, deed.what) == ("rival", "made") for deed in case.others)
        return "" if made and "made" in case.done(case.others) else "nobody created it since"
    return case.unknown


def _undo(case: Case) -> str:  # noqa: PLR0911 - as above
    """Everybody of these rows was created by the import that is undone."""
    changes = case.done(case.others) - {"made", "removed"}
    if case.code == CHANGED_SINCE:
        if "removed" in case.done(case.ours):
            return "the run deleted it"
        if not changes:
            return "nobody changed it"
        return "" if "signed in" in changes or "signed in" not in case.row["message"] else "it has not signed in"
    if case.code == "UserNotFoundException":
        if case.done(case.ours):
            return "the run deleted it"
        return "" if "removed" in case.done(case.others) else "nobody else deleted it"
    if case.row["status"] != SUCCEEDED or case.code:
        return case.unknown
    if case.there is not None:
        return "it is there"
    return "" if "removed" in case.done([*case.ours, *case.others]) else "nobody deleted it"


def _access(case: Case, jobtype: str) -> str:
    wanted, other = ("enabled", "disabled") if jobtype == "enable" else ("disabled", "enabled")
    made, mine = case.done(case.others), case.done(case.ours)
    # Who is made is enabled.
    elsewhere = wanted in made or "made" in made
    if case.row["status"] == SUCCEEDED:
        if case.code == LEFT_UNCHANGED and mine:
            return f"the run has {wanted} it"
        if case.there is not None and case.there.enabled != (wanted == "enabled") and other not in made:
            return f"it is not {wanted}"
        return "" if mine or elsewhere else f"nobody has {wanted} it"
    if case.code == "UserNotFoundException":
        before = case.others and case.others[0].maker == "before"
        return "it was there" if before and all(deed.what != "removed" for deed in case.others) else ""
    if case.code == CREATED_SINCE and jobtype == "disable":
        since = any((deed.maker, deed.what) == ("rival", "made") for deed in case.others)
        return "" if since else "nobody created it since"
    return case.unknown


def _creation(case: Case) -> str:  # noqa: C901, PLR0911 - as above
    removed = {deed.username for deed in case.others if deed.what == "removed"}
    made = {deed.username for deed in case.ours if deed.what == "made"}
    if len(made - removed) > 1:
        return "the run created it twice"
    if case.row["status"] == SUCCEEDED:
        if case.row["username"] not in made:
            return "the run did not create it"
        if case.there is None:
            return "" if case.row["username"] in removed else "it is not there"
        return "" if case.done(case.others) else _unlike(case, case.there, created=True)
    match case.code:
        case "UsernameExistsException":
            if case.user is not None and case.user.maker == "run":
                return "the run created it"
            if not any(deed.what == "made" for deed in case.others):
                return "nobody else made it"
            return _unserved(case)
        case "UserNotFoundException":
            return "" if removed & (made | {case.row["username"]}) else "nobody removed it"
        case "InvalidParameterException":
            return "" if case.row["useremail"] in case.cognito.unfit else "the pool does not refuse it"
        case "UnexpectedLambdaException":
            return "the run created it" if made - removed else ""
        case "UnsupportedUserStateException":
            signed = {deed.username for deed in case.others if deed.what == "signed in"}
            return "" if case.row["username"] in signed else "it has not signed in"
    return case.unknown


def _unlike(case: Case, user: User, *, created: bool) -> str:
    """What of its row a user is not. One who existed is only what the row names."""
    given, problems = case.given, []
    if missing := set(given.get("groups", [GROUP])) - user.groups:
        problems.append(f"it is not in {missing}")
    problems += [
        f"{name} is not so" for name, value in given.get("attributes", {}).items() if user.attributes.get(name) != value
    ]
    enabled = given.get("enabled", True if created else user.enabled)
    return "; ".join(problems + ["it is enabled, or not"] * (user.enabled != enabled))


def _unserved(case: Case) -> str:
    """What should have been done for a user who existed all the time, and whom nobody else has changed."""
    if len(case.others) > 1 or case.user is None:
        return ""
    if case.request.get("existing_users") == "complete":
        return "it was not completed"
    enabled = case.given.get("enabled", case.user.enabled)
    invited = case.request.get("resend_invitation") and enabled and case.user.status == "FORCE_CHANGE_PASSWORD"
    return "it was not invited" if invited else ""


def _completion(case: Case) -> str:
    """The message names only what the run has changed, and the user is as its row says, unless somebody else has been there."""
    mine, others = case.done(case.ours), case.done(case.others)
    if "made" in mine:
        return "the run created it"
    if "made" not in others:
        return "there was no such user"
    told = case.row["message"].removesuffix(".").split("; ")[1:]
    names = [f"{verb} {name}".strip() for part in told for verb, rest in [_parted(part)] for name in rest]
    if untold := set(names) - mine:
        return f"the run did not do that: {untold}"
    if others - {"made"} or case.there is None:
        return "" if case.there is not None or "removed" in others else "it is not there"
    if case.request.get("existing_users") != "complete":
        return "" if "invited again" in mine else "it was not invited"
    return _unlike(case, case.there, created=False)


def _parted(change: str) -> tuple[str, list[str]]:
    """A change as a message tells it, in the words of deeds: `joined A, B` is two."""
    verb, _, rest = change.partition(" ")
    return (verb, rest.split(", ")) if verb in ("joined", "updated") else (change, [""])
