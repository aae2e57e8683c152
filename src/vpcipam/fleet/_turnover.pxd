"""The C types of `_turnover_py.py`, for its compiled twin."""

cimport cython

from vpcipam.pool cimport addresses as pool_calls
from vpcipam.fleet cimport _hints as hints
from vpcipam.fleet cimport _pairs as pairs

cdef long long _BACKLOG

cdef class Ledger


cdef class Member:
    # First what a pod that comes or goes needs: it then lies in three lines of the cache at most, see `_hints.pxd`.
    cdef public long long number, pod_count, room, rank, low, high, spare_count, put_off_count, released_ns
    cdef public list ranks
    cdef public bint waits, ready, gone
    cdef object _pool
    cdef public long long cooldown_ns
    cdef Ledger _ledger
    cdef object _datastore, _node
    cdef public object group, name
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
    cdef bint _most_allocated

    @cython.locals(rank=cython.longlong, seat=cython.longlong, member=Member)
    cpdef Member take(self)

    @cython.locals(number=cython.longlong, rank=cython.longlong, last=cython.longlong, seat=cython.longlong, other=cython.longlong)
    cpdef move(self, Member member, long long pod_count)

    @cython.locals(start=cython.longlong, count=cython.longlong, end=cython.longlong)
    cdef _widen(self, long long rank)


cdef class Ledger:
    cdef public list members, names, keys
    cdef public object bound_to
    cdef public dict pending
    cdef public long long[::1] created_ns, homes, places, deletions, backlog
    cdef public long long arrived_count, deleted_count, gone_count

    @cython.locals(
        names=list, keys=list, created_ns="long long[::1]", deletions="long long[::1]", number=cython.longlong, end=cython.longlong
    )
    cdef _enter_pods(self, pods)

    cpdef house(self, long long number, Member member, long long now_ns)

    cpdef evict(self, long long number, Member member, long long now_ns)

    @cython.locals(count=cython.longlong, member=Member)
    cpdef count_cooling(self, long long now_ns)

    @cython.locals(count=cython.longlong, first=cython.longlong, slot=cython.longlong)
    cpdef long long cooling_count_of(self, Member member, long long now_ns) except -1

    cpdef lay_open(self, Member member)

    @cython.locals(slot=cython.longlong)
    cdef _put_off(self, Member member, long long pod, long long now_ns)

    @cython.locals(first=cython.longlong, end=cython.longlong, slot=cython.longlong, number=cython.longlong, now_ns=cython.longlong)
    cdef _catch_up(self, Member member)


@cython.locals(
    created_ns="long long[::1]", deletions="long long[::1]", homes="long long[::1]", members=list, event=tuple,
    arrival_ns=cython.longlong, deletion_ns=cython.longlong, now_ns=cython.longlong, event_ns=cython.longlong, number=cython.longlong,
    home=cython.longlong, member=Member, found=Member,
)
cpdef turn_over(long long end_ns, list events, Ledger ledger, Scheduler scheduler, object slow)
