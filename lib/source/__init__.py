"""Speaks HTTP with the source. Knows no Spark: all of it can be read, and run, with a plain Python."""
