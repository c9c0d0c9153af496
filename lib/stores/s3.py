"""S3, and what speaks its language.

Region, endpoint and credentials are those of Amazon's own tools: variables such as AWS_PROFILE and AWS_ENDPOINT_URL, the files in
~/.aws, the role of the machine or of the container.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from lib.errors import ConfigError
from lib.stores.trouble import ANSWER_S, BACKOFF, CONNECT_S, PATIENCE, RETRIES, no_credentials

if TYPE_CHECKING:
    from boto3 import Session
    from obstore.store import ObjectStore

_REGION = "us-east-1"
# Said to both clients, as a variable of the environment (AWS_CONDITIONAL_PUT) could turn off what leases and commits rest on.
_CONDITIONAL = "etag"
# The SDK's own chain: environment, web identity, profile, container, machine.
_CREDENTIALS = "software.amazon.awssdk.auth.credentials.DefaultCredentialsProvider"
# Hadoop asks again in two layers, its own and the SDK's: so often that a store that asks for patience gets half a minute, and one
# that is gone is said within a minute. Left alone, it would ask one that says SlowDown for hours.
_PATIENCE = {
    "connection.establish.timeout": "15s",  # it takes no less
    "connection.timeout": f"{ANSWER_S}s",
    "attempts.maximum": "3",
    "retry.limit": "5",
    "retry.interval": "500ms",
    "retry.throttle.limit": "7",
    "retry.throttle.interval": "200ms",
}


class S3:
    """A bucket."""

    scheme = "s3"

    def __init__(self, name: str) -> None:
        self._bucket = name

    @cached_property
    def _session(self) -> Session:
        # Takes most of a second, which lakes elsewhere need not spend.
        from boto3 import Session

        return Session()

    @property
    def _region(self) -> str:
        return self._session.region_name or _REGION

    @cached_property
    def _endpoint(self) -> str | None:
        """Where the store is if it is not Amazon's."""
        from botocore.configprovider import ConfiguredEndpointProvider

        session = self._session._session
        given: str | None = ConfiguredEndpointProvider(
            full_config=session.full_config, scoped_config=session.get_scoped_config(), client_name="s3"
        ).provide()
        if given is not None and "@" in given:
            raise ConfigError(
                "AWS_ENDPOINT_URL, or endpoint_url of the profile, holds a user or a password; leave them out"
            )
        return given and given.rstrip("/")

    def objects(self) -> ObjectStore:
        """The bucket."""
        from obstore.auth.boto3 import Boto3CredentialProvider
        from obstore.store import S3Store

        where: dict[str, Any] = {} if self._endpoint is None else {"endpoint": self._endpoint}
        if self._session.get_credentials() is None:
            raise no_credentials(f"s3://{self._bucket}")
        return S3Store(
            self._bucket,
            region=self._region,
            virtual_hosted_style_request=self._endpoint is None,
            conditional_put=_CONDITIONAL,
            credential_provider=Boto3CredentialProvider(self._session),
            client_options={
                "allow_http": self._is_plain,
                "connect_timeout": f"{CONNECT_S}s",
                "timeout": f"{ANSWER_S}s",
            },
            retry_config={"max_retries": RETRIES, "retry_timeout": PATIENCE, "backoff": {"max_backoff": BACKOFF}},
            **where,
        )

    @property
    def _is_plain(self) -> bool:
        return self._endpoint is not None and self._endpoint.startswith("http://")

    def table_options(self) -> dict[str, str]:
        """Region, endpoint, and the credentials as they are now."""
        options = {
            "AWS_REGION": self._region,
            "AWS_ALLOW_HTTP": str(self._is_plain).lower(),
            "aws_conditional_put": _CONDITIONAL,
            "connect_timeout": f"{CONNECT_S}s",
            "max_retries": str(RETRIES),
            "retry_timeout": f"{PATIENCE.seconds}s",
            "backoff_config.max_backoff": f"{BACKOFF.seconds}s",
        }
        if self._endpoint is not None:
            options |= {"AWS_ENDPOINT_URL": self._endpoint, "AWS_VIRTUAL_HOSTED_STYLE_REQUEST": "false"}
        found = self._session.get_credentials()
        if found is not None:
            now = found.get_frozen_credentials()
            options |= {"AWS_ACCESS_KEY_ID": str(now.access_key), "AWS_SECRET_ACCESS_KEY": str(now.secret_key)}
            if now.token:
                options["AWS_SESSION_TOKEN"] = now.token
        return options

    def spark_settings(self) -> dict[str, str]:
        """Hadoop's S3A, also for addresses that begin with `s3://`."""
        settings = {
            "spark.hadoop.fs.s3.impl": "org.apache.hadoop.fs.s3a.S3AFileSystem",
            "spark.hadoop.fs.AbstractFileSystem.s3.impl": "org.apache.hadoop.fs.s3a.S3A",
            "spark.hadoop.fs.s3a.aws.credentials.provider": _CREDENTIALS,
            "spark.hadoop.fs.s3a.endpoint.region": self._region,
            **{f"spark.hadoop.fs.s3a.{name}": value for name, value in _PATIENCE.items()},
        }
        if self._endpoint is not None:
            settings |= {
                "spark.hadoop.fs.s3a.endpoint": self._endpoint,
                "spark.hadoop.fs.s3a.path.style.access": "true",
                "spark.hadoop.fs.s3a.connection.ssl.enabled": str(not self._is_plain).lower(),
            }
        return settings
