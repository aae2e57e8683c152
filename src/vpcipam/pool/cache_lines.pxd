"""Memory that begins at the start of a cache line, for the compiled pools: items whose size divides a line then never lie across two."""

from libc.stdint cimport uintptr_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy

cdef enum:
    LINE_BYTES = 64


cdef inline void* lines_grow(void** memory, const void* items, size_t used_bytes, size_t room_bytes) noexcept nogil:
    """Move items to a larger room, or make the first; return where they begin now, or NULL, with all as it was, if there is no memory.

    `memory` is what to free in the end: the room as malloc gave it.
    """
    cdef void* fresh = malloc(room_bytes + LINE_BYTES)
    cdef void* begin
    if fresh == NULL:
        return NULL
    begin = <void*>((<uintptr_t>fresh + LINE_BYTES - 1) & ~<uintptr_t>(LINE_BYTES - 1))
    if used_bytes:
        memcpy(begin, items, used_bytes)
    free(memory[0])
    memory[0] = fresh
    return begin
