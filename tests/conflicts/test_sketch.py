import random
from collections import Counter

from proxy.conflicts.sketch import Hitter, SpaceSaving


def test_few_values_are_counted_exactly() -> None:
    sketch = SpaceSaving(4)
    for value in "abacab":
        sketch.add(value)
    sketch.add("c", 10)
    assert sketch.top(2) == (Hitter("c", 11, 0), Hitter("a", 3, 0))


def test_frequent_values_are_found_among_many() -> None:
    chance = random.Random(1)
    stream = ["hot"] * 400 + ["warm"] * 200 + [f"cold {number}" for number in range(1000)]
    chance.shuffle(stream)
    sketch, exact = SpaceSaving(16), Counter(stream)
    for value in stream:
        sketch.add(value)
    assert [hitter.value for hitter in sketch.top(2)] == ["hot", "warm"]
    for hitter in sketch.top(16):
        assert hitter.count - hitter.error <= exact[hitter.value] <= hitter.count
    assert len(sketch.top(100)) == 16
