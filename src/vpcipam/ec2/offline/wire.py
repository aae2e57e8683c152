"""The server side of EC2's wire protocol: it parses requests and formats answers according to botocore's shapes.

A request is a form (`Filter.1.Value.2=eni-…`), an answer is XML. Botocore has only the client side; this module has the server side for any
action of the service.
"""

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

from vpcipam.ec2.errors import Ec2Error, ErrorCode

if TYPE_CHECKING:
    from botocore.model import ListShape, OperationModel, Shape, StructureShape

Members = dict[str, Any]
"""A structure as boto3 shows it: its members by name."""

_NAMESPACE = "http://ec2.amazonaws.com/doc/2016-11-15/"
_HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n'
_ENTITIES = {"\r": "&#13;"}  # an XML parser turns an unescaped carriage return into a line feed
_NOT_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

_READERS: dict[str, Callable[[str], object]] = {"integer": int, "long": int, "boolean": lambda text: text == "true", "string": str}


def read_request(body: str, operation: "OperationModel") -> Members:
    """Parse the parameters of a request, with boto3's names. An empty list is missing, since EC2's form has no text for it.

    Raises:
        Ec2Error: InvalidParameterValue for a character that XML does not allow in an answer.
    """
    form = dict(parse_qsl(body, keep_blank_values=True, strict_parsing=True))
    for name, text in form.items():
        if _NOT_IN_XML.search(text):
            raise Ec2Error(ErrorCode.INVALID_PARAMETER_VALUE, f"{name} holds a character that is not allowed: {text!r}", operation.name)
    shape = operation.input_shape
    return {} if shape is None else _read_structure(_tree(form), shape)


def _tree(form: Mapping[str, str]) -> dict[str, Any]:
    """Nest the dotted names of a form."""
    tree: dict[str, Any] = {}
    for name, text in form.items():
        *path, last = name.split(".")
        node = tree
        for step in path:
            node = node.setdefault(step, {})
        node[last] = text
    return tree


def _read(node: Any, shape: "Shape") -> object:  # noqa: ANN401  # text or a tree, depending on the shape
    if shape.type_name == "structure":
        return _read_structure(node, shape)  # type: ignore[arg-type] # type_name tells
    if shape.type_name == "list":
        return _read_list(node, shape)  # type: ignore[arg-type] # likewise
    return _READERS[shape.type_name](node)


def _read_structure(node: Mapping[str, Any], shape: "StructureShape") -> Members:
    places = {_request_name(member, name): name for name, member in shape.members.items()}
    return {name: _read(node[place], shape.members[name]) for place, name in places.items() if place in node}


def _read_list(node: Mapping[str, Any], shape: "ListShape") -> list[object]:
    return [_read(node[number], shape.member) for number in sorted(node, key=int)]


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
