"""States and policies of IPsec as text: the commands of `ip xfrm`, and the parser of what it lists."""

import re
from collections.abc import Iterator
from typing import Any

from vpcipam.datapath.values import ENCRYPTION_REQID, XfrmPolicy, XfrmState

Encrypted = XfrmState | XfrmPolicy

_REQID = f"reqid {ENCRYPTION_REQID} mode tunnel"


def created(value: Encrypted) -> str:
    """Write the command that makes a state, or that makes or changes a policy."""
    if isinstance(value, XfrmState):
        auth, enc = value.authentication_key.hex(), value.encryption_key.hex()
        # The packets within a tunnel over IPv4 can be of IPv6: af-unspec.
        return f"xfrm state add {_place(value)} {_REQID} flag af-unspec auth-trunc hmac(sha256) 0x{auth} 128 enc cbc(aes) 0x{enc}"
    tunnel = f"src {value.tunnel_source} dst {value.tunnel_destination}"
    return f"xfrm policy update {_place(value)} tmpl {tunnel} proto esp {_REQID}"


def without_keys(command: str) -> str:
    """Put dots in the place of the keys of a command."""
    return re.sub(r"\b0x[0-9a-f]{64}\b", "0x…", command)


def deleted(value: Encrypted) -> str:
    """Write the command that deletes a state or a policy."""
    return f"xfrm {'state' if isinstance(value, XfrmState) else 'policy'} delete {_place(value)}"


def _place(value: Encrypted) -> str:
    ends = f"src {value.source} dst {value.destination}"
    return f"{ends} proto esp spi {value.spi:#x}" if isinstance(value, XfrmState) else f"{ends} dir {value.direction}"


_ENDS = r"src (\S+) dst (\S+)\s+"
_OURS = rf"reqid {ENCRYPTION_REQID}(?:\(\S+\))? mode tunnel"
_STATE = re.compile(
    rf"{_ENDS}proto esp spi (\w+)(?:\(\S+\))? {_OURS}.*auth-trunc hmac\(sha256\) 0x(\w+) 128\s+enc cbc\(aes\) 0x(\w+)", re.DOTALL
)
_POLICY = re.compile(rf"{_ENDS}dir (out|in|fwd) .*tmpl {_ENDS}proto esp {_OURS}", re.DOTALL)


_POLICY_FIELDS = ("source", "destination", "direction", "tunnel_source", "tunnel_destination")


def parse_xfrm(text: str) -> Iterator[Encrypted]:
    """Parse what `ip xfrm state list` and `ip xfrm policy list` print. What other programs have made is left out."""
    for block in re.split(r"^(?=src )", text, flags=re.MULTILINE):
        if found := _STATE.match(block):
            keys = {"authentication_key": bytes.fromhex(found[4]), "encryption_key": bytes.fromhex(found[5])}
            yield XfrmState(source=found[1], destination=found[2], spi=int(found[3], 16), **keys)
        elif found := _POLICY.match(block):
            ends: dict[str, Any] = dict(zip(_POLICY_FIELDS, found.groups(), strict=True))
            yield XfrmPolicy(**ends)
