"""Expected type errors are compared in both directions."""

from __future__ import annotations

from scripts.checks.typing_cases import Diagnostic, compare, expected

TEXT = "a\nb  # expect: reportArgumentType\nc  # expect: reportCallIssue, reportCallIssue\n"


def error(line: int, rule: str) -> Diagnostic:
    return Diagnostic("case.py", line, rule, "wrong")


def test_comments_name_line_and_rule() -> None:
    assert list(expected("case.py", TEXT)) == [
        ("case.py", 2, "reportArgumentType"),
        ("case.py", 3, "reportCallIssue"),
        ("case.py", 3, "reportCallIssue"),
    ]


def test_errors_that_are_expected_are_no_findings() -> None:
    seen = [error(2, "reportArgumentType"), error(3, "reportCallIssue"), error(3, "reportCallIssue")]

    assert compare(seen, expected("case.py", TEXT)) == ()


def test_an_error_nobody_expects_is_found() -> None:
    (finding,) = compare([error(1, "reportArgumentType")], ())

    assert str(finding) == "case.py:1: wrong (reportArgumentType)"


def test_an_expected_error_that_is_not_seen_is_found() -> None:
    (finding,) = compare([error(3, "reportCallIssue")], expected("case.py", TEXT.replace("b  #", "b  no")))

    assert (finding.line, finding.message) == (3, "pyright sees no reportCallIssue here, and should")


def test_another_rule_on_the_expected_line_is_two_findings() -> None:
    assert (
        len(compare([error(2, "reportCallIssue")], expected("case.py", TEXT.splitlines()[0] + "\nb # expect: x"))) == 2
    )
