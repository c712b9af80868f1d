"""Users pasted as lines: addresses, or cells copied out of a spreadsheet."""

from __future__ import annotations

import pytest

from cognito_import.errors import RequestError, SourceError
from cognito_import.report.reasons import translated
from cognito_import.request.model import ImportRequest
from cognito_import.request.sources import Users
from cognito_import.settings import Settings

SETTINGS = Settings("ap-northeast-1_abc", "reports", "from@example.com")


def pasted(lines: str, jobtype: str = "import"):
    """Return the users of a request that has `lines`."""
    return list(Users(ImportRequest("admin@example.com", jobtype, "mapped", lines=lines), None))


@pytest.mark.parametrize("end", ["\n", "\r\n"], ids=["lf", "crlf"])
def test_addresses_are_lines(end):
    """Blank lines and white space around an address are no users; rows count as in the text."""
    given = pasted(end.join(["", " a@example.com", "", " B@example.com\u3000", "not an address", ""]))
    assert [(one.number, one.user["useremail"].strip()) for one in given] == [
        (2, "a@example.com"),
        (4, "B@example.com"),
        (5, "not an address"),
    ]


def test_cells_with_a_header_are_a_table():
    """A spreadsheet copies cells with tabs between them, and quotes what holds a line break."""
    given = pasted('氏名\tメールアドレス\tgiven_name\tgroups\n"山田\n太郎"\ta@example.com\tTaro\tBASIC;STAFF\n')
    assert [one.user for one in given] == [
        {"useremail": "a@example.com", "attributes": {"given_name": "Taro"}, "groups": ["BASIC", "STAFF"]}
    ]
    assert given[0].extra == {"氏名": "山田\n太郎"}


def test_cells_without_a_header_have_the_address_somewhere():
    """The column of addresses is the first row's; the other cells go to the report, and commas in them mean nothing."""
    given = pasted("Sato\ta@example.com\nYamada, Taro\tb@example.com\tTokyo\t\n\tc@example.com\n")
    assert [one.user for one in given] == [{"useremail": f"{name}@example.com"} for name in "abc"]
    assert given[1].extra == {"column 1": "Yamada, Taro", "column 3": "Tokyo"}
    assert [one.problem for one in given] == ["", "", ""]


def test_a_report_can_be_pasted():
    """As in a file: rows that succeeded are passed over, and a deletion takes no report of an import."""
    report = "useremail\tstatus\tmessage\tcode\tusername\na@example.com\tsucceeded\t-\t\tx\nb@example.com\tfailed\tThere.\t{}\t\n"
    assert [one.user for one in pasted(report.format("InvalidAddress"))] == [{"useremail": "b@example.com"}]
    with pytest.raises(SourceError, match="'lines' is the report of an import"):
        pasted(report.format("UsernameExistsException"), "delete")


@pytest.mark.parametrize(
    "lines",
    [
        pytest.param("Sato\tTokyo\nSuzuki\tOsaka\n", id="no-address"),
        pytest.param("a@example.com, b@example.com\n", id="two-in-a-line"),
    ],
)
def test_lines_without_a_column_of_addresses_are_refused(lines):
    """The message names the key and shows nobody's data."""
    with pytest.raises(SourceError, match="'lines' has no column 'useremail'") as refused:
        pasted(lines)
    assert not {"Sato", "a@example.com"} & set(str(refused.value).replace(",", " ").split())


def test_what_is_wrong_with_lines_is_told_in_japanese():
    """Whoever fills in the form reads Japanese by default."""
    with pytest.raises(SourceError) as refused:
        pasted("Sato\tTokyo\n")
    assert translated(str(refused.value), "ja").startswith("'lines' の 1 行目にメールアドレスの列がありません。")
    with pytest.raises(RequestError) as refused:
        ImportRequest.parse({"adminemail": "a@b.jp", "data": ["x@b.jp"], "lines": "y@b.jp"}, SETTINGS)
    assert translated(str(refused.value), "ja").startswith("'data' と 'lines' が指定されています。")


def test_a_broken_quote_is_told_with_its_line():
    """As in a file."""
    with pytest.raises(SourceError, match=r"'lines', line 1 or after: .* quote"):
        pasted('a@example.com\t"x\n')
