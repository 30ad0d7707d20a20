"""`hazelnut-ae predict`: scores any number of new images with a run; writes tables, pictures and a report.

An incomplete batch is scored again as a whole, so a command that was stopped and repeated writes the same bytes.
"""

import contextlib
import hashlib
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from hazelnut_ae.detection import batches
from hazelnut_ae.engine.checkpoints import digest_of
from hazelnut_ae.errors import DataError, Interrupted
from hazelnut_ae.inference import inputs as images
from hazelnut_ae.inference import pictures as drawing
from hazelnut_ae.inference import report, table
from hazelnut_ae.inference.loaded import LoadedDetector, load_detector


class Outcome(NamedTuple):
    """The result of `predict`."""

    defective: int
    good: int
    image_tau: float  # the threshold of image scores
    unreadable: dict[str, DataError]  # by path
    written: list[Path]  # the report and the tables
    notes: list[str]  # further sentences for the user

    def lines(self):
        """Yields the lines to print, errors last."""
        count, verb = self.defective + self.good, "is" if self.defective == 1 else "are"
        yield f"{self.defective} of {count} images {verb} defective, with a score above τ = {self.image_tau:.4g}."
        yield from [*map(str, self.written), *self.notes]
        if self.unreadable:
            yield from (f"{len(self.unreadable)} more could not be read:", *map(str, self.unreadable.values()))


def predict(
    inputs: list, run: str | Path, out: str | Path, tau: float | None = None, image_tau=None, pictures: bool = True
) -> Outcome:
    """Scores images and writes predictions.csv, predictions.json, report.html and pictures/ into `out`.

    Args:
        inputs: image files, folders of them, or patterns.
        run: the run folder.
        out: a new folder, or that of an earlier call with the same settings, to continue it.
        tau, image_tau: replace the run's thresholds, see `load_detector`.
        pictures: whether to write a heat map and an overlay of each image.

    Raises:
        DataError: an input does not exist, there is no run, or `out` has other content.
        Interrupted: Ctrl-C stopped it; the same call continues.
    """
    paths, skipped = images.listed(inputs, out)
    notes = [f"{skipped} files were skipped, because they are not PNG, JPEG, BMP or TIFF."] if skipped else []
    return predict_paths(load_detector(run, tau, image_tau), paths, out, pictures, str(run), notes)


def predict_paths(detector: LoadedDetector, paths, out, pictures=True, name="", notes=()) -> Outcome:
    """Does the work of `predict` for a list of files; `name` is the name of the run in tables and report."""
    settings = {"weights": digest_of(detector.detector.state()), "tau": detector.tau, "pictures": pictures}
    journal = table.Journal(out, settings, paths)
    try:
        unreadable = score_missing(detector, paths, journal, pictures)
        scored = [path for path in paths if path not in unreadable]
        scores = np.array([journal.done[path][1] for path in scored])  # [N]
        written = [journal.folder / file for file in ("report.html", "predictions.csv", "predictions.json")]
        report.write(written[0], name, detector, journal, scored, scores, unreadable)
        about = {"run": name, "detector": detector.detector.name, "tau": detector.tau, "image_tau": detector.image_tau}
        rows = [table.row_of(journal.entry(path), detector.image_tau) for path in scored]
        table.write_csv(written[1], rows, unreadable)
        table.write_json(written[2], about, rows, unreadable)
    finally:
        with contextlib.suppress(OSError):  # a full disk, which `append` has reported
            journal.file.close()
    defective = int((scores > detector.image_tau).sum())
    return Outcome(defective, len(scores) - defective, detector.image_tau, unreadable, written, list(notes))


def score_missing(detector, paths, journal, pictures):
    """Scores the images that are not in the journal; returns {path: DataError} of those that cannot be read."""
    unreadable, missing, drawn = {}, {path for path in paths if path not in journal.done}, ()
    bar = tqdm(total=len(paths), initial=len(paths) - len(missing), unit="image", desc="predicting", disable=None)
    try:
        with ThreadPoolExecutor() as readers, ThreadPoolExecutor() as painters, bar:
            try:
                for batch in batches(paths, detector.size):
                    if missing.isdisjoint(batch):
                        continue
                    read = readers.map(lambda path: images.read(path, detector.white, detector.size), batch)
                    found = dict(zip(batch, read, strict=True))
                    unreadable |= {path: one for path, one in found.items() if isinstance(one, DataError)}
                    readable, rows = [path for path in batch if path not in unreadable], ()
                    if not missing.isdisjoint(readable):  # the painters still draw the batch before
                        said = detector.predict([found[path].image for path in readable])
                        rows = zip(readable, said.scores, said.maps, said.masks, strict=True)
                    journal.append(drawn)  # waits for them
                    jobs = [(path, found[path], row) for path, *row in rows if path in missing]
                    drawn = painters.map(lambda job: entry_of(*job, detector, pictures and journal.folder), jobs)
                    bar.update(len(missing.intersection(batch)))
            finally:
                journal.append(drawn)
    except KeyboardInterrupt:
        said = f"Stopped with {len(journal.done)} of {len(paths)} images done; the same command goes on."
        raise Interrupted(said) from None
    return unreadable


def entry_of(path, photograph, row, detector, folder):
    """Writes an image's pictures (if `folder`), and returns its journal entry; row: its row of `Predictions`."""
    score, anomaly_map, mask = row  # a number, float32 [H, W], bool [H, W]
    count, boxes, largest = drawing.regions(mask, photograph.size)
    # 0 at a typical good pixel, 0.5 at τ: the same brightness for all images
    typical, strength = detector.calibration.typical, drawing.enlarged(anomaly_map, photograph.shown)  # float32 [h, w]
    strength = np.clip((strength - typical) / max(2 * (detector.tau - typical), 1e-6), 0, 1)
    overlay = drawing.overlay(photograph.shown, strength, largest)
    name = re.sub(r"[^A-Za-z0-9_-]", "_", Path(path).stem)[:40]  # valid on any disk; the hash makes it unique
    files, stem = {}, f"pictures/{name}-{hashlib.sha256(path.encode()).hexdigest()[:12]}"
    for name, picture in {"heat_map": drawing.heat(strength), "overlay": overlay}.items() if folder else ():
        file = f"{stem}.{name}.png"
        try:  # before the journal entry, so that an incomplete file is written again
            (folder / file).parent.mkdir(exist_ok=True)
            picture.save(folder / file, compress_level=4)
            files[name] = file, (folder / file).stat().st_size
        except OSError as error:
            raise table.not_written(folder / file, error) from error
    thumbnails = [drawing.thumbnail(picture) for picture in (drawing.image_of(photograph.shown), overlay)]
    values = path, photograph.stamp, photograph.size, float(score), float(mask.mean()), count, boxes, files, thumbnails
    return dict(zip(table.KEYS, values, strict=True))
