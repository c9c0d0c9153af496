"""The lake: layout, merge, runs, publications, and how to read what is published."""

from lib.lake.read import Lake, open_lake
from lib.lake.without_spark import read_masked, read_published

__all__ = ["Lake", "open_lake", "read_masked", "read_published"]
