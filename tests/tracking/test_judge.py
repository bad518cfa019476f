import json
from types import SimpleNamespace

from qrestore.tracking.judge import recorded


def test_a_verdict_of_another_form_says_nothing():
    """A registry outlives the form of its verdicts."""
    ours = {"promote": True, "against": None, "reasons": [{"rule": "gain", "holds": True, "text": "", "numbers": {}}]}
    before = {"promote": True, "against": None, "reasons": ["better"]}
    told = [recorded(SimpleNamespace(tags={"verdict": json.dumps(each)})) for each in (ours, before, {"promote": True})]
    assert told == [ours, None, None]
    assert recorded(SimpleNamespace(tags={})) is None
