"""Check before a long run that its output files can be written. Importing this costs nearly nothing."""

import os

from vpcipam.errors import InvalidArgument

_NO_NAMES = ("", "-")
_PAGE = b"<!DOCTYPE html>"


def check_picture(file: str) -> None:
    """Check that a picture can be written to a file.

    Raises:
        InvalidArgument: Its name does not end with a known format.
        MissingExtra: matplotlib is not installed.
        OSError: Its folder does not exist, or it can't be written.
    """
    from vpcipam.report.plots import picture_format  # noqa: PLC0415 - it loads matplotlib

    picture_format(file)
    check_file(file)


def check_file(file: str) -> None:
    """Check that a file can be written.

    Raises:
        InvalidArgument: The name is empty, or the `-` that stands for stdin elsewhere.
        OSError: Its folder does not exist, or it can't be written.
    """
    if file in _NO_NAMES:
        raise InvalidArgument(f"give the name of a file to write, not {file!r}")
    folder = os.path.dirname(file) or "."  # noqa: PTH120 - importing pathlib costs every run of the command
    if not os.path.isdir(folder):  # noqa: PTH112 - likewise
        raise NotADirectoryError(f"{file}: there is no folder {folder}; make it first")
    if os.path.isdir(file):  # noqa: PTH112 - likewise
        raise IsADirectoryError(f"{file} is a folder; give the name of a file")
    check_writable(file if os.path.exists(file) else folder)  # noqa: PTH110 - likewise


def check_report(file: str) -> None:
    """Check that a report can be written to a file, and that nothing but an earlier page is lost: not a manifest, a log or a scenario.

    Raises:
        InvalidArgument: The name is empty or `-`, or the file has something else than a page.
        OSError: Its folder does not exist, or it can't be written.
    """
    check_file(file)
    if os.path.isfile(file):  # noqa: PTH113 - pathlib is costly to import
        with open(file, "rb") as present:  # noqa: PTH123 - pathlib is costly to import
            beginning = present.read(len(_PAGE))
        if beginning not in (b"", _PAGE):
            raise InvalidArgument(f"{file} is no report, and would be lost; give another name")


def write_text(file: str, text: str) -> None:
    """Write a text to a file as UTF-8. Bytes of file names that are no UTF-8 are written as escapes.

    Raises:
        OSError: It can't be written. The error has its name.
    """
    try:
        with open(file, "w", encoding="utf-8", errors="backslashreplace") as target:  # noqa: PTH123 - pathlib is costly to import
            target.write(text)
    except OSError as error:
        error.filename = file  # a full disk has no name
        raise


def check_writable(path: "str | os.PathLike[str]") -> None:
    """Check that this user may write to a file or into a folder.

    Raises:
        PermissionError: The user may not, or the file system is read-only.
    """
    if not os.access(path, os.W_OK):
        raise PermissionError(f"this user may not write to {path}")
