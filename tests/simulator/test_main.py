"""`python -m madar.simulator`: its options."""

from pathlib import Path

from click.testing import CliRunner

from madar.simulator.__main__ import main


def test_a_misspelt_fault_is_named_with_those_there_are(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["--directory", str(tmp_path), "--faults", "slow,sleepy"])

    assert result.exit_code == 2
    assert "no such fault: sleepy" in result.output
    assert "no-webhooks" in result.output
