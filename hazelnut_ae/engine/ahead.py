"""Batches made ahead: while one is trained on, the next is being made in another thread."""

import queue
import threading


def ahead(items, count=2):
    """Yields the same items in the same order, of which up to `count` are made before they are asked for.

    An error in making one is raised where that item would have come. Closing the generator ends the thread.
    """
    waiting = queue.Queue(count)
    closed = threading.Event()
    end = object()

    def put(item):
        while not closed.is_set():
            try:
                return waiting.put(item, timeout=0.1)
            except queue.Full:
                continue

    def make():
        try:
            for item in items:
                put((item, None))
                if closed.is_set():
                    return
            put((end, None))
        except BaseException as error:
            put((None, error))

    thread = threading.Thread(target=make, daemon=True, name="batches ahead")
    thread.start()
    try:
        while True:
            item, error = waiting.get()
            if error is not None:
                raise error
            if item is end:
                return
            yield item
    finally:
        closed.set()
        thread.join()
