"""The copy of the site in an object store: moto's server stands for S3, and boto3 looks at what is there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import boto3
import pytest

from lib.config import load_source
from lib.errors import LakeError
from lib.reporting.mirror import mirror
from tests.moto_server import SECRET, aws, credentials
from tests.on_disk import at

pytestmark = pytest.mark.usefixtures("credentials")
__all__ = ["aws", "credentials"]

YAML = """\
source: shop
api: {{url: "http://127.0.0.1:8000"}}
tables:
  users: {{path: /users, key: [id], columns: {{id: bigint!}}}}
site: {{publish_to: "{uri}"}}
"""


@pytest.fixture
def bucket(aws: str) -> Iterator[Any]:
    store = boto3.resource("s3", region_name="us-east-1", endpoint_url=aws)
    made = store.create_bucket(Bucket="docs")
    yield made
    made.objects.delete()
    made.delete()


@pytest.fixture
def site(tmp_path: Path) -> Path:
    folder = tmp_path / "site"
    files = {
        "index.html": "one",
        "runs.html": "r1",
        "runs/r1/index.html": "docs of r1",
        "assets/a1/style.css": "css",
        "assets/a1/empty.js": "",
        ".staging/r2/index.html": "in the making",
    }
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, "utf-8")
    return folder


def held(bucket: Any) -> dict[str, str]:
    return {one.key: one.get()["Body"].read().decode() for one in bucket.objects.all()}


def test_a_bucket_gets_the_site_with_types_that_a_browser_shows(site: Path, aws: str, bucket: Any) -> None:
    uri = f"s3://{bucket.name}/of/shop?{urlencode({'endpoint_override': aws})}"
    assert mirror(at(site), uri) == 5
    assert held(bucket) == {
        "of/shop/index.html": "one",
        "of/shop/runs.html": "r1",
        "of/shop/runs/r1/index.html": "docs of r1",
        "of/shop/assets/a1/style.css": "css",
        "of/shop/assets/a1/empty.js": "",
    }
    types = {name: bucket.Object(f"of/shop/{name}").content_type for name in ("index.html", "assets/a1/style.css")}
    assert types == {"index.html": "text/html; charset=utf-8", "assets/a1/style.css": "text/css; charset=utf-8"}


def test_the_next_copy_writes_what_is_new_and_removes_docs_no_longer_kept_and_nothing_else(
    site: Path, aws: str, bucket: Any
) -> None:
    uri = f"s3://{bucket.name}/of/shop?{urlencode({'endpoint_override': aws})}"
    bucket.put_object(Key="of/others.html", Body=b"not ours")
    mirror(at(site), uri)
    (site / "runs" / "r1" / "index.html").unlink()
    (site / "runs" / "r3").mkdir()
    (site / "runs" / "r3" / "index.html").write_text("docs of r3", "utf-8")
    (site / "index.html").write_text("two", "utf-8")
    assert mirror(at(site), uri) == 3
    found = held(bucket)
    assert {name: text for name, text in found.items() if text} == {
        "of/others.html": "not ours",
        "of/shop/index.html": "two",
        "of/shop/runs.html": "r1",
        "of/shop/runs/r3/index.html": "docs of r3",
        "of/shop/assets/a1/style.css": "css",
    }
    assert not any(name.startswith("of/shop/runs/r1/index") for name in found)


def test_a_bucket_that_is_not_there_is_named_without_the_key(site: Path, aws: str) -> None:
    uri = f"s3://no-such-bucket/shop?{urlencode({'endpoint_override': aws})}"
    with pytest.raises(LakeError) as caught:
        mirror(at(site), uri)
    message = str(caught.value)
    assert message.startswith("the site could not be copied to s3://no-such-bucket/shop?endpoint_override=")
    assert "(site.publish_to)" in message
    assert SECRET not in message


def test_the_address_may_stand_in_the_yaml_or_in_the_environment(
    tmp_path: Path, site: Path, aws: str, bucket: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder, query in (("a", f"?endpoint_override={aws}"), ("b", "")):
        path = tmp_path / "shop.yml"
        path.write_text(YAML.format(uri=f"s3://{bucket.name}/{folder}{query}"))
        source = load_source(str(path), conf_dir=tmp_path, env={})
        assert source.site.publish_to is not None
        if not query:
            monkeypatch.setenv("AWS_ENDPOINT_URL", aws)
        assert mirror(at(site), source.site.publish_to) == 5
        assert held(bucket)[f"{folder}/index.html"] == "one"
