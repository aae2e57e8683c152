"""Build the compiled twins of the pools and of the fleet's loop; everything else about the package stands in pyproject.toml."""

import os
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup

# 1: no plain fallback, a build without the extension fails. CI and release builds set it, so that no wheel lacks the extension unseen.
REQUIRED = os.environ.get("VPCIPAM_REQUIRE_EXTENSION") == "1"

headers = [str(path) for path in Path("src/vpcipam").rglob("*.pxd")]
extensions = cythonize(
    [
        Extension("vpcipam._pool", ["src/vpcipam/_pool.pyx"], depends=headers),
        Extension("vpcipam.pool.addresses", ["src/vpcipam/pool/addresses.pyx"], depends=headers),
        # Of the plain source, which is its own twin; its C types stand in the .pxd beside it.
        Extension("vpcipam.fleet._loop", ["src/vpcipam/fleet/_loop_py.py"], depends=headers),
    ],
    annotate=os.environ.get("VPCIPAM_ANNOTATE") == "1",
    compiler_directives={"language_level": "3", "annotation_typing": False},  # annotations speak to mypy; C types stand in the .pxd
)
for extension in extensions:
    extension.optional = not REQUIRED  # cythonize() drops the flag, so it is set on what comes out

setup(ext_modules=extensions)
