"""Sends what was measured of a run to where people watch: OTLP, Prometheus, CloudWatch. Never ends a run, nor holds it up."""

from lib.observe.export.fan_out import export

__all__ = ["export"]
