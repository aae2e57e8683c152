"""Check before a long run that its output files can be written."""

import os
from pathlib import Path


def check_picture(file: str) -> None:
    """Check that a picture can be written to a file.

    Raises:
        InvalidArgument: Its name does not end with a known format.
        MissingExtra: matplotlib is not installed.
        OSError: Its folder does not exist, or it can't be written.
    """
    from vpcipam.report.plots import picture_format  # noqa: PLC0415 - it loads matplotlib

    picture_format(file)
    path = Path(file)
    if not path.parent.is_dir():
        raise NotADirectoryError(f"{file}: there is no folder {path.parent}; make it first")
    if path.is_dir():
        raise IsADirectoryError(f"{file} is a folder; give the name of a file")
    check_writable(path if path.exists() else path.parent)


def check_writable(path: Path) -> None:
    """Check that this user may write to a file or into a folder.

    Raises:
        PermissionError: The user may not, or the file system is read-only.
    """
    if not os.access(path, os.W_OK):
        raise PermissionError(f"this user may not write to {path}")
