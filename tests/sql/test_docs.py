"""docs/testing-sql.md shows what stands in the repository, and tells what nobody notices."""

import re
import tomllib

from madar.settings import ROOT

PAGE = ROOT / "docs" / "testing-sql.md"
REASONS = ROOT / "tests" / "sql_mutations" / "reasons.toml"
_BLOCK = re.compile(r"```\w+\n(?:--|#) (\S+)\n(.*?)```", re.DOTALL)


def test_the_examples_are_those_of_the_repository() -> None:
    page = PAGE.read_text(encoding="utf-8")
    blocks = _BLOCK.findall(page)

    assert len(blocks) == page.count("```python") + page.count("```sql") > 3
    for path, text in blocks:
        assert text in (ROOT / path).read_text(encoding="utf-8"), path


def test_what_nobody_notices_is_told_with_its_reason() -> None:
    rows = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line[:3] == "| `"]
    reasons: dict[str, str] = tomllib.loads(REASONS.read_text(encoding="utf-8"))

    for name, why in reasons.items():
        query, _, what = name.partition(": ")
        told = [row for row in rows if row.startswith(f"| `{query}` |") and f"`{what}`" in row]
        assert any(why in row for row in told), name
