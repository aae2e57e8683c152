"""Memory of the compiled pools, from the interpreter's raw allocator, which calls that of C.

So `tracemalloc` counts this memory too, and `_testcapi.set_nomemory` lets the tests make each allocation fail. None of these needs the GIL.
"""

cdef extern from "Python.h":
    void* malloc "PyMem_RawMalloc" (size_t size) noexcept nogil
    void* calloc "PyMem_RawCalloc" (size_t count, size_t size) noexcept nogil
    void* realloc "PyMem_RawRealloc" (void* memory, size_t size) noexcept nogil
    void free "PyMem_RawFree" (void* memory) noexcept nogil
