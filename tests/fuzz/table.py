"""The table of a run: operations down, statuses across."""

from collections import Counter


def table(answers: Counter[tuple[str, int]]) -> str:
    statuses = sorted({status for _, status in answers})
    labels = sorted({label for label, _ in answers}, key=lambda label: label.split()[::-1])
    rows = [["operation", "requests", *(str(status or "none") for status in statuses)]]
    for label in labels:
        counts = [answers[label, status] for status in statuses]
        rows.append([label, *(f"{count:,}" if count else "" for count in (sum(counts), *counts))])
    sums = [sum(answers[label, status] for label in labels) for status in statuses]
    rows.append(["all", *(f"{count:,}" for count in (sum(sums), *sums))])
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(
            [
                row[0].ljust(widths[0]),
                *(cell.rjust(n) for cell, n in zip(row[1:], widths[1:], strict=True)),
            ]
        ).rstrip()
        for row in rows
    )
