"""The documentation site: python -m sphinx -W -b html docs out/docs."""

project = "Assay"
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
html_theme = "furo"
html_title = "Assay"
default_role = "py:obj"  # single backticks in docstrings name objects
myst_heading_anchors = 3
nb_execution_mode = "off"
autodoc_default_options = {"members": True}
autodoc_member_order = "bysource"
autodoc_type_aliases = {"ArrayLike": "ArrayLike"}


def setup(app):
    """Called by Sphinx."""
    app.connect("doctree-read", highlight_examples)


def highlight_examples(_app, doctree):
    """Colour indented blocks that hold examples; MyST leaves them plain."""
    for block in doctree.findall(lambda node: node.tagname == "literal_block"):
        if block.astext().startswith(">>>"):
            block["language"] = "pycon"
