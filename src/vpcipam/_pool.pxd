"""What the compiled loop of a fleet calls of the compiled pools, without the interpreter between them. The plain one has `_pool_calls_py`.

A fleet has pools by the thousand, each of which it changes now and then, so that nothing of a pool is in the cache when its turn comes. A
change reads a dozen lines of memory, most of them only known from another: one after the other they take five times as long as all the
rest of it. Here they are asked for beforehand, in steps, each of which reads what the one before has fetched. A hint costs little if it is
wrong; none of these functions changes anything, counts a reference or reads through a pointer that may be stale.
"""

from cpython.object cimport PyObject
from libc.stdint cimport int64_t

cdef extern from *:
    """
    #if defined(__GNUC__)
    #define vpcipam_fetch(address) __builtin_prefetch(address, 1)
    #else
    #define vpcipam_fetch(address) ((void)(address))
    #endif
    """
    void fetch "vpcipam_fetch" (const void* address) noexcept nogil

cdef extern from "Python.h":
    ctypedef struct PyListObject:
        PyObject** ob_item

cdef enum:
    POOL_BYTES = 256  # the part of a pool that changes read


cdef int occupy(object pool, object key, int64_t now_ns) except -1
cdef int vacate(object pool, object key, int64_t place, int64_t now_ns) except -1
cdef void prepare_place(void* pool, int64_t place) noexcept
cdef void prepare_block(void* pool, int64_t place) noexcept
cdef void prepare(list pools, int64_t number, list keys, int64_t pod) noexcept


cdef inline PyObject** slot_of(list items, Py_ssize_t index) noexcept:
    return &(<PyListObject*>items).ob_item[index]


cdef inline void approach(list members, list pools, Py_ssize_t number) noexcept:
    """The node of a number, if it is one, and what of its pool is read first."""
    cdef char* member
    cdef char* pool
    cdef int offset
    if number >= 0:
        member = <char*>slot_of(members, number)[0]
        pool = <char*>slot_of(pools, number)[0]
        fetch(member)
        fetch(member + 64)
        for offset in range(0, POOL_BYTES, 64):
            fetch(pool + offset)


cdef inline void look_ahead(
    long long[::1] deleted, Py_ssize_t count, long long[::1] homes, long long[::1] places, list keys, list members, list pools
) noexcept:
    """What the deletions will read that come 24, 16, 10 and 5 after one: time for each step, and not too long for the cache to keep it."""
    cdef Py_ssize_t pod = deleted[count + 24]
    fetch(&homes[pod])
    fetch(&places[pod])
    fetch(slot_of(keys, pod))
    pod = deleted[count + 16]
    if homes[pod] >= 0:
        fetch(slot_of(keys, pod)[0])
        approach(members, pools, homes[pod])
    pod = deleted[count + 10]
    if homes[pod] >= 0:
        prepare_place(slot_of(pools, homes[pod])[0], places[pod])
    pod = deleted[count + 5]
    if homes[pod] >= 0:
        prepare_block(slot_of(pools, homes[pod])[0], places[pod])
