"""The survey of an API: from its document, or from the address of one list, to the source that is to be written."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from lib.config import Api, Source
from lib.config.fixed import looks_secret, query_of
from lib.config.network import checked_url
from lib.config.problems import lines_of, validated
from lib.config.yaml_file import MAX_BYTES, parse_yaml
from lib.console import Steps, number_of
from lib.discovery.candidates import MOST_SIZE
from lib.discovery.children import child_of
from lib.discovery.credentials import Credentials, Given, check_needed, credentials_of
from lib.discovery.document import Document
from lib.discovery.drafts import Draft, drafted
from lib.discovery.endpoints import Listed, chosen, lists_of, table_name, unknown
from lib.discovery.identity import Known, pointers_of
from lib.discovery.parent_tables import Parent, parent_of
from lib.discovery.probe import Asker, Refused
from lib.discovery.signs import CURSOR, KEYSET, OFFSET, PAGE, SIZE, plain
from lib.discovery.written import Written, yaml_of
from lib.errors import ConfigError, SourceError
from lib.landing.budget import Budget
from lib.logs import BAD, WARNED
from lib.source.hosts import origin_of

_REFUSES_CREDENTIALS = (401, 403)


@dataclass(frozen=True)
class Survey:
    """What is to be surveyed: lists of an API at an address, and what is known of them. `children` are those of single rows."""

    name: str
    url: str
    lists: Sequence[Listed]
    credentials: Credentials
    document: Document | None = None
    children: Sequence[Listed] = ()
    origin: str = ""
    left_out: Sequence[str] = ()


def of_document(name: str, document: Document, given: Given, api_url: str | None, tables: str | None) -> Survey:
    """The survey of the lists of a document.

    Raises:
        ConfigError: there is no list, no address, or one at a server that nobody has named.
    """
    found = lists_of(document)
    names = {name.lower() for name, _ in (*given.headers, *given.queries)}
    wanted = chosen(found, tables)
    lists, children = (
        [replace(one, needs=tuple(name for name in one.needs if name.lower() not in names)) for one in some]
        for some in (wanted.tables, wanted.children)
    )
    url = _checked(api_url, "--api-url") if api_url else _server(document)
    check_needed(document, lists, given)
    return Survey(
        name,
        url,
        lists,
        credentials_of(given, url, document),
        document,
        children,
        _origin(document),
        found.left_out if tables is None else (),
    )


def _origin(document: Document) -> str:
    """What a document is called in the YAML, which others may read: the file alone, or the address without its query."""
    return document.name.partition("?")[0] if document.url else document.name.replace("\\", "/").rpartition("/")[2]


def of_address(name: str, address: str, given: Given, tables: str | None) -> Survey:
    """The survey of one list at its address. Parameters of its query that ask for pages are found anew, others stay.

    Raises:
        ConfigError: it is no address, or holds a secret.
    """
    url = _checked(address, "--url")
    parts = urlsplit(url)
    folder, _, last = parts.path.rpartition("/")
    paging = {*PAGE, *OFFSET, *SIZE, *CURSOR, *KEYSET}
    fixed = {key: value for key, value in query_of(url) if plain(key) not in paging}
    if secret := next((key for key in fixed if looks_secret(key)), None):
        raise ConfigError(f"--url: {secret} looks like a secret; leave it out, and say --query-env {secret} NAME")
    names = [one.strip() for one in (tables or "").split(",") if one.strip()]
    if len(names) > 1:
        raise ConfigError("--tables: an address is one list, so it takes one name")
    table = table_name(names[0] if names else last or parts.hostname or name)
    base = urlunsplit((parts.scheme, parts.netloc, folder, "", ""))
    asked = tuple(unknown(key) for key, _ in query_of(url) if plain(key) in paging)
    slash = "/" if last and address.partition("?")[0].endswith("/") else ""  # some APIs answer with it alone
    listed = Listed(table, f"/{last}{slash}", parameters=asked, fixed=fixed)
    return Survey(name, base, (listed,), credentials_of(given, base, None), origin=url.partition("?")[0])


def _checked(url: str, option: str) -> str:
    try:
        return checked_url(url, with_query=option == "--url")
    except ValueError as error:
        message = f"{option}: {error}"
    raise ConfigError(message)


def _server(document: Document) -> str:
    url = document.server()
    if url is None:
        raise ConfigError(
            f"{document.name}: the document does not say where the API is; name its address with --api-url URL"
        )
    if document.url is not None and origin_of(url) != origin_of(document.url):
        message = (
            f"{document.name}: the API is at {origin_of(url)}, another server than the document's; if it may be asked, say "
            "--api-url with its whole address"
        )
        raise ConfigError(message)
    return url


def api_of(survey: Survey, env: Mapping[str, str]) -> Api:
    """The API as the survey asks it: a few attempts, short pauses.

    Raises:
        ConfigError: the address or the credentials cannot be those of an API.
    """
    data: dict[str, Any] = {
        "url": survey.url,
        "auth": survey.credentials.auth,
        "params": survey.credentials.params,
        "headers": survey.credentials.headers,
        "allowed_hosts": list(survey.credentials.allowed_hosts),
        "limits": {"concurrency": 1, "attempts": 3, "max_wait_s": 30},
    }
    api, problems = validated(Api, data, {"env": env, "folder": None})
    if api is None or problems:
        raise ConfigError("\n".join(f"api.{'.'.join(map(str, one.path))}: {one.message}" for one in problems))
    return api


def surveyed(survey: Survey, env: Mapping[str, str], steps: Steps) -> Written:
    """Ask for a few pages of each list, and make tables of those that can be read.

    Raises:
        ConfigError: nothing that can be written came of it.
        SourceError: no list can be read.
    """
    api = api_of(survey, env)
    asker = Asker(api, Budget.of(api))
    drafts: list[Draft] = []
    refused: dict[str, Refused] = {}
    for listed in survey.lists:
        found = _looked_at(listed, lambda one: drafted(asker, one, survey.document), steps)
        if isinstance(found, Refused):
            refused[listed.path] = found
        else:
            drafts.append(found)
    _check_any(survey, drafts, refused)
    children = _children(asker, survey, drafts, steps)
    drafts = _of_one_size(drafts)
    left_out = [*survey.left_out, *(f"{path}: {one.message}" for path, one in refused.items())]
    written = Written(
        survey.name,
        survey.url,
        survey.credentials,
        drafts,
        _pointers(drafts),
        left_out,
        children,
        survey.origin,
    )
    return loadable(written, env)


def _looked_at(listed: Listed, draft: Callable[[Listed], Draft | Refused], steps: Steps) -> Draft | Refused:
    """What comes of a list, told as a step."""
    with steps.step(listed.table) as step:
        try:
            found = draft(listed)
        except ConfigError as error:  # a schema without end; other lists may have none
            found = Refused(str(error))
        if isinstance(found, Refused):
            step.sign, step.result = WARNED if "{" in listed.path else BAD, found.message
        else:
            step.result = f"{found.paging.style}, {number_of(len(found.columns.found), 'column')}"
            if not found.proof.holds:
                step.sign = WARNED
        return found


def _children(asker: Asker, survey: Survey, drafts: list[Draft], steps: Steps) -> list[str]:
    """Add tables that are read for each row of another one, those of rows first. Returns a line for each that is none."""
    left: list[str] = []
    for listed in sorted(survey.children, key=lambda one: (one.path.count("{"), one.is_detail)):
        try:
            parent = parent_of(listed, drafts)
        except SourceError as error:
            left.append(f"{listed.path}: {error}")
            continue

        def draft(one: Listed, parent: Parent = parent) -> Draft | Refused:
            return child_of(asker, one, survey.document, parent)

        found = _looked_at(listed, draft, steps)
        if isinstance(found, Refused):
            left.append(f"{listed.path}: {found.message}")
            continue
        drafts[drafts.index(parent.draft)] = parent.required()
        drafts.append(found)
    return left


def _of_one_size(drafts: Sequence[Draft]) -> list[Draft]:
    """The drafts, with one size for lists that are asked for in one way: the least that the source was seen to cut pages to."""

    def way(draft: Draft) -> str:
        return json.dumps({key: value for key, value in draft.paging.settings.items() if key != "size"})

    cut: dict[str, int] = {}
    for one in drafts:
        size = one.paging.settings.get("size")
        if size is not None and not one.proof.is_whole:
            cut[way(one)] = min(size, cut.get(way(one), size))
    return [
        replace(one, paging=replace(one.paging, settings={**one.paging.settings, "size": cut[way(one)]}))
        if one.proof.holds and one.proof.is_whole and cut.get(way(one), MOST_SIZE) < one.paging.settings.get("size", 0)
        else one
        for one in drafts
    ]


def _check_any(survey: Survey, drafts: Sequence[Draft], refused: Mapping[str, Refused]) -> None:
    if drafts:
        return
    lines = [f"{path}: {one.message}" for path, one in refused.items()]
    if any(one.status in _REFUSES_CREDENTIALS for one in refused.values()):
        lines.append(
            "The API does not take these credentials; put them into environment variables, and name these with --bearer-env, "
            "--basic-env, --header-env, --query-env or --oauth2-env."
        )
    message = "\n".join(["No list can be read, so nothing was written.", *lines])
    # Where every list answered, what is missing is for people to write, and no fault of the source.
    if all(one.status is None and not one.message.startswith(survey.url) for one in refused.values()):
        raise ConfigError(message)
    raise SourceError(message)


def _pointers(drafts: Sequence[Draft]) -> dict[str, Any]:
    known = {
        one.table: Known(one.columns.found, one.key.columns, one.rows, one.is_whole and len(one.rows) > 0)
        for one in drafts
    }
    return {one.table: pointers_of(one.table, known) for one in drafts}


def loadable(written: Written, env: Mapping[str, str]) -> Written:
    """The source without tables that the settings do not take, so that what is written loads.

    Raises:
        ConfigError: none is left.
    """
    while True:
        content = yaml_of(written)
        if len(content.encode()) > MAX_BYTES:
            raise ConfigError(
                "The YAML would be larger than 1 MB, which no source YAML is; name fewer lists with --tables."
            )
        document = parse_yaml(content, f"{written.name}.yml")
        source, problems = validated(Source, document.data, {"env": env, "folder": None})
        problems = [*document.problems, *problems]
        if source is not None and not problems:
            return written
        bad = {str(one.path[1]) for one in problems if len(one.path) > 1 and one.path[0] == "tables"}
        kept = [one for one in written.drafts if one.table not in bad]
        lines = lines_of(problems, document, f"{written.name}.yml", {})
        if not kept or len(kept) == len(written.drafts):
            raise ConfigError("\n".join(["No source that loads can be written:", *lines]))
        why = {
            one.table: next(line for line, p in zip(lines, problems, strict=False) if one.table in map(str, p.path))
            for one in written.drafts
            if one.table in bad
        }
        written = replace(
            written,
            drafts=kept,
            pointers=_pointers(kept),
            left_out=[
                *written.left_out,
                *(f"{one.listed.path}: {why[one.table]}" for one in written.drafts if one.table in bad),
            ],
        )
