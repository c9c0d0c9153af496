import subprocess
import sys
from pathlib import Path

import pytest

from demo import DemoSettings, Faults

ROOT = Path(__file__).parents[2]


def test_the_defaults_are_the_documented_ones() -> None:
    assert DemoSettings() == DemoSettings(
        seed=7, day=0, tracks=2000, users=1000, sessions=20_000, blemishes=True, faults=Faults()
    )
    assert Faults() == Faults(
        latency_ms=0, errors=0.0, down=False, orphans=0, duplicates=0, nulls=0, moving_total=0, rate_limit_rps=None
    )


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("seed", -1, "seed must be a whole number from 0 to 4294967295, not -1"),
        ("day", -1, "day must be a whole number from 0 to 3650, not -1"),
        ("tracks", 1.5, "tracks must be a whole number from 0 to 400000, not 1.5"),
        ("users", True, "users must be a whole number from 0 to 400000, not True"),
        ("sessions", "10", "sessions must be a whole number from 0 to 10000000, not '10'"),
        ("blemishes", 1, "blemishes must be true or false, not 1"),
    ],
)
def test_a_setting_out_of_range_is_named_with_its_range(name: str, value: object, message: str) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        DemoSettings(**{name: value})
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("errors", 1.1, "errors must be a number from 0 to 1, not 1.1"),
        ("errors", float("nan"), "errors must be a number from 0 to 1, not nan"),
        ("latency_ms", -1, "latency_ms must be a number from 0 to 60000, not -1"),
        ("rate_limit_rps", 0, "rate_limit_rps must be a number from 0.001 to 1000000, not 0"),
        ("orphans", -1, "orphans must be a whole number from 0 to 10000, not -1"),
        ("duplicates", -1, "duplicates must be a whole number from 0 to 100000, not -1"),
        ("nulls", -1, "nulls must be a whole number from 0 to 400000, not -1"),
        ("moving_total", -1, "moving_total must be a whole number from 0 to 100000, not -1"),
        ("down", None, "down must be true or false, not None"),
    ],
)
def test_a_fault_out_of_range_is_named_with_its_range(name: str, value: object, message: str) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        Faults(**{name: value})
    assert str(caught.value) == message


def test_no_more_emails_can_be_lost_than_there_are() -> None:
    # One of the 20 users is blemished: it has no email to lose.
    assert DemoSettings(users=20, faults=Faults(nulls=19)).faults.nulls == 19
    with pytest.raises(ValueError, match="nulls is 20, but only 19 users have an email to lose"):
        DemoSettings(users=20, faults=Faults(nulls=20))


@pytest.mark.parametrize(
    ("sizes", "faults", "message"),
    [
        ({"tracks": 0}, Faults(duplicates=1), "duplicates copies tracks rows"),
        ({"tracks": 0}, Faults(orphans=1), "orphans adds sessions"),
        ({"users": 0}, Faults(moving_total=1), "moving_total adds sessions"),
    ],
)
def test_a_fault_needs_the_rows_it_spoils(sizes: dict[str, int], faults: Faults, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        DemoSettings(faults=faults, **sizes)


def test_reading_the_settings_loads_neither_the_generator_nor_the_server() -> None:
    code = "import sys, demo.settings; print(sorted(m for m in sys.modules if m.startswith(('demo', 'http'))))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.strip() == "['demo', 'demo.settings']"
