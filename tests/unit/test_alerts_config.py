"""`conf/alerts.yml`: what it takes, and what it says of mistakes."""

from __future__ import annotations

import os
import re
import textwrap
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr

from lib.config import Alerts, Channel, MetricShape, Rule, load_alerts, load_source
from lib.config.address import service
from lib.config.runtime import REPO
from lib.errors import ConfigError
from lib.observe.outcome import Outcome
from lib.observe.verdicts import metric_shapes

SECRET = "hunter2-planted"
METRICS = {
    "copy.rows": MetricShape(by_table=True, label=None),
    "quality.missing_values": MetricShape(by_table=True, label="column"),
    "run.seconds": MetricShape(by_table=False, label="job"),
}
HEAD = 'channels:\n  ops: {url: "${OPS_URL}"}\nrules:\n'


def load(text: str, folder: Path, env: dict[str, str] | None = None) -> Alerts:
    (folder / "alerts.yml").write_text(text, "utf-8")
    found = load_alerts(
        folder / "alerts.yml", metrics=METRICS, outcomes=["failed", "published"], tables=["orders"], env=env or {}
    )
    assert found is not None
    return found


def channel_of(alerts: Alerts) -> Channel:
    [channel] = [channel for channel in alerts.channels if channel.name == "ops"]
    return channel


def mistakes(text: str, folder: Path, env: dict[str, str] | None = None) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(text, folder, env)
    assert caught.value.exit_status == 2
    return [line.replace(f"{folder}/", "") for line in str(caught.value).splitlines()]


def rule(text: str) -> str:
    return f"{HEAD}  mine: {{severity: info, channels: [ops], {text}}}\n"


def test_a_rule_of_each_kind(tmp_path: Path) -> None:
    alerts = load(
        HEAD
        + "  a: {severity: critical, channels: [ops], remind_after: 90m, outcome: [failed]}\n"
        + "  b: {severity: warning, channels: [], metric: quality.missing_values, table: orders, label: id, above: 3}\n"
        + "  c: {severity: info, channels: [ops, log], anomalies: [copy.rows]}\n"
        + "  d: {severity: info, channels: [ops], anomalies: all}\n"
        + "  e: {severity: info, channels: [ops], no_success_for: 26h}\n",
        tmp_path,
        {"OPS_URL": "json://127.0.0.1:9"},
    )
    a, b, c, d, e = alerts.rules
    assert (a.name, a.severity, a.channels, a.outcome) == ("a", "critical", ("ops",), ("failed",))
    assert (a.patience, b.patience) == (timedelta(minutes=90), timedelta(hours=24))
    assert (b.metric, b.table, b.label, b.above, b.below) == ("quality.missing_values", "orders", "id", 3, None)
    assert (c.anomalies, d.anomalies) == (("copy.rows",), tuple(METRICS))
    assert (e.longest, a.longest) == (timedelta(hours=26), None)
    channel = channel_of(alerts)
    assert (channel.timeout_s, channel.url.variable) == (10, "OPS_URL")
    assert channel.url.url is not None
    assert channel.url.url.get_secret_value() == "json://127.0.0.1:9"


def test_no_file_is_no_alert(tmp_path: Path) -> None:
    assert load_alerts(tmp_path / "alerts.yml", metrics={}, outcomes=[], tables=[], env={}) is None


@pytest.mark.parametrize("env", [{}, {"OPS_URL": ""}, {"OPS_URL": " "}])
def test_a_channel_whose_variable_is_not_set_is_off(env: dict[str, str], tmp_path: Path) -> None:
    address = channel_of(load(rule("outcome: [failed]"), tmp_path, env)).url
    assert (address.variable, address.url) == ("OPS_URL", None)


def test_rules_may_do_without_channels(tmp_path: Path) -> None:
    alerts = load("rules:\n  mine: {severity: info, channels: [log], outcome: [failed]}\n", tmp_path)
    assert alerts.channels == ()


def test_a_url_is_never_shown(tmp_path: Path) -> None:
    alerts = load(rule("outcome: [failed]"), tmp_path, {"OPS_URL": f"json://user:{SECRET}@127.0.0.1"})
    assert SECRET not in repr(alerts) + str(alerts) + alerts.model_dump_json()


@pytest.mark.parametrize(
    "url", [f"nonsense://{SECRET}", SECRET, f"slack://{SECRET}", f"json://127.0.0.1/{SECRET}\n\x07"]
)
def test_a_url_that_apprise_cannot_use_is_a_mistake_and_is_not_shown(url: str, tmp_path: Path) -> None:
    [line] = mistakes(rule("outcome: [failed]"), tmp_path, {"OPS_URL": url})
    assert line == (
        "alerts.yml:2: channels.ops.url: the environment variable OPS_URL holds no URL that apprise can send to, such as "
        "slack://, mailto:// or json:// (see docs/monitoring.md)"
    )


NO_URL = 'must be "${ENV_NAME}" alone, in quotes, with the URL in that environment variable: it is a secret'


@pytest.mark.parametrize("url", [f"json://{SECRET}", f'"${{OPS_URL}}/{SECRET}"', "7", "null"])
def test_a_url_that_is_written_out_is_a_mistake_and_is_not_shown(url: str, tmp_path: Path) -> None:
    text = rule("outcome: [failed]").replace('"${OPS_URL}"', url)
    assert mistakes(text, tmp_path) == [f"alerts.yml:2: channels.ops.url: {NO_URL}"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "outcome: [faild]",
            "outcome.0: there is no such outcome; did you mean 'failed'? (there is failed, published)",
        ),
        ("outcome: []", "outcome: must not be empty"),
        ("outcome: failed", "outcome: must be a list, such as [id]"),
        (
            "metric: copy.row, above: 1",
            "metric: there is no such metric; did you mean 'copy.rows'? (there is copy.rows, quality.missing_values, run.seconds)",
        ),
        ("metric: copy.rows", "metric: needs above:, below: or both"),
        (
            "metric: copy.rows, above: 1, below: 2",
            "below: must not be more than above:, as every value would be one of them",
        ),
        ("metric: copy.rows, above: '1'", "above: must be a number"),
        (
            "metric: copy.rows, table: order, above: 1",
            "table: there is no such table; did you mean 'orders'? (there is orders)",
        ),
        (
            "metric: run.seconds, table: orders, above: 1",
            "table: run.seconds is measured once a run, not by table",
        ),
        ("metric: copy.rows, label: x, above: 1", "label: copy.rows has no labels"),
        ("outcome: [failed], above: 1", "above: goes with metric: only"),
        (
            "anomalies: [copy.rows, run.second]",
            "anomalies.1: there is no such metric; did you mean 'run.seconds'? (there is copy.rows, quality.missing_values, "
            "run.seconds)",
        ),
        (
            "no_success_for: 26 hours",
            "no_success_for: is not a duration; write a whole number and m, h or d (minutes, hours, days), such as 26h",
        ),
        ("no_succes_for: 26h, outcome: [failed]", "no_succes_for: unknown key; did you mean 'no_success_for'?"),
        ("name: x, outcome: [failed]", "name: unknown key; the name is the key before it"),
    ],
)
def test_a_mistake_in_a_rule_is_told_with_its_place(text: str, message: str, tmp_path: Path) -> None:
    assert mistakes(rule(text), tmp_path) == [f"alerts.yml:4: rules.mine.{message}"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "remind_after: 1h",
            "must have exactly one of outcome, metric, anomalies, no_success_for; it has none",
        ),
        (
            "outcome: [failed], no_success_for: 1h",
            "must have exactly one of outcome, metric, anomalies, no_success_for; it has outcome and no_success_for",
        ),
    ],
)
def test_a_rule_is_of_one_kind(text: str, message: str, tmp_path: Path) -> None:
    assert mistakes(rule(text), tmp_path) == [f"alerts.yml:4: rules.mine: {message}"]


def test_an_unknown_channel_and_severity_are_told_together(tmp_path: Path) -> None:
    text = HEAD + (
        "  one: {severity: critcal, channels: [ops], outcome: [failed]}\n"
        "  two:\n    severity: info\n    channels:\n      - obs\n    outcome: [failed]\n"
    )
    assert mistakes(text, tmp_path) == [
        "alerts.yml:4: rules.one.severity: must be 'info', 'warning' or 'critical'; did you mean 'critical'?",
        "alerts.yml:8: rules.two.channels.0: there is no such channel; did you mean 'ops'? (there is ops, log)",
    ]


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("", ["alerts.yml: empty; a file of alerts needs channels: and rules:"]),
        ("- a\n", ["alerts.yml:1: must be a mapping with channels: and rules:"]),
        ("rules: [a]\n", ["alerts.yml:1: rules: must be a mapping, with the name of each of the rules as its key"]),
        ("rule: {}\n", ["alerts.yml:1: rule: unknown key; did you mean 'rules'?"]),
        ("channels: {}\n", ["alerts.yml:1: rules: missing"]),
        (
            'channels:\n  log: {url: "${A}"}\n  Ops: {url: "${A}"}\nrules: {}\n',
            [
                "alerts.yml:2: channels.log: is the log of the job, which every rule has anyway; choose another name",
                "alerts.yml:3: channels.Ops: is not a name: lower case letters, digits, '_' and '-', starting with a letter",
            ],
        ),
    ],
)
def test_a_file_of_another_shape_is_told(text: str, lines: list[str], tmp_path: Path) -> None:
    assert mistakes(text, tmp_path) == lines


def shipped(source: str, env: dict[str, str]) -> Alerts:
    tables = [table.name for table in load_source(source, conf_dir=REPO / "conf", env=os.environ).tables]
    outcomes = [outcome.value for outcome in Outcome]
    path = REPO / "conf" / "alerts.yml"
    found = load_alerts(path, metrics=metric_shapes(), outcomes=outcomes, tables=tables, env=env)
    assert found is not None
    return found


@pytest.mark.parametrize("source", ["demo", "moovitamix"])
def test_the_file_that_ships_is_good_for_every_source(source: str) -> None:
    assert [channel.name for channel in shipped(source, {}).channels] == ["ops"]
    assert channel_of(shipped(source, {})).url.variable == "PAGELAKE_ALERT_URL"


def test_the_file_that_ships_has_a_rule_for_every_bad_end() -> None:
    rules = shipped("demo", {}).rules
    named = {outcome for rule in rules for outcome in rule.outcome or ()}
    assert named == {outcome for outcome in Outcome if not outcome.is_good and outcome != Outcome.RUNNING}
    assert {rule.metric for rule in rules} >= {"quality.orphans", "quality.rejected_rows"}
    assert any(rule.anomalies == tuple(metric_shapes()) for rule in rules)
    assert [rule.longest for rule in rules if rule.longest] == [timedelta(hours=26)]


def test_the_examples_of_the_docs_are_good(tmp_path: Path) -> None:
    urls = re.findall(
        r"PAGELAKE_ALERT_URL='((?:mailtos|json)://[^']*)'", (REPO / "docs" / "monitoring.md").read_text("utf-8")
    )
    assert len(urls) == 2
    assert all(service(SecretStr(url)) is not None for url in urls)
    page = (REPO / "docs" / "configuration.md").read_text("utf-8")
    example = re.search(r"^    channels:\n(?:    .*\n)+", page, re.MULTILINE)
    assert example is not None
    [rule] = load(textwrap.dedent(example[0]), tmp_path).rules
    assert (rule.metric, rule.below, rule.patience) == ("copy.rows", 1000, timedelta(hours=12))
    within = ("name", "table", "label", "above", "below")  # told of in the lines of others
    keys = [name for name in (*Channel.model_fields, *Rule.model_fields) if name not in within]
    assert [key for key in keys if f"| `{key}` |" not in page] == []
