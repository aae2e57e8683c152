"""The `vpcipam` command. It reads arguments, calls the library and writes the answer.

With `--json`, stdout holds one JSON document and nothing else; after a refusal it is empty. `exit_codes` lists the exit codes.
"""

import os
import sys
from collections.abc import Sequence

from vpcipam.cli.exit_codes import ExitCode
from vpcipam.cli.streams import abandon_stdout, complain, flush_stdout
from vpcipam.errors import VpcIpamError, file_trouble

__all__ = ["main"]

_EXTRA = {"click", "rich", "yaml"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code.

    Args:
        arguments: What follows the command's name; None for the arguments of the process.
    """
    try:
        from vpcipam.cli.app import run  # noqa: PLC0415 - needs an extra, whose absence is reported below

        code = run(sys.argv[1:] if arguments is None else arguments)
        flush_stdout()
    except VpcIpamError as error:
        complain(str(error))
        return ExitCode.REFUSED
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in _EXTRA:
            return _fault(error)
        complain(f"the command line needs the package {error.name}; install vpcipam[cli]")
        return ExitCode.REFUSED
    except KeyboardInterrupt:
        complain("interrupted")
        return ExitCode.INTERRUPTED
    except BrokenPipeError:
        abandon_stdout()
        return ExitCode.READER_GONE
    except OSError as error:
        abandon_stdout()
        what = f" {error.filename}" if error.filename else ""
        complain(f"can't read or write{what}: {file_trouble(error)}")
        return ExitCode.REFUSED
    except Exception as error:  # noqa: BLE001 - users get a traceback only on request
        return _fault(error)
    return code


def _fault(error: Exception) -> int:
    """Report a fault of the command itself."""
    if os.environ.get("VPCIPAM_DEBUG") == "1":
        raise error
    complain(f"internal error: {type(error).__name__}: {error}; please report it with the traceback that VPCIPAM_DEBUG=1 shows")
    return ExitCode.FAULT
