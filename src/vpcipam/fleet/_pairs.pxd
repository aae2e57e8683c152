"""Pairs of numbers, one behind the other in an array, for the compiled loop of a fleet. The plain one has `_pairs_py.py`."""

from libc.stdlib cimport qsort


cdef inline int compare(const void* one, const void* other) noexcept nogil:
    cdef const long long* a = <const long long*>one
    cdef const long long* b = <const long long*>other
    if a[0] != b[0]:
        return 1 if a[0] > b[0] else -1
    return (a[1] > b[1]) - (a[1] < b[1])


cdef inline void sort(long long[::1] numbers, Py_ssize_t end) noexcept:
    """Sort the pairs before a place, by their first numbers and then their second."""
    if end:
        qsort(&numbers[0], end // 2, 2 * sizeof(long long), compare)
