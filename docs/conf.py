"""The site: `make docs` builds it with Sphinx from these pages, and treats every warning as an error."""  # noqa: INP001 - not a package

import sys
from pathlib import Path

from vpcipam import __version__

sys.path.insert(0, str(Path(__file__).parents[1] / "tools"))

project = "vpcipam"
author = "the vpcipam authors"
copyright = author  # noqa: A001 - Sphinx's own name
release = version = __version__
extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "sphinx_copybutton",
    "site_pages",
]
html_theme = "furo"
html_title = f"vpcipam {release}"
html_show_sphinx = False
html_copy_source = False
html_static_path = ["_static"]
html_css_files = ["site.css"]
exclude_patterns = ["calculator/*"]

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 4
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

default_role = "py:obj"  # docstrings put code into single backticks; what names something public becomes a link
add_module_names = False
autodoc_member_order = "bysource"
toc_object_entries = False  # each section of a module begins with links to its names; in the contents they would double the time of a build
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
napoleon_use_rtype = False
napoleon_use_ivar = True
linkcheck_anchors = False
