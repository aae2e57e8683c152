"""The exit codes of `vpcipam`."""

import enum


class ExitCode(enum.IntEnum):
    """What an exit code means."""

    SUCCESS = 0
    REFUSED = 1  # a finding or a refusal; one line on stderr says what is wrong
    BAD_USAGE = 2  # wrong arguments; click gives this code too
    FAULT = 70  # a fault of the command itself; EX_SOFTWARE of sysexits.h
    INTERRUPTED = 128 + 2  # Ctrl-C; as a shell reports SIGINT
    READER_GONE = 128 + 13  # the reader of stdout went away; as a shell reports SIGPIPE
