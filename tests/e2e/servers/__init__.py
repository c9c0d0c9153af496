"""Servers of other people's packages, on one store and in one process. `store` alone can be read without their packages."""
