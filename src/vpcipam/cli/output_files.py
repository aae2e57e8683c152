"""Check before a long run that its output files can be written. Importing this costs nearly nothing."""

import os


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
        OSError: Its folder does not exist, or it can't be written.
    """
    folder = os.path.dirname(file) or "."  # noqa: PTH120 - importing pathlib costs every run of the command
    if not os.path.isdir(folder):  # noqa: PTH112 - likewise
        raise NotADirectoryError(f"{file}: there is no folder {folder}; make it first")
    if os.path.isdir(file):  # noqa: PTH112 - likewise
        raise IsADirectoryError(f"{file} is a folder; give the name of a file")
    check_writable(file if os.path.exists(file) else folder)  # noqa: PTH110 - likewise


def check_writable(path: "str | os.PathLike[str]") -> None:
    """Check that this user may write to a file or into a folder.

    Raises:
        PermissionError: The user may not, or the file system is read-only.
    """
    if not os.access(path, os.W_OK):
        raise PermissionError(f"this user may not write to {path}")
