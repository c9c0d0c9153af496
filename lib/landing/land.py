"""One loop: land, prove, parse, settle duplicates, read again; from a plan to pages that are known to be all there was."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TypeAlias

from lib.console import number_of
from lib.errors import SourceIncompleteError
from lib.failpoints import reached
from lib.lake import results
from lib.lake.states import COUNTED, ENDED, PROVED, REREAD, SWEPT, UNPROVED, Step
from lib.landing import prove
from lib.landing.bronze import MOST_NAMED
from lib.landing.landing import Landing
from lib.landing.looks import looked_behind
from lib.landing.nested import follow_parents, levels, nested_in
from lib.landing.parsed import Batch, Parsed, parse_tables
from lib.landing.parts import land_parts, settle_parts
from lib.landing.plan import (
    MOST_AT_ONCE,
    PageRange,
    Plan,
    look_at_pages,
    note_plan,
    probe_first_pages,
)
from lib.landing.prove import REPEATS, Case, Doubt, Proof, doubt_repeats, report, walk_again
from lib.landing.sweep import sweep
from lib.landing.walk import Begun, read_to_the_end, walk_begun, walk_from_the_start
from lib.logs import WARNED
from lib.source.page import PageRow
from lib.tables.newest import pages_sharing_keys

Verdict: TypeAlias = Proof | Doubt | SourceIncompleteError

# So many pages in doubt are looked at by the driver; more of them are a round of their own.
MOST_LOOKS = 32


def land_complete(landing: Landing, plan: Plan, batch: Batch) -> dict[str, Parsed]:
    """Land, prove, parse, settle duplicates, read again: until every table is complete, or given up. Nobody asks the source later.

    Returns the tables that came through, parsed. What belongs to each is known only at the end; the run's record then says it.
    """
    run = landing.copy.run
    parsed: dict[str, Parsed] = {}
    steps = levels(landing.copy.source, list(run.tables))
    for number, names in enumerate(steps, 1):
        land_level(landing, plan, batch, names, parsed)
        if number == len(steps):
            run.ended(Step.PROVE)
        reached("proved")
        with landing.copy.progress.step("parse") as step:
            own = parse_tables(batch, names)
            own |= _settle_duplicates(landing, batch, own)
            own |= settle_parts(landing, batch, own)
            _doubt_uneven_duplicates(landing, names)
            follow_parents(landing.copy.source, run)
            parsed |= own
            if number == len(steps):
                run.ended(Step.PARSE)
            results.tell(step, run, results.parsed(run.tables[name] for name in own))
            note_plan(landing.copy.lake, run, [case.plan for case in landing.cases.values()])
            reached("parsed")
    return parsed


def land_level(landing: Landing, plan: Plan, batch: Batch, names: Sequence[str], parsed: Mapping[str, Parsed]) -> None:
    """Land and prove these tables. `parsed` are those that had to be there first."""
    for table in plan.tables:
        if table.in_parts:
            level = landing.copy.source.proof_of(landing.copy.source.table(table.table))
            landing.cases.setdefault(table.table, Case(table, level))
    whole = [table for table in plan.tables if table.table in names and not table.in_parts]
    if whole:
        probes = tuple(probe for probe in plan.probes if probe.table in names)
        land_pages(landing, replace(plan, tables=tuple(whole), probes=probes))
        prove_tables(landing)
    land_parts(landing, batch, names, parsed)
    follow_parents(landing.copy.source, landing.copy.run)


def land_pages(landing: Landing, plan: Plan) -> None:
    """Land every planned page that has not landed yet, the probed ones with the first wave."""
    took = [probe.elapsed_ms or 0.0 for probe in plan.probes]
    landing.answer_s = sum(took) / len(took) / 1000 if took else landing.bronze.answer_s()
    ranges: list[PageRange] = []
    begun: list[Begun] = []
    rounds = [0]
    for planned in plan.tables:
        table = planned
        probed = sum(1 for probe in plan.probes if probe.table == table.table)
        progress = landing.bronze.progress(table.table)
        if progress is not None:
            rounds.append(progress[0] + 1)
        if table.is_walk:
            begun.append(walk_begun(landing, table, is_probed=bool(probed), has_landed=progress is not None))
        elif progress is None:
            ranges += table.pages(range(table.first + probed, table.last + 1))
        else:
            # A resumed run: what has landed well is not fetched again; once pages were in doubt, all of them are.
            table = table if table.total is not None else replace(table, last=progress[1])
            is_reread = landing.bronze.is_reread(table.table)
            ranges += [table.whole] if is_reread else table.pages(landing.bronze.missing(table))
        landing.cases[table.table] = Case(table, landing.copy.source.proof_of(landing.copy.source.table(table.table)))
    landing.land(ranges, max(rounds), plan.probes, [one.walk for one in begun if one.walk])
    since = {one.table: max(rounds) if one.since is None else one.since for one in begun}
    whole = [case.plan for case in landing.cases.values() if not case.plan.in_parts]
    open_ended = [table for table in whole if table.total is None or table.is_walk]
    read_to_the_end(landing, open_ended, max(rounds), since)


def prove_tables(landing: Landing, doubts: Sequence[Doubt] = ()) -> None:
    """Prove each table complete, reading again what is in doubt. One that cannot be proved fails, and takes no other with it.

    Starts from `doubts`, if there are any: then only their tables are looked at.
    """
    rounds, run = landing.copy.source.api.limits.proof_rounds, landing.copy.run
    again = list(doubts)
    whole = [name for name, case in landing.cases.items() if not case.plan.in_parts]
    asked = [doubt.case.plan.table for doubt in doubts] or whole
    for number in range(rounds + 1):
        if again:
            _read_again(landing, again)
            asked = [doubt.case.plan.table for doubt in again]
        open_cases = [landing.cases[name] for name in asked if name not in run.failed]
        with landing.copy.progress.step("prove") as step:
            again = _judge(landing, open_cases, rounds if number == rounds else None)
            results.tell(step, run, results.proved(run.tables[name] for name in asked))
            if again:
                step.sign = WARNED
        if not again:
            break


def _settle_duplicates(landing: Landing, batch: Batch, parsed: dict[str, Parsed]) -> dict[str, Parsed]:
    """Look again at pages that share a key. Where they moved, the table is read anew; else the source itself repeats a row."""
    open_tables, newer = dict(parsed), dict[str, Parsed]()
    rounds = landing.copy.source.api.limits.proof_rounds
    for number in range(rounds + 1):
        doubts = []
        for name, one in open_tables.items():
            if name not in landing.cases or name in landing.parts:
                continue  # nested in another one, whose pages are looked at; or read in parts, which are settled apart
            case = landing.cases[name]
            if case.level != REREAD and landing.copy.run.tables[name].rows_duplicate and case.plan.n_pages > 1:
                pages = one.rows.transform(pages_sharing_keys(one.table.key)).limit(MOST_NAMED).collect()
                doubt = doubt_repeats(case, [row["page"] for row in pages])
                if pages and _may_have_moved(landing, doubt):
                    doubts.append(walk_again(case, f"{doubt.why}, and rows moved"))
        if not doubts:
            break
        if number == rounds:
            for doubt in doubts:
                name = doubt.case.plan.table
                landing.give_up(name, report(doubt, landing.bronze.see(doubt.case.plan), rounds))
            break
        prove_tables(landing, doubts)
        follow_parents(landing.copy.source, landing.copy.run)
        asked_again = [doubt.case.plan.table for doubt in doubts]
        nested = [child for name in asked_again for child in nested_in(landing.copy.source, name)]
        read_again = [name for name in (*asked_again, *nested) if name in open_tables]
        for name in read_again:
            open_tables[name].rows.unpersist()
        open_tables = parse_tables(batch, read_again)
        newer |= open_tables
    return newer


def _doubt_uneven_duplicates(landing: Landing, names: Sequence[str]) -> None:
    """Where pages may be filled unevenly, only the sum of their rows is proof. A duplicate may then stand for a missing row."""
    for name, case in landing.cases.items():
        if name not in names or name in landing.parts:
            continue
        record = landing.copy.run.tables[name]
        if record.proof not in (*PROVED, ENDED) or not record.rows_duplicate:
            continue
        if case.plan.is_walk or case.plan.total is None or landing.bronze.see(case.plan).uneven:
            record.proof, record.unproved_because = UNPROVED, REPEATS
            landing.copy.progress.note(f"{name}: not proved complete: {REPEATS}")


def _may_have_moved(landing: Landing, doubt: Doubt) -> bool:
    """Whether pages with the same keys may be such as rows have moved between. Of a walk only another whole walk can tell."""
    case = doubt.case
    if case.plan.is_walk:
        return case.walks < prove.WALKS_THAT_AGREE or landing.bronze.see(case.plan).n_moved > 0
    return moved_since(landing, doubt)


def moved_since(landing: Landing, doubt: Doubt) -> bool:
    """Whether pages in doubt hold other rows than those that landed. A few are looked at by the driver, and not landed.

    Many are taken to have moved: they are read again as a round.
    """
    plan = doubt.case.plan
    pages = [page for span in doubt.ranges for page in range(span.first, span.last + 1)]
    if len(pages) > MOST_LOOKS:
        return True
    landing.copy.progress.note(f"{plan.table}: {doubt.why}; re-reading {number_of(len(pages), 'page')}")
    landed = landing.bronze.rows_hashes(plan, pages)
    now = look_at_pages(landing.access, landing.copy.run.run_id, doubt.ranges, landing.budget)
    return {page.page: page.items_sha256 for page in now} != landed


def _judge(landing: Landing, cases: Sequence[Case], rounds: int | None) -> list[Doubt]:
    """Judge each case; what stays in doubt is returned, or fails its table if `rounds` says that these were the last."""
    paths = [(case.plan.table, case.plan.path) for case in cases]
    closings = probe_first_pages(landing.access, landing.copy.run.run_id, paths, landing.budget)
    verdicts: dict[str, Verdict] = {}
    for case, closing in zip(cases, closings, strict=True):
        name = case.plan.table
        record, seen = landing.copy.run.tables[name], landing.bronze.see(case.plan)
        record.pages, record.rows_landed, record.rounds = seen.n_pages, seen.n_items, seen.last_round
        record.pages_skipped = seen.n_skipped or None
        if name in landing.endless:
            landing.give_up(name, landing.endless[name])
            continue
        try:
            verdicts[name] = prove.judge(case, seen, closing)
        except SourceIncompleteError as error:
            landing.give_up(name, str(error))
    _look_closer(landing, verdicts, {page.table: page for page in closings})
    doubts = []
    for name, verdict in verdicts.items():
        if isinstance(verdict, SourceIncompleteError):
            landing.give_up(name, str(verdict))
        elif isinstance(verdict, Proof):
            landing.take(name, verdict.level, verdict.why)
        elif rounds is None:
            doubts.append(verdict)
        elif verdict.else_unproved:
            why = f"after {rounds} rounds of reading again {verdict.why}"
            landing.take(name, UNPROVED, why)
        else:
            landing.give_up(name, report(verdict, landing.bronze.see(verdict.case.plan), rounds))
    return doubts


def _look_closer(landing: Landing, verdicts: dict[str, Verdict], closings: Mapping[str, PageRow]) -> None:
    """Look behind the end of tables that seem to be proved; and walk those a second time whose settings ask for that."""

    def look(proof: Proof) -> Verdict:
        try:
            return looked_behind(landing, proof, closings[proof.table])
        except SourceIncompleteError as error:
            return error

    proofs = [verdict for verdict in verdicts.values() if isinstance(verdict, Proof)]
    with ThreadPoolExecutor(max_workers=MOST_AT_ONCE) as pool:
        verdicts |= zip([proof.table for proof in proofs], pool.map(look, proofs), strict=True)
    proofs = [verdict for verdict in verdicts.values() if isinstance(verdict, Proof)]
    verdicts |= sweep(
        landing, [one for one in proofs if landing.cases[one.table].level == SWEPT and one.level in (COUNTED, ENDED)]
    )


def _read_again(landing: Landing, doubts: Sequence[Doubt]) -> None:
    """Land one more reading of the pages in doubt, all tables in one round."""
    for doubt in doubts:
        plan = doubt.case.plan
        landing.cases[plan.table] = doubt.case if doubt.further else doubt.case.read_again(doubt.ranges)
        pages = "it" if plan.is_walk else f"{sum(span.n_pages for span in doubt.ranges)} pages"
        how = "going on behind its last page" if doubt.further else f"reading {pages} again"
        landing.copy.progress.note(f"{plan.table}: {how}: {landing.access.worded(plan.table, doubt.why)}")
    round_ = 1 + max((landing.bronze.progress(doubt.case.plan.table) or (0, 0))[0] for doubt in doubts)
    note_plan(landing.copy.lake, landing.copy.run, [case.plan for case in landing.cases.values()])
    walked = [doubt for doubt in doubts if doubt.case.plan.is_walk]
    begun = {
        doubt.case.plan.table: landing.bronze.begun(doubt.case.plan) if doubt.further else round_ for doubt in walked
    }
    walks = [doubt.further or walk_from_the_start(landing, doubt.case.plan) for doubt in walked]
    ranges = [span for doubt in doubts if not doubt.case.plan.is_walk for span in doubt.ranges]
    landing.land(ranges, round_, walks=walks)
    # Rows may have moved past what was the end.
    open_ended = [doubt.case.plan for doubt in doubts if doubt.case.plan.is_walk or doubt.case.plan.total is None]
    read_to_the_end(landing, open_ended, round_, begun)
    reached("read again")
