"""The page: it needs nothing else, its names are text, its numbers those of the tables, and its script works."""

import json
import re
import shutil
import subprocess

import numpy as np
import pytest

from hazelnut_ae import figures
from hazelnut_ae.engine.calibration import Calibration
from hazelnut_ae.inference import inputs, pictures, report
from hazelnut_ae.inference.predict import predict_paths

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


def classes(text):
    return re.findall(r'<article class="(\w+)"', text)


def page(redness, photographs, out, **options):
    predict_paths(redness, inputs.listed([photographs], "nowhere")[0], out, **options)
    return (out / "report.html").read_text(encoding="utf-8")


def test_it_needs_no_other_file_and_shows_the_worst_first_as_the_tables_do(redness, photographs, tmp_path):
    text = page(redness, photographs, tmp_path / "out")
    without_pictures = re.sub(r"data:image/jpeg;base64,[A-Za-z0-9+/=]+", "", text)
    assert not re.search(r"https?:|//\w|@import|url\((?!#)", without_pictures.replace("// ", ""))
    for target in re.findall(r'<[^>]*\b(?:src|href|action|srcset|data|poster)="([^"]*)"', text):
        assert target.startswith("data:")
    assert "default-src 'none'" in text
    content = json.loads((tmp_path / "out/predictions.json").read_text())["images"]
    content.sort(key=lambda image: -image["score"])
    assert classes(text) == [image["decision"] for image in content]
    assert re.search(r'<h2 title="[^"]*">(\w+/)', text)[1] == "a/"  # the part of the path in which they differ
    data = json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', text)[1])
    assert data["scores"] == [image["score"] for image in content]
    assert (data["held_out"], data["tau"]) == ([18.5, 11.5, 11.0, 10.5], 18.0)
    for said in (
        "10 of 40 images defective",
        "of the 4 held-out good images 1 would be called defective",
        "at most 40 %",  # as far as four images can promise
        "1 could not be read",
        *(figures.BLUE, figures.VERMILION, figures.SKY, figures.ORANGE),
    ):
        assert said in text


def test_thresholds_that_were_given_are_said_to_be(redness, photographs, tmp_path):
    redness.image_tau = 12.0
    assert "12 was given, in place of the run" in page(redness, photographs / "a", tmp_path / "a", pictures=False)
    redness.calibration = Calibration(15.0, 12.0)
    text = page(redness, photographs / "a", tmp_path / "b", pictures=False)
    assert "knows no scores of held-out good images" in text
    assert "below it" not in text


def test_a_thousand_pictures_stay_below_60_mb(redness, tmp_path):
    """Noise, the worst there is to store; the size of a page is its cards', so four tell of a thousand."""
    noise = np.random.default_rng(0).integers(0, 256, (3, 400, 600), dtype=np.uint8)
    for i in range(4):
        (tmp_path / "new").mkdir(exist_ok=True)
        pictures.image_of(noise).save(tmp_path / "new" / f"{i}.png", compress_level=0)
    text = page(redness, tmp_path / "new", tmp_path / "out", pictures=False)
    cards = [len(card) for card in text.split("<article")[1:]]
    assert report.PICTURES * max(cards[:-1]) < 60e6


def test_more_images_than_pictures(redness, photographs, tmp_path, monkeypatch):
    monkeypatch.setattr(report, "PICTURES", 7)
    text = page(redness, photographs, tmp_path / "out", pictures=False)
    assert classes(text) == ["defective"] * 7
    assert "10 of 40 images defective" in text
    assert "The 7 highest scores have a picture here; all 40 are counted" in text


def test_the_histogram_holds_all_scores_between_round_numbers_and_shows_a_single_image():
    for values in ([0.1, 0.9], [0.345], [0.0], [-3.0, 1e6], [1e-9, 2e-9], [10.5, 20.0, 12.0], [5, 5]):
        ticks = report.axis(values)
        assert ticks[0] <= min(values) <= max(values) <= ticks[-1]
        assert 2 <= len(ticks) <= 10
    path = report.bars(np.array([0.5] * 1000 + [0.9]), 0, 1, 100)
    assert [float(height) for height in re.findall(r"120v(-?[\d.]+)", path)] == [-100.0, -3.0]
    assert report.bars(np.array([]), 0, 1, 100) == ""


@pytest.mark.slow
@pytest.mark.skipif(BROWSER is None, reason="needs Chromium or Chrome")
def test_in_a_browser_the_slider_moves_the_threshold(redness, photographs, tmp_path):
    text = page(redness, photographs, tmp_path / "out")
    at_once = "<script>requestAnimationFrame = (work) => work();</script>"  # no frame is drawn here
    moved = """<script>
    const slide = (value) => { slider.value = value; slider.dispatchEvent(new Event("input")); };
    const count = () => document.querySelectorAll("article.defective").length;
    slide(1000);
    const seen = [count()];
    slide(0);
    document.querySelector("input[value=good]").click();
    seen.push(count(), said.textContent, images.className, none.hidden, reset.hidden);
    reset.click();
    document.body.dataset.seen = [...seen, count(), said.textContent].join("|");
    </script>"""
    changed = tmp_path / "moved.html"
    text = text.replace("</head>", at_once + "</head>").replace("</body>", moved + "</body>")
    changed.write_text(text, encoding="utf-8")
    command = [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=5000", "--dump-dom"]
    done = subprocess.run([*command, changed.as_uri()], capture_output=True, text=True, timeout=120)
    said = "{}; of the 4 held-out good images {} would be called defective".format
    assert re.search(r'<body data-seen="([^"]*)"', done.stdout)[1].split("|") == [
        *("0", "40", said("40 defective, 0 good", 4), "only-good", "false", "false"),
        *("10", said("10 defective, 30 good", 1)),
    ]
    assert "<title>10 of 40 images defective</title>" in done.stdout
