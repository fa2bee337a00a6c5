"""docs/testing-sql.md shows what stands in the repository."""

import re

from madar.settings import ROOT

_BLOCK = re.compile(r"```\w+\n(?:--|#) (\S+)\n(.*?)```", re.DOTALL)


def test_the_examples_are_those_of_the_repository() -> None:
    page = (ROOT / "docs" / "testing-sql.md").read_text(encoding="utf-8")
    blocks = _BLOCK.findall(page)

    assert len(blocks) == page.count("```python") + page.count("```sql") > 3
    for path, text in blocks:
        assert text in (ROOT / path).read_text(encoding="utf-8"), path
