"""The offline EC2 server: it parses requests, calls the model, and formats EC2's answers."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import attrs

from vpcipam.ec2.errors import HTTP_STATUS_CODES, Ec2Error, ErrorCode, LostAnswer
from vpcipam.ec2.model import Ec2Model
from vpcipam.ec2.offline import (
    addresses,
    elastic_ips,
    enis,
    instances,
    launch_templates,
    security_groups,
    subnets,
    tags,
    trunks,
    vpcs,
    zones,
)
from vpcipam.ec2.offline.request import ActionHandler, Region, Request
from vpcipam.ec2.offline.wire import Members, read_request, write_answer, write_error
from vpcipam.errors import NotModelled

if TYPE_CHECKING:
    from botocore.model import OperationModel

_MODULES = (addresses, elastic_ips, enis, instances, launch_templates, security_groups, subnets, tags, trunks, vpcs, zones)
ACTIONS: Final[dict[str, ActionHandler]] = dict(sorted(item for module in _MODULES for item in module.ACTIONS.items()))
"""The handlers of the supported actions, by EC2's names."""

_OK = 200
_MOST_TOKENS = 10_000
"""So many client tokens are remembered, the latest ones. More would let a server grow without end."""
_LONGEST_TOKEN = 128
"""EC2 allows 64 or 128 characters, by action."""
_BAD_REQUEST = 400


@attrs.frozen
class HttpResponse:
    """An HTTP response; `code` is EC2's error code, empty for a success."""

    status_code: int
    body: bytes
    code: str = ""


class Server:
    """An EC2 server for one region, backed by a model.

    Args:
        model: answers the calls.
        region: the region that appears in answers.
        now_ns: returns the time of each call, Unix nanoseconds.
    """

    def __init__(self, model: Ec2Model, region: Region, now_ns: Callable[[], int]) -> None:
        self._model = model
        self._region = region
        self._now_ns = now_ns
        self._request_count = 0
        self._granted: dict[tuple[str, str], tuple[Members, Members]] = {}  # (action, client token): (request, answer)

    def answer(self, body: str, operation: "OperationModel") -> HttpResponse:
        """Answer one request.

        Raises:
            NotModelled: the action, or a parameter that affects the answer, is not modelled.
            Ec2Error: RequestTimeout, if the model loses the answer.
        """
        self._request_count += 1
        request_id = f"00000000-0000-4000-8000-{self._request_count:012x}"
        action = ACTIONS.get(operation.name)
        if action is None:
            raise NotModelled(f"{operation.name} is not modelled offline; the modelled actions are: {', '.join(ACTIONS)}")
        try:
            members = read_request(body, operation)
            request = Request(operation.name, members, self._model, self._region, self._now_ns(), operation.service_model)
            shape = operation.input_shape
            action.require_known(request, () if shape is None else shape.required_members)
            answer = self._carry_out(action, request)
        except Ec2Error as error:
            if error.code == ErrorCode.REQUEST_TIMEOUT:
                raise
            status_code = HTTP_STATUS_CODES.get(error.code, _BAD_REQUEST)
            return HttpResponse(status_code, write_error(error.code, error.message, request_id), error.code)
        return HttpResponse(_OK, write_answer(answer, operation, request_id))

    def _carry_out(self, action: ActionHandler, request: Request) -> Members:
        if request.get("DryRun"):
            raise request.refusal(ErrorCode.DRY_RUN, "Request would have succeeded, but DryRun flag is set.")
        token = request.get("ClientToken")
        if token is None:
            return action.answer(request)
        if len(token) > _LONGEST_TOKEN:
            message = f"Value ({token}) for parameter clientToken is invalid. It has at most {_LONGEST_TOKEN} characters."
            raise request.refusal(ErrorCode.INVALID_PARAMETER_VALUE, message)
        earlier, answer = self._granted.get((request.action, token), (request.members, None))
        if earlier != request.members:
            message = f"ClientToken {token!r} was used before with other parameters"
            raise request.refusal(ErrorCode.IDEMPOTENT_PARAMETER_MISMATCH, message)
        if answer is None:
            try:
                answer = action.answer(request)
            except LostAnswer as lost:
                self._remember(request, token, action.show(request, lost.answer) if action.show else {})
                raise
            self._remember(request, token, answer)
        return answer

    def _remember(self, request: Request, token: str, answer: Members) -> None:
        if len(self._granted) >= _MOST_TOKENS:
            del self._granted[next(iter(self._granted))]
        self._granted[request.action, token] = request.members, answer
