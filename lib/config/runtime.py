"""What the environment says of the machine and of Spark: read once, at the start of a job."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

REPO = Path(__file__).resolve().parents[2]
# Where the secret of a lake's hashes of keys comes from, if not from the lake itself.
KEY_SECRET = "PAGELAKE_KEY_HASH_SECRET"


@dataclass(frozen=True)
class Runtime:
    """The repo's files, Delta's jars, and the spark-submit options that the user gave before the job's name.

    `spark_settings` are those with what the user's own Spark conf folder says, where Spark will read that.
    `class_archive` is there if the set-up could make one, `site_assets` if it found Node. `key_secret` is what hashes of keys are
    made with, where the environment has it. `store` is the object store of the lake, such as `s3://bucket`; empty for one on this
    machine.
    """

    conf: Path
    expectations: Path
    log4j: Path | None
    class_archive: Path | None
    site_assets: Path | None
    jars: tuple[str, ...]
    submitted: Mapping[str, str]
    spark_settings: Mapping[str, str]
    key_secret: str | None = field(default=None, repr=False)
    store: str = ""

    @classmethod
    def of(cls, env: Mapping[str, str]) -> Runtime:
        """Read it from the environment that `spark-submit.sh` sets up."""
        jars = sorted((REPO / ".venv" / "jars").glob("*.jar"))
        words = shlex.split(env.get("PYSPARK_SUBMIT_ARGS", ""))
        submitted = _submitted(words)
        own_defaults: dict[str, str] = {}
        if "SPARK_CONF_DIR" in env and "--properties-file" not in words:
            own_defaults = read_properties(Path(env["SPARK_CONF_DIR"]) / "spark-defaults.conf")
        assets, archive = REPO / ".venv" / "site-assets", REPO / ".venv" / "spark.jsa"
        return cls(
            conf=REPO / "conf",
            expectations=REPO / "expectations",
            # A conf folder that the user chose has its own.
            log4j=None if "SPARK_CONF_DIR" in env else REPO / "conf" / "log4j2.properties",
            class_archive=archive if archive.exists() else None,
            site_assets=assets if assets.is_dir() else None,
            jars=tuple(str(jar) for jar in jars),
            submitted=submitted,
            spark_settings={**own_defaults, **submitted},
            key_secret=env.get(KEY_SECRET),
        )

    @property
    def master(self) -> str | None:
        """The Spark master that the user chose."""
        return self.submitted.get("spark.master")

    @property
    def is_local(self) -> bool:
        """Whether driver and executors share this machine and process."""
        return self.master is None or self.master.startswith("local")


def lake_address(env: Mapping[str, str]) -> str:
    """The lake to open where none is named: what PAGELAKE_LAKE says, else that of the demo in this folder."""
    return env.get("PAGELAKE_LAKE") or str(REPO / "lake" / "demo")


def _submitted(words: list[str]) -> dict[str, str]:
    """The Spark settings that spark-submit's options give: `--conf k=v`, `--master m`, a properties file of the user's."""
    settings: dict[str, str] = {}
    split = [part for word in words for part in (word.split("=", 1) if word.startswith("--") else [word])]
    for option, value in pairwise(split):
        if option == "--properties-file":
            settings = {**read_properties(Path(value)), **settings}
        elif option in ("--conf", "-c"):
            name, _, setting = value.partition("=")
            settings[name] = setting
        elif option == "--jars":
            settings["spark.jars"] = value
        elif option == "--master":
            settings["spark.master"] = value
        elif option == "--driver-java-options":
            settings["spark.driver.extraJavaOptions"] = value
        elif option == "--driver-class-path":
            settings["spark.driver.extraClassPath"] = value
    return settings


def read_properties(file: Path) -> dict[str, str]:
    """The settings of a properties file; none of our own defaults, which what Pagelake sets goes before."""
    if file == REPO / "conf" / "spark-defaults.conf" or not file.is_file():
        return {}
    lines = (line.strip() for line in file.read_text("utf-8").splitlines())
    words = (line.replace("=", " ", 1).split(maxsplit=1) for line in lines if line and not line.startswith("#"))
    return {pair[0]: pair[1] for pair in words if len(pair) == 2}
