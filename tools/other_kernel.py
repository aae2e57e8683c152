"""Run tests of the datapath on Debian's kernel, in a virtual machine: `make other-kernel`.

The kernel of a container or a small machine can lack IPsec (ESP) or VLANs. Then the tests that need them skip themselves. Here they fail
instead. The machine sees the files of this one, read only, and a copy of the sources, so that they can change meanwhile. It is emulated, so
it needs no hardware, but minutes. It needs root, and on Debian: apt install qemu-system-x86 busybox-static kmod cpio.
"""

import argparse
import re
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

REPOSITORY = Path(__file__).parents[1]
TESTS = ("tests/datapath/test_encryption_on_the_wire.py", "tests/datapath/test_branch_packets.py")
PROGRAMS = {"qemu-system-x86_64": "qemu-system-x86", "busybox": "busybox-static", "modprobe": "kmod", "cpio": "cpio", "dpkg-deb": "dpkg"}
DRIVERS = ("virtio_pci", "9p", "9pnet_virtio")
MODULES = "esp4 8021q veth"

# The machine starts with this, and goes on with RUN once it sees the files.
INIT = """#!/bin/busybox sh
for module in {modules}; do /bin/busybox insmod /modules/$module; done
/bin/busybox mount -t 9p -o trans=virtio,version=9p2000.L,msize=524288,cache=loose,ro files /root
for pair in "proc proc" "sysfs sys" "tmpfs run" "devtmpfs dev"; do set -- $pair; /bin/busybox mount -t $1 $1 /root/$2; done
exec /bin/busybox chroot /root {run}
"""
RUN = """#!/bin/sh
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TMPDIR=/run PYTHONDONTWRITEBYTECODE=1 PYTHONPATH={tree}/src
export VPCIPAM_REQUIRE_NAMESPACES=1 VPCIPAM_REQUIRE_MODULES=1 HYPOTHESIS_STORAGE_DIRECTORY=/run/hypothesis
printf '#!/bin/sh\\nexec /sbin/modprobe -d {kernel} "$@"\\n' >/run/modprobe
chmod +x /run/modprobe
echo /run/modprobe >/proc/sys/kernel/modprobe
for module in {needed}; do /run/modprobe $module; done
cd {tree}
{python} -m pytest --color=no -v -p no:cacheprovider {tests}
echo pytest returned $?
echo o >/proc/sysrq-trigger
sleep 60
"""


def run(*command: str, cwd: Path | None = None) -> str:
    """Run a program, and return what it prints."""
    return subprocess.run(command, cwd=cwd, stdout=subprocess.PIPE, text=True, check=True).stdout  # noqa: S603  # no shell


def unpack_kernel(folder: Path) -> tuple[Path, str]:
    """Download Debian's kernel without installing it. Returns its image and its release."""
    package = re.findall(r"Depends: (linux-image-\S+)", run("apt-cache", "depends", "linux-image-amd64"))[0]
    run("apt-get", "--quiet", "--quiet", "download", package, cwd=folder)
    run("dpkg-deb", "--extract", str(next(folder.glob("*.deb"))), str(folder))
    image = next((folder / "boot").glob("vmlinuz-*"))
    release = image.name.removeprefix("vmlinuz-")
    run("depmod", "-b", str(folder), release)
    return image, release


def make_initrd(folder: Path, release: str, script: Path) -> Path:
    """Pack what the machine needs to see the files."""
    tree = folder / "initrd"
    for name in ("bin", "modules", "root"):
        (tree / name).mkdir(parents=True)
    shutil.copy("/usr/bin/busybox", tree / "bin")
    names: list[str] = []
    for driver in DRIVERS:
        for path in re.findall(r"insmod (\S+)", run("modprobe", "-d", str(folder), "-S", release, "--show-depends", driver)):
            names += [] if Path(path).name in names else [Path(path).name]
            shutil.copy(path, tree / "modules")
    (tree / "init").write_text(INIT.format(modules=" ".join(names), run=script))
    (tree / "init").chmod(0o755)
    subprocess.run("find . | cpio --quiet -o -H newc > ../initrd.cpio", cwd=tree, shell=True, check=True)  # noqa: S602, S607  # our own words
    return folder / "initrd.cpio"


def check_machine() -> None:
    """End with what is missing on this machine."""
    missing = sorted(package for program, package in PROGRAMS.items() if shutil.which(program) is None)
    if missing:
        sys.exit(f"this needs Debian with: apt install {' '.join(missing)}")


def main() -> None:
    """Run the tests, and end with 1 unless all pass."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    check_machine()
    with TemporaryDirectory(dir="/var/tmp") as name:  # the machine sees /var/tmp, which /tmp need not be
        folder = Path(name)
        for each in ("src", "tests"):
            shutil.copytree(REPOSITORY / each, folder / "tree" / each)
        shutil.copy(REPOSITORY / "pyproject.toml", folder / "tree")
        image, release = unpack_kernel(folder)
        script = folder / "run"
        script.write_text(
            RUN.format(tree=folder / "tree", kernel=folder, needed=MODULES, python=REPOSITORY / ".venv/bin/python", tests=" ".join(TESTS))
        )
        script.chmod(0o755)
        initrd = make_initrd(folder, release, script)
        command = ["qemu-system-x86_64", "-accel", "tcg", "-m", "1024", "-nographic", "-no-reboot", "-kernel", str(image)]
        command += ["-initrd", str(initrd), "-append", "console=ttyS0 quiet panic=-1"]
        command += ["-fsdev", "local,id=files,path=/,security_model=none,readonly=on,multidevs=remap"]
        command += ["-device", "virtio-9p-pci,fsdev=files,mount_tag=files"]
        machine = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, errors="replace")  # noqa: S603  # no shell
        returned = ""
        assert machine.stdout is not None  # noqa: S101  # it is a pipe
        for line in machine.stdout:
            print(line, end="", flush=True)
            returned = line.strip() if line.startswith("pytest returned") else returned
        sys.exit(returned != "pytest returned 0")


if __name__ == "__main__":
    main()
