"""Where the metrics of a run are sent: an OTLP collector, Prometheus, CloudWatch. All off by default."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Annotated, Any, TypeAlias

from pydantic import AfterValidator, Field, field_validator

from lib.config.fixed import is_header_name
from lib.config.model import Problem, Settings, problems_error
from lib.config.network import UrlText, checked_url
from lib.config.secret import Secret

_OWN_HEADERS = ("content-type", "content-length", "content-encoding", "host", "transfer-encoding")


def _sink_url(url: str) -> str:
    if "@" in url:
        raise ValueError("must not hold a user or password")
    return checked_url(url)


SinkUrl: TypeAlias = Annotated[UrlText, AfterValidator(_sink_url)]


class WithHeaders(Settings):
    """What is asked over HTTP with headers of its own, whose values come from the environment."""

    headers: dict[str, Secret] = Field(default_factory=dict)
    """Headers to send, each with its value in an environment variable."""

    @field_validator("headers", mode="before")
    @classmethod
    def _no_half_a_secret(cls, headers: Any) -> Any:
        if isinstance(headers, Mapping) and None in headers.values():
            # `{x-key: abc,def}` reads as two keys, so the second may be half of a secret.
            raise ValueError(
                'a header without a value (not shown, as it may be a secret); write "${ENV_NAME}" in quotes'
            )
        return headers

    @field_validator("headers")
    @classmethod
    def _names_of_headers(cls, headers: dict[str, Secret]) -> dict[str, Secret]:
        problems = []
        for name in headers:
            if not is_header_name(name):
                problems.append(Problem((name,), "is not the name of an HTTP header"))
            elif name.lower() in _OWN_HEADERS:
                problems.append(Problem((name,), "is a header that the protocol sets by itself; leave it out"))
        if problems:
            raise problems_error(problems)
        return headers


class Otlp(WithHeaders):
    """A collector that speaks OTLP over HTTP."""

    url: SinkUrl
    """The collector's whole address, such as `http://collector:4318/v1/metrics`."""


class Pushgateway(Settings):
    """A Prometheus Pushgateway, which keeps what the last run of each source said."""

    url: SinkUrl
    """Address of the Pushgateway, such as `http://127.0.0.1:9091`."""


class CloudWatch(Settings):
    """CloudWatch, with credentials where AWS' own tools have theirs."""

    namespace: str = "Pagelake"
    """Namespace of the metrics."""
    region: str
    """Region of AWS, such as `eu-west-1`."""
    endpoint: SinkUrl | None = None
    """Another address than the region's own."""

    @field_validator("namespace")
    @classmethod
    def _usable_namespace(cls, namespace: str) -> str:
        if not re.fullmatch(r"[A-Za-z0-9._/#:-]{1,255}", namespace) or namespace.startswith(("AWS/", ":")):
            raise ValueError(
                "must be up to 255 of letters, digits and . _ / # : -, and begin with neither AWS/ nor ':'"
            )
        return namespace

    @field_validator("region")
    @classmethod
    def _usable_region(cls, region: str) -> str:
        if not re.fullmatch(r"[a-z]{2,}(-[a-z0-9]+)+", region):
            raise ValueError("must be a region of AWS, such as eu-west-1")
        return region


class Metrics(Settings):
    """Where metrics go at the end of a run."""

    timeout_s: Annotated[float, Field(gt=0, le=300)] = 5
    """Seconds that a run waits for all of these together."""
    otlp: Otlp | None = None
    prometheus_file: str | None = None
    """Absolute path of a file that ends in `.prom`, in the folder of node_exporter's textfile collector."""
    pushgateway: Pushgateway | None = None
    cloudwatch: CloudWatch | None = None

    @field_validator("prometheus_file")
    @classmethod
    def _a_file_that_node_exporter_reads(cls, written: str | None) -> str | None:
        if written is not None:
            path = PurePosixPath(written)
            if not path.is_absolute() or path.suffix != ".prom" or not written.isprintable():
                raise ValueError("must be an absolute path that ends in .prom, as node_exporter reads no other file")
        return written
