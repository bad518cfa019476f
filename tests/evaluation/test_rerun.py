import json

import pyarrow.parquet as pq
import pytest

from qrestore.datasets.index import write_index
from qrestore.evaluation.benchmark import SCHEMA
from qrestore.evaluation.rerun import main, rerun
from tests.evaluation.conftest import clean_carrier


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    path = tmp_path_factory.mktemp("rerun") / "test.parquet"
    write_index(path, [clean_carrier("mid-2px", number) for number in range(3)])
    return path


def test_items_come_in_the_order_asked_for_with_their_times(index, dots, tmp_path):
    asked, out = tmp_path / "items.json", tmp_path / "out.parquet"
    items = [clean_carrier("mid-2px", number).item for number in (2, 0, 2)]
    asked.write_text(json.dumps(items))
    assert main([str(index), "lmmse", str(dots.models), str(asked), str(out)]) == 0
    table = pq.read_table(out)
    assert table["item"].to_pylist() == items
    assert table.column_names == [*SCHEMA.names, "seconds"]
    assert min(table["seconds"].to_pylist()) > 0
    assert {len(set(table[name].to_pylist())) for name in ("restorer", "dot_side_px")} == {1}


def test_an_item_that_is_not_there_is_named(index, dots):
    with pytest.raises(ValueError, match="holds no item 77"):
        rerun(index, [77], "lmmse", dots.models)
