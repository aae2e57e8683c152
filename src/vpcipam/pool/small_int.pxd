"""The value of a small int, for the compiled pools, without a call into the interpreter.

Knows how CPython 3.11 to 3.13 lay out an int: a row of 30-bit digits and their count.
"""

cdef extern from *:
    """
    /* The value of an exact int of 0 ... 2**62-1, or -1 for any other object. The interpreter's own conversion is a call of some fifty
       instructions, and every offset and every time comes through here. An int is a row of 30-bit digits; where it is
       not, -1 sends the caller to that conversion. */
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
