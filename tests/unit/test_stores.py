"""How a kind of object store is opened: by what its own tools would take, and with no credential where it could be seen."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from lib.config import Runtime
from lib.errors import ConfigError
from lib.session import settings_of
from lib.stores import kind_of, schemes
from lib.stores.jars import store_jars
from lib.stores.s3 import S3

KEY, SECRET, TOKEN = "AKIAEXAMPLE", "hunter2-planted", "token-planted"


# How delta-rs commits, and how long it tries.
ALWAYS = {
    "aws_conditional_put": "etag",
    "connect_timeout": "5s",
    "max_retries": "1000",
    "retry_timeout": "45s",
    "backoff_config.max_backoff": "4s",
}


@pytest.fixture(autouse=True)
def nothing_known(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No credentials, and no machine that could give some."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))


def test_one_object_opens_a_store_in_the_whole_process() -> None:
    assert schemes() == ("s3",)
    assert kind_of("s3://one") is kind_of("s3://one") is not kind_of("s3://two")
    assert kind_of("") is kind_of("memory://x") is None


def test_the_environment_says_who_asks_and_where(monkeypatch: pytest.MonkeyPatch) -> None:
    given = {
        "AWS_ACCESS_KEY_ID": KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_SESSION_TOKEN": TOKEN,
        "AWS_DEFAULT_REGION": "eu-west-3",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9000/",
    }
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    store = S3("lakes")
    assert store.table_options() == {
        **ALWAYS,
        "AWS_REGION": "eu-west-3",
        "AWS_ALLOW_HTTP": "true",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9000",
        "AWS_VIRTUAL_HOSTED_STYLE_REQUEST": "false",
        "AWS_ACCESS_KEY_ID": KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_SESSION_TOKEN": TOKEN,
    }
    settings = store.spark_settings()
    assert settings["spark.hadoop.fs.s3a.endpoint"] == "http://127.0.0.1:9000"
    assert settings["spark.hadoop.fs.s3a.path.style.access"] == "true"
    assert settings["spark.hadoop.fs.s3a.connection.ssl.enabled"] == "false"
    assert settings["spark.hadoop.fs.s3a.endpoint.region"] == "eu-west-3"
    seen = f"{settings} {store.objects()!r} {store!r}"
    assert not [secret for secret in (KEY, SECRET, TOKEN) if secret in seen]


def test_a_service_of_its_own_goes_before_the_endpoint_of_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "https://all.example")
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "https://store.example")
    settings = S3("lakes").spark_settings()
    assert settings["spark.hadoop.fs.s3a.endpoint"] == "https://store.example"
    assert settings["spark.hadoop.fs.s3a.connection.ssl.enabled"] == "true"


def test_a_profile_says_it_too(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AWS_PROFILE", "night")
    (tmp_path / "config").write_text(
        "[profile night]\nregion = eu-north-1\nendpoint_url = https://store.example\n", "utf-8"
    )
    (tmp_path / "credentials").write_text(
        f"[night]\naws_access_key_id = {KEY}\naws_secret_access_key = {SECRET}\n", "utf-8"
    )
    assert S3("lakes").table_options() == {
        **ALWAYS,
        "AWS_REGION": "eu-north-1",
        "AWS_ALLOW_HTTP": "false",
        "AWS_ENDPOINT_URL": "https://store.example",
        "AWS_VIRTUAL_HOSTED_STYLE_REQUEST": "false",
        "AWS_ACCESS_KEY_ID": KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET,
    }


def test_amazon_is_asked_by_the_name_of_the_bucket_where_no_endpoint_is_given() -> None:
    store = S3("lakes")
    assert store.table_options() == {**ALWAYS, "AWS_REGION": "us-east-1", "AWS_ALLOW_HTTP": "false"}
    assert "spark.hadoop.fs.s3a.endpoint" not in store.spark_settings()
    assert "spark.hadoop.fs.s3a.path.style.access" not in store.spark_settings()


def test_an_endpoint_with_a_password_is_refused_and_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://someone:{SECRET}@127.0.0.1:9000")
    with pytest.raises(ConfigError, match=r"^AWS_ENDPOINT_URL, or endpoint_url of the profile, holds a user") as raised:
        S3("lakes").spark_settings()
    assert SECRET not in str(raised.value)


def test_deltas_commits_are_never_made_unsafe() -> None:
    assert not [name for name in S3("lakes").spark_settings() if "performance" in name]


def clone(root: Path, *there: str) -> Path:
    """A clone whose set-up ends with status 1, and which has these of its two jars."""
    (root / "conf").mkdir()
    (root / "scripts").mkdir()
    (root / "conf" / "jars-s3.sha256").write_text("12ab  a.jar\n34cd  b.jar\n", "utf-8")
    (root / "scripts" / "setup.py").write_text("import sys\nsys.exit('no network')\n", "utf-8")
    (root / ".venv" / "jars-s3").mkdir(parents=True)
    for name in there:
        (root / ".venv" / "jars-s3" / name).touch()
    return root


def test_jars_that_are_there_are_taken_without_a_set_up(tmp_path: Path) -> None:
    root = clone(tmp_path, "a.jar", "b.jar", "other.jar")
    assert store_jars(root, "s3") == tuple(str(root / ".venv" / "jars-s3" / name) for name in ("a.jar", "b.jar"))


def test_jars_that_cannot_be_got_stop_the_job_with_a_sentence(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ConfigError, match=r"^the jars for lakes at s3:// could not be got \(the reason is above\)$"):
        store_jars(clone(tmp_path, "a.jar"), "s3")
    assert capfd.readouterr().err == "no network\n"


def test_the_set_up_is_asked_for_the_jars_of_that_store(tmp_path: Path) -> None:
    root = clone(tmp_path)
    (root / "scripts" / "setup.py").write_text(
        "import pathlib, sys\n"
        "assert sys.argv[1:] == ['--s3']\n"
        "print('what a start of the environment prints')\n"
        "for name in 'ab':\n"
        "    (pathlib.Path(sys.argv[0]).parents[1] / '.venv' / 'jars-s3' / f'{name}.jar').touch()\n",
        "utf-8",
    )
    assert [Path(jar).name for jar in store_jars(root, "s3")] == ["a.jar", "b.jar"]


@pytest.fixture
def stored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules["lib.session"], "store_jars", lambda _repo, scheme: (f"/jars/{scheme}.jar",))


def runtime(words: str, store: str) -> Runtime:
    from dataclasses import replace

    return replace(
        Runtime.of({"PYSPARK_SUBMIT_ARGS": f"{words} pyspark-shell"}), store=store, jars=("/jars/delta.jar",)
    )


@pytest.mark.usefixtures("stored")
@pytest.mark.parametrize(
    ("words", "jars", "class_path"),
    [
        ("", "/jars/s3.jar", "/jars/delta.jar"),
        # What the user names takes the place of ours there.
        ("--jars /own.jar", None, "/jars/delta.jar:/jars/s3.jar"),
        ("--conf spark.jars=/own.jar", None, "/jars/delta.jar:/jars/s3.jar"),
        ("--master spark://host:7077", "/jars/delta.jar,/jars/s3.jar", None),
    ],
)
def test_spark_gets_the_jars_where_the_archive_of_classes_stays_valid(
    words: str, jars: str | None, class_path: str | None
) -> None:
    settings = settings_of(runtime(words, "s3://lakes"), rows=10)
    assert (settings.get("spark.jars"), settings.get("spark.driver.extraClassPath")) == (jars, class_path)
    assert settings["spark.hadoop.fs.s3.impl"] == "org.apache.hadoop.fs.s3a.S3AFileSystem"


def test_a_lake_on_this_machine_needs_nothing_of_it() -> None:
    settings = settings_of(runtime("", ""), rows=10)
    assert "spark.jars" not in settings
    assert not [name for name in settings if "s3" in name]
