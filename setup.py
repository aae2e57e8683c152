"""Build the compiled twins of the pools and of the fleet's loop; everything else about the package is in pyproject.toml."""

import gzip
import os
import tarfile
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.command.sdist import sdist

# The time of every file of an sdist, so that the same sources give the same bytes. As usual, the environment can set it.
TIME = int(os.environ.get("SOURCE_DATE_EPOCH", "315532800"))

# 1: a build without the extensions fails. CI and release builds set it, so that no wheel silently falls back to the plain twins.
REQUIRED = os.environ.get("VPCIPAM_REQUIRE_EXTENSION") == "1"

headers = [str(path) for path in Path("src/vpcipam").rglob("*.pxd")]
extensions = cythonize(
    [
        Extension("vpcipam._pool", ["src/vpcipam/_pool.pyx"], depends=headers),
        Extension("vpcipam.pool.addresses", ["src/vpcipam/pool/addresses.pyx"], depends=headers),
        # Compiled from the plain twin itself; its C types are in the .pxd beside it.
        Extension("vpcipam.fleet._loop", ["src/vpcipam/fleet/_loop_py.py"], depends=headers),
    ],
    annotate=os.environ.get("VPCIPAM_ANNOTATE") == "1",
    compiler_directives={"language_level": "3", "annotation_typing": False},  # annotations are for mypy; C types are in the .pxd
)
for extension in extensions:
    extension.optional = not REQUIRED  # set on the result, since cythonize() drops the flag


class WholeBuild(build_ext):
    """Build all extensions or none. They use each other, and one of an earlier build can be of other sources."""

    def run(self) -> None:
        """Build the extensions, after removing what an earlier build left."""
        self._remove()
        super().run()
        if not all(Path(self.get_ext_fullpath(each.name)).exists() for each in extensions):
            self._remove()
            self.warn("not all extensions could be compiled, so vpcipam gets none, and runs on the plain twins")

    def _remove(self) -> None:
        """Remove the extensions, also those beside the sources, where an editable installation has them."""
        wanted = self.inplace
        for inplace in {False, wanted}:
            self.inplace = inplace
            for each in extensions:
                Path(self.get_ext_fullpath(each.name)).unlink(missing_ok=True)
        self.inplace = wanted


class RepeatableSdist(sdist):
    """Pack an sdist without anything of the machine: owners, times, and modes that depend on the user."""

    def make_archive(self, base_name: str, *_: object, base_dir: str, **__: object) -> str:
        """Write the archive, and return its path. It is always a gzipped tar."""
        path = f"{base_name}.tar.gz"
        with (
            Path(path).open("wb") as file,
            gzip.GzipFile("", "wb", 9, file, TIME) as packed,
            tarfile.open(fileobj=packed, mode="w") as archive,
        ):
            archive.add(base_dir, filter=_plain)  # which sorts by name
        return path


def _plain(member: tarfile.TarInfo) -> tarfile.TarInfo:
    runs = member.isdir() or member.mode & 0o100
    return member.replace(mtime=TIME, mode=0o755 if runs else 0o644, uid=0, gid=0, uname="", gname="", deep=False)


setup(
    cmdclass={"build_ext": WholeBuild, "sdist": RepeatableSdist},
    ext_modules=extensions,
    options={"build_ext": {"parallel": os.cpu_count()}},
)
