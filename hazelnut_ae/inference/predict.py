"""`hazelnut-ae predict`: any number of new images through a run, into tables, pictures and a report.

Images are taken in groups of 32, in the order in which they are named; what is known of a group is on the disk before
the next begins, and nothing of it stays in memory. A group of which something is missing is scored whole, so that a
call that goes on computes with the same batches, and ends with the same bytes, as one that was never stopped.
"""

from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from tqdm import tqdm

from hazelnut_ae.detection import predicted_pixels
from hazelnut_ae.engine.checkpoints import digest_of
from hazelnut_ae.engine.distributed import stop_signals
from hazelnut_ae.errors import DataError, Interrupted
from hazelnut_ae.inference import inputs as images
from hazelnut_ae.inference import pictures as drawing
from hazelnut_ae.inference import report, table
from hazelnut_ae.inference.journal import Journal
from hazelnut_ae.inference.loaded import groups, load_detector


@dataclass
class Outcome:
    """What a call has done.

    defective, good: how many images; image_tau: the threshold between them; unreadable: {path: DataError}; written:
    the report and the tables; notes: sentences on what a user should know besides.
    """

    defective: int
    good: int
    image_tau: float
    unreadable: dict
    written: list
    notes: list

    def lines(self):
        """What the command line prints, worst news last."""
        verb = "is" if self.defective == 1 else "are"
        said = f"{self.defective} of {self.defective + self.good} images {verb} defective"
        yield f"{said}, with a score above τ = {self.image_tau:.4g}."
        yield from map(str, self.written)
        yield from self.notes
        if self.unreadable:
            yield f"{len(self.unreadable)} more could not be read:"
            yield from map(str, self.unreadable.values())


def predict(inputs, run, out, tau=None, image_tau=None, pictures=True):
    """Scores all images and leaves predictions.csv, predictions.json, report.html and pictures/ in the folder `out`.

    inputs: files, folders or patterns; run: a run's folder; tau, image_tau: as `load_detector` takes them; pictures:
    whether to write a heat map and an overlay of each image. Returns the `Outcome`; an image that cannot be read is
    in it and stops no other. Ctrl-C stops after a group and raises Interrupted. Raises: DataError for inputs that are
    not there, no run, or a folder that holds something else.
    """
    paths, passed_over = images.listed(inputs, out)
    detector = load_detector(run, tau, image_tau)
    notes = [f"{passed_over} files that are no PNG, JPEG, BMP or TIFF were passed over."] if passed_over else []
    return predict_paths(detector, paths, out, pictures, str(run), notes)


def predict_paths(detector, paths, out, pictures=True, name="", notes=()):
    """`predict` of the paths of files by a `LoadedDetector`; name: of its run, to tell the reader."""
    about = {"weights": digest_of(detector.detector.state()), "tau": detector.tau, "pictures": pictures}
    journal = Journal(out, about, paths)
    try:
        notes = list(notes)
        if journal.changed:
            notes.append(f"{len(journal.changed)} images or their pictures had changed since; they were done again.")
        unreadable = score_missing(detector, paths, journal, pictures)
        scored = [path for path in paths if path not in unreadable]
        scores = np.array([journal.done[path][1] for path in scored])  # [N]
        written = [journal.folder / file for file in ("report.html", "predictions.csv", "predictions.json")]
        report.write(written[0], name, detector, journal, scored, scores, unreadable)
        table.write_csv(written[1], detector, journal, scored, unreadable)
        table.write_json(written[2], name, detector, journal, scored, unreadable)
        defective = int((scores > detector.image_tau).sum())
        return Outcome(defective, len(scores) - defective, detector.image_tau, unreadable, written, notes)
    finally:
        journal.close()


def score_missing(detector, paths, journal, pictures):
    """Scores what the journal lacks; returns {path: DataError} of what cannot be read."""
    unreadable, missing = {}, {path for path in paths if path not in journal.done}
    left = [group for group in groups(paths) if not missing.isdisjoint(group)]
    bar = tqdm(total=len(paths), initial=len(paths) - len(missing), unit="image", desc="predicting", disable=None)
    with ThreadPoolExecutor() as pool, stop_signals() as stop, bar:
        for group, found in read_ahead(pool, left):
            if stop.wanted:
                done = f"{len(journal.done)} of {len(paths)} images"
                raise Interrupted(f"Stopped with {done} done; the same command goes on.")
            found = dict(zip(group, found, strict=True))
            unreadable |= {path: one for path, one in found.items() if isinstance(one, DataError)}
            readable = [path for path in group if path not in unreadable]
            if not missing.isdisjoint(readable):
                maps, scores = detector.maps_and_scores(np.stack([found[path].image for path in readable]))
                scored = zip(readable, maps, scores, strict=True)  # maps: float32 [n, 256, 256]
                jobs = [(detector, journal.folder, pictures, path, found[path], *one) for path, *one in scored]
                journal.append(pool.map(lambda job: entry_of(*job), [job for job in jobs if job[3] in missing]))
            bar.update(len(missing.intersection(group)))
    return unreadable


def read_ahead(pool, groups):
    """Yields (group, its photographs); the next group is being read while this one is worked on."""
    coming = deque()
    for group in groups:
        coming.append((group, [pool.submit(images.read, path) for path in group]))
        if len(coming) > 1:
            group, found = coming.popleft()
            yield group, [one.result() for one in found]
    for group, found in coming:
        yield group, [one.result() for one in found]


def entry_of(detector, folder, pictures, path, photograph, anomaly_map, score):
    """An image's line in the journal; its pictures are written first. Raises: DataError if they cannot be."""
    mask = predicted_pixels(anomaly_map, np.float32(detector.tau))  # bool [H, W]
    count, boxes, largest = drawing.regions(mask, photograph.size)
    shown = photograph.shown  # uint8 [3, h, w]
    strength = drawing.enlarged(anomaly_map, shown)  # float32 [h, w]
    strength = drawing.glow(strength, detector.tau, detector.calibration.typical)
    overlay = drawing.overlay(shown, strength, largest)
    files = {}
    if pictures:
        for kind, picture in {"heat_map": drawing.heat(strength), "overlay": overlay}.items():
            name, content = f"pictures/{drawing.file_name(path)}.{kind}.png", drawing.png(picture)
            write_bytes(folder / name, content)
            files[kind] = name, len(content)
    return {
        "file": path,
        "stamp": photograph.stamp,
        "size": photograph.size,
        "score": float(score),
        "share": float(mask.mean()),
        "regions": count,
        "boxes": boxes,
        "pictures": files,
        "thumbnails": [drawing.thumbnail(drawing.image_of(shown)), drawing.thumbnail(overlay)],
    }


def write_bytes(path, content):
    """Writes a file whose line in the journal comes after it: half of one is written again."""
    try:
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
    except OSError as error:
        raise DataError(
            f"{path} could not be written ({error.strerror or error}); free some space, then the same command goes on."
        ) from error
