"""MkDocs hooks: pages from the code are generated when the site is built, so none can be out of date."""

from __future__ import annotations

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

from handbook import api_reference, cli_reference


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the generated references."""
    files.append(File.generated(config, "reference/api.md", content=api_reference.page(api_reference.document())))
    files.append(File.generated(config, "reference/cli.md", content=cli_reference.page()))
    return files
