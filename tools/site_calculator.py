"""Put the calculator's engine together: CPython for browsers (Pyodide), attrs and this library, in one script that needs no server.

A page that is opened from a folder may not fetch files, but it may load scripts. So everything is text in `engine.js`: gzipped, then
Base64. Pyodide comes from the npm registry once, is checked against its digest, and stays in build/.
"""

import base64
import gzip
import hashlib
import io
import json
import shutil
import tarfile
import urllib.request
import zipfile
from importlib.metadata import distribution
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]
SOURCES = REPOSITORY / "docs" / "calculator"
OUTPUT = REPOSITORY / "build" / "calculator"

PYODIDE = "https://registry.npmjs.org/pyodide/-/pyodide-314.0.8.tgz"
DIGEST = "74Wq1kXOC+CCEzAfxuRAO701nAcCMLjf8NrwvWpu8S41dVMXwXmLQ05dYB+F4e46AdnGo0oq7YHSVUpHsoarLQ=="
"""The SHA-512 digest that the registry publishes."""

_TIMEOUT_S = 60
_NOT_NEEDED = ("cli", "ec2/serve", "ec2/offline", "testing", "inspection", "contracts", "report")
"""Parts of the library that the calculator doesn't load."""


def pyodide() -> dict[str, bytes]:
    """Return the files of Pyodide that a page needs, downloading them if they are not in build/.

    Raises:
        OSError: the registry can't be reached.
        ValueError: what it gave is not what was expected.
    """
    kept = OUTPUT.parent / "cache" / PYODIDE.rpartition("/")[2]
    if not kept.exists():
        with urllib.request.urlopen(PYODIDE, timeout=_TIMEOUT_S) as answer:
            data = answer.read()
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_bytes(data)
    data = kept.read_bytes()
    if base64.b64encode(hashlib.sha512(data).digest()).decode() != DIGEST:
        kept.unlink()
        raise ValueError(f"{PYODIDE} has another digest than the one in {Path(__file__).name}")
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        names = ("pyodide.js", "pyodide.asm.mjs", "pyodide.asm.wasm", "python_stdlib.zip", "pyodide-lock.json")
        return {name: file.read() for name in names if (file := archive.extractfile(f"package/{name}")) is not None}


def library() -> bytes:
    """Return this library without its compiled parts, attrs, and the calculator's answers, as a zip."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:  # engine.js is gzipped as a whole
        root = REPOSITORY / "src"
        for path in sorted((root / "vpcipam").rglob("*")):
            name = path.relative_to(root).as_posix()
            left_out = any(f"vpcipam/{part}/" in name for part in _NOT_NEEDED)
            if path.is_file() and not left_out and (path.suffix == ".py" or "/data/" in name):
                archive.writestr(zipfile.ZipInfo(name), path.read_bytes())
        attrs = distribution("attrs")
        for entry in attrs.files or ():
            if entry.suffix == ".py":
                archive.writestr(zipfile.ZipInfo(entry.as_posix()), entry.read_binary())
        archive.writestr(zipfile.ZipInfo("calculator.py"), (SOURCES / "calculator.py").read_bytes())
    return out.getvalue()


def build() -> int:
    """Write the scripts and styles of the calculator, and return the size of its engine in bytes. For errors see `pyodide`."""
    files = pyodide()
    files["library.zip"] = library()
    lock = json.loads(files.pop("pyodide-lock.json"))
    OUTPUT.mkdir(parents=True, exist_ok=True)
    (OUTPUT / "pyodide.js").write_bytes(files.pop("pyodide.js").rpartition(b"\n//# sourceMappingURL")[0])
    packed = {name: base64.b64encode(gzip.compress(data, 9, mtime=0)).decode() for name, data in files.items()}
    script = f"const ENGINE = {json.dumps({'info': lock['info'], 'files': packed})};\n"
    (OUTPUT / "engine.js").write_text(script, encoding="ascii")
    for name in ("calculator.js", "calculator.css"):
        shutil.copy(SOURCES / name, OUTPUT / name)
    return len(script)
