"""The docs: their code stands in the source, and their links lead to files."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCS = sorted(
    file
    for pattern in ("*.md", "*/*.md", "docs/adr/*.md")
    for file in ROOT.glob(pattern)
    if not file.relative_to(ROOT).parts[0].startswith(".")
)
SOURCES = [file.read_text() for file in ROOT.glob("*/*_service/**/*.py")]
CODE = re.compile(r"^```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\]\((?!\w+:)([^)#]+)(?:#([^)]+))?")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


def without_indentation(text: str) -> str:
    return "\n".join(line.strip() for line in text.splitlines())


def anchors(doc: Path) -> list[str]:
    """Return the names of a doc's headings in links: in lower case, with hyphens for spaces."""
    headings = HEADING.findall(doc.read_text())
    return [re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings]


@pytest.mark.parametrize("doc", DOCS, ids=lambda file: str(file.relative_to(ROOT)))
def test_the_code_of_a_doc_stands_in_a_service(doc: Path) -> None:
    sources = [without_indentation(source) for source in SOURCES]
    for code in CODE.findall(doc.read_text()):
        assert any(without_indentation(code) in source for source in sources), code


@pytest.mark.parametrize("doc", DOCS, ids=lambda file: str(file.relative_to(ROOT)))
def test_the_links_of_a_doc_lead_to_files_and_headings(doc: Path) -> None:
    for link, anchor in LINK.findall(doc.read_text()):
        target = doc.parent / link
        assert target.exists(), link
        if anchor:
            assert anchor in anchors(target), f"{link}#{anchor}"


def test_there_are_docs_with_code_and_links() -> None:
    texts = [doc.read_text() for doc in DOCS]
    assert any(CODE.search(text) for text in texts)
    assert any(LINK.search(text) for text in texts)
