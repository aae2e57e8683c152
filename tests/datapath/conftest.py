"""Namespaces for the tests of the datapath."""

from namespaces_if_any import bare_namespace, namespaces, vpc

__all__ = ["bare_namespace", "namespaces", "vpc"]
