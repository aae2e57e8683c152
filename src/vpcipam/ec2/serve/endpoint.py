"""EC2's endpoint: a form in, an HTTP response out. Whatever comes in, the answer is EC2's, never an exception."""

import functools
from collections import deque
from collections.abc import Callable, Iterable
from typing import Final
from urllib.parse import parse_qsl, urlencode

import attrs
from botocore.loaders import Loader
from botocore.model import OperationModel, ServiceModel

from vpcipam.ec2.errors import Ec2Error, ErrorCode
from vpcipam.ec2.faults import Crash
from vpcipam.ec2.model import Ec2Model
from vpcipam.ec2.offline.request import Region
from vpcipam.ec2.offline.server import HttpResponse, Server
from vpcipam.ec2.offline.wire import write_error
from vpcipam.errors import NotModelled

API_VERSION: Final = "2016-11-15"
NOT_MODELLED: Final = "vpcipam.NotModelled"
"""The error code for what EC2 supports and the model does not. It comes with HTTP status 501, which no AWS client retries."""
LOG_LENGTH: Final = 100

_NOT_IMPLEMENTED = 501
_BAD_REQUEST = 400
_MOST_FIELDS = 10_000
_SIGNATURE = frozenset({"AWSAccessKeyId", "Signature", "SignatureMethod", "SignatureVersion", "SecurityToken", "Timestamp", "Expires"})
"""The parameters of a signature in a query string, of versions 1 to 2; those of version 4 begin with `X-Amz-`. No signature is checked."""


@attrs.frozen
class LoggedCall:
    """A call that the endpoint has answered.

    Attributes:
        at_ns: the time of the call.
        form: its parameters, without a signature, as a query string; cut if long.
        status_code: the HTTP status of the answer; 0 for an answer that was lost.
        code: EC2's error code; empty for a success.
        answer: the body of the answer, cut if long.
    """

    number: int
    at_ns: int
    action: str
    form: str
    status_code: int
    code: str
    answer: str


@attrs.frozen
class Reply:
    """What a call came to.

    Attributes:
        response: None if the answer is lost: close the connection without one.
        duration_ns: how long the call takes, in the model's time.
    """

    response: HttpResponse | None
    duration_ns: int


class Endpoint:
    """EC2's endpoint in one region, backed by a model. It does not lock: call it from one thread.

    Args:
        model: answers the calls.
        region: the region that appears in answers.
        now_ns: returns the time of each call, Unix nanoseconds.
    """

    def __init__(self, model: Ec2Model, region: Region, now_ns: Callable[[], int]) -> None:
        _service()  # takes a second, so not at the first call
        self.log: deque[LoggedCall] = deque(maxlen=LOG_LENGTH)
        self._model = model
        self._now_ns = now_ns
        self._server = Server(model, region, now_ns)
        self._call_count = 0

    def answer(self, forms: Iterable[bytes]) -> Reply:
        """Answer a request, whose parameters are in its query string, in its body, or in both."""
        self._call_count += 1
        before_ns = self._model.elapsed_ns
        action, text, lost = "", "", ""
        response: HttpResponse | None
        try:
            action, text = self._read(forms)
            response = self._server.answer(text, _operation(action))
        except NotModelled as error:
            response = self._refuse(_NOT_IMPLEMENTED, NOT_MODELLED, str(error))
        except _Malformed as error:
            response = self._refuse(_BAD_REQUEST, error.code, str(error))
        except (Ec2Error, Crash) as error:  # the model lost the answer
            lost = getattr(error, "code", type(error).__name__)
            response = None
        self._note(action, text, response, lost if response is None else response.code)
        return Reply(response, self._model.elapsed_ns - before_ns)

    def refuse(self, status_code: int, code: str, message: str) -> HttpResponse:
        """Refuse a request that is no call, such as one with too large a body."""
        self._call_count += 1
        response = self._refuse(status_code, code, message)
        self._note("", "", response, code)
        return response

    def _note(self, action: str, text: str, response: HttpResponse | None, code: str) -> None:
        status_code = 0 if response is None else response.status_code
        answer = b"" if response is None else response.body[:_LONGEST_ANSWER]
        shown = text if len(text) <= _LONGEST_FORM else text[:_LONGEST_FORM] + "…"
        self.log.append(LoggedCall(self._call_count, self._now_ns(), action, shown, status_code, code, answer.decode(errors="replace")))

    def _refuse(self, status_code: int, code: str, message: str) -> HttpResponse:
        return HttpResponse(status_code, write_error(code, message, f"00000000-0000-4000-8001-{self._call_count:012x}"), code)

    @staticmethod
    def _read(forms: Iterable[bytes]) -> tuple[str, str]:
        """Return the action and the form with the other parameters."""
        try:
            text = "&".join(form.decode() for form in forms if form)
            pairs = parse_qsl(text, keep_blank_values=True, strict_parsing=bool(text), max_num_fields=_MOST_FIELDS, errors="strict")
        except ValueError as error:
            raise _Malformed(ErrorCode.MALFORMED_QUERY_STRING, f"The query string can't be read: {error}") from None
        form: dict[str, str] = {}
        for name, value in pairs:
            if name in form:
                raise _Malformed(ErrorCode.INVALID_PARAMETER_COMBINATION, f"The parameter {name} is given twice")
            form[name] = value
        action, version = form.pop("Action", ""), form.pop("Version", "")
        if not action:
            raise _Malformed("MissingAction", "The request must contain the parameter Action")
        if not version:
            raise _Malformed(ErrorCode.MISSING_PARAMETER, f"The request must contain the parameter Version, which is {API_VERSION}")
        if version != API_VERSION:
            raise _Malformed("NoSuchVersion", f"The requested version ({version}) is not served; use {API_VERSION}")
        if action not in _service().operation_names:
            raise _Malformed("InvalidAction", f"The action {action} is not valid for this web service.")
        return action, urlencode({name: value for name, value in form.items() if not _is_signature(name)})


_LONGEST_FORM = 300
_LONGEST_ANSWER = 2_000


class _Malformed(Exception):
    """A request that is no call of an action of EC2."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def _is_signature(name: str) -> bool:
    return name in _SIGNATURE or name.startswith("X-Amz-")


@functools.cache
def _operation(action: str) -> OperationModel:
    return _service().operation_model(action)


@functools.cache
def _service() -> ServiceModel:
    """Load EC2's description; takes most of the set-up time."""
    loader = Loader(extra_search_paths=[Loader.BUILTIN_DATA_PATH], include_default_search_paths=False)
    return ServiceModel(loader.load_service_model("ec2", "service-2"), "ec2")
