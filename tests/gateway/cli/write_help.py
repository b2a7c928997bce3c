"""`python -m tests.gateway.cli.write_help`: put what the program says into docs/cli.md."""

import re

from tests.gateway.cli.program import ROOT, assay

PAGE = ROOT / "docs" / "cli.md"


def renewed(page: str) -> str:
    """Return the page with every help text as the program says it now."""

    def block(found: re.Match[str]) -> str:
        said = assay(*found[1].split(), "--help", cwd=ROOT).stdout
        return f"<!-- help: {found[1]} -->\n```text\n{said}```"

    return re.sub(r"<!-- help: ([a-z ]*) -->\n```text\n.*?```", block, page, flags=re.DOTALL)


if __name__ == "__main__":
    PAGE.write_text(renewed(PAGE.read_text("utf-8")), "utf-8")
