"""One request to the offline EC2, the parameters that an action knows, and the pages of its answers."""

import base64
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from typing import Any, TypeVar

import attrs

from vpcipam.ec2.api import Ec2Error, ErrorCode
from vpcipam.ec2.model import Ec2Model
from vpcipam.ec2.offline.wire import Members
from vpcipam.errors import NotModelled

Item = TypeVar("Item")
PAGE = ("MaxResults", "NextToken")
"""The parameters that ask for a page of an answer."""
SMALLEST_PAGE = 5
LARGEST_PAGE = 1_000
"""What MaxResults may ask for, of most actions (EC2: their API reference)."""
_OF_EVERY_ACTION = {"DryRun", "ClientToken"}


@attrs.frozen
class Region:
    """The region and account that answers speak of."""

    name: str
    owner_id: str = "123456789012"


@attrs.frozen
class Request:
    """A request whose parameters botocore has validated.

    Attributes:
        members: the parameters by boto3's names.
    """

    action: str
    members: Members
    model: Ec2Model
    region: Region
    now_ns: int

    def get(self, name: str, default: Any = None) -> Any:  # noqa: ANN401 - as many types as parameters
        """Look a parameter up."""
        return self.members.get(name, default)

    def refusal(self, code: str, message: str) -> Ec2Error:
        """Make the error that refuses this request."""
        return Ec2Error(code, message, self.action)

    def not_modelled(self, what: str) -> NotModelled:
        """Make the error for a request that EC2 would understand, but the model does not."""
        return NotModelled(f"{self.action}: {what} is not modelled offline; leave it out")

    def texts(self, name: str, member: str | None = None) -> tuple[str, ...]:
        """Read a list of texts, or of structures of which one member counts."""
        items = self.get(name, ())
        return tuple(items if member is None else (item[member] for item in items))

    def tags(self, resource_type: str, *, others: Container[str] = ()) -> tuple[tuple[str, str], ...]:
        """Read the tags for what is being made; those for the kinds in `others`, which nobody here shows, are left aside.

        Raises:
            Ec2Error: InvalidParameterValue for tags of another kind of resource.
        """
        pairs: list[tuple[str, str]] = []
        for specification in self.get("TagSpecifications", ()):
            wanted = specification.get("ResourceType")
            if wanted in others:
                continue
            if wanted != resource_type:
                raise self.refusal(
                    ErrorCode.INVALID_PARAMETER_VALUE, f"'{wanted}' is not a valid taggable resource type for this operation."
                )
            pairs += tag_pairs(specification.get("Tags", ()))
        return tuple(pairs)

    def filters(self) -> dict[str, tuple[str, ...]]:
        """Read the filters: names and the values of which any will do."""
        found: dict[str, tuple[str, ...]] = {}
        for each in self.get("Filters", ()):
            name = each.get("Name")
            if not name or not each.get("Values") or name in found:
                raise self.refusal(ErrorCode.INVALID_PARAMETER_VALUE, f"The filter '{name}' is invalid: each has a name and values, once")
            found[name] = tuple(each["Values"])
        return found


def tag_pairs(tags: Iterable[Mapping[str, str]]) -> list[tuple[str, str]]:
    """Read tags; one without a value has an empty one."""
    return [(tag.get("Key", ""), tag.get("Value", "")) for tag in tags]


def _names(names: Iterable[str]) -> frozenset[str]:
    return frozenset(names)


@attrs.frozen
class Action:
    """An action that the offline EC2 answers.

    Attributes:
        answer: makes the answer's members; it raises `Ec2Error` where EC2 refuses.
        takes: the parameters that decide the answer.
        accepts: those that are taken and change nothing that the model knows: no address depends on them.
        show: makes the answer's members of what the model answers, for a token whose first answer was lost; None for no members.
    """

    answer: Callable[[Request], Members]
    takes: frozenset[str] = attrs.field(converter=_names)
    accepts: frozenset[str] = attrs.field(converter=_names, default=frozenset())
    show: Callable[[Request, Any], Members] | None = None

    def require_known(self, request: Request) -> None:
        """Refuse parameters that would decide the answer in EC2 and are not modelled.

        Raises:
            NotModelled: there is one.
        """
        unknown = sorted(request.members.keys() - self.takes - self.accepts - _OF_EVERY_ACTION)
        if unknown:
            raise request.not_modelled(", ".join(unknown))


def paged(
    request: Request,
    items: Sequence[Item],
    *,
    into: str,
    key: Callable[[Item], str],
    view: Callable[[Item], Members],
    names: str | None = None,
    largest_page: int = LARGEST_PAGE,
) -> Members:
    """Answer with a page of what was found, and with the token of the next one if there is more.

    A token names the last item shown, so that items which come and go between two pages neither shift nor repeat the rest.

    Args:
        request: MaxResults and NextToken of it count.
        items: what was found, ascending by their keys.
        into: the member of the answer that holds them.
        key: tells an item from all others.
        view: shows an item.
        names: the parameter that names items; EC2 refuses MaxResults beside it.
        largest_page: the most that MaxResults may ask for; where it asks for nothing, all are shown.

    Raises:
        Ec2Error: InvalidParameterCombination for MaxResults beside names; InvalidParameterValue for too large a page; InvalidNextToken.
    """
    size = request.get("MaxResults")
    if size is not None and names is not None and names in request.members:
        raise request.refusal(
            ErrorCode.INVALID_PARAMETER_COMBINATION, f"The parameter {names} cannot be used with the parameter MaxResults"
        )
    if size is not None and not SMALLEST_PAGE <= size <= largest_page:
        raise request.refusal(ErrorCode.INVALID_PARAMETER_VALUE, f"MaxResults is {size}; it must be {SMALLEST_PAGE} to {largest_page}")
    token = request.get("NextToken")
    if token is not None:
        last_shown = _read_token(request, token)
        items = [item for item in items if key(item) > last_shown]
    page = items if size is None else items[:size]
    more = len(page) < len(items)
    return {into: [view(item) for item in page], "NextToken": _write_token(key(page[-1])) if more else None}


def _write_token(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode()


def _read_token(request: Request, token: str) -> str:
    try:
        return base64.b64decode(token, altchars=b"-_", validate=True).decode()
    except ValueError:  # not ASCII, not base64, or not UTF-8 within
        raise request.refusal("InvalidNextToken", f"The token '{token}' is not one of this action's answers") from None
