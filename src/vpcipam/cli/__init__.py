"""The `vpcipam` command. It reads arguments, calls the library and writes the answer.

With `--json`, stdout holds one JSON document and nothing else; after a refusal it is empty. `exit_codes` lists the exit codes.
"""

import gc
import os
import sys
import warnings
from collections.abc import Sequence

from vpcipam.cli.exit_codes import ExitCode
from vpcipam.cli.streams import abandon_stdout, complain, flush_stdout, note
from vpcipam.errors import VpcIpamError, file_trouble

__all__ = ["main", "run_process"]

_EXTRA = {"click", "yaml"}
_CALLED_AS = {"kubectl-vpcipam": "kubectl vpcipam", "__main__.py": "python -m vpcipam"}
"""What to type for other names of the program than `vpcipam`."""
SELDOM = 50_000
"""How many new objects start a garbage collection. With Python's default of 700, collections take a fifth of the time of `verify`."""


def run_process() -> int:
    """Run the command line as all that this process does, and return its exit code. The scripts that pip installs call this."""
    gc.set_threshold(SELDOM)
    warnings.showwarning = _show_warning  # type: ignore[assignment] # it needs only the message
    if "error" in sys.warnoptions:
        warnings.filterwarnings("default", "vpcipam runs without its compiled pools", RuntimeWarning)  # as an error it would be a fault
    code = main()
    gc.freeze()  # spares the interpreter's last collection, a fifth of the CPU time of a short run
    return code


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code.

    Args:
        arguments: What follows the command's name; None for the arguments of the process.
    """
    try:
        from vpcipam.cli.app import run  # noqa: PLC0415 - needs an extra, whose absence is reported below

        code = run(sys.argv[1:], _called_as(sys.argv[0])) if arguments is None else run(arguments)
        flush_stdout()
    except VpcIpamError as error:
        complain(str(error))
        return ExitCode.REFUSED
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in _EXTRA:
            return _fault(error)
        complain(f"the command line needs the package {error.name}: pip install 'vpcipam[cli]'")
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


def _show_warning(message: Warning | str, *_: object) -> None:
    """Show a warning of Python, such as that of the pools, in one line, without a place in the sources."""
    note(f"warning: {message}")


def _called_as(path: str) -> str:
    """Return what a user typed to run the program at this path, for usage lines."""
    name = os.path.basename(path)  # noqa: PTH119 - importing pathlib costs every run of the command
    return _CALLED_AS.get(name.removesuffix(".exe"), "vpcipam")


def _fault(error: Exception) -> int:
    """Report a fault of the command itself."""
    if os.environ.get("VPCIPAM_DEBUG") == "1":
        raise error
    complain(f"internal error: {type(error).__name__}: {error}; please report it with the traceback that VPCIPAM_DEBUG=1 shows")
    return ExitCode.FAULT
