"""Which columns are personal, as the lake's own runs say it, and how they are masked for those who read."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import StringType, StructField, StructType

from lib.config import DERIVATIONS, DERIVED_NAMES, MASK, SYSTEM_COLUMNS, Derivation, recorded_derivations
from lib.config.suggest import did_you_mean
from lib.errors import ConfigError
from lib.lake import records, storage
from lib.lake.layout import Layout


@dataclass(frozen=True)
class Personal:
    """By table and column, whether the newest run that declares the column says that it is personal; and the derived tables."""

    declared: Mapping[str, Mapping[str, bool]]
    derived: Mapping[str, Derivation] = field(default_factory=lambda: DERIVATIONS)

    def among(self, table: str, columns: Iterable[str]) -> tuple[str, ...]:
        """Those of a table's columns that are personal, in their order.

        A column that no run declares is among them: the source brought it along, and nobody has said what it is.
        """
        derived = self.derived.get(table)
        if derived is None and table in DERIVED_NAMES:
            # The run that declares it is still to say what its columns are.
            return tuple(columns)
        if not any(self.declared.get(base) for base in (derived.bases if derived else [table])):
            return ()
        own = [name for name in columns if name not in SYSTEM_COLUMNS]
        origins = {name: derived.origins.get(name, ("", name)) if derived else (table, name) for name in own}
        return tuple(
            name
            for name, origin in origins.items()
            if origin is not None and self.declared.get(origin[0], {}).get(origin[1], True)
        )


def personal_columns(layout: Layout) -> Personal:
    """What the runs of a lake say of its columns. Needs no Spark."""
    declared: dict[str, dict[str, bool]] = {}
    derived = dict(DERIVATIONS)
    if storage.is_table(layout.runs):
        sql = (
            "SELECT settings, max(number) AS last FROM runs GROUP BY settings ORDER BY last, max(started_at), settings"
        )
        for run in records.query(layout.runs, "runs", sql):
            settings = json.loads(run["settings"])
            derived |= recorded_derivations(settings)
            for table in settings["tables"]:
                columns = {one["name"]: bool(one.get("pii")) for one in table.get("columns", ())}
                declared.setdefault(table["name"], {}).update(columns)
    return Personal(declared, derived)


def masked(
    frame: DataFrame,
    table: str,
    personal: Personal,
    unmasked: Collection[str] = (),
    *,
    structs: Collection[str] = (),
    beside: Collection[str] = (),
) -> DataFrame:
    """The rows with a mask in place of each personal value: `***` where it is text, null where it is not. Nulls stay.

    `structs` are columns that hold a row of the table as a struct, `beside` those that are none of the table. `unmasked` are shown
    all the same.

    Raises:
        ConfigError: a column in `unmasked` that is not there.
    """
    asked = [unmasked] if isinstance(unmasked, str) else list(unmasked)
    own = [field for field in frame.schema.fields if field.name not in (*structs, *beside)]
    inside = [kind for name in structs if isinstance(kind := frame.schema[name].dataType, StructType)]
    names = list(dict.fromkeys([*(field.name for field in own), *(name for kind in inside for name in kind.names)]))
    for name in asked:
        if name not in names:
            message = f"{table}: there is no column {name!r} to show unmasked{did_you_mean(name, names)}"
            raise ConfigError(message)
    hidden = set(personal.among(table, names)) - set(asked)
    shown: dict[str, Column] = {name: F.col(f"`{name}`") for name in frame.columns}
    shown |= {field.name: _mask(field, shown[field.name], hidden) for field in own}
    for name, kind in zip(structs, inside, strict=True):
        parts = [_mask(field, F.col(f"`{name}`.`{field.name}`"), hidden) for field in kind.fields]
        shown[name] = F.when(shown[name].isNotNull(), F.struct(*parts)).alias(name)
    return frame.select(*shown.values())


def _mask(field: StructField, column: Column, hidden: Collection[str]) -> Column:
    if field.name in hidden:
        is_text = isinstance(field.dataType, StringType)
        column = F.when(column.isNotNull(), F.lit(MASK)) if is_text else F.lit(None).cast(field.dataType)
    return column.alias(field.name, metadata=field.metadata)
