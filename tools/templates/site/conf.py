"""How Sphinx makes the pages; tools/site.py calls it and says what they are made from."""

project = html_title = "Attention, from kernel regression to BERT"
extensions = ["myst_nb"]
exclude_patterns = ["tools"]
myst_enable_extensions = ["amsmath", "dollarmath"]
nb_execution_mode = "off"  # the stored outputs are shown
nb_code_prompt_show = "Show the {type}"
nb_code_prompt_hide = "Hide the {type}"
nb_merge_streams = True

html_theme = "sphinx_book_theme"
html_theme_options = {
    "use_download_button": False,
    "show_toc_level": 2,
    "search_bar_text": "Search the course",
    "footer_content_items": [],
    "navbar_persistent": [],
}
html_context = {"default_mode": "auto"}  # dark and light as the reader's system has it
html_static_path = ["course.css"]
html_css_files = ["course.css"]
html_copy_source = html_use_index = False
html_show_search_summary = False  # excerpts would be fetched, which a page on disk may not

# What the decks load lies beside the pages.
mathjax_path = "../slides/assets/mathjax/tex-svg-full.js"
mathjax3_config = {"options": {"enableMenu": False}}
