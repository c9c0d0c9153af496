"""Writes `conf/source.schema.json`, for editors, and `docs/sources.md`, for readers: every key of a source YAML.

Both come from the settings in `lib/config` alone. What a key is for stands there as a docstring below it; where a YAML may say more
than the settings hold (a short form, `${ENV_NAME}`), the validator that reads it says so with `json_schema_input_type`.

    python -m scripts.source_schema           # write both
    python -m scripts.source_schema --check   # exit 1 if one is not what the settings say
"""

from __future__ import annotations

import ast
import inspect
import json
import re
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeAlias

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import core_schema as core

from lib.config import Source
from lib.config.yaml_file import parse_yaml
from lib.errors import ConfigError

Node: TypeAlias = dict[str, Any]
REPO = Path(__file__).parents[1]
SCHEMA = "conf/source.schema.json"
PAGE = "docs/sources.md"
AGAIN = "make schema"
_OPTIONAL = "optional"
_PLAIN = {"string": "text", "integer": "whole number", "number": "number"}
_INTRODUCTION = f"""\
# Keys of a source YAML

`{AGAIN}` makes this page from the settings in `lib/config`; [configuration.md](configuration.md) explains them, with examples.

An editor with the YAML language server (VS Code with Red Hat's YAML extension, Neovim, Helix and others) says the same at each
key, completes keys and marks mistakes, if the first line of a file names the schema:

    # yaml-language-server: $schema=../source.schema.json

The path starts at the folder of the YAML. What spans several keys, such as a reference to a table that is not there, is judged by
the job alone, before Spark starts.
"""


class _AsWritten(GenerateJsonSchema):
    """The schema of what people write, which is what validators take, and not what they make of it."""

    def generate(self, schema: core.CoreSchema, mode: Any = "validation") -> Node:
        found = super().generate(schema, mode)
        _settle(found)
        return {"$schema": "http://json-schema.org/draft-07/schema#", "title": "A source of Pagelake", **found}

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False  # it would be the key once more

    def get_default_value(self, schema: core.WithDefaultSchema) -> Any:
        # Pydantic's type has factories that take the other values, too; no setting has such a one.
        factory: Any = schema.get("default_factory")
        return super().get_default_value(schema) if factory is None else factory()

    def model_schema(self, schema: core.ModelSchema) -> Node:
        found = super().model_schema(schema)
        model = schema["cls"]
        found.pop("title", None)
        found["description"] = _first_paragraph(model.__doc__)
        said = _docstrings(model)
        for name, field in model.model_fields.items():
            node = found.get("properties", {}).get(field.alias or name)
            if node is not None and name in said:
                node.setdefault("description", said[name])
        return found

    def nullable_schema(self, schema: core.NullableSchema) -> Node:
        inner = self.generate_inner(schema["schema"])
        if isinstance(inner.get("type"), str):  # shorter than a union, also in what an editor says
            also = {"enum": [*inner["enum"], None]} if "enum" in inner else {}
            return {**inner, "type": [inner["type"], "null"], **also}
        return super().nullable_schema(schema)

    def dict_schema(self, schema: core.DictSchema) -> Node:
        found = super().dict_schema(schema)
        for pattern in found.pop("patternProperties", {}):  # which would take any other name as well
            found["propertyNames"] = {"pattern": pattern, **found.get("propertyNames", {})}
        if "values_schema" in schema:
            found["additionalProperties"] = self.generate_inner(schema["values_schema"])
        return found

    def function_before_schema(self, schema: core.BeforeValidatorFunctionSchema) -> Node:
        found = super().function_before_schema(schema)
        for node in _nodes(found):
            if (
                "discriminator" in node
            ):  # what comes before a union may say which member is meant where the tag is left out
                node["discriminator"][_OPTIONAL] = True
        return found


def _settle(schema: Node) -> None:
    """Say in words of JSON Schema what pydantic says otherwise: tags of unions; and leave out what only lengthens it."""
    defs = schema.get("$defs", {})
    nodes = list(_nodes(schema))
    for node in nodes:
        if (tag := node.pop("discriminator", None)) is not None:
            name = tag["propertyName"]
            node["anyOf"] = node.pop("oneOf")  # without its tag a mapping may look like several of them
            node["properties"] = {name: {"enum": list(tag["mapping"])}}  # else an editor names the likeliest one alone
            if not tag.get(_OPTIONAL):
                node["required"] = [name]
            for member in _alternatives(node, defs):
                own = member["properties"].pop(name)
                member["properties"] = {name: {**own, "description": member["description"]}, **member["properties"]}
        if "pattern" in node and "title" in node:
            node["patternErrorMessage"] = f"Expected: {node['title']}"  # a word of VS Code's, unknown to others
    for node in nodes:
        for child in node.get("properties", {}).values():
            below = _alternatives(child, defs)
            described = [one["description"] for one in below if "description" in one]
            if len(described) == 1:
                child.setdefault("description", described[0])
            if isinstance(child.get("default"), dict) and any("properties" in one for one in below):
                tags = {key for one in below for key, setting in one["properties"].items() if "const" in setting}
                child["default"] = {key: value for key, value in child["default"].items() if key in tags}
                if not child["default"]:
                    del child["default"]  # each of its keys has its own


def _nodes(node: Any) -> Iterator[Node]:
    if isinstance(node, dict):
        yield node
    for child in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from _nodes(child)


def _followed(node: Node, defs: Node) -> Node:
    while "$ref" in node:
        node = defs[node["$ref"].rpartition("/")[2]]
    return node


def _alternatives(node: Node, defs: Node) -> list[Node]:
    """The node itself, or what it is one of, without null."""
    node = _followed(node, defs)
    parts = [part for kind in ("oneOf", "anyOf", "allOf") for part in node.get(kind, ())]
    found = [one for part in parts for one in _alternatives(part, defs)] or [node]
    return [one for one in found if one.get("type") != "null"]


def _docstrings(model: type[BaseModel]) -> dict[str, str]:
    """What stands below each setting of a model.

    Pydantic's `use_attribute_docstrings` reads the same, but at each start of each job, which costs it 50 ms.
    """
    found: dict[str, str] = {}
    for one in reversed(model.__mro__):
        if issubclass(one, BaseModel) and one is not BaseModel:
            [definition] = ast.parse(textwrap.dedent(inspect.getsource(one))).body
            for setting, below in pairwise(getattr(definition, "body", ())):
                if isinstance(setting, ast.AnnAssign) and isinstance(below, ast.Expr):
                    found[ast.unparse(setting.target)] = _first_paragraph(ast.literal_eval(below.value))
    return found


def _first_paragraph(text: str | None) -> str:
    return " ".join(inspect.cleandoc(text or "").partition("\n\n")[0].split())


def schema(model: type[BaseModel] = Source) -> Node:
    """The JSON Schema (draft 7) of a source YAML."""
    return model.model_json_schema(schema_generator=_AsWritten)


def page(made: Node) -> str:
    """The page of all keys that a schema has."""
    return "\n".join([_INTRODUCTION, *_Page(made).sections()])


@dataclass(frozen=True)
class _Block:
    """A mapping with fixed keys, its places in the YAML, and how many mappings it stands in."""

    node: Node
    depth: int
    paths: list[str]

    @property
    def tag(self) -> str:
        """The key with which it says what it is, such as `type: bearer`; empty for one that needs none."""
        tags = [f"{key}: {one['const']}" for key, one in self.node["properties"].items() if "const" in one]
        return tags[0] if tags else ""

    @property
    def title(self) -> str:
        paths = ", ".join(f"`{path}`" for path in self.paths if path) or "The root"
        return f"{paths} with `{self.tag}`" if self.tag else paths

    @property
    def link(self) -> str:
        anchor = re.sub(r"[^\w -]", "", self.title.lower()).replace(" ", "-")
        return f"[{f'`{self.tag}`' if self.tag else self.title}](#{anchor})"

    @property
    def heading(self) -> str:
        return f"{'##' if self.depth < 2 else '###'} {self.title}"


class _Page:
    """The page of all blocks, in the order of the settings."""

    def __init__(self, root: Node) -> None:
        self._defs = root.get("$defs", {})
        self._blocks: dict[int, _Block] = {}
        self._tags: dict[int, list[str]] = {}
        self._collect(root, "", 0)

    def sections(self) -> Iterator[str]:
        return map(self._section, self._blocks.values())

    def _collect(self, node: Node, path: str, depth: int) -> None:
        for one in _alternatives(node, self._defs):
            self._tags.setdefault(id(one), []).extend(
                node["required"] if "anyOf" in node and "required" in node else ()
            )
            if "items" in one:
                self._collect(one["items"], f"{path}[]", depth)
            if isinstance(one.get("additionalProperties"), dict):
                self._collect(one["additionalProperties"], f"{path}.<name>", depth)
            if "properties" in one and id(one) in self._blocks:
                self._blocks[id(one)].paths.append(path)
            elif "properties" in one:
                self._blocks[id(one)] = _Block(one, depth, [path])
                for key, child in one["properties"].items():
                    self._collect(child, f"{path}.{key}" if path else key, depth + 1)

    def _section(self, block: _Block) -> str:
        rows = [self._row(block, key) for key in block.node["properties"]]
        table = ["| key | type | default | what it says |", "| --- | --- | --- | --- |", *rows]
        return "\n".join([block.heading, "", block.node["description"], "", *table, ""])

    def _row(self, block: _Block, key: str) -> str:
        node = block.node["properties"][key]
        default = f"`{_written(node['default'])}`" if "default" in node else "all defaults"
        if key in block.node.get("required", ()) or key in self._tags[id(block.node)]:
            default = "required"
        said = node.get("description", "")
        cells = (f"`{key}`", self._type(node), default, "" if said == block.node["description"] else said)
        return "| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |"

    def _type(self, node: Node) -> str:
        """What may stand there, in plain words."""
        words = [word for one in _alternatives(node, self._defs) for word in self._words(one)]
        if node.get("default") is not None and "null" in node.get("type", ()):
            words.append("`null`")
        *before, last = dict.fromkeys(words)
        return f"{', '.join(before)} or {last}" if before else last

    def _words(self, node: Node) -> list[str]:
        kinds = node.get("type")
        kind = kinds[0] if isinstance(kinds, list) else kinds
        if id(node) in self._blocks:
            return [self._blocks[id(node)].link]
        if "const" in node or "enum" in node or kind == "boolean":
            values = [node["const"]] if "const" in node else node.get("enum", [True, False])
            return [f"`{_written(value)}`" for value in values if value is not None]
        if "title" in node:
            return [node["title"]]
        if kind == "array":
            return [f"list of {self._type(node['items'])}" + (" (not empty)" if node.get("minItems") else "")]
        if kind == "object":
            values = node.get("additionalProperties")
            return [f"names, each with {self._type(values if isinstance(values, dict) else {})}"]
        return [_PLAIN.get(kind or "", "any value") + _bounds(node)]


def _bounds(node: Node) -> str:
    low, high = node.get("minimum", node.get("minLength")), node.get("maximum", node.get("maxLength"))
    unit = " characters" if "minLength" in node or "maxLength" in node else ""
    parts = [f"more than {node['exclusiveMinimum']:,}"] if "exclusiveMinimum" in node else []
    if low is not None and high is not None:
        parts.append(f"{low:,} to {high:,}{unit}")
    elif low is not None:
        parts.append(f"{low:,} or more{unit}")
    elif high is not None:
        parts.append(f"up to {high:,}{unit}")
    return f" ({', '.join(parts)})" if parts else ""


def _written(value: Any) -> str:
    """A value as a YAML has it."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_written(one)}" for key, one in value.items()) + "}"
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if isinstance(value, str) and _is_plain(value) else json.dumps(value)


def _is_plain(text: str) -> bool:
    try:
        return bool(parse_yaml(text, "").data == text)
    except ConfigError:
        return False


def files() -> dict[str, str]:
    """What belongs into each of the two files, by its path in the repo."""
    made = schema()
    return {SCHEMA: json.dumps(made, indent=2, ensure_ascii=False) + "\n", PAGE: page(made)}


def main(arguments: list[str]) -> int:
    """Write the files, or with `--check` only say which is not what the settings say; return the exit status."""
    old = [name for name, text in files().items() if _read(REPO / name) != text]
    if "--check" in arguments:
        for name in old:
            sys.stderr.write(f"{name}: not what lib/config says; run {AGAIN}\n")
        return 1 if old else 0
    for name in old:
        (REPO / name).write_text(files()[name], "utf-8")
        sys.stdout.write(f"{name}: written\n")
    return 0


def _read(path: Path) -> str:
    return path.read_text("utf-8") if path.exists() else ""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
