import subprocess
import sys

import pytest

import vpcipam.ec2
from vpcipam.ec2 import api, errors
from vpcipam.ec2.model import Ec2Model


def test_every_public_name_can_be_imported():
    for name in vpcipam.ec2.__all__:
        assert getattr(vpcipam.ec2, name).__name__ == name
    assert vpcipam.ec2.Ec2Model is Ec2Model


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match=r"'vpcipam\.ec2' has no attribute 'Ec3Model'"):
        _ = vpcipam.ec2.Ec3Model


def test_the_errors_can_be_imported_from_api_too():
    assert api.Ec2Error is errors.Ec2Error
    assert api.ErrorCode is errors.ErrorCode


def test_importing_the_api_loads_no_model():
    program = "import sys, vpcipam.ec2.api; sys.exit('vpcipam.ec2.model' in sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True)  # noqa: S603  # this interpreter, and a program from this file
