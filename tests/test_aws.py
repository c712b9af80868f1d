"""What an error of AWS means, and the sentence that is made of it."""

import pytest
from botocore import exceptions
from botocore.exceptions import ClientError

from cognito_import.aws import Failure, classify, failure, is_temporary
from cognito_import.errors import ReportError, RunFolderError


def answered(code, status=400, text="It says so."):
    """Make the error of a service's answer."""
    answer = {"Error": {"Code": code, "Message": text}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(answer, "GetObject")


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        pytest.param(answered("AccessDenied", 403), Failure.DENIED, id="denied"),
        pytest.param(answered("403", 403), Failure.DENIED, id="denied-head"),
        pytest.param(answered("ExpiredToken"), Failure.EXPIRED, id="expired-s3"),
        pytest.param(answered("ExpiredTokenException"), Failure.EXPIRED, id="expired-cognito"),
        pytest.param(answered("InvalidAccessKeyId", 403), Failure.EXPIRED, id="deleted-key"),
        pytest.param(exceptions.NoCredentialsError(), Failure.EXPIRED, id="none"),
        pytest.param(answered("NoSuchBucket", 404), Failure.MISSING, id="bucket"),
        pytest.param(answered("StateMachineDoesNotExist"), Failure.MISSING, id="state-machine"),
        pytest.param(answered("SlowDown", 503), Failure.TEMPORARY, id="s3-503"),
        pytest.param(answered("TooManyRequestsException"), Failure.TEMPORARY, id="throttle"),
        pytest.param(answered("Throttling"), Failure.TEMPORARY, id="ses-throttle"),
        pytest.param(answered("WhoKnows", 500), Failure.TEMPORARY, id="unknown-500"),
        pytest.param(answered("WhoKnows", 429), Failure.TEMPORARY, id="unknown-429"),
        pytest.param(answered("AccessDenied", 500), Failure.TEMPORARY, id="broken-500"),
        pytest.param(exceptions.EndpointConnectionError(endpoint_url="https://x"), Failure.TEMPORARY, id="unreachable"),
        pytest.param(exceptions.ReadTimeoutError(endpoint_url="https://x"), Failure.TEMPORARY, id="timeout"),
        pytest.param(exceptions.ConnectionClosedError(endpoint_url="https://x"), Failure.TEMPORARY, id="reset"),
        pytest.param(exceptions.ResponseStreamingError(error="cut"), Failure.TEMPORARY, id="body-cut"),
        pytest.param(answered("InvalidParameterException"), Failure.OTHER, id="parameter"),
        pytest.param(exceptions.UnknownServiceError(service_name="x", known_service_names=""), Failure.OTHER, id="x"),
    ],
)
def test_an_error_has_one_kind(error, kind):
    """Throttles, faults and broken connections are temporary; a refusal never is."""
    assert classify(error) is kind
    assert is_temporary(error) is (kind is Failure.TEMPORARY)


def test_every_code_that_botocore_repeats_is_temporary():
    """What the SDK takes for a throttle or a transient fault is never a refusal here."""
    from botocore.retries import standard

    repeated = {*standard.ThrottledRetryableChecker._THROTTLED_ERROR_CODES} | {
        *standard.TransientRetryableChecker._TRANSIENT_ERROR_CODES
    }
    of_others = {"EC2ThrottledException", "ProvisionedThroughputExceededException", "TransactionInProgressException"}
    # Cognito has no such throttle: there it is its mail sender's daily limit.
    of_others.add("LimitExceededException")
    assert {code for code in repeated - of_others if not is_temporary(answered(code))} == set()


def test_a_sentence_says_what_failed_why_and_what_to_do():
    """The object, the code, the service's words and the advice for this call stand in it."""

    def said(*parts, **advice):
        return str(failure(ReportError, *parts, **advice))

    denied = said(answered("AccessDenied", 403), "read", "s3://b/k", allow="s3:GetObject on it")
    assert denied == "s3://b/k cannot be read: AccessDenied (It says so.); allow the role or user s3:GetObject on it."
    missing = said(answered("NoSuchBucket", 404), "listed", "s3://b/", missing="create it", then="clear the task")
    assert missing == "s3://b/ cannot be listed: NoSuchBucket (It says so.); create it, then clear the task."
    assert "credentials" in said(answered("ExpiredToken"), "written", "s3://b/k")
    assert "Region" in said(answered("PermanentRedirect", 301), "written", "s3://b/k", missing="create it")
    assert "do this" in said(answered("Odd"), "mailed", "It", advice={"Odd": "do this"})


@pytest.mark.parametrize(("code", "status", "temporary"), [("SlowDown", 503, True), ("AccessDenied", 403, False)])
def test_an_error_of_our_own_knows_whether_to_try_again(code, status, temporary):
    """A worker waits for what is temporary, and fails at once for what is not."""
    failed = failure(RunFolderError, answered(code, status), "read", "s3://b/k", allow="s3:GetObject")
    assert isinstance(failed, RunFolderError)
    assert failed.temporary is temporary
    assert ReportError("x").temporary is False
