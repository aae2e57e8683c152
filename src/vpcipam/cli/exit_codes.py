"""The exit codes of `vpcipam`."""

import enum


class ExitCode(enum.IntEnum):
    """What an exit code means; `MEANINGS` says it to users."""

    SUCCESS = 0
    REFUSED = 1
    BAD_USAGE = 2  # click gives this code too
    FAULT = 70  # EX_SOFTWARE of sysexits.h
    INTERRUPTED = 128 + 2  # as a shell reports SIGINT
    READER_GONE = 128 + 13  # as a shell reports SIGPIPE


MEANINGS = {
    ExitCode.SUCCESS: "an answer",
    ExitCode.REFUSED: "a finding or a refusal: one line on stderr says what, and what to do",
    ExitCode.BAD_USAGE: "wrong arguments",
    ExitCode.FAULT: "a fault of the command itself; please report it",
    ExitCode.INTERRUPTED: "Ctrl-C",
    ExitCode.READER_GONE: "the reader of stdout has gone",
}
