"""Build the compiled twin of the pools; everything else about the package stands in pyproject.toml."""

import os
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup

# 1: no plain fallback, a build without the extension fails. CI and release builds set it, so that no wheel lacks the extension unseen.
REQUIRED = os.environ.get("VPCIPAM_REQUIRE_EXTENSION") == "1"

extensions = cythonize(
    [Extension("vpcipam._pool", ["src/vpcipam/_pool.pyx"], depends=[str(path) for path in Path("src/vpcipam").glob("*.pxd")])],
    annotate=os.environ.get("VPCIPAM_ANNOTATE") == "1",
)
for extension in extensions:
    extension.optional = not REQUIRED  # cythonize() drops the flag, so it is set on what comes out

setup(ext_modules=extensions)
