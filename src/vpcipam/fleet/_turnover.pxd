"""The C types of `_turnover_py.py`, for its compiled twin."""

cimport cython

from vpcipam cimport _pool as pool_calls


cdef class Member:
    # First what a pod that comes or goes needs: it then lies in one or two lines of the cache.
    cdef public long long number, pod_count, room, rank, low, high
    cdef public object pool
    cdef public list ranks
    cdef public bint waits, released, ready, gone
    cdef public object datastore, group, name, node
    cdef public dict waiting
    cdef public long long wake_ns, retry_ns, scale_down_ns, revision, address_count, eni_count, prefix_count


@cython.locals(longer="long long[::1]")
cdef long long[::1] _lengthened(long long[::1] numbers, long long count)


cdef class Scheduler:
    cdef dict _ranks
    cdef list _members
    cdef object _chance
    cdef long long[::1] _seats, _rows, _starts, _rooms, _counts
    cdef long long _seated_count, _lowest, _highest
    cdef double _next
    cdef bint _most_allocated

    @cython.locals(rank=cython.longlong, seat=cython.longlong)
    cpdef long long peek(self) except -2

    @cython.locals(number=cython.longlong, member=Member)
    cpdef Member take(self)

    @cython.locals(number=cython.longlong, rank=cython.longlong, last=cython.longlong, seat=cython.longlong, other=cython.longlong)
    cpdef move(self, Member member, long long pod_count)

    @cython.locals(start=cython.longlong, count=cython.longlong, end=cython.longlong)
    cdef _widen(self, long long rank)


cdef class Ledger:
    cdef public list members, pools, names, keys, released
    cdef public object bound_to
    cdef public dict pending
    cdef public long long[::1] created_ns, homes, places, deleted, deleted_ns
    cdef public long long arrived_count, deleted_count, gone_count

    cpdef house(self, long long number, Member member, long long now_ns)


@cython.locals(
    created_ns="long long[::1]", deleted_ns="long long[::1]", deleted="long long[::1]", homes="long long[::1]", places="long long[::1]",
    keys=list, members=list, pools=list, event=tuple, arrival_ns=cython.longlong, deletion_ns=cython.longlong, now_ns=cython.longlong,
    event_ns=cython.longlong, number=cython.longlong, home=cython.longlong, next_home=cython.longlong, member=Member, found=Member,
)
cpdef turn_over(long long end_ns, list events, Ledger ledger, Scheduler scheduler, object slow)
