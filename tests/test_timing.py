import numpy as np

from qrestore.files import read_json
from qrestore.timing import write_times


def test_one_data_set_is_replaced_and_the_others_stay(tmp_path):
    path = tmp_path / "timing.json"
    write_times(path, "motion", {"seen.cgan": [0.1, 0.3]}, {"net": "abc"})
    write_times(path, "defocus", {"v1.pan": [2.0]}, {})
    write_times(path, "motion", {"unseen.cgan": list(np.linspace(0, 1, 101))}, {"net": "def"})
    found = read_json(path)
    keys = [f"restoration_seconds.{name}" for name in ("mean", "p50", "p95")]
    assert list(found["seconds"]) == [
        f"{cell}.{key}" for cell in ("defocus.v1.pan", "motion.unseen.cgan") for key in keys
    ]
    assert [found["seconds"][f"motion.unseen.cgan.{key}"] for key in keys] == [0.5, 0.5, 0.95]
    assert {data: of["weights_sha256"] for data, of in found["measured"].items()} == {
        "motion": {"net": "def"},
        "defocus": {},
    }
    assert all(of["machine"] and of["date"] for of in found["measured"].values())
