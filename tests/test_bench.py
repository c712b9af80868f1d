"""What the benches write down."""

from bench import fault_kinds, fault_table


def test_faults_measured_in_pieces_keep_each_others_rows(tmp_path):
    """A later run adds its rows and replaces its own; the page names what is still missing."""
    page = tmp_path / "RESULTS-FAULTS.md"
    of = {name: f"| {fault.words} | {fault.site} |" for name, fault in fault_kinds.BY_NAME.items()}
    page.write_text(fault_table.table({of["cluster-api"]: f"{of['cluster-api']} old |"}))
    page.write_text(fault_table.table(fault_table.measured(page) | {of["api"]: f"{of['api']} first |"}))
    page.write_text(fault_table.table(fault_table.measured(page) | {of["api"]: f"{of['api']} again |"}))
    rows = [line for line in page.read_text().splitlines() if line.startswith("| API server")]
    assert rows == [f"{of['api']} again |", f"{of['cluster-api']} old |"]
    missing = page.read_text().splitlines()[-1]
    assert "`api-defaults`" in missing
    assert "`api`" not in missing


def test_each_fault_has_a_row_of_its_own():
    """Rows are told apart by what broke and on what."""
    named = [(fault.words, fault.site) for fault in fault_kinds.BY_NAME.values()]
    assert len(set(named)) == len(named)
