"""Sends what was measured of a run or task to where people watch: OTLP, Prometheus, CloudWatch. Never ends a run or holds it up."""

from lib.observe.export.fan_out import export, export_run, export_task

__all__ = ["export", "export_run", "export_task"]
