import pytest

from lib.config import Column, Table
from lib.errors import ContractError
from lib.tables.compare import check_deleted, check_rejected

TABLE = Table(
    name="orders",
    path="/orders",
    key=("id",),
    columns=(Column(name="id", type="bigint!"),),
    max_delete_fraction=0.2,
    max_rejected_fraction=0.05,
)


def test_more_deleted_rows_than_allowed_stop_the_table() -> None:
    check_deleted(TABLE, n_deleted=20, n_live=100, n_rows=80)

    with pytest.raises(
        ContractError, match="orders: 21 of 100 rows are deleted at the source, more than max_delete_fraction"
    ):
        check_deleted(TABLE, n_deleted=21, n_live=100, n_rows=79)


def test_more_rejected_rows_than_allowed_stop_the_table() -> None:
    check_rejected(TABLE, n_rejected=5, n_rows=100)

    with pytest.raises(
        ContractError, match="orders: 6 of 100 rows break the contract, more than max_rejected_fraction"
    ):
        check_rejected(TABLE, n_rejected=6, n_rows=100)


def test_an_empty_answer_takes_nothing_away_from_a_table_with_rows() -> None:
    all_may_go = TABLE.model_copy(update={"max_delete_fraction": 1.0})
    check_deleted(all_may_go, n_deleted=0, n_live=0, n_rows=0)

    with pytest.raises(ContractError, match="orders: the source has no rows, the lake has 3"):
        check_deleted(all_may_go, n_deleted=3, n_live=3, n_rows=0)
