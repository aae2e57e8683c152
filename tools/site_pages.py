"""A Sphinx extension for what the site takes from the code: commands, modules, names, variables, EC2 actions, and the calculator."""

import importlib
import re
import shutil
import sys
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import click
from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

import site_calculator
import vpcipam
from vpcipam.cli.app import PROGRAM, app
from vpcipam.ec2.boto import BotoEc2
from vpcipam.ec2.model import Ec2Model
from vpcipam.ec2.offline.server import ACTIONS
from vpcipam.settings import VARIABLES

_WIDTH = 100


class FromCode(SphinxDirective):
    """A part of a page that comes from the code. Sphinx doesn't see when that changes, so every build reads the page anew."""

    def __init__(self, *arguments: Any, **named: Any) -> None:  # noqa: ANN401 - those of docutils
        super().__init__(*arguments, **named)
        self.env.note_reread()


class Commands(FromCode):
    """A section for each command, with its help as a terminal shows it."""

    def run(self) -> list[nodes.Node]:
        """Return the sections."""
        return self.parse_text_to_nodes("".join(_command_pages()), allow_section_headings=True)


def _command_pages() -> Iterator[str]:
    context = click.Context(app, info_name=PROGRAM)
    for name in app.list_commands(context):
        command = app.get_command(context, name)
        if command is None:
            raise LookupError(name)
        shown = command.get_help(click.Context(command, parent=context, info_name=name, terminal_width=_WIDTH))
        yield f"### {PROGRAM} {name}\n\n```text\n{shown}\n```\n\n"


class Modules(FromCode):
    """A section for each module of the content: links to its public names, then each of them; `:inherited:` adds what classes inherit."""

    has_content = True
    option_spec: ClassVar = {"inherited": directives.flag}

    def run(self) -> list[nodes.Node]:
        """Return the sections."""
        members = "   :members:\n" + ("   :inherited-members:\n" if "inherited" in self.options else "")
        made = (f"## {name}\n\n{_links(name)}\n\n```{{eval-rst}}\n.. automodule:: {name}\n{members}```\n\n" for name in self.content)
        return self.parse_text_to_nodes("".join(made), allow_section_headings=True)


def _links(module: str) -> str:
    names = getattr(importlib.import_module(module), "__all__", ())
    return " · ".join(f"{{py:obj}}`~{module}.{name}`" for name in names) if len(names) > 1 else ""


class Names(FromCode):
    """A table of what `import vpcipam` gives, with the page of each name."""

    def run(self) -> list[nodes.Node]:
        """Return the table."""
        rows = (f"| {{py:obj}}`{name} <{_home(name)}>` | {_summary(name)} |\n" for name in sorted(vpcipam.__all__) if name != "__version__")
        return self.parse_text_to_nodes("| name | what it is |\n| --- | --- |\n" + "".join(rows))


def _home(name: str) -> str:
    """Return where a name is documented."""
    return f"vpcipam.{vpcipam._MODULES[name]}.{name}"  # noqa: SLF001 - the one list of names and modules


def _summary(name: str) -> str:
    value = getattr(vpcipam, name)
    text = (value.__doc__ or "") if isinstance(value, type) or callable(value) else "Whether the compiled pools are in use."
    return re.sub(r"\s+", " ", text.partition("\n\n")[0]).replace("|", "\\|")


class Variables(FromCode):
    """A table of the variables of the aws-node container."""

    def run(self) -> list[nodes.Node]:
        """Return the table."""
        head = "| variable | default | as shipped | what it does |\n| --- | --- | --- | --- |\n"
        rows = "".join(
            f"| `{each.name}` | {_code(each.format(each.default))} | {_code(each.shipped)} | {each.effect.replace('|', chr(92) + '|')} |\n"
            for each in VARIABLES.values()
            if each.acts_on_addresses == ("addresses" in self.arguments)
        )
        return self.parse_text_to_nodes(head + rows)

    optional_arguments = 1


class Actions(FromCode):
    """A table of the actions that the EC2 model answers: the method of `Ec2Model`, whether `BotoEc2` makes the call, and the parameters.

    The parameters without effect have a column of their own.
    """

    def run(self) -> list[nodes.Node]:
        """Return the table."""
        head = "| action, method of `Ec2Model` | real EC2 | parameters | without effect |\n| --- | --- | --- | --- |\n"
        rows = (
            f"| {action}<br>{_method(action)} | {'yes' if hasattr(BotoEc2, _snake_case(action)) else ''} "
            f"| {', '.join(map(_code, sorted(handler.takes)))} | {', '.join(map(_code, sorted(handler.ignores)))} |\n"
            for action, handler in ACTIONS.items()
        )
        return self.parse_text_to_nodes(head + "".join(rows))


def _method(action: str) -> str:
    """Return a link to the method of `Ec2Model` for an action; an empty text if there is none."""
    name = {"RunInstances": "launch_instances"}.get(action, _snake_case(action))
    return f"{{py:obj}}`{name} <vpcipam.ec2.model.Ec2Model.{name}>`" if hasattr(Ec2Model, name) else ""


def _snake_case(action: str) -> str:
    return re.sub(r"(?<=.)(?=[A-Z])", "_", action).lower()


def _code(text: str | None) -> str:
    return f"`{text}`" if text else ""


class Calculator(FromCode):
    """The calculator's form, with its scripts; a sentence where its engine can't be had."""

    def run(self) -> list[nodes.Node]:
        """Return the form."""
        try:
            site_calculator.build()
        except OSError as error:
            print(f"the calculator is left out: {error}", file=sys.stderr)
            return [nodes.paragraph(text="This copy of the site was built without network, so the calculator is missing.")]
        form = (site_calculator.SOURCES / "calculator.html").read_text(encoding="utf-8")
        return [nodes.raw("", _CALCULATOR_HEAD + form + _CALCULATOR_END, format="html")]


_CALCULATOR_HEAD = '<link rel="stylesheet" href="_static/calculator.css">\n'
_CALCULATOR_END = "".join(f'<script src="_static/{name}"></script>\n' for name in ("engine.js", "pyodide.js", "calculator.js"))


def _copy_calculator(app: Sphinx, problem: Exception | None) -> None:
    if problem is None and site_calculator.OUTPUT.exists():
        shutil.copytree(site_calculator.OUTPUT, app.outdir / "_static", dirs_exist_ok=True)


def setup(sphinx: Sphinx) -> Mapping[str, bool]:
    """Register the directives."""
    directives = {
        "actions": Actions,
        "calculator": Calculator,
        "commands": Commands,
        "modules": Modules,
        "names": Names,
        "variables": Variables,
    }
    for name, directive in directives.items():
        sphinx.add_directive(name, directive)
    sphinx.connect("build-finished", _copy_calculator)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
