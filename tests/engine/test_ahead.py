"""Batches made in another thread: the same ones, no more than asked for, errors where they belong, no thread left."""

import threading
import time

import pytest

from hazelnut_ae.engine.ahead import ahead


def threads():
    return [thread for thread in threading.enumerate() if thread.name == "batches ahead"]


def test_the_same_items_in_the_same_order():
    assert list(ahead(iter(range(100)))) == list(range(100))
    assert list(ahead([])) == []
    assert not threads()


def test_they_are_made_while_the_one_before_is_used_but_not_without_end():
    made = []

    def items():
        for number in range(50):
            made.append(number)
            yield number

    course = ahead(items(), count=2)
    assert next(course) == 0
    deadline = time.monotonic() + 10
    while len(made) < 4 and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.1)
    assert made == [0, 1, 2, 3]  # one is used, two wait, one is held by the thread
    course.close()
    assert not threads()


def test_an_error_comes_where_its_item_would_have():
    def items():
        yield 1
        raise ValueError("damaged")

    course = ahead(items())
    assert next(course) == 1
    with pytest.raises(ValueError, match="damaged"):
        next(course)
    assert not threads()
