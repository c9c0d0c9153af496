"""Rules of alerts with two channels, whose receivers a test gives."""

from __future__ import annotations

from pathlib import Path

from lib.config import Alerts, load_alerts
from lib.observe.outcome import Outcome
from lib.observe.verdicts import metric_shapes
from tests.message_receivers import Receiver

RULES = """\
channels:
  ops: {url: "${OPS}", timeout_s: 1}
  chat: {url: "${CHAT}", timeout_s: 60}
rules:
  failed: {outcome: [failed, killed], severity: critical, channels: [ops, chat], remind_after: 24h}
  anomalies: {anomalies: all, severity: warning, channels: [ops], remind_after: 24h}
  late: {no_success_for: 26h, severity: critical, channels: [ops], remind_after: 24h}
"""


def alerts(folder: Path, **channels: Receiver | None) -> Alerts | None:
    (folder / "alerts.yml").write_text(RULES, "utf-8")
    env = {name.upper(): f"json://127.0.0.1:{hook.port}" for name, hook in channels.items() if hook is not None}
    outcomes = [outcome.value for outcome in Outcome]
    return load_alerts(folder / "alerts.yml", metrics=metric_shapes(), outcomes=outcomes, tables=["users"], env=env)
