"""Hints for the processor, for the compiled loop of a fleet: what it will read soon. The plain one has `_hints_py.py`.

In a large fleet little of what an event is about lies in the processor's cache. One after the other, the lines of memory that it reads
take longer to come than all the rest of it; asked for together, and beforehand, they come while something else is done. A hint costs
little if it is wrong. None of these functions changes anything, counts a reference, or reads through a pointer that may be stale.
"""

from cpython.object cimport PyObject

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
    ctypedef struct PyTupleObject:
        PyObject** ob_item

cdef enum:
    LINE_BYTES = 64
    MEMBER_LINES = 3  # the part of a node that events read
    POOL_LINES = 4  # likewise of a pool
    FAR = 16  # so many deletions beforehand it is asked which node, and
    NEAR = 8  # for the node itself: time enough, and not too long for the cache to keep it


cdef inline PyObject** slot_of(list items, Py_ssize_t index) noexcept:
    return &(<PyListObject*>items).ob_item[index]


cdef inline void fetch_lines(const void* begin, int count) noexcept nogil:
    cdef int line
    for line in range(count):
        fetch(<const char*>begin + LINE_BYTES * line)


cdef inline void for_deletions(long long[::1] deletions, Py_ssize_t count, long long[::1] homes, list members) noexcept:
    """What the deletions will read that come some time after so many. The last few of all go without."""
    cdef Py_ssize_t pod
    if 2 * (count + FAR) + 1 >= deletions.shape[0]:
        return
    pod = deletions[2 * (count + FAR) + 1]
    if 0 <= pod < homes.shape[0]:
        fetch(&homes[pod])
    pod = deletions[2 * (count + NEAR) + 1]
    if 0 <= pod < homes.shape[0] and homes[pod] >= 0:
        fetch_lines(slot_of(members, homes[pod])[0], MEMBER_LINES)


cdef inline void for_backlog(
    long long[::1] backlog, Py_ssize_t first, Py_ssize_t end, list keys, long long[::1] places, object pool
) noexcept:
    """What doing what has been put off will read: the pool, and of each pod its key. In three steps: each reads what the last fetched."""
    cdef Py_ssize_t slot
    cdef Py_ssize_t pod
    fetch_lines(<PyObject*>pool, POOL_LINES)
    for slot in range(first, end):
        pod = backlog[2 * slot]
        if pod < 0:
            pod = ~pod
            fetch(&places[pod])
        fetch(slot_of(keys, pod))
    for slot in range(first, end):
        pod = backlog[2 * slot]
        fetch(slot_of(keys, ~pod if pod < 0 else pod)[0])
    for slot in range(first, end):
        pod = backlog[2 * slot]
        if pod >= 0:  # whose name will be hashed
            fetch((<PyTupleObject*>slot_of(keys, pod)[0]).ob_item[1])
