"""Texts that kubectl writes for people: `kubectl set env --list` and `kubectl describe`."""

import re
from collections.abc import Iterator

from attrs import Factory, define

from vpcipam.errors import ManifestError
from vpcipam.settings.documents import shown
from vpcipam.settings.reading import CONTAINER, ManifestVariables, VariableReader
from vpcipam.settings.variables import VARIABLES

# kubectl set env --list
_HEADER = re.compile(r"# (\S+) (\S+), container (\S+)")
_ASSIGNMENT = re.compile(r"([A-Za-z_][\w.-]*)=(.*)")
_FROM_ELSEWHERE = re.compile(r"# (\S+) from .+")

# kubectl describe
_TOP = re.compile(r"Name:|Pod Template:|\s*(Init )?Containers:")
_ENTRY = re.compile(r"([A-Za-z_][\w.-]*):(?: +(.*))?")
_REFERENCE = re.compile(r"<set to the key .*|(.* )?\((v\d\w*:\S+|(limits|requests)\.\S+)\)")


@define
class Dump:
    """The variables of one container, as a text shows them.

    Attributes:
        document: What the text is.
        container: The container's name.
        reader: What was read of its variables.
    """

    document: str
    container: str
    reader: VariableReader = Factory(VariableReader)

    def finish(self) -> ManifestVariables:
        """Return what was read."""
        return self.reader.finish(self.document)


def read_dumps(text: str) -> list[Dump] | None:
    """Read the containers of a text that kubectl wrote for people; None for any other text.

    Raises:
        ManifestError: A line can't be read.
    """
    lines = text.splitlines()
    if any(_HEADER.fullmatch(line.rstrip()) for line in lines):
        return _read_sections(lines)
    filled = [line for line in lines if line.strip() and not line.startswith("#")]
    if any(_TOP.match(line) for line in filled) and any(line.strip() == "Containers:" for line in filled):
        return list(_read_description([line.rstrip() for line in text.expandtabs().splitlines() if line.strip()]))
    if filled and filled[0].strip() == "Environment:":
        raise ManifestError(
            "this is a part of the output of `kubectl describe`, which does not say whose variables they are; give the whole output"
        )
    names = [match[1] for line in filled if (match := _ASSIGNMENT.fullmatch(line))]
    if len(names) == len(filled) and any(name in VARIABLES for name in names):
        return [_read_bare_list(lines)]
    return None


# --- kubectl set env --list ----------------------------------------------------------------------------------------------


def _read_sections(lines: list[str]) -> list[Dump]:
    """Read the section of each container; what comes before the first is a command line or a prompt."""
    dumps: list[Dump] = []
    for number, line in enumerate(lines, 1):
        if header := _HEADER.fullmatch(line.rstrip()):
            dumps.append(Dump(f"variables of {shown(header[1])} {shown(header[2])}", header[3]))
        elif dumps:
            _read_assignment(dumps[-1].reader, line, number)
    return dumps


def _read_bare_list(lines: list[str]) -> Dump:
    """Read lines without a header, which `grep` may have picked."""
    dump = Dump("a list of variables", CONTAINER)
    message = f"the lines don't say of which container they are, nor whether they are all; they are read as all those of {CONTAINER}"
    dump.reader.note("container", "warning", message, "give the whole output of `kubectl set env --list`")
    for number, line in enumerate(lines, 1):
        _read_assignment(dump.reader, line, number)
    return dump


def _read_assignment(reader: VariableReader, line: str, number: int) -> None:
    if assignment := _ASSIGNMENT.fullmatch(line):
        reader.set(assignment[1], assignment[2])
    elif reference := _FROM_ELSEWHERE.fullmatch(line):
        reader.set_elsewhere(reference[1])
    elif line.strip() and not line.startswith("#"):
        raise ManifestError(f"line {number} is neither NAME=value nor a comment, as `kubectl set env --list` writes them: {shown(line)}")


# --- kubectl describe ----------------------------------------------------------------------------------------------------


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def _read_description(lines: list[str]) -> Iterator[Dump]:
    """Read the containers of one or several objects, without init containers and ephemeral containers."""
    name, position = "", 0
    while position < len(lines):
        line = lines[position]
        position += 1
        if line.startswith("Name:"):
            name = line.removeprefix("Name:").strip()
        if line.strip() == "Containers:":
            end = _end_of_block(lines, position, _indent(line))
            yield from _read_containers(lines[position:end], f"description of {shown(name)}")
            position = end


def _end_of_block(lines: list[str], start: int, indent: int) -> int:
    """Find the first line that is not indented more than `indent`, from `start` on."""
    return next((place for place in range(start, len(lines)) if _indent(lines[place]) <= indent), len(lines))


def _read_containers(lines: list[str], document: str) -> Iterator[Dump]:
    position = 0
    while position < len(lines):
        line = lines[position]
        end = _end_of_block(lines, position + 1, _indent(line))
        dump = Dump(document, line.strip().removesuffix(":"))
        _read_container(dump.reader, lines[position + 1 : end])
        yield dump
        position = end


def _read_container(reader: VariableReader, lines: list[str]) -> None:
    titles = [line.strip() for line in lines]
    if "Environment:" in titles:
        start = titles.index("Environment:") + 1
        _read_environment(reader, lines[start : _end_of_block(lines, start, _indent(lines[start - 1]))])
    if "Environment Variables from:" in titles:
        reader.note_env_from()


def _read_environment(reader: VariableReader, lines: list[str]) -> None:
    """Read the entries; a line that is indented more continues the value before it."""
    found: list[tuple[str, str]] = []
    for line in lines:
        entry = _ENTRY.fullmatch(line.strip())
        if entry and _indent(line) == _indent(lines[0]):
            found.append((entry[1], entry[2] or ""))
        elif found and _indent(line) > _indent(lines[0]):
            name, text = found[-1]
            found[-1] = (name, f"{text}\n{line.strip()}")
        else:
            raise ManifestError(
                f"a line in the environment of a container is no `NAME: value`, as `kubectl describe` writes it: {shown(line.strip())}"
            )
    for name, text in found:
        if _REFERENCE.fullmatch(text):
            reader.set_elsewhere(name)
        else:
            reader.set(name, text)
