"""The `vpcipam` command: thin.

Exit codes: 0 success; 1 a finding or a refusal, with one line on stderr; 2 bad usage; 70 a fault of the command itself; 130 interrupted;
141 the reader of the output went away. With `--json`, stdout holds one JSON document and nothing else; after a refusal it is empty.
"""

import os
import sys
from collections.abc import Sequence

from vpcipam.cli.streams import abandon_stdout, complain, flush_stdout
from vpcipam.errors import VpcIpamError, file_trouble

__all__ = ["main"]

_EXTRA = {"click", "rich", "yaml"}
_FAULT = 70  # EX_SOFTWARE of sysexits.h
_INTERRUPTED = 128 + 2  # as a shell reports SIGINT
_READER_GONE = 128 + 13  # as a shell reports SIGPIPE


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and give its exit code.

    Args:
        arguments: What follows the command's name; None for what the process was started with.
    """
    try:
        from vpcipam.cli.app import run  # noqa: PLC0415 - needs an extra, and its absence is to be told in one line

        code = run(sys.argv[1:] if arguments is None else arguments)
        flush_stdout()
    except VpcIpamError as error:
        complain(str(error))
        return 1
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in _EXTRA:
            return _fault(error)
        complain(f"the command line needs the package {error.name}; install vpcipam[cli]")
        return 1
    except KeyboardInterrupt:
        return _INTERRUPTED
    except BrokenPipeError:
        abandon_stdout()
        return _READER_GONE
    except OSError as error:
        abandon_stdout()
        what = f" {error.filename}" if error.filename else ""
        complain(f"can't read or write{what}: {file_trouble(error)}")
        return 1
    except Exception as error:  # noqa: BLE001 - no traceback ever reaches a user who did not ask for it
        return _fault(error)
    return code


def _fault(error: Exception) -> int:
    """Say that the command itself is at fault."""
    if os.environ.get("VPCIPAM_DEBUG") == "1":
        raise error
    complain(f"internal error: {type(error).__name__}: {error}; please report it, with what VPCIPAM_DEBUG=1 shows")
    return _FAULT
