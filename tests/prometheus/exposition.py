"""A strict reader of Prometheus's text format, version 0.0.4: what is merely tolerated there is refused here."""

import re

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
HELP = re.compile(rf"# HELP ({NAME}) ((?:[^\\\n]|\\[\\n])+)")
TYPE = re.compile(rf"# TYPE ({NAME}) (counter|gauge)")
LABEL = r'[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\["\\n])*"'
SAMPLE = re.compile(rf"({NAME})(?:\{{({LABEL}(?:,{LABEL})*)\}})? (0|[1-9][0-9]*)")
ESCAPES = {r"\\": "\\", r"\"": '"', r"\n": "\n"}


def read(text):
    """Read a text: name of the metric -> (kind, help, {labels: value}), where labels are a tuple of pairs."""
    assert text.endswith("\n")
    families = {}
    lines = iter(text.removesuffix("\n").split("\n"))
    name = None
    for line in lines:
        if line.startswith("# "):
            assert name is None or families[name][2], f"{name} has no samples"
            name, explanation = HELP.fullmatch(line).groups()
            assert name not in families, f"{name} comes twice"
            typed, kind = TYPE.fullmatch(next(lines)).groups()
            assert typed == name
            families[name] = (kind, explanation, {})
        else:
            sampled, labels, value = SAMPLE.fullmatch(line).groups()
            assert sampled == name, f"{sampled} stands among the samples of {name}"
            pairs = tuple((label, unescaped(quoted[1:-1])) for label, quoted in re.findall(r'(\w+)=("(?:[^"\\]|\\.)*")', labels or ""))
            assert len(dict(pairs)) == len(pairs)
            assert pairs not in families[name][2], f"{line} comes twice"
            families[name][2][pairs] = int(value)
    assert families[name][2], f"{name} has no samples"
    return families


def values(text):
    """The same in short: name -> value, or name -> {label value: value}, or name -> {(label values): value}."""
    found = {}
    for name, (_, _, samples) in read(text).items():
        if () in samples:
            assert len(samples) == 1
            found[name] = samples[()]
        else:
            found[name] = {pairs[0][1] if len(pairs) == 1 else tuple(value for _, value in pairs): n for pairs, n in samples.items()}
    return found


def unescaped(text):
    return re.sub(r"\\.", lambda match: ESCAPES[match[0]], text)
