"""The ways in which people keep a document: JSON in one line or many, YAML, Python's notation, in an envelope, packed, with dirt around."""

import gzip
import json

import hypothesis.strategies as st
import yaml

WRAPS = {
    "plain": lambda document: document,
    "in data": lambda document: {"status_code": 200, "data": document},
    "in a list": lambda document: [document],
}
NOTATIONS = {
    "JSON": json.dumps,
    "compact JSON": lambda document: json.dumps(document, separators=(",", ":")),
    "indented JSON": lambda document: json.dumps(document, indent=4),
    "Python": repr,
    "YAML": lambda document: yaml.safe_dump(document, sort_keys=False),
}
SURROUNDINGS = {
    "nothing": "{}",
    "a terminal": "$ curl -s http://localhost:61679/v1/enis\n{}\n$ ",
    "curl's meter": "  % Total    % Received % Xferd  Average Speed   Time\n100  6688    0  6688    0     0\n{}\n",
    "a prompt behind": "{}[root@ip-10-0-0-4 ~]# ",
}
PACKINGS = {
    "UTF-8": lambda text: text.encode(),
    "a byte order mark": lambda text: text.encode("utf-8-sig"),
    "UTF-16": lambda text: text.encode("utf-16"),
    "gzip": lambda text: gzip.compress(text.encode(), mtime=0),
}


@st.composite
def texts_of(draw, documents):
    """Generate texts with some documents, and whether there is dirt in the text."""
    wrap, notation = draw(st.sampled_from(sorted(WRAPS))), draw(st.sampled_from(sorted(NOTATIONS)))
    written = [NOTATIONS[notation](WRAPS[wrap](document)) for document in documents]
    if notation == "YAML":
        text, surrounding = "---\n".join(written), "nothing"
    else:
        text = draw(st.sampled_from([" ", "\n", ""])).join(written)
        surrounding = draw(st.sampled_from(sorted(SURROUNDINGS)))
    packing = draw(st.sampled_from(sorted(PACKINGS)))
    return PACKINGS[packing](SURROUNDINGS[surrounding].replace("{}", text)), notation == "Python" or surrounding != "nothing"
