"""Tables whose source reports no total: what an end is worth, what a look behind it finds, and what a second walk for keys does.

As in a run, but that delta-rs writes the pages and that nothing is merged.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lib.landing import sweep as second
from tests.moving_copies import Landings, by_number, two_pages_a_wave
from tests.moving_server import (
    Ends,
    Fails,
    Manners,
    MovingServer,
    MovingTable,
    Mutation,
    Without,
    append,
    delete,
    insert,
    replace,
    rows_of,
)
from tests.spark.served_table import Killed

# Each style that declares its end, with what its server is like.
STYLES: dict[str, dict[str, Any]] = {
    "cursor": {"style": "cursor"},
    "next_url": {"style": "next_url"},
    "link_header": {"style": "link_header"},
    "keyset": {"style": "keyset", "by": "id", "more": "has_more"},
}
NUMBERED: dict[str, dict[str, Any]] = {"page": {}, "offset": {"style": "offset"}, "range": {"style": "range"}}
MORE = "after 3 rounds of re-reading its end is no longer an end"


@pytest.fixture
def copies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Landings]:
    """Landed pages of a table `things` that has no rows yet."""
    with MovingServer({"things": MovingTable([])}) as server:
        yield Landings.without_spark(tmp_path, server, monkeypatch)


def served(copies: Landings, style: str, n_rows: int = 10, **manners: Any) -> MovingTable:
    """A table of so many rows in that style, whose total nobody tells."""
    copies.pagination = {**(STYLES | NUMBERED)[style], "total": "null"}
    return copies.serve(
        range(1, n_rows + 1), Manners(**{"style": style, "pages": "absent", "total": "absent", **manners})
    )


# Ended


@pytest.mark.parametrize("style", STYLES)
def test_a_walk_that_comes_to_the_end_that_the_source_declares_is_ended(style: str, copies: Landings) -> None:
    table = served(copies, style)
    run = copies.run()
    assert copies.proved(run) == ("ended", 0)
    assert run.tables["things"].unproved_because is None
    assert copies.silver() == rows_of(range(1, 11))
    # The last page is asked for once more, and of a keyset also what follows its last row, which is on that page.
    assert table.asked == {1: 2, 2: 1, 3: 1, 4: 3 if style == "keyset" else 2}
    assert copies.landed() == {("things", page, 0): 1 for page in (1, 2, 3, 4)}


@pytest.mark.parametrize("style", NUMBERED)
def test_pages_by_number_end_with_two_that_have_no_rows(style: str, copies: Landings) -> None:
    table = served(copies, style)
    assert copies.proved(copies.run()) == ("ended", 0)
    assert copies.silver() == rows_of(range(1, 11))
    assert table.asked[5] == table.asked[6] == 1


def test_a_keyset_without_more_ends_with_a_page_without_rows_that_stays_so(copies: Landings) -> None:
    table = served(copies, "keyset", names_next="never")
    copies.pagination = {"style": "keyset", "by": "id", "total": "null"}
    assert copies.proved(copies.run()) == ("ended", 0)
    assert table.asked == {1: 2, 2: 1, 3: 1, 4: 3}  # what follows row 10 is on the page of that row


@pytest.mark.parametrize("style", ["cursor", "next_url"])
def test_an_end_may_be_a_page_that_names_no_next_one_behind_pages_that_did(style: str, copies: Landings) -> None:
    served(copies, style, names_next="absent at the end")
    assert copies.proved(copies.run()) == ("ended", 0)


def test_an_end_that_was_declared_by_mistake_is_found_and_the_walk_goes_on_there(copies: Landings) -> None:
    for style in STYLES:
        table = served(copies, style)
        table.once(2, Ends())
        assert copies.proved(copies.run()) == ("ended", 1), style
        assert copies.silver() == rows_of(range(1, 11))
        # Page 1 is looked at after each reading; 2 is asked for, looked at, and landed again.
        assert {page: table.asked[page] for page in (1, 2, 3)} == {1: 3, 2: 3, 3: 1 + (style == "keyset")}, style


@pytest.mark.parametrize("style", STYLES)
def test_rows_that_are_added_at_the_end_meanwhile_are_fetched_and_no_other_page(style: str, copies: Landings) -> None:
    table = served(copies, style)
    table.after(4, append(11, 12, 13))  # the last page is landed, and has room for two of them
    assert copies.proved(copies.run()) == ("ended", 1)
    assert copies.silver() == rows_of(range(1, 14))
    assert (table.asked[2], table.asked[3]) == (1, 1)


@pytest.mark.parametrize("style", ["cursor", "next_url", "link_header"])
def test_an_end_that_never_rests_is_unproved_with_that_reason(style: str, copies: Landings) -> None:
    table = served(copies, style)
    for k in range(4, 60):
        table.after(k, append(1000 + k))
    run = copies.run()
    assert copies.proved(run)[0] == "unproved"
    assert run.tables["things"].unproved_because == MORE


def test_a_keyset_that_always_says_too_early_that_there_is_no_more_fails(copies: Landings) -> None:
    table = served(copies, "keyset")
    table.once(2, *[Ends()] * 50)
    told = copies.failed(copies.run())
    assert (
        "not proved complete after 3 rounds of re-reading: there are rows after the end that the source declared"
        in told
    )


@pytest.mark.parametrize("status", [410, 404, 500])
def test_a_last_page_that_cannot_be_asked_for_again_leaves_the_copy_unproved(status: int, copies: Landings) -> None:
    # A cursor that has expired in the meantime.
    table = served(copies, "cursor")
    table.after(5, lambda _: table.once(4, *[Fails(status)] * 9))
    run = copies.run()
    assert copies.proved(run) == ("unproved", 0)
    told = str(run.tables["things"].unproved_because)
    assert told.startswith("its end could not be re-read: ")
    assert f"status {status}" in told
    assert "behind" not in told.partition("looked at again")[2]


def test_a_last_page_that_a_rule_skips_by_then_leaves_the_copy_unproved(copies: Landings) -> None:
    copies.errors = "[{status: 418, do: skip}]"
    table = served(copies, "keyset")
    table.after(5, lambda _: table.once(4, Fails(418)))
    run = copies.run()
    # It names no next page, so it cannot even be skipped.
    assert copies.proved(run)[0] == "unproved"
    assert "its end could not be re-read: " in str(run.tables["things"].unproved_because)


def test_a_first_page_that_names_no_next_one_is_unproved_with_that_reason(copies: Landings) -> None:
    for style in ("cursor", "next_url", "link_header"):
        served(copies, style, n_rows=2, names_next="never")
        run = copies.run()
        assert copies.proved(run) == ("unproved", 0)
        assert (
            run.tables["things"].unproved_because
            == "its first page names no next one, so it is taken to be the only one"
        )


def test_an_only_page_that_says_so_is_ended_and_asked_for_twice_alone(copies: Landings) -> None:
    table = served(copies, "cursor", n_rows=3)
    assert copies.proved(copies.run()) == ("ended", 0)
    assert table.asked == {1: 2}


def test_an_empty_table_is_ended(copies: Landings) -> None:
    for style in (*STYLES, *NUMBERED):
        served(copies, style, n_rows=0)
        assert copies.proved(copies.run())[0] == "ended", style
        assert copies.silver() == []


def test_pages_that_the_source_claims_and_that_have_no_rows_leave_the_copy_unproved(copies: Landings) -> None:
    served(copies, "page", pages=9)
    run = copies.run()
    assert copies.proved(run) == ("unproved", 0)
    assert run.tables["things"].unproved_because == "the source claims 9 pages, and gives rows on 4"


def test_reread_proves_a_source_without_a_total_by_two_walks_that_agree(copies: Landings) -> None:
    copies.prove = "reread"
    for style in (*STYLES, *NUMBERED):
        table = served(copies, style)
        assert copies.proved(copies.run()) == ("reread", 1), style
        assert (table.asked[2], table.asked[3]) == (2, 2)
        table.change(append(11))
        table.after(table.n_asked + 6, delete(2), append(12))
        assert copies.proved(copies.run())[0] == "reread"
        assert copies.silver() == by_number(table.rows)


# Swept


@pytest.mark.parametrize("style", [*STYLES, *NUMBERED])
def test_a_second_walk_that_meets_the_same_keys_is_proof(style: str, copies: Landings) -> None:
    copies.prove = "swept"
    table = served(copies, style)
    run = copies.run()
    assert copies.proved(run) == ("swept", 0)
    assert run.tables["things"].unproved_because is None
    assert copies.silver() == rows_of(range(1, 11))
    assert (table.asked[2], table.asked[3]) == (2, 2)
    # The rows land once.
    assert {page: n for (_, page, _), n in copies.landed().items() if page <= 4} == dict.fromkeys((1, 2, 3, 4), 1)


@pytest.mark.parametrize("style", [*STYLES, *NUMBERED])
def test_a_source_with_a_total_may_be_swept_too(style: str, copies: Landings) -> None:
    copies.prove, copies.pagination = "swept", (STYLES | NUMBERED)[style]
    table = copies.serve(range(1, 11), Manners(**{"style": style, "pages": "absent"}))
    assert copies.proved(copies.run()) == ("swept", 0)
    assert table.asked == {1: 3, 2: 2, 3: 2, 4: 2}


def test_it_is_a_setting_of_the_api_that_a_table_may_say_otherwise(copies: Landings) -> None:
    served(copies, "cursor")
    job = copies.job()
    source = job.source
    assert [source.proof_of(table) for table in source.tables] == ["counted"]
    of_api = source.model_copy(update={"api": source.api.model_copy(update={"prove": "swept"})})
    assert of_api.proof_of(of_api.tables[0]) == "counted"
    silent = of_api.tables[0].model_copy(update={"prove": None})
    assert of_api.proof_of(silent) == "swept"


def test_one_answer_is_swept_by_a_second_one(copies: Landings) -> None:
    copies.prove, copies.pagination = "swept", {"style": "none", "total": "null"}
    table = copies.serve(range(1, 8), Manners(style="none", pages="absent", total="absent"))
    assert copies.proved(copies.run()) == ("swept", 0)
    assert table.n_asked == 3


SECOND = "a second reading lacked {} of its keys, and had {} others"


@pytest.mark.parametrize("style", [*STYLES, *NUMBERED])
@pytest.mark.parametrize("change", [delete(2), append(11), insert(0, 50)])
def test_rows_that_are_made_or_deleted_meanwhile_make_it_walk_again(
    style: str, change: Mutation, copies: Landings
) -> None:
    copies.prove = "swept"
    table = served(copies, style)
    # When the first page and the end were looked at, and before the second walk.
    table.after(10 if style in NUMBERED else 7 if style == "keyset" else 6, change)
    run = copies.run()
    assert copies.proved(run) == ("swept", 1)
    assert copies.silver() == by_number(table.rows)


def test_a_page_that_lost_a_row_is_found_by_it_though_its_source_tells_no_total(copies: Landings) -> None:
    for style in STYLES:
        copies.prove = "counted"
        served(copies, style).once(2, Without())
        assert copies.proved(copies.run()) == ("ended", 0)
        assert len(copies.silver()) == 9  # which is why no row is deleted by such a copy
        copies.prove = "swept"
        served(copies, style).once(2, Without())
        assert copies.proved(copies.run()) == ("swept", 1), style
        assert copies.silver() == rows_of(range(1, 11))


def test_it_sees_the_move_that_counting_cannot_see(copies: Landings) -> None:
    copies.prove = "swept"
    table = copies.serve(range(1, 11))
    # Row 4 moves onto the page that was just read, and the total stays.
    table.after(1, delete(2), append(11))
    assert copies.proved(copies.run())[0] == "swept"
    assert copies.silver() == by_number(table.rows)


def test_a_content_that_changes_is_not_seen_by_keys(copies: Landings) -> None:
    copies.prove = "swept"
    table = served(copies, "cursor")
    table.after(3, replace(5, "changed"))
    assert copies.proved(copies.run()) == ("swept", 0)
    assert copies.silver() == rows_of(range(1, 11))


def test_pages_that_are_cut_otherwise_in_the_second_walk_have_the_same_keys(copies: Landings) -> None:
    copies.prove = "swept"
    table = served(copies, "cursor")
    table.after(7, lambda _: setattr(table, "manners", Manners(style="cursor", pages="absent", total="absent", cap=2)))
    assert copies.proved(copies.run()) == ("swept", 0)


def test_rows_that_never_rest_are_never_taken_for_swept(copies: Landings) -> None:
    copies.prove = "swept"
    table = served(copies, "cursor")
    for k in range(1, 100):
        table.after(k, delete(*range(100, 100 + k)), insert(4, 100 + k))
    told = copies.failed(copies.run())
    assert "not proved complete after 3 rounds of re-reading" in told


def test_a_page_of_the_second_walk_that_fails_fails_the_table_and_a_resumed_run_goes_on_there(
    copies: Landings, monkeypatch: pytest.MonkeyPatch
) -> None:
    copies.prove = "swept"
    for style in ("cursor", "page"):
        table = served(copies, style)
        two_pages_a_wave(monkeypatch)
        table.after(6 if style == "cursor" else 8, lambda _, table=table: table.once(3, Fails(500), Fails(500)))
        run = copies.run()
        assert "page 3 failed in the second reading: " in copies.failed(run)
        before = table.asked.copy()
        assert copies.proved(copies.run(resume=run.run_id))[0] == "swept"
        asked = table.asked - before
        assert (asked[2], asked[3]) == (0, 1)


@pytest.mark.parametrize("style", ["cursor", "page"])
def test_a_second_walk_that_is_killed_goes_on_behind_its_last_part(
    style: str, copies: Landings, monkeypatch: pytest.MonkeyPatch
) -> None:
    copies.prove = "swept"
    table = served(copies, style, n_rows=21)
    two_pages_a_wave(monkeypatch)
    left = [2]

    def reached(name: str) -> None:
        left[0] -= name == "sweep landed"
        if not left[0]:
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(second, "reached", reached)
        with pytest.raises(Killed):
            copies.run()
    before = table.asked.copy()
    assert copies.proved(copies.run(resume="run-1")) == ("swept", 0)
    asked = table.asked - before
    assert (asked[2], asked[3], asked[4], asked[5], asked[6]) == (0, 0, 0, 1, 1)


def test_a_second_walk_keeps_to_the_budget(copies: Landings) -> None:
    copies.prove, copies.limits = "swept", {"requests_per_second": 40, "concurrency": 4}
    table = served(copies, "page", n_rows=30)
    run = copies.run()
    assert copies.proved(run) == ("swept", 0)
    assert run.ended_at is not None
    assert (run.ended_at - run.started_at).total_seconds() > (table.n_asked - 1) / 40


def test_a_second_walk_whose_pages_are_skipped_proves_nothing(copies: Landings) -> None:
    copies.prove, copies.errors = "swept", "[{status: 418, do: skip}]"
    table = served(copies, "page")
    table.after(8, lambda _: table.once(3, Fails(418)))
    run = copies.run()
    assert copies.proved(run)[0] == "unproved"
    assert run.tables["things"].unproved_because == "error rules skipped pages of its second reading"


def test_an_end_that_is_not_declared_is_not_swept(copies: Landings) -> None:
    copies.prove = "swept"
    table = served(copies, "cursor", n_rows=2, names_next="never")
    assert copies.proved(copies.run())[0] == "unproved"
    assert table.asked == {1: 2}


def test_many_tables_are_walked_a_second_time_side_by_side_and_one_that_fails_takes_no_other_with_it(
    copies: Landings,
) -> None:
    served(copies, "cursor")
    copies.prove, copies.limits = "swept", {"concurrency": 3}
    manners = Manners(style="cursor", pages="absent", total="absent")
    copies.server.tables = {f"t{n}": MovingTable(rows_of(range(1, 11)), manners) for n in range(6)}
    lost = copies.server.tables["t4"]
    lost.after(6, lambda _: lost.once(3, Fails(500), Fails(500)))
    run = copies.run()
    assert set(run.failed) == {"t4"}
    assert {run.tables[name].proof for name in copies.server.tables if name != "t4"} == {"swept"}


def test_no_key_and_no_cursor_is_shown(copies: Landings) -> None:
    copies.prove = "swept"
    table = served(copies, "cursor", n_rows=10)
    table.after(6, lambda _: table.once(3, Fails(400)))
    told = copies.failed(copies.run())
    assert "cursor=***" in told
    assert "behind" not in told
