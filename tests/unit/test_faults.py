import ast
from pathlib import Path

import pytest

from tests.faults.fault import DoesNotApplyError, Fault
from tests.faults.listed import FAULTS

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_fault_applies_to_the_tree_and_gives_code_that_compiles(fault: Fault) -> None:
    changed = fault.changed(ROOT)

    assert changed != (ROOT / fault.file).read_text("utf-8")
    if fault.file.endswith(".py"):
        compile(changed, fault.file, "exec")


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_fault_names_tests_that_exist(fault: Fault) -> None:
    assert fault.tests
    for test in fault.tests:
        file, _, name = test.partition("::")
        defined = [
            node.name for node in ast.parse((ROOT / file).read_text("utf-8")).body if isinstance(node, ast.FunctionDef)
        ]
        assert name in defined, test


def test_there_are_at_least_60_faults_with_names_of_their_own_and_make_test_notices_55() -> None:
    assert len({fault.name for fault in FAULTS}) == len(FAULTS)
    assert len(FAULTS) >= 60
    assert sum(fault.is_noticed_by_make_test for fault in FAULTS) >= 55


@pytest.mark.parametrize(("text", "said"), [("b = 2\n", "0 times"), ("a = 1\na = 1\n", "2 times")])
def test_a_fault_whose_lines_are_gone_or_are_there_twice_does_not_apply(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "module.py").write_text(text, "utf-8")
    fault = Fault("name", "promise", "module.py", "a = 1", "a = 3", ("tests/unit/test_faults.py::test_x",))

    with pytest.raises(DoesNotApplyError, match=said):
        fault.changed(tmp_path)
