"""Tables that are read in parts: landed part by part, each part proved, and read again where it is in doubt."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from lib.config import Table
from lib.config.slices import Window, parse_time
from lib.console import number_of
from lib.errors import SourceError
from lib.failpoints import reached
from lib.lake.states import ENDED, PROVED, UNPROVED
from lib.landing.increments import bounded_parts
from lib.landing.landing import Landing
from lib.landing.nested import follow_parents, nested_in
from lib.landing.parents import ParentRows, rows_for
from lib.landing.parsed import Batch, Parsed, parse_tables
from lib.landing.part_proof import (
    PartDoubt,
    PartFailure,
    PartProof,
    PartRules,
    PartVerdict,
    judge_part,
    weakest,
)
from lib.landing.part_reader import PartSpan
from lib.landing.part_readings import PartSeen, readings
from lib.landing.plan import TablePlan, note_plan
from lib.landing.prove import REPEATS
from lib.source.paging import STYLES
from lib.source.part import Part, slice_parts
from lib.source.source_time import window_part
from lib.tables.newest import parts_sharing_keys

# So many parts are named in a message; their number is always told.
MOST_NAMED = 5
_MOST_SHOWN = 100


@dataclass
class InParts:
    """One table in parts on its way to a proof: its parts by their keys, and what is known of each by now."""

    table: Table
    plan: TablePlan
    rules: PartRules
    parts: dict[str, Part]
    level: str | None = None
    why: str | None = None
    verdicts: dict[str, PartVerdict] = field(default_factory=dict)
    pages: int = 0
    rows: int = 0
    digests: dict[str, bytes] = field(default_factory=dict)
    last_round: int | None = None

    @property
    def open(self) -> list[str]:
        """The parts that are not proved, those that have not landed among them."""
        return [key for key in self.parts if not isinstance(self.verdicts.get(key), PartProof)]

    def doubts(self) -> dict[str, PartDoubt]:
        """The parts in doubt, and why."""
        return {key: one for key, one in self.verdicts.items() if isinstance(one, PartDoubt)}

    def failures(self) -> dict[str, PartFailure]:
        """The parts that could not be read, and why."""
        return {key: one for key, one in self.verdicts.items() if isinstance(one, PartFailure)}


def land_parts(landing: Landing, batch: Batch, names: Iterable[str], parsed: Mapping[str, Parsed]) -> None:
    """Land and prove those of these tables that are read in parts. `parsed` are the tables that have landed before."""
    run = landing.copy.run
    for name in names:
        table = landing.copy.source.table(name)
        if not table.in_parts or name not in landing.cases or name in run.failed:
            continue
        try:
            one = _begun(landing, batch, table, parsed)
        except SourceError as error:
            run.fail(name, str(error))
            continue
        landing.parts[name] = one
        _note(landing, one)
        _split(landing, one)
        _read(landing, one, one.open)
        prove_parts(landing, one)


def prove_parts(landing: Landing, one: InParts) -> None:
    """Prove a table part by part, reading again what is in doubt, and splitting windows that are more than the source gives."""
    rounds, n_again = landing.copy.source.api.limits.proof_rounds, 0
    while one.table.name not in landing.copy.run.failed:
        split = _split(landing, one)
        open_doubts = [key for key, doubt in one.doubts().items() if doubt.else_level is None]
        again = [] if split or one.failures() or n_again == rounds else open_doubts
        if not split and not again:
            break
        n_again += not split
        if again:
            doubt = one.doubts()[again[0]].why
            what = f"{one.table.name}: reading {number_of(len(again), 'part')} again: {_named(again[0])}: {doubt}"
            landing.copy.progress.note(what)
        _read(landing, one, split or again)
    _settle(landing, one, rounds)


def read_again(landing: Landing, one: InParts, keys: Sequence[str]) -> None:
    """Read these parts once more, and prove the table again."""
    _read(landing, one, keys)
    prove_parts(landing, one)


def _begun(landing: Landing, batch: Batch, table: Table, parsed: Mapping[str, Parsed]) -> InParts:
    """A table in parts, as far as it has come: nowhere, unless the run is resumed."""
    plan, source = landing.cases[table.name].plan, landing.copy.source
    found = _parts_of(batch, table, plan, parsed)
    bounded = bounded_parts(source, landing.copy.lake, table, landing.copy.run.tables[table.name], found.parts)
    rules = PartRules(
        plan.style,
        source.proof_of(table),
        source.api.limits.max_pages,
        is_window=table.slices is not None and table.slices.is_windows,
        may_be_gone=table.for_each is not None,
    )
    parts = {part.key: part for part in bounded}
    # A row that was there no more at an earlier start may be there again.
    plan = replace(plan, left_out=tuple(key for key in plan.left_out if key not in parts))
    one = InParts(table, plan, rules, parts, found.level, found.why)
    _look(landing, one)
    # What landed before for a row that is there no more.
    gone = [key for key in one.verdicts if key not in one.parts]
    one.verdicts = {key: verdict for key, verdict in one.verdicts.items() if key in one.parts}
    one.plan = replace(plan, left_out=tuple(dict.fromkeys((*plan.left_out, *gone))))
    return one


def _parts_of(batch: Batch, table: Table, plan: TablePlan, parsed: Mapping[str, Parsed]) -> ParentRows:
    slices = table.slices
    if slices is None:
        return rows_for(batch, table, parsed)
    if not slices.is_windows:
        return ParentRows(slice_parts(slices))
    windows = slices.windows(parse_time(plan.until or ""))
    parts: list[Part] = []
    while windows:
        window = windows.pop()
        part = window_part(slices, window)
        halves = slices.halves(window) if part.key in plan.left_out else None
        if halves is None:
            parts.append(part)
        else:
            windows += halves
    return ParentRows(tuple(sorted(parts, key=lambda part: part.key)))


def _read(landing: Landing, one: InParts, keys: Sequence[str]) -> None:
    """Land one reading of these parts, and look at what all of them came to."""
    if keys:
        most = landing.copy.source.api.limits.max_pages
        round_ = 0 if one.last_round is None else one.last_round + 1
        try:
            spans = [_span(one, key, most) for key in keys]
        except SourceError as error:
            landing.give_up(one.table.name, f"{one.table.name}: {error}")
            return
        landing.land_parts(spans, round_)
        reached("parts landed")
    with landing.copy.progress.step("prove") as step:
        _look(landing, one)
        step.result = f"{len(one.parts) - len(one.open):,} of {number_of(len(one.parts), 'part')} complete"


def _span(one: InParts, key: str, most: int) -> PartSpan:
    part = one.parts[key]
    return PartSpan(one.table.name, part.path(one.plan.path), part, most)


def _look(landing: Landing, one: InParts) -> None:
    """Judge each part by its last reading. One query for all of them."""
    one.verdicts, one.last_round = {}, None
    before: PartSeen | None = None
    run = f"run_id = '{landing.copy.run.run_id}'"
    counts: dict[str, tuple[int, int]] = {}
    for seen in readings(landing.copy.lake.pages, run, one.table.name):
        one.last_round = seen.round if one.last_round is None else max(seen.round, one.last_round)
        if seen.part in one.plan.left_out:
            continue
        last = before if before is not None and before.part == seen.part else None
        one.verdicts[seen.part] = judge_part(one.rules, seen, last)
        counts[seen.part] = seen.n_pages, seen.n_items
        one.digests[seen.part] = seen.digest
        before = seen
    one.pages, one.rows = (sum(one[place] for one in counts.values()) for place in (0, 1))


def _split(landing: Landing, one: InParts) -> list[str]:
    """Put halves in the place of windows that are more than the source gives. The plan is told first, for a run that is resumed."""
    slices = one.table.slices
    if slices is None or not slices.is_windows:
        return []
    new: dict[str, Part] = {}
    old: list[str] = []
    for key, doubt in one.doubts().items():
        values = one.parts[key].values
        halves = slices.halves(Window(parse_time(str(values["from"])), parse_time(str(values["to"]))))
        if doubt.is_capped and halves is not None:
            old.append(key)
            new |= {part.key: part for part in (window_part(slices, half) for half in halves)}
    if old:
        why = one.doubts()[old[0]].why
        landing.copy.progress.note(
            f"{one.table.name}: splitting {number_of(len(old), 'window')}: {_named(old[0])}: {why}"
        )
        one.parts = {key: part for key, part in one.parts.items() if key not in old} | new
        one.verdicts = {key: verdict for key, verdict in one.verdicts.items() if key not in old}
        one.plan = replace(one.plan, left_out=(*one.plan.left_out, *old))
        _note(landing, one)
        reached("windows split")
    return list(new)


def _note(landing: Landing, one: InParts) -> None:
    """Record how far the table is, so that the run can be resumed."""
    one.plan = replace(one.plan, n_parts=len(one.parts), last=one.pages)
    landing.cases[one.table.name] = replace(landing.cases[one.table.name], plan=one.plan)
    note_plan(landing.copy.lake, landing.copy.run, [case.plan for case in landing.cases.values()])


def _settle(landing: Landing, one: InParts, rounds: int) -> None:
    """Record how the table is proved, by the weakest of its parts; or that it failed, and by which of them."""
    name, run = one.table.name, landing.copy.run
    if name in run.failed:
        return
    proofs = {key: verdict for key, verdict in one.verdicts.items() if isinstance(verdict, PartProof)}
    for key, doubt in one.doubts().items():
        if doubt.else_level is not None:
            proofs[key] = PartProof(doubt.else_level, 0, doubt.why)
    record = run.tables[name]
    _note(landing, one)
    record.pages, record.rounds, record.rows_landed = one.pages, one.last_round or 0, one.rows
    gone = [key for key, proof in proofs.items() if proof.is_gone]
    record.parents_missing = len(gone) or None
    if failed := list(one.failures()) or [key for key in one.parts if key not in proofs]:
        landing.give_up(name, _failed(one, failed, rounds))
        return
    if gone and len(gone) == len(one.parts) and len(gone) > 1:
        none = f"the source has none of the {len(gone):,} lists, one for each row of {one.table.for_each}; look at its path"
        landing.give_up(name, f"{name}: {none}")
        return
    levels = {proof.level: key for key, proof in proofs.items() if not proof.is_gone}
    level = weakest(iter(levels))
    why = None if level in PROVED else proofs[levels[level]].why
    if why is not None and level == UNPROVED:
        why = f"{_named(levels[level])}: {why}"
    if one.level is not None and weakest(iter((one.level, level))) == one.level:
        level, why = one.level, one.why
    landing.take(name, level, why)


def _failed(one: InParts, keys: Sequence[str], rounds: int) -> str:
    whys = []
    for key in keys[:MOST_NAMED]:
        verdict = one.verdicts.get(key)
        if isinstance(verdict, PartFailure):
            whys.append(f"{_named(key)}: {verdict.why}")
        elif isinstance(verdict, PartDoubt):
            after = (
                ""
                if verdict.is_capped and one.rules.is_window
                else f"not proved complete after {rounds} rounds of reading again: "
            )
            whys.append(f"{_named(key)}: {after}{verdict.why}")
        else:
            whys.append(f"{_named(key)}: it has not landed")
    rest = f"; and {len(keys) - MOST_NAMED:,} more" if len(keys) > MOST_NAMED else ""
    head = f"{one.table.name}: {len(keys):,} of {number_of(len(one.parts), 'part')} failed"
    return f"{head}: {'; '.join(whys)}{rest}. The others are kept: --resume asks for these alone"


def _named(key: str) -> str:
    """A part as people know it: `users.id 17`."""
    words = ", ".join(f"{name} {value}" for name, value in Part(key).values.items())
    return words if len(words) <= _MOST_SHOWN else f"{words[:_MOST_SHOWN]}..."


def settle_parts(landing: Landing, batch: Batch, parsed: Mapping[str, Parsed]) -> dict[str, Parsed]:
    """Read parts once more that have a key on more than one of their pages: rows may have moved, or the source repeats itself.

    Returns the tables that were read again, parsed anew. A key in two parts is none of this.
    """
    rounds, newer = landing.copy.source.api.limits.proof_rounds, dict[str, Parsed]()
    for name, one in landing.parts.items():
        last = parsed.get(name)
        looked: dict[str, bytes] = {}
        for number in range(rounds + 2):
            record = landing.copy.run.tables[name]
            if last is None or not record.rows_duplicate or one.pages == len(one.parts):
                break
            found = last.rows.transform(parts_sharing_keys(last.table.key)).collect()
            sharing = [row["part"] for row in found if row["part"] in one.parts]
            if not (moved := [key for key in sharing if looked.get(key) != one.digests[key]]):
                _doubt_repeats(landing, one, sharing)
                break
            if number > rounds:
                why = f"{name}: {_named(moved[0])}: keys are on more than one page, and rows moved at each of {rounds} readings"
                landing.give_up(name, why)
                break
            looked |= {key: one.digests[key] for key in moved}
            landing.copy.progress.note(
                f"{name}: reading {number_of(len(moved), 'part')} again: keys are on more than one page"
            )
            last.rows.unpersist()
            read_again(landing, one, moved)
            follow_parents(landing.copy.source, landing.copy.run)
            again = parse_tables(batch, [name, *nested_in(landing.copy.source, name)])
            newer |= again
            last = again.get(name)
    return newer


def _doubt_repeats(landing: Landing, one: InParts, sharing: Sequence[str]) -> None:
    """Where only the end tells that a part is whole, a duplicate may stand for a missing row."""
    record = landing.copy.run.tables[one.table.name]
    is_walk = not STYLES[one.rules.style].is_addressable
    if sharing and record.proof in (*PROVED, ENDED) and (is_walk or record.proof == ENDED):
        record.proof, record.unproved_because = UNPROVED, f"{_named(sharing[0])}: {REPEATS}"
        landing.copy.progress.note(f"{one.table.name}: not proved complete: {record.unproved_because}")
