"""What a job shows of an exception that nobody foresaw, with --verbose and without: no value of the data."""

from __future__ import annotations

from lib.errors import LakeError
from lib.reporting.traced import told, traced

CAST = "[CAST_INVALID_INPUT] The value 'ada@example.org' of the type \"STRING\" cannot be cast. SQLSTATE: 22018"


def raised(message: str) -> Exception:
    """One with a cause, one behind that, and a traceback."""
    try:
        try:
            try:
                raise KeyError("ada@example.org")
            except KeyError:
                raise ValueError(f"no number: ada@example.org, 5551234567 {message}")  # noqa: B904 - its context is what is looked at
        except ValueError as error:
            raise RuntimeError(message) from error
    except RuntimeError as error:
        return error


def test_a_traceback_has_every_place_and_no_value() -> None:
    lines = traced(raised(CAST))
    text = "\n".join(lines)
    assert "ada" not in text.replace("ada@example.org, 5551234567 {message}", "").replace(
        'KeyError("ada@example.org")', ""
    )
    assert lines[-1] == "RuntimeError: [CAST_INVALID_INPUT] (the rest may hold values, and is not shown)"
    assert text.count("Traceback (most recent call last):") == 3
    assert text.count("in raised") == 3
    assert "KeyError: '***'" in lines
    assert text.index("KeyError: '***'") < text.index("During handling of the above") < text.index("ValueError: ")
    assert (
        text.index("ValueError: [CAST")
        < text.index("The above exception was the direct cause")
        < text.index("RuntimeError: ")
    )


def test_what_a_library_says_is_shown_without_quotes_addresses_and_long_numbers() -> None:
    assert (
        told(ValueError("no 'ada' with ada@example.org or 5551234567, line 12"))
        == "ValueError: no '***' with *** or ***, line 12"
    )
    assert told(ZeroDivisionError("division by zero\nada")) == "ZeroDivisionError: division by zero"
    assert told(RuntimeError()) == "RuntimeError: no message"


def test_what_pagelake_says_and_which_file_is_not_there_is_shown_whole() -> None:
    assert told(LakeError("/lake: 'x' is missing")) == "/lake: 'x' is missing"
    assert told(FileNotFoundError(2, "No such file or directory", "/lake/x")) == (
        "FileNotFoundError: No such file or directory: /lake/x"
    )


def test_a_circle_of_exceptions_comes_to_an_end() -> None:
    one, two = ValueError("one"), ValueError("two")
    one.__context__, two.__context__ = two, one
    assert [line for line in traced(one) if line.startswith("ValueError")] == ["ValueError: two", "ValueError: one"]
