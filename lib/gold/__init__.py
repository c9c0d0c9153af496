"""Derived tables: how each is built, and how it follows what it is made from."""
