"""What the compiled loop of a fleet calls of the compiled pools, without the interpreter between them. The plain: `_pool_calls_py`."""

from libc.stdint cimport int64_t


cdef int occupy(object pool, object key, int64_t now_ns) except -1
cdef int vacate(object pool, object key, int64_t place, int64_t now_ns) except -1
cdef int64_t spare_count(object pool) except -1
cdef int64_t still_cooling(object pool, int64_t now_ns) except -1
