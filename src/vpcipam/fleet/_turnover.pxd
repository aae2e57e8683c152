"""The C types of `_turnover_py.py`, for its compiled twin."""

cimport cython

cdef class Member:
    cdef public object assign, unassign, datastore, group, name, node
    cdef public dict waiting
    cdef public list ranks
    cdef public bint ready, gone, released
    cdef public long long number, low, high, wake_ns, retry_ns, scale_down_ns, revision
    cdef public long long address_count, eni_count, prefix_count, pod_count, room, rank, seat

cdef class Scheduler:
    cdef dict _ranks
    cdef list _bits, _buckets
    cdef object _filled, _chance
    cdef bint _most_allocated

    @cython.locals(bucket=list, place=cython.longlong, member=Member)
    cpdef Member take(self)

    @cython.locals(rank=cython.longlong, bucket=list, last=Member)
    cpdef move(self, Member member, long long pod_count)

cdef class Ledger:
    cdef public list names, created_ns, deleted_ns, homes, keys, released
    cdef public object bound_to
    cdef public dict pending
    cdef public long long arrived_count, gone_count

@cython.locals(
    kind=cython.longlong, place=cython.longlong, end=cython.longlong, window=cython.longlong, member=Member,
    names=list, deletions=list, homes=list, keys=list, later=list,
)
cpdef turn_over(list page, dict pages, long long width_ns, long long end_ns, Ledger ledger, Scheduler scheduler, object slow)
