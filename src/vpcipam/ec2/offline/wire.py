"""The server side of EC2's wire protocol: it parses requests and formats answers according to botocore's shapes.

A request is a form (`Filter.1.Value.2=eni-…`), an answer is XML. Botocore has only the client side; this module has the server side for any
action of the service.
"""

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

import attrs

from vpcipam.ec2.errors import Ec2Error, ErrorCode

if TYPE_CHECKING:
    from botocore.model import ListShape, OperationModel, Shape, StructureShape

Members = dict[str, Any]
"""A structure as boto3 shows it: its members by name."""

_NAMESPACE = "http://ec2.amazonaws.com/doc/2016-11-15/"
_HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n'
_ENTITIES = {"\r": "&#13;"}  # an XML parser turns an unescaped carriage return into a line feed
_NOT_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

_INDEX = re.compile("[1-9][0-9]*")
_NUMBER = re.compile(r"[+-]?[0-9]{1,10}")
_PATTERNS = {
    "double": re.compile(r"[+-]?[0-9]{1,15}(\.[0-9]{1,15})?"),
    "timestamp": re.compile(r"[0-9]{4}-(0[1-9]|1[0-2])-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-5][0-9](\.[0-9]{1,9})?Z"),
}
"""The texts of types that the model only keeps and shows again."""
_BOOLEANS = {"true": True, "false": False}
_OF_EVERY_REQUEST = {"Action", "Version"}
_MOST_FIELDS = 10_000


def read_request(body: str, operation: "OperationModel") -> Members:
    """Parse the parameters of a request, with boto3's names. An empty list is missing, since EC2's form has no text for it.

    Raises:
        Ec2Error: MalformedQueryString for a text that is no form; UnknownParameter; InvalidParameterValue for a value of the wrong type, or
            for a character that XML does not allow in an answer; InvalidParameterCombination for both a value and members.
    """
    return _FormReader(operation.name).read(body, operation.input_shape)


@attrs.frozen
class _FormReader:
    """Reads the form of a request of one action."""

    action: str

    def read(self, body: str, shape: "StructureShape | None") -> Members:
        """Read the parameters of a shape; an action without a shape has none."""
        try:
            form = dict(parse_qsl(body, keep_blank_values=True, strict_parsing=bool(body), max_num_fields=_MOST_FIELDS))
        except ValueError as error:
            raise self._refusal(ErrorCode.MALFORMED_QUERY_STRING, f"The query string can't be read: {error}") from None
        for name, text in form.items():
            if _NOT_IN_XML.search(name) or _NOT_IN_XML.search(text):
                raise self._refusal(ErrorCode.INVALID_PARAMETER_VALUE, f"{name!a} holds a character that is not allowed: {text!a}")
        parameters = {name: text for name, text in form.items() if name not in _OF_EVERY_REQUEST}
        if shape is None:
            return {}
        return self._structure(self._tree(parameters), shape, "")

    def _refusal(self, code: ErrorCode, message: str) -> Ec2Error:
        return Ec2Error(code, message, self.action)

    def _tree(self, form: Mapping[str, str]) -> dict[str, Any]:
        """Nest the dotted names of a form."""
        tree: dict[str, Any] = {}
        for name, text in form.items():
            *path, last = name.split(".")
            node: Any = tree
            for step in path:
                node = node.setdefault(step, {}) if isinstance(node, dict) else None
            if not isinstance(node, dict) or last in node:
                raise self._refusal(ErrorCode.INVALID_PARAMETER_COMBINATION, f"The parameter {name} has both a value and members")
            node[last] = text
        return tree

    def _value(self, node: str | dict[str, Any], shape: "Shape", name: str) -> object:
        if shape.type_name == "structure":
            return self._structure(self._members(node, name), shape, name)  # type: ignore[arg-type] # type_name tells
        if shape.type_name == "list":
            return self._list(self._members(node, name), shape, name)  # type: ignore[arg-type] # likewise
        if not isinstance(node, str):
            raise self._refusal(ErrorCode.UNKNOWN_PARAMETER, f"The parameter {name}.{next(iter(node))} is not recognized")
        if shape.type_name == "integer":
            return self._integer(node, name)
        if shape.type_name == "boolean":
            if node not in _BOOLEANS:
                raise self._refusal(ErrorCode.INVALID_PARAMETER_VALUE, f"{name} must be true or false, not {node!r}")
            return _BOOLEANS[node]
        pattern = _PATTERNS.get(shape.type_name)
        if pattern is not None and not pattern.fullmatch(node):
            raise self._refusal(ErrorCode.INVALID_PARAMETER_VALUE, f"{name} must be a {shape.type_name}, not {node!r}")
        return float(node) if shape.type_name == "double" else node

    def _members(self, node: str | dict[str, Any], name: str) -> dict[str, Any]:
        if isinstance(node, str):
            raise self._refusal(ErrorCode.INVALID_PARAMETER_VALUE, f"{name} has members, so it can't be {node!r}")
        return node

    def _structure(self, node: Mapping[str, Any], shape: "StructureShape", within: str) -> Members:
        places = {_request_name(member, name): name for name, member in shape.members.items()}
        unknown = next((place for place in node if place not in places), None)
        if unknown is not None:
            raise self._refusal(ErrorCode.UNKNOWN_PARAMETER, f"The parameter {_joined(within, unknown)} is not recognized")
        return {
            name: self._value(node[place], shape.members[name], _joined(within, place)) for place, name in places.items() if place in node
        }

    def _list(self, node: Mapping[str, Any], shape: "ListShape", name: str) -> list[object]:
        wrong = next((number for number in node if not _INDEX.fullmatch(number)), None)
        if wrong is not None:
            raise self._refusal(ErrorCode.INVALID_PARAMETER_VALUE, f"{name}.{wrong}: the items of a list are numbered from 1")
        numbers = sorted((self._integer(number, name), number) for number in node)
        return [self._value(node[number], shape.member, _joined(name, number)) for _, number in numbers]

    def _integer(self, text: str, name: str) -> int:
        number = int(text) if _NUMBER.fullmatch(text) else None
        if number is None or not -(2**31) <= number < 2**31:
            raise self._refusal(ErrorCode.INVALID_PARAMETER_VALUE, f"{name} must be a whole number of 32 bits, not {text!r}")
        return number


def _joined(within: str, name: str) -> str:
    return f"{within}.{name}" if within else name


def _request_name(shape: "Shape", name: str) -> str:
    """Return a member's name in requests: its query name, else its capitalized location name, else its capitalized own name."""
    serialization: Mapping[str, str] = shape.serialization
    if "queryName" in serialization:
        return serialization["queryName"]
    location = serialization.get("name", name)
    return location[0].upper() + location[1:]


def write_answer(members: Members, operation: "OperationModel", request_id: str) -> bytes:
    """Format an answer in the action's shape; a member that is None is left out.

    Raises:
        KeyError: the shape lacks a member.
    """
    shape = operation.output_shape
    # An action without an output shape answers with a Boolean, which botocore drops.
    content = "<return>true</return>" if shape is None else _structure(members, shape)
    tag = f"{operation.name}Response"
    return f'{_HEAD}<{tag} xmlns="{_NAMESPACE}"><requestId>{request_id}</requestId>{content}</{tag}>'.encode()


def write_error(code: str, message: str, request_id: str) -> bytes:
    """Format a refusal."""
    error = f"<Error><Code>{_text(code)}</Code><Message>{_text(message)}</Message></Error>"
    return f"{_HEAD}<Response><Errors>{error}</Errors><RequestID>{request_id}</RequestID></Response>".encode()


def _write(value: Any, shape: "Shape") -> str:  # noqa: ANN401  # each shape has its own type
    if shape.type_name == "structure":
        return _structure(value, shape)  # type: ignore[arg-type] # type_name tells
    if shape.type_name == "list":
        return "".join(_element("item", item, shape.member) for item in value)  # type: ignore[attr-defined] # likewise
    if shape.type_name == "boolean":
        return "true" if value else "false"
    return _text(str(value))


def _structure(members: Members, shape: "StructureShape") -> str:
    shapes = {name: shape.members[name] for name in members}
    return "".join(
        _element(shapes[name].serialization.get("name", name), value, shapes[name]) for name, value in members.items() if value is not None
    )


def _element(tag: str, value: object, shape: "Shape") -> str:
    return f"<{tag}>{_write(value, shape)}</{tag}>"


def _text(text: str) -> str:
    return escape(text, _ENTITIES)
