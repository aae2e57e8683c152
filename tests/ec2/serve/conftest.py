"""A served account. The tests of this folder may import the modules beside them."""

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from vpcipam.ec2.model import Ec2Model
from vpcipam.ec2.offline.request import Region
from vpcipam.ec2.serve.service import Service

sys.path.append(str(Path(__file__).parent))

from asgi_calls import served

collect_ignore = ["clients"]  # programs for another Python, with packages of its own


@pytest.fixture
def serve():
    """A function: serve a model in this process, with a clock that stands still until a test sets it."""

    def make(model=None, **options):
        clock = SimpleNamespace(now_ns=10**18)
        model = Ec2Model() if model is None else model
        service = Service(model, Region("us-east-1"), lambda: clock.now_ns, token_key=b"key", **options)
        found = served(service)
        found.model, found.service, found.clock = model, service, clock
        return found

    return make


@pytest.fixture
def server(serve):
    return serve()
