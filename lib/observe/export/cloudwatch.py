"""Metrics to CloudWatch, with the credentials that AWS' own tools find."""

from __future__ import annotations

import re
from typing import Any

import boto3.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError, NoCredentialsError
from botocore.exceptions import ConnectionError as NoConnectionError

from lib.config import CloudWatch
from lib.errors import ExportError
from lib.observe.export.batch import Batch
from lib.observe.metrics import Measurement

MOST_A_CALL = 1000
MOST_CHARACTERS = 1024
UNITS = {"s": "Seconds", "By": "Bytes", "1": "None", "{row}/s": "Count/Second"}


def send(settings: CloudWatch, batch: Batch, timeout_s: float) -> None:
    """Send the batch in calls of up to 1,000 values.

    Raises:
        ExportError: CloudWatch did not take it. What calls before that one sent is there.
    """
    try:
        own = client(settings, timeout_s)
        data = [datum(batch, one) for one in batch.measured]
        for start in range(0, len(data), MOST_A_CALL):
            own.put_metric_data(Namespace=settings.namespace, MetricData=data[start : start + MOST_A_CALL])
    except NoCredentialsError:
        message = "no credentials; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give the machine a role"
        raise ExportError(message) from None
    except ClientError as error:
        raise ExportError(_refusal(error)) from None
    except (NoConnectionError, HTTPClientError) as error:
        message = f"no answer ({type(error).__name__}); see that it can be reached from here"
        raise ExportError(message) from None
    except BotoCoreError as error:
        message = f"{type(error).__name__}; see metrics.cloudwatch, and what AWS_* variables and files say"
        raise ExportError(message) from None


def client(settings: CloudWatch, timeout_s: float) -> Any:
    """A client of CloudWatch that tries each call once, and waits that many seconds for a connection and for an answer.

    Only the credentials come from the environment, a file or the machine's role: no address and no proxy does.
    """
    once = Config(
        connect_timeout=timeout_s,
        read_timeout=timeout_s,
        retries={"total_max_attempts": 1},
        proxies={},
        ignore_configured_endpoint_urls=True,
    )
    session = boto3.session.Session()
    return session.client("cloudwatch", region_name=settings.region, endpoint_url=settings.endpoint, config=once)


def datum(batch: Batch, one: Measurement) -> dict[str, Any]:
    """One measurement as CloudWatch has it: name, dimensions source, table and the metric's label, time, value, unit."""
    about = one.series.metric.about
    return {
        "MetricName": about.name,
        "Dimensions": [{"Name": name, "Value": _dimension(value)} for name, value in batch.labels(one).items()],
        "Timestamp": batch.at,
        "Value": float(one.value),
        "Unit": UNITS.get(about.unit, "Count"),
    }


def _dimension(value: str) -> str:
    """The value as a dimension may be; with one that may not be, CloudWatch would refuse the whole call."""
    plain = re.sub(r"[^ -~]", "?", value).strip().lstrip(":")
    return plain[:MOST_CHARACTERS] or "?"


def _refusal(error: ClientError) -> str:
    """What AWS calls its refusal, without its message, which may repeat what was sent."""
    code = str(error.response.get("Error", {}).get("Code", ""))
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", "an error")
    name = f" ({code})" if re.fullmatch(r"[A-Za-z][A-Za-z.]{0,80}", code) else ""
    return f"it answered {status}{name}; see the credentials, their permission cloudwatch:PutMetricData and the region"
