from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qrestore.datasets.drawing import draw_until

FLAGS = st.lists(st.booleans(), min_size=1, max_size=60).filter(any)


@settings(deadline=None, max_examples=40)
@given(FLAGS, st.data(), st.sampled_from([1, 3]))
def test_what_comes_is_the_shortest_prefix_that_holds_enough(flags, data, workers):
    wanted = data.draw(st.integers(1, sum(flags)))
    with ThreadPoolExecutor(workers) as executor:
        things = list(
            draw_until(
                lambda number: (number, flags[number]), lambda thing: thing[1], wanted, len(flags), executor, "x"
            )
        )
    assert things == list(enumerate(flags))[: len(things)]
    assert sum(flag for _, flag in things) == wanted
    assert things[-1][1]


@pytest.mark.parametrize("rare", [1, 2, 10])
def test_little_is_drawn_in_vain(rare):
    asked = []

    def draw(number):
        asked.append(number)
        return number

    with ThreadPoolExecutor(1) as executor:
        drawn = len(list(draw_until(draw, lambda number: number % rare == 0, 30, 10_000, executor, "x")))
    assert drawn == 29 * rare + 1
    assert sorted(asked) == list(range(len(asked)))
    assert len(asked) <= (drawn if rare == 1 else 2 * drawn)


@pytest.mark.parametrize("wanted", [1, 4])
def test_too_rare_is_told_with_name_and_counts(wanted):
    with ThreadPoolExecutor(2) as executor:
        things = draw_until(
            lambda number: number, lambda number: number == 3 and wanted > 1, wanted, 20, executor, "thing"
        )
        with pytest.raises(ValueError, match=f"thing: {int(wanted > 1)} of {wanted} after 20 draws"):
            list(things)


def test_what_fails_while_drawing_is_raised():
    with ThreadPoolExecutor(2) as executor, pytest.raises(ZeroDivisionError):
        list(draw_until(lambda number: 1 // number, bool, 3, 10, executor, "x"))
