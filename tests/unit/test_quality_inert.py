"""What of an exception's message is shown: not the values, paths and traces that it may hold."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib.quality.inert import inert

HIDDEN = "(the rest may hold values, and is not shown)"


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        (
            "[CAST_INVALID_INPUT] The value 'ann@example.org' of the type \"STRING\" cannot be cast. SQLSTATE: 22018\n== SQL ==\nx",
            f"[CAST_INVALID_INPUT] {HIDDEN}",
        ),
        # Wherever the class stands, and whatever the value pretends to be.
        (
            "An error occurred while calling o12.count.\n: Job aborted: [CAST_OVERFLOW] The value 77L. SQLSTATE: 22003\n\tat x",
            f"[CAST_OVERFLOW] {HIDDEN}",
        ),
        (
            "[CAST_INVALID_INPUT] The value 'ann SQLSTATE: 42000' cannot be cast. SQLSTATE: 22018",
            f"[CAST_INVALID_INPUT] {HIDDEN}",
        ),
        ("[USER_RAISED_EXCEPTION] ann\nbob SQLSTATE: P0001", f"[USER_RAISED_EXCEPTION] {HIDDEN}"),
        ("[SOME_CLASS.WITH_PART] ann", f"[SOME_CLASS.WITH_PART] {HIDDEN}"),
        # Of the query's own text all is shown: who wrote it has to fix it.
        (
            "[TABLE_OR_VIEW_NOT_FOUND] The table or view `no_such` cannot be found. SQLSTATE: 42P01\n'Project [*]",
            "[TABLE_OR_VIEW_NOT_FOUND] The table or view `no_such` cannot be found. SQLSTATE: 42P01",
        ),
        (
            "[PATH_NOT_FOUND] Path does not exist: file:/home/ann/lake/silver/x. SQLSTATE: 42K03",
            "[PATH_NOT_FOUND] Path does not exist: (a path) SQLSTATE: 42K03",
        ),
        ('The column "nmae" in BatchData does not exist.', 'The column "nmae" in BatchData does not exist.'),
        (
            'Error: The column "nmae" in BatchData does not exist.',
            'Error: The column "nmae" in BatchData does not exist.',
        ),
        ("could not convert string to float: 'ann'", "could not convert string to float: '***'"),
        ("""no match for "o'neil\\"s" and 'x\\'y' """, "no match for '***' and '***'"),
        ("an open 'quote of ann", "an open '***'"),
        ("[Errno 2] No such file or directory: '/home/ann/x.py'", "[Errno 2] No such file or directory: '***'"),
        ("cannot read /home/ann/lake/x.parquet now", "cannot read (a path) now"),
        ("see http://host.example/a/b, line 3", "see (a path), line 3"),
        ('first\nTraceback (most recent call last):\n  File "/x/y.py"', "first"),
        ("half of the rows, 1/2 or a/b", "half of the rows, 1/2 or a/b"),
        ("", "no message"),
        ("x" * 300, "x" * 200),
    ],
)
def test_a_message_is_one_line_without_values_paths_or_traces(message: str, shown: str) -> None:
    assert inert(message) == shown


@given(st.text(max_size=40), st.sampled_from(["22018", "22003", "P0001", "XX000"]))
def test_no_value_that_spark_quotes_is_ever_shown(value: str, state: str) -> None:
    message = f"[CAST_INVALID_INPUT] The value '{value}' of the type cannot be cast. SQLSTATE: {state}"
    assert inert(message) == f"[CAST_INVALID_INPUT] {HIDDEN}"
    assert inert(f"Job aborted: {message}\n\tat a.b.C") == f"[CAST_INVALID_INPUT] {HIDDEN}"
