"""Whether the report can be mailed: by this sender, to this administrator."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mypy_boto3_ses.client import SESClient

    from cognito_import.findings import Findings
    from cognito_import.run.manifest import Manifest


def check_sender(sender: str, ses: SESClient, findings: Findings) -> None:
    """Find out whether the sender or its domain is verified."""
    if _is_verified(sender, f"The sender {sender!r}", ses, findings) is False:
        findings.problems.append(
            f"The sender {sender!r} is not verified in SES (nor is its domain): verify one of them in this "
            "Region, or correct the setting 'mail_from'."
        )


def check_recipient(address: str, ses: SESClient, sesv2: Any, findings: Findings) -> None:
    """Find out whether SES takes a mail to the administrator, as far as the role may ask; never show the address."""
    if not address.isascii():
        findings.problems.append(
            "The administrator's address has characters beyond ASCII, which SES does not take: trigger the run with another "
            "'adminemail' (a domain can be written as xn--…)."
        )
        return
    account = findings.ask("SES's account", sesv2.get_account, allow="ses:GetAccount", optional=True) or {}
    if not account.get("SendingEnabled", True):
        findings.problems.append("SES has paused the account's sending, so no report can be mailed: see SES's console.")
    quota = account.get("SendQuota", {})
    if 0 <= quota.get("Max24HourSend", -1) <= quota.get("SentLast24Hours", 0):
        findings.warnings.append(
            f"SES has sent the {quota['Max24HourSend']:,.0f} mails that it allows the account in 24 hours; the report may "
            "have to wait."
        )
    verified = account.get("ProductionAccessEnabled", True) or _is_verified(
        address, "The administrator's address", ses, findings, secret=address
    )
    if verified is False:
        findings.problems.append(
            "The SES account is in the sandbox and the administrator's address is not verified, so the report could not be "
            "mailed: verify the address or its domain in this Region, or ask AWS for production access."
        )
    _check_suppression(address, sesv2, account, findings)


def check_invitations(manifest: Manifest, pool: Mapping[str, Any], sesv2: Any, findings: Findings) -> None:
    """Warn if the user pool sends by SES, and SES allows fewer mails than the run has users to invite."""
    sender = pool.get("EmailConfiguration", {})
    if sesv2 is None or not manifest.invite or sender.get("EmailSendingAccount") != "DEVELOPER":
        return
    if f":{sesv2.meta.region_name}:" not in sender.get("SourceArn", ""):
        return  # the quota is another Region's
    account = findings.ask("SES's account", sesv2.get_account, allow="ses:GetAccount", optional=True) or {}
    quota, users = account.get("SendQuota", {}), manifest.users - manifest.rejected_rows
    left = max(0.0, quota.get("Max24HourSend", -1) - quota.get("SentLast24Hours", 0))
    if quota.get("Max24HourSend", -1) >= 0 and left < users:
        findings.warnings.append(
            f"SES allows the account {left:,.0f} more mails in 24 hours, and the run may invite {users:,} users: those beyond "
            "are created, or fail, without an invitation. Split the list, or ask AWS for a higher sending quota."
        )


def _check_suppression(address: str, sesv2: Any, account: dict[str, Any], findings: Findings) -> None:
    def look_up() -> dict[str, Any]:
        try:
            response: dict[str, Any] = sesv2.get_suppressed_destination(EmailAddress=address)
        except sesv2.exceptions.NotFoundException:
            return {}
        return response["SuppressedDestination"]  # type: ignore[no-any-return]

    found = findings.ask(
        "SES's suppression list", look_up, allow="ses:GetSuppressedDestination", optional=True, secret=address
    )
    # An account suppresses for the reasons that it has chosen, whatever else is on its list.
    chosen = account.get("SuppressionAttributes", {}).get("SuppressedReasons", ("BOUNCE", "COMPLAINT"))
    if found and found["Reason"] in chosen:
        findings.problems.append(
            f"The administrator's address is on SES's suppression list ({found['Reason']}), so no mail would reach it: take "
            "it off the list, or trigger the run with another 'adminemail'."
        )


def _is_verified(address: str, what: str, ses: SESClient, findings: Findings, secret: str = "") -> bool | None:
    """Return whether the address, its domain or a parent of that is verified; None where the role may not ask."""
    labels = address.rpartition("@")[2].split(".")
    parents = [".".join(labels[start:]) for start in range(len(labels) - 1)]
    response = findings.ask(
        what,
        ses.get_identity_verification_attributes,
        allow="ses:GetIdentityVerificationAttributes",
        secret=secret,
        Identities=[address, *parents],
    )
    if response is None:
        return None
    return "Success" in {entry["VerificationStatus"] for entry in response["VerificationAttributes"].values()}
