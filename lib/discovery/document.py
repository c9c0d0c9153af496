"""An OpenAPI document: read as plain data from a file or its address, its references followed, nothing in it evaluated."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import unquote, urljoin

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode

from lib.config.network import checked_url
from lib.errors import ConfigError, SourceError
from lib.source.access import Access
from lib.source.client import Reply, SourceClient
from lib.source.hosts import origin_of

Object: TypeAlias = dict[str, Any]
MAX_MB = 32
_MOST_NODES = 3_000_000
_MOST_DEPTH = 200
# Large documents of real services stay far below.
_MOST_LOOKS = 3_000_000
_MOST_STEPS = 20
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_TAG = "tag:yaml.org,2002:"
_SERVER_VARIABLE = re.compile(r"\{([^{}]+)\}")


@dataclass
class Document:
    """The data of a document and what messages call it; `url` is its address, None for a file."""

    data: Object
    name: str
    url: str | None = None
    _looks: int = field(default=0, repr=False)

    def followed(self, node: Any) -> Object:
        """The object that is meant: `$ref` is followed within the document. Elsewhere, and in a circle, it leads to nothing.

        Raises:
            ConfigError: so much was looked at that the document can be none of a real service.
        """
        own: Object = {}
        for _ in range(_MOST_STEPS):
            self._looks += 1
            if self._looks > _MOST_LOOKS:
                raise ConfigError(
                    f"{self.name}: its schemas hold more than can be read; name fewer lists with --tables"
                )
            if not isinstance(node, dict):
                return own
            where = node.get("$ref")
            if not isinstance(where, str):
                return {**node, **own} if own else node
            # 3.1 lets keys stand beside a reference, and they go before what it leads to.
            own = {**{key: value for key, value in node.items() if key != "$ref"}, **own}
            node = self._at(where)
        return own

    def outside(self, node: Any) -> str | None:
        """The other file that a reference leads to, without user, query and fragment. None: it leads to none."""
        where = node.get("$ref") if isinstance(node, dict) else None
        if not isinstance(where, str) or where.startswith("#"):
            return None
        return _shown(re.sub(r"//[^/]*@", "//", re.split(r"[?#]", where, maxsplit=1)[0]))

    def objects(self, node: Any) -> dict[str, Any]:
        """The entries of a mapping; none where there is something else."""
        found = self.followed(node)
        return {key: value for key, value in found.items() if isinstance(key, str)}

    def _at(self, where: str) -> Any:
        if not where.startswith("#/"):
            return None
        found: Any = self.data
        for part in where[2:].split("/"):
            key = unquote(part).replace("~1", "/").replace("~0", "~")
            if isinstance(found, dict) and "$ref" in found and key not in found:
                found = self.followed(found)
            if isinstance(found, list) and key.isdecimal() and int(key) < len(found):
                found = found[int(key)]
            else:
                found = found.get(key) if isinstance(found, dict) else None
        return found

    def server(self) -> str | None:
        """The address of the API: the document's first server, its variables at their defaults. None: it names none.

        Raises:
            ConfigError: what is there can be no address.
        """
        servers = self.data.get("servers")
        first = self.followed(servers[0]) if isinstance(servers, list) and servers else {}
        written = first.get("url")
        if not isinstance(written, str) or not written.strip():
            return self.url and urljoin(self.url, "/").rstrip("/")
        variables = self.objects(first.get("variables"))
        filled = _SERVER_VARIABLE.sub(lambda found: self._default_of(variables.get(found[1])), written.strip())
        whole = urljoin(self.url, filled) if self.url else filled
        if "://" not in whole:
            return None
        try:
            return checked_url(whole)
        except ValueError as error:
            message = f"{self.name}: servers[0].url {error}; name the address of the API with --api-url URL"
        raise ConfigError(message)

    def _default_of(self, variable: Any) -> str:
        default = self.followed(variable).get("default")
        return str(default) if isinstance(default, str | int) else ""


def read_document(place: str, ca_pem: str | None = None) -> Document:
    """Read the document at a file or an http(s) address.

    Raises:
        ConfigError: there is none, or it is no OpenAPI 3 document.
        SourceError: its server does not give it.
    """
    if re.match(r"https?://", place, re.IGNORECASE):
        address = _address(place)
        return Document(_data(_downloaded(address, ca_pem), address), address, url=address)
    path = Path(place)
    if not place.isprintable() or not path.is_file():
        kind = "is not a file" if place.isprintable() and path.exists() else "there is no such file"
        raise ConfigError(f"--openapi {_shown(place)}: {kind}; name an OpenAPI document, or its http(s) address")
    try:
        if path.stat().st_size > MAX_MB * 1_000_000:
            raise ConfigError(
                f"{_shown(place)}: larger than {MAX_MB} MB, so it is not read; take the document with $ref in place of copies"
            )
        content = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{_shown(place)}: cannot be read ({error.strerror or 'unknown reason'})") from error
    return Document(_data(content, _shown(place)), _shown(place))


def _address(place: str) -> str:
    try:
        return checked_url(place, with_query=True)
    except ValueError as error:
        message = f"--openapi: the address {error}"
    raise ConfigError(message)


def _downloaded(address: str, ca_pem: str | None) -> bytes:
    base, _, query = address.partition("?")
    origin_of(base)
    access = Access(base, attempts=3, max_wait_s=20, max_body_bytes=MAX_MB * 1_000_000, ca_pem=ca_pem)
    params = tuple((one.partition("=")[0], unquote(one.partition("=")[2])) for one in query.split("&") if one)

    def taken(reply: Reply) -> bytes:
        return reply.body

    with SourceClient(access) as client:
        try:
            return client.get("", params, taken).content
        except SourceError as error:
            message = f"{error}. If the document is not open to everybody, save it and name the file"
    raise SourceError(message)


def _data(content: bytes, name: str) -> Object:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ConfigError(f"{name}: not UTF-8, so no OpenAPI document") from None
    start = text.lstrip()[:1]
    if not start:
        raise ConfigError(f"{name}: empty; an OpenAPI document was expected")
    if start == "<":
        message = (
            f"{name}: this is HTML or XML, such as a page about the API; name the OpenAPI document that the page loads, often "
            "/openapi.json or /v3/api-docs"
        )
        raise ConfigError(message)
    data = _from_json(text, name) if start in "{[" else _from_yaml(text, name)
    if not isinstance(data, dict):
        raise ConfigError(f"{name}: no OpenAPI document: there is no mapping at its root")
    _check_version(data, name)
    return data


def _from_json(text: str, name: str) -> Any:
    try:
        return json.loads(text, parse_constant=lambda _: None)
    except json.JSONDecodeError as error:
        where, first = error.lineno, ValueError
    except (RecursionError, ValueError):
        raise ConfigError(f"{name}: no JSON that can be read, or nested too deeply") from None
    try:  # YAML may start with a brace too
        return _from_yaml(text, name)
    except ConfigError:
        raise ConfigError(f"{name}:{where}: neither JSON nor YAML") from first


def _from_yaml(text: str, name: str) -> Any:
    try:
        # libyaml takes seconds for what takes minutes in Python. Nodes alone: no tag makes an object.
        root = yaml.compose(text, Loader=_LOADER)
        return None if root is None else _Plain().value(root, 0)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
    except (yaml.YAMLError, RecursionError, ValueError):
        line = 0
    where = f":{line}" if line else ""
    raise ConfigError(f"{name}{where}: no YAML that can be read, or nested too deeply")


class _Plain:
    """Turns nodes into data. What an alias repeats is the same object, so that aliases of aliases take no memory."""

    def __init__(self) -> None:
        self._made: dict[int, Any] = {}
        self._open: set[int] = set()
        self._constructor = yaml.constructor.SafeConstructor()

    def value(self, node: Node, depth: int) -> Any:
        """The data of a node."""
        if id(node) in self._made:
            return self._made[id(node)]
        if depth > _MOST_DEPTH or id(node) in self._open or len(self._made) > _MOST_NODES:
            raise RecursionError
        self._open.add(id(node))
        if isinstance(node, ScalarNode):
            made = self._scalar(node)
        elif isinstance(node, MappingNode):
            made = self._mapping(node, depth)
        else:
            made = [self.value(child, depth + 1) for child in node.value]
        self._open.discard(id(node))
        self._made[id(node)] = made
        return made

    def _mapping(self, node: MappingNode, depth: int) -> Object:
        made: Object = {}
        for key, child in node.value:
            if not isinstance(key, ScalarNode):
                continue
            value = self.value(child, depth + 1)
            if key.tag == f"{_TAG}merge":
                merged = value if isinstance(value, list) else [value]
                for one in merged:
                    made = {**one, **made} if isinstance(one, dict) else made
            else:
                made[str(key.value)] = value  # 200 is a key of responses, and on one of words
        return made

    def _scalar(self, node: ScalarNode) -> Any:
        kind = node.tag.removeprefix(_TAG)
        if kind == "null":
            return None
        if kind == "bool":
            return self._constructor.construct_yaml_bool(node)
        if kind == "int":
            return self._constructor.construct_yaml_int(node) if len(node.value) < 40 else str(node.value)
        if kind == "float":
            return self._constructor.construct_yaml_float(node)
        return str(node.value)


def _check_version(data: Object, name: str) -> None:
    if "swagger" in data and "openapi" not in data:
        message = (
            f"{name}: Swagger 2.0, and OpenAPI 3.0 or 3.1 was expected; convert it first, with a tool such as swagger2openapi or "
            "editor.swagger.io"
        )
        raise ConfigError(message)
    version = str(data.get("openapi", ""))
    if not re.match(r"3(\.\d+)*(-|$)", version):
        raise ConfigError(f"{name}: no OpenAPI 3 document: it does not begin with openapi: 3.0 or 3.1")
    if not isinstance(data.get("paths"), dict) or not data["paths"]:
        raise ConfigError(f"{name}: the document has no paths, so there is nothing to copy")


def _shown(place: str) -> str:
    return "".join(sign if sign.isprintable() else "?" for sign in place[:200])
