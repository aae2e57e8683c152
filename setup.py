"""Build the compiled twins of the pools and of the fleet's loop; everything else about the package is in pyproject.toml."""

import os
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup

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

setup(ext_modules=extensions, options={"build_ext": {"parallel": os.cpu_count()}})
