"""Pairs of numbers, one behind the other in an array, for the plain loop of a fleet. The compiled one has `_pairs.pxd`."""

from array import array
from itertools import chain


def sort(numbers: "array[int]", end: int) -> None:
    """Sort the pairs before a place, by their first numbers and then their second."""
    numbers[:end] = array("q", chain.from_iterable(sorted(zip(numbers[0:end:2], numbers[1:end:2], strict=True))))
