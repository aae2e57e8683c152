"""The C types of `_loop_py.py`, for its compiled twin."""

cimport cython


cdef class Member:
    cdef public long long number, low, high, pod_count, room, seat, released_ns, cooldown_ns, wake_ns, retry_ns, scale_down_ns, revision
    cdef public long long address_count, eni_count, prefix_count
    cdef public bint ready, gone
    cdef public list ranks, row
    cdef public dict waiting
    cdef public object name, group, node, zone, datastore, pool


cdef class Scheduler:
    cdef dict _ranks
    cdef list _rows
    cdef long long _best
    cdef object _random
    cdef readonly list shares

    @cython.locals(rows=list)
    cpdef long long best_rank(self)

    @cython.locals(member=Member, row=list, rank="long long")
    cpdef Member take(self)

    @cython.locals(row=list, last=Member, rank="long long")
    cpdef move(self, Member member, long long pod_count)


@cython.locals(
    created_ns="long long[::1]", deleted_ns="long long[::1]", deletions="long long[::1]", names=list, keys=list, homes=list,
    postponed="unsigned char[::1]", event=tuple, member=Member,
    arrived="long long", deleted="long long", number="long long",
    arrival_ns="long long", deletion_ns="long long", now_ns="long long", event_ns="long long",
)
cpdef run_until(long long end_ns, list events, object ledger, Scheduler scheduler, object handler)


@cython.locals(keys=list, homes=list, member=Member)
cpdef delete_served(long long number, long long now_ns, object ledger, Scheduler scheduler, object handler)


@cython.locals(count="long long", member=Member)
cpdef count_cooling(list members, long long now_ns)
