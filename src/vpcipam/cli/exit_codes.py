"""The exit codes of `vpcipam`."""

import enum


class ExitCode(enum.IntEnum):
    """What the exit code of the command means."""

    SUCCESS = 0
    REFUSED = 1
    """A finding or a refusal; one line on stderr says what is wrong."""
    BAD_USAGE = 2
    """Wrong arguments, as click reports them."""
    FAULT = 70
    """A fault of the command itself; EX_SOFTWARE of sysexits.h."""
    INTERRUPTED = 128 + 2
    """Ctrl-C; as a shell reports SIGINT."""
    READER_GONE = 128 + 13
    """The reader of the output went away; as a shell reports SIGPIPE."""
