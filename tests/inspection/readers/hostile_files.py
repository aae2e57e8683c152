# ruff: noqa: UP031 - braces would have to be doubled
"""Files that are made to take much time or memory, near the limits of what is read. Run as a script, it reads one of them.

    python hostile_files.py NAME

It prints the CPU seconds, the growth of memory in bytes, and what was said of the file, as JSON.
"""

import gzip
import io
import json
import resource
import struct
import sys
import tarfile
import time
import zipfile

MIB = 1 << 20
WHOLE = 4 * MIB - 64
"""A text of this length is read as a whole."""
LONG = 9 * MIB
"""A text of this length is read item by item."""
YAML = MIB - 64


def filled(unit, length, begin="", end=""):
    return begin + unit * ((length - len(begin) - len(end)) // len(unit)) + end


ENI = '{"NetworkInterfaceId":"eni-1","Status":"in-use","PrivateIpAddress":"10.0.0.5"},'
POD = '{"kind":"Pod","metadata":{"name":"a"},"status":{"podIP":"10.0.0.5"}},'
ADDRESS = '"10.0.0.%d":{"IPAMKey":{"networkName":"n","containerID":"c","ifName":"i"},"AssignedTime":"2026-01-01T00:00:00Z"},'


def many_addresses():
    one = "".join(ADDRESS % number for number in range(200)).rstrip(",")
    enis = ('"eni-%d":{"AvailableIPv4Cidrs":{"10.0.0.0/24":{"IPAddresses":{%s}}}},' % (number, one) for number in range(10**6))
    text = '{"ENIs":{'
    pieces = [text]
    length = len(text)
    for each in enis:
        length += len(each)
        if length > WHOLE:
            return "".join(pieces).rstrip(",") + "}}"
        pieces.append(each)
    return ""


def many_allocations():
    entries = (
        '{"networkName":"n","containerID":"c%d","ifName":"i","ipv4":"10.%d.%d.%d"},' % (n, n >> 16, n >> 8 & 255, n & 255)
        for n in range(100_000)
    )
    return '{"version":"vpc-cni-ipam/1","allocations":[' + "".join(entries).rstrip(",") + "]}"


def laughs():
    rows = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    rows += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    return "kind: List\nitems: *a11\n".replace("items", "x") + "\n".join(rows) + "\n"


def laughing_pods():
    rows = ["x0: &x0 {kind: Pod, metadata: {name: a}}", "x1: &x1 [" + ", ".join(["*x0"] * 1000) + "]"]
    rows += [f"x{n}: &x{n} [" + ", ".join([f"*x{n - 1}"] * 100) + "]" for n in range(2, 5)]
    return "\n".join(rows) + "\ndata: *x4\n"


TEXTS = {
    "brackets": lambda: "[" * WHOLE,
    "brackets with spaces": lambda: filled("[ ", WHOLE),
    "objects in objects": lambda: filled('{"a":', WHOLE),
    "lists of objects": lambda: filled('[{"a":', WHOLE),
    "closed nests": lambda: filled("[" * 70 + "]" * 70 + ",", WHOLE, '{"a":[', "0]}"),
    "empty objects": lambda: filled("{},", 2 * MIB, "[", "{}]"),
    "empty documents": lambda: filled("{}\n", 2 * MIB),
    "small documents": lambda: filled('{"a":1}\n', WHOLE),
    "a huge number": lambda: filled("9", WHOLE, '{"Subnets":[{"AvailableIpAddressCount":', "}]}"),
    "huge numbers": lambda: filled("9" * 4000 + ",", WHOLE, '{"Subnets":[', "1]}"),
    "exponents": lambda: filled("1e999999999,", WHOLE, '{"Subnets":[', "1]}"),
    "quotes": lambda: '"' * WHOLE,
    "single quotes": lambda: filled("{'a':'b'},", WHOLE, "[", "1]"),
    "backslashes": lambda: filled("\\", WHOLE, '{"a":"'),
    "escapes": lambda: filled("\\u0000", WHOLE, '{"kind":"Pod","metadata":{"name":"', '"}}'),
    "surrogates": lambda: filled("\\ud800", WHOLE, '{"kind":"Pod","metadata":{"name":"', '"}}'),
    "line breaks": lambda: "\n" * WHOLE,
    "blanks": lambda: " " * WHOLE,
    "commas": lambda: "," * WHOLE,
    "elisions": lambda: filled('{"a":{...},', WHOLE, "["),
    "repeated names": lambda: filled('"a":1,', WHOLE, '{"Subnets":[{', '"b":1}]}'),
    "datetimes": lambda: filled("{'t':datetime.datetime(1,(2)),'a':1}\n", WHOLE),
    "ENIs": lambda: filled(ENI, WHOLE, '{"NetworkInterfaces":[', "1]}"),
    "pods": lambda: filled(POD, WHOLE, '{"kind":"List","apiVersion":"v1","items":[', "1]}"),
    "addresses": many_addresses,
    "allocations": many_allocations,
    "old pods": lambda: "{" + ",".join(f'"p{n}_d_c":{{"IP":"10.0.0.1","DeviceNumber":1}}' for n in range(120_000)) + "}",
    "branch ENIs": lambda: filled('{"eniId":"e","vlanId":1},', WHOLE, "[", "1]"),
    "annotations": lambda: filled(
        '{"kind":"Pod","metadata":{"annotations":{"vpc.amazonaws.com/pod-eni":"%s"}}},' % ("[" * 90_000),
        WHOLE,
        '{"kind":"List","items":[',
        "1]}",
    ),
    "variables": lambda: filled('{"name":"WARM_IP_TARGET","value":"1"},', MIB, '{"env":[', '{"name":"A"}]}'),
    "descriptions": lambda: filled("Name:  x\nCapacity:\n  pods: 1\nLabels: a=b\n", WHOLE),
    "a described node": lambda: filled("  a=b\n", WHOLE, "Name: x\nCapacity:\n  pods: 1\nLabels: a=b\n"),
    "a described node's colons": lambda: filled("A:", WHOLE, "Name: x\nCapacity:\n"),
    "comments": lambda: filled("# a\n", WHOLE),
    "half comments": lambda: filled(" \t", WHOLE, "#\n"),
    "rules of routing": lambda: filled('{"priority":1,"src":"all"},', WHOLE, "[", "1]"),
    "routes": lambda: filled('{"dst":"10.0.0.1","flags":[]},', WHOLE, "[", "1]"),
    "lines of rules": lambda: filled("1:\tfrom all lookup 5\n", WHOLE),
    "words of a rule": lambda: filled(" a", WHOLE, "1:\tfrom all"),
    "lines of routes": lambda: filled("default via 10.0.0.1 dev a\n", WHOLE),
    "chains": lambda: filled("-A a -j b\n", WHOLE, "*nat\n:a - [0:0]\n", "COMMIT\n"),
    "tables of chains": lambda: filled("*nat\n:a - [0:0]\nCOMMIT\n", WHOLE),
    "beginnings of chains": lambda: filled("# Generated by iptables-save\n", WHOLE, "*nat\n:"),
    "settings of the kernel": lambda: filled("net.ipv4.conf.a.rp_filter = 1\n", WHOLE),
    "a setting of the kernel": lambda: filled("a.", WHOLE, "net.ipv4.conf.", "rp_filter = 3\n"),
    "tables of nftables": lambda: filled('{"table":{"family":"ip","name":"a"}},', WHOLE, '{"nftables":[', "1]}"),
    "metrics": lambda: "".join(f'awscni_x{{a="{n}"}} 1\n' for n in range(250_000)),
    "a metric with many labels": lambda: filled('a="b",', MIB - 64, "awscni_x{", "} 1\n") * 4,
    "a metric with braces": lambda: "awscni_x 1\n" + filled("{", MIB - 64, "awscni_x") + "\n",
    "a metric with backslashes": lambda: 'awscni_x 1\nawscni_x{a="' + "\\" * (MIB - 64) + "\n",
    "digits in quotes": lambda: filled('"0":', WHOLE),
    "terminal lines": lambda: filled("$ a\n", WHOLE),
    "yaml brackets": lambda: filled("[", YAML, "a: "),
    "yaml dashes": lambda: filled("- ", YAML),
    "yaml questions": lambda: filled("? ", YAML, "a: b\n"),
    "yaml entries": lambda: filled("- a\n", YAML),
    "yaml mappings": lambda: "".join(f"k{n}: v\n" for n in range(80_000)),
    "yaml documents": lambda: filled("---\na: b\n", YAML),
    "yaml anchors": lambda: filled("- &a b\n", YAML),
    "yaml aliases": laughs,
    "yaml aliases of pods": laughing_pods,
    "yaml indents": lambda: "".join(" " * n + "a:\n" for n in range(1_400)),
    "yaml merges": lambda: "a: &a {b: 1}\n" + filled("c: {<<: [*a, *a, *a, *a, *a, *a]}\n", YAML),
    "yaml quotes": lambda: filled('"', YAML, "a: "),
    "yaml flow": lambda: filled("{a: ", YAML, "x: "),
    "long brackets": lambda: "[" * LONG,
    "long objects in objects": lambda: filled('{"a":', LONG),
    "long nested items": lambda: filled('{"a":', LONG, '{"NetworkInterfaces":['),
    "a long item": lambda: filled("x", 3 * LONG, '{"NetworkInterfaces":["', '"]}'),
    "a long name": lambda: filled("x", LONG, '{"', '":1}'),
    "many long members": lambda: filled('"' + "a" * 1000 + '":"' + "b" * 1000 + '",', 3 * LONG, "{"),
    "empty ENIs": lambda: filled("{},", WHOLE, '{"NetworkInterfaces":[', "{}]}"),
    "empty pods": lambda: filled('{"kind":"Pod"},', WHOLE, '{"kind":"List","items":[', "{}]}"),
    "long in Python's notation": lambda: filled("{'kind':'Pod'},", LONG, '{"items":[', "1]}"),
    "long false beginnings": lambda: filled('{"a" 1}', LONG),
    "long false beginnings with much before": lambda: filled("1,", 3 * MIB, "[", "x") * 4,
    "long unknown documents": lambda: filled('{"a":1}\n', LONG),
    "long unknown items": lambda: filled("{},", LONG, "["),
    "long blanks": lambda: " " * (3 * LONG),
    "long commas": lambda: filled(",", 3 * LONG, '{"NetworkInterfaces":['),
    "long envelopes": lambda: filled('{"data":', LONG),
    "long noise": lambda: filled("x\n", LONG, '{"a":1}\n'),
    "long elisions": lambda: filled('{"a":{...}},', LONG, '{"NetworkInterfaces":['),
    "long repeated names": lambda: filled('"a":1,', LONG, '{"NetworkInterfaces":[{', '"b":1}]}'),
    "long empty ENIs": lambda: filled("{},", 6 * MIB, '{"NetworkInterfaces":[', "1]}") + " " * 3 * MIB,
    "long elisions with ids": lambda: filled('{"NetworkInterfaceId":"e","a":{...}},', LONG, '{"NetworkInterfaces":['),
    "long pods in Python's notation": lambda: filled("{'kind':'Pod','metadata':{'name':'a'}},", LONG, '{"items":[', "1]}"),
    "long numbers": lambda: filled("9", LONG, '{"NetworkInterfaces":['),
}


# --- packed and in archives ------------------------------------------------------------------------------------------------


def zip_of(entries, *, packed=True):
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED) as archive:
        for name, content in entries:
            archive.writestr(name, content)
    return data.getvalue()


def tar_of(entries, change=lambda _: None):
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for name, content in entries:
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            change(entry)
            archive.addfile(entry, io.BytesIO(content) if entry.isreg() else None)
    return data.getvalue()


def lying_zip():
    """A zip archive whose entries all are the same bytes, which unpack to much."""
    content = zip_of([("a", b" " * (8 * MIB))])
    end = content.rindex(b"PK\x05\x06")
    begin = struct.unpack_from("<L", content, end + 16)[0]
    entry, count = content[begin:end], 20_000
    tail = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, count, count, len(entry) * count, begin, 0)
    return content[:begin] + entry * count + tail


def cycle(count):
    """A tar archive of links that lead to each other."""

    def change(entry):
        entry.type, entry.linkname = tarfile.SYMTYPE, "a" if entry.name == "b" else "b"

    return tar_of([("ab"[number % 2], b"") for number in range(count)], change)


def long_names(count):
    """A tar archive of names that are long: each has a header of its own."""
    return tar_of([("n" * 60_000 + str(number), b"") for number in range(count)])


def huge_name():
    """A tar archive with a name that claims to have 8 GiB."""
    entry = tarfile.TarInfo("././@LongLink")
    entry.type, entry.size = tarfile.GNUTYPE_LONGNAME, 8 << 30
    return entry.tobuf(tarfile.GNU_FORMAT) + b"n" * MIB


def sparse():
    entry = tarfile.TarInfo("a")
    entry.type = tarfile.GNUTYPE_SPARSE
    return entry.tobuf(tarfile.GNU_FORMAT) + b"\0" * MIB


def lines_of_json():
    return b'{"Subnets":[{"SubnetId":"s","CidrBlock":"10.0.0.0/24"}]}'


DATA = {
    "gzip of blanks": lambda: gzip.compress(b" " * (200 * MIB)),
    "gzip of brackets": lambda: gzip.compress(b"[" * (60 * MIB)),
    "gzip members": lambda: gzip.compress(b"") * 300_000,
    "gzip in gzip": lambda: gzip.compress(gzip.compress(gzip.compress(b" " * MIB))),
    "gzip cut": lambda: gzip.compress(json.dumps(list(range(10**6))).encode())[:-9],
    "zip of blanks": lambda: zip_of([(str(number), b" " * (20 * MIB)) for number in range(8)]),
    "zip with many files": lambda: zip_of([(str(number), lines_of_json()) for number in range(30_000)]),
    "zip of one entry many times": lying_zip,
    "zip in zip": lambda: zip_of([("a.zip", zip_of([("b.zip", zip_of([("c", b" " * MIB)]))]))]),
    "zip of large documents": lambda: zip_of(
        [(str(number), filled("[" * 50 + "]" * 50 + ",", 7 * MIB, '{"a":[', "0]}")) for number in range(3)], packed=False
    ),
    "tar with many files": lambda: tar_of([(str(number), lines_of_json()) for number in range(25_000)]),
    "tar of links": lambda: cycle(25_000),
    "tar with long names": lambda: long_names(300),
    "tar with a huge name": huge_name,
    "tar with a sparse file": sparse,
    "tar in tar": lambda: tar_of([("a.tar", tar_of([("b", b"x")]))]),
    "tar.gz of blanks": lambda: gzip.compress(tar_of([("a", b" " * (100 * MIB))])),
    "UTF-16": lambda: ("\ufeff" + filled(POD, 4 * MIB, '{"kind":"List","apiVersion":"v1","items":[', "1]}")).encode("utf-16-le"),
    "broken UTF-8": lambda: b'{"a":"' + b"\xff" * WHOLE,
    "zeros": lambda: b"\0" * WHOLE,
} | {name: (lambda make=make: make().encode("utf-8", "surrogatepass")) for name, make in TEXTS.items()}


def main():
    """Read the file of a name, and print what that took."""
    from vpcipam.cli.evidence_view import show_evidence  # noqa: PLC0415 - what it imports is not to be counted
    from vpcipam.cli.tables import Page  # noqa: PLC0415
    from vpcipam.inspection.readers import read_files  # noqa: PLC0415

    name = sys.argv[1]
    data = DATA[name]()
    read_files([("warm", io.BytesIO(b"a: b"))])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    begin = time.process_time()
    evidence = read_files([(name, io.BytesIO(data))])
    read_s = time.process_time() - begin
    page = Page()
    show_evidence(page, evidence)
    page.render()
    spent = time.process_time() - begin
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    said = [f"{each.what}: {each.why}" for each in evidence.skipped]
    json.dump(
        {"seconds": spent, "read": read_s, "grown": grown, "said": said[:2], "last": said[-1:], "documents": len(evidence.documents)},
        sys.stdout,
    )


if __name__ == "__main__":
    main()
