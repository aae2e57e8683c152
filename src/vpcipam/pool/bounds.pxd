"""Integer arguments of the compiled pools: within bounds, or refused.

Almost every argument is a small int, and the interpreter's conversion is a call of some fifty instructions. `small_int` reads the
digits itself. It knows how CPython 3.11 to 3.14 store an int: a row of 30-bit digits and their count.
"""

from libc.stdint cimport int64_t

cdef extern from *:
    """
    /* The value of an exact int of 0 ... 2**62 - 1, or -1 for any other object. */
    static CYTHON_INLINE long long vpcipam_small_int(PyObject* number) {
    #if defined(PYLONG_BITS_IN_DIGIT) && PYLONG_BITS_IN_DIGIT == 30
        const digit* digits;
        Py_ssize_t count;
        if (!PyLong_CheckExact(number)) return -1;
    #if PY_VERSION_HEX >= 0x030C0000
        digits = ((PyLongObject*)number)->long_value.ob_digit;
        if (((PyLongObject*)number)->long_value.lv_tag & 2) return -1;  /* negative */
        count = (Py_ssize_t)(((PyLongObject*)number)->long_value.lv_tag >> 3);
    #else
        digits = ((PyLongObject*)number)->ob_digit;
        count = Py_SIZE(number);
    #endif
        if (count == 1) return (long long)digits[0];
        if (count == 3 && digits[2] < 4) return (long long)digits[2] << 60 | (long long)digits[1] << 30 | digits[0];
        if (count == 2) return (long long)digits[1] << 30 | (long long)digits[0];
        if (count == 0) return 0;
    #endif
        return -1;
    }
    """
    long long small_int "vpcipam_small_int" (object number) noexcept


cdef inline int64_t bounded(str name, object value, int64_t low, int64_t high) except -1:
    """Return an integer argument; refuse it outside low … high, both included, where low >= 0."""
    cdef long long number = small_int(value)
    if low <= number <= high:
        return number
    return bounded_in_python(name, value, low, high)


cdef inline int64_t bounded_in_python(str name, object value, int64_t low, int64_t high) except -1:
    from vpcipam import _pool_refusals as refuse

    return refuse.bounded(name, value, low, high)


cdef inline object bounded_address(str name, object value):
    """Return an address as an int; refuse what is not within 0 … ADDRESS_MAX."""
    if small_int(value) >= 0:
        return value
    from vpcipam import _pool_refusals as refuse

    return refuse.bounded(name, value, 0, refuse.ADDRESS_MAX)
