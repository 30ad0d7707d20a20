"""How Sphinx makes the book; `make book` runs book/build.py, which first writes book/pages and book/_extra."""

import sys
from pathlib import Path

BOOK = Path(__file__).resolve().parent
sys.path[:0] = [str(BOOK.parent), str(BOOK)]

import docstrings

import hazelnut_ae

import finish
from pages import address, drift_shares
from site_files import first_visit

project = "Hazelnuts and autoencoders"
author = "the hazelnut_ae authors"
copyright = "the hazelnut_ae authors, MIT licence"
version = release = hazelnut_ae.__version__
language = "en"

extensions = ["myst_nb", "sphinx_design", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.viewcode"]
extensions += ["sphinx_codeautolink"]
exclude_patterns = [
    "_build",
    "_extra",
    "node_modules",
    "playground",
    "README.md",
    "figure_texts.md",
    "templates",
    "teach/slides/*",
    "teach/questions/*",
]
html_baseurl = address()  # empty where no repository is known: then no page names a canonical address
templates_path = ["templates"]

# Notebooks stand here with the outputs of their last run: nothing is executed.
nb_execution_mode = "off"
nb_merge_streams = False  # it would move all prints above the tables between them; pages.py merges neighbours
nb_code_prompt_show = "Solution"
nb_code_prompt_hide = "Hide the solution"
myst_enable_extensions = ["dollarmath", "colon_fence", "smartquotes", "substitution"]
loaded, compressed = first_visit(BOOK / "_extra" / "playground")
myst_substitutions = {"playground_mb": loaded, "playground_compressed_mb": compressed, **drift_shares()}
myst_heading_anchors = 3
suppress_warnings = ["mystnb.unknown_mime_type"]

# Names in the code cells lead to the pages of the API; they are looked up in the modules, no cell is run.
codeautolink_custom_blocks = {"ipython3": None}
codeautolink_concat_default = True
codeautolink_autodoc_inject = False
default_role = "code"  # docstrings mark code by single backticks
autodoc_member_order = "bysource"
autodoc_typehints = "none"
autodoc_inherit_docstrings = False  # or torch describes every forward
napoleon_numpy_docstring = False  # the docstrings are in Google's style
add_module_names = False

# Everything comes from this site: the theme's fonts, and MathJax from its npm package.
mathjax_path = "mathjax/tex-chtml.js"
html_theme = "sphinx_book_theme"
html_title = project
html_favicon = "static/nut.svg"
html_context = {"default_mode": "auto", "html_baseurl": html_baseurl}
html_extra_path = ["_extra"]
html_static_path = ["static"]
html_css_files = ["icons.css", "book.css"]
html_js_files = ["book.js"]
html_search_scorer = str(BOOK / "search_scorer.js")
html_sidebars = {"**": ["brand.html", "sbt-sidebar-nav.html"]}
html_copy_source = False
html_show_sourcelink = False
html_theme_options = {
    "show_navbar_depth": 1,
    "show_toc_level": 2,
    "use_download_button": False,
    "use_fullscreen_button": False,
    "home_page_in_toc": False,
    "navbar_persistent": [],  # the search field stands in the sidebar
    "navigation_with_keys": True,
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}


def setup(app):
    app.connect("doctree-resolved", finish.alternative_texts)
    app.connect("html-page-context", finish.finish_page)
    app.connect("autodoc-process-docstring", docstrings.as_rest, priority=400)  # before napoleon's, 500
