"""Any folder in MVTec layout, every kind of image file, the cache, and bad input."""

import json
import shutil

import numpy as np
import pytest
from PIL import Image, ImageFilter
from sklearn import metrics as sk

import hazelnut_ae
from hazelnut_ae import cli, dataset, results
from hazelnut_ae.detection import prediction_from_maps
from hazelnut_ae.errors import DataError
from hazelnut_ae.inference.inputs import prepared
from hazelnut_ae.io import cache
from hazelnut_ae.metrics import image_scores

TURN = Image.Exif()
TURN[0x0112] = 6  # clockwise


def save(path, array, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path, **options)
    return path


def grey(value, height=64, width=64):
    return np.full((height, width, 3), value, np.uint8)


def mask(height=64, width=64):
    array = np.zeros((height, width), np.uint8)
    array[: height // 4, : width // 4] = 255
    return array


@pytest.fixture
def folder(tmp_path):
    """Four good images to train on, one good and two scratched ones to test on."""
    root = tmp_path / "nuts"
    for i in range(4):
        save(root / "train/good" / f"{i}.png", grey(50 + i))
    save(root / "test/good/0.png", grey(60))
    for i in range(2):
        save(root / "test/scratch" / f"{i}.png", grey(100 + i))
        save(root / "ground_truth/scratch" / f"{i}_mask.png", mask())
    return root


def test_loads_the_layout(folder):
    data = dataset.load(folder)
    assert (data.name, data.train.defects) == ("nuts", ["good"] * 4)
    assert (data.train.images.shape, data.train.images.dtype) == ((4, 3, 256, 256), np.uint8)
    assert [int(image[0, 0, 0]) for image in data.train.images] == [50, 51, 52, 53]
    assert data.test.defects == ["good", "scratch", "scratch"]
    assert data.test.defect_names == ["scratch"]
    assert data.test.masks.sum((1, 2)).tolist() == [0, 64 * 64, 64 * 64]
    assert data.test.paths[1] == "test/scratch/0.png"
    assert len(data.test.of("scratch")) == 2
    assert data.license == ""
    (folder / "license.txt").write_text("MVTec AD ... Attribution-NonCommercial-ShareAlike 4.0 (CC BY-NC-SA 4.0)")
    assert "CC BY-NC-SA" in dataset.load(folder).license


@pytest.mark.parametrize("name", ["a.jpg", "a.bmp", "a.TIFF"])
def test_formats_and_masks_without_suffix(folder, name):
    save(folder / "test/hole" / name, grey(90, 80, 60))
    save(folder / "ground_truth/hole/a.png", mask(80, 60))
    hole = dataset.load(folder).test.of("hole")
    assert hole.images.shape == (1, 3, 256, 256)
    assert abs(int(hole.images.mean()) - 90) <= 1
    assert hole.masks.sum() == 64 * 64


def test_area_averaging_and_binary_masks(tmp_path):
    stripes = np.zeros((1024, 1024, 3), np.uint8)
    stripes[:, ::2] = 200
    image = dataset.read_image(save(tmp_path / "stripes.png", stripes))
    assert set(np.unique(image)) == {100}
    tiny, half = np.zeros((2, 1024, 1024), np.uint8)
    tiny[500, 500] = 255  # a sixteenth of a pixel at 256
    resized = dataset.read_mask(save(tmp_path / "tiny.png", tiny), (1024, 1024))
    assert resized.defect.sum() == 1, "a tiny defect must not vanish"
    half[:, :514] = 255
    assert dataset.read_mask(save(tmp_path / "half.png", half), (1024, 1024)).defect.sum() == 129 * 256
    zero_and_one = mask() // 255
    assert dataset.read_mask(save(tmp_path / "m.png", zero_and_one), (64, 64)).defect.mean() == 1 / 16


B, G = np.zeros((2, 128, 128), bool)  # a defect of 6.1 % of the image, and the same with a border of 4 pixels
B[50:70, 40:90] = G[46:74, 36:94] = True
WHITE = np.uint8(255) * B
BORDER = np.where(B, 1, np.where(G, 255, 0)).astype(np.uint8)
RED = B[..., None] * np.array([200, 0, 0], np.uint8)
TWO = np.where(B, 60, 0).astype(np.uint8)
TWO[50:70, 40:50] = 200


def palette(indices, *colours):
    image = Image.fromarray(indices)
    image.putpalette([part for colour in colours for part in colour])
    return image


def shape(colour, background):
    """RGBA whose alpha is the defect."""
    return Image.fromarray(np.where(B[..., None], (*colour, 255), (*background, 0)).astype(np.uint8))


VOC = palette(BORDER, (0, 0, 0), (128, 0, 0), *[(9, 9, 9)] * 253, (224, 224, 192))
LARGE_WHITE = Image.fromarray(WHITE).resize((640, 640), Image.Resampling.NEAREST)
MASKS = {  # name: (image or array, format and its options, words)
    "white on black": (WHITE, {}, "white on black"),
    "one bit": (WHITE > 0, {}, "white on black"),
    "16 bits": (WHITE * np.uint16(257), {}, "white on black"),
    "floating point": (B.astype(np.float32), {"format": "TIFF"}, "class 1"),
    "class 1": (B.astype(np.uint8), {}, "class 1"),
    "class of 16 bits": (B * np.uint16(700), {}, "class 700"),
    "alpha": (shape((255, 255, 255), (255, 255, 255)), {}, "shape in the alpha channel, white on black"),
    "black on clear": (shape((0, 0, 0), (255, 255, 255)), {}, "shape in the alpha channel, white on black"),
    "red on clear": (shape((255, 0, 0), (9, 99, 9)), {}, "shape in the alpha channel, white on black"),
    "opaque": (Image.fromarray(RED).convert("RGBA"), {}, "white on black"),
    "VOC": (VOC, {}, "palette, class 1; 255 is not counted"),
    "VOC in grey": (BORDER, {}, "class 1; 255 is not counted"),
    "grey palette, white first": (palette((~B).astype(np.uint8), (255,) * 3, (0,) * 3), {}, "white on black"),
    "two greys": (TWO, {}, "classes 60, 200"),
    "red": (RED, {}, "white on black"),
    "anti-aliased": (LARGE_WHITE.resize((128, 128), Image.Resampling.LANCZOS), {}, "grey levels, cut at half"),
    "blurred": (Image.fromarray(WHITE).filter(ImageFilter.BoxBlur(1)), {}, "grey levels, cut at half of the maximum"),
}

for quality in (50, 75, 95):
    MASKS[f"red JPEG {quality}"] = RED, {"format": "JPEG", "quality": quality}, "grey levels, cut at half"


@pytest.mark.parametrize("name", MASKS)
def test_a_mask_is_read_as_it_is_meant_and_in_words(name, tmp_path):
    image, options, words = MASKS[name]
    image = image if isinstance(image, Image.Image) else Image.fromarray(image)
    image.save(tmp_path / "m.png", **options)  # the content decides, not the name
    mask = dataset.read_mask(tmp_path / "m.png", (128, 128), 128)
    assert words in mask.words
    assert (mask.defect != B).sum() <= (8 if name in ("blurred", "red JPEG 50") else 0)
    assert np.array_equal(mask.ignored, G & ~B if "VOC" in name else np.zeros_like(B))


def test_a_jpeg_saved_again_as_png_keeps_its_noise_out(tmp_path):
    for image in (RED, WHITE):
        for quality in (30, 50, 75, 95, 100):
            with Image.open(save(tmp_path / "m.jpg", image, quality=quality)) as lossy:
                lossy.save(tmp_path / "m.png")
            found = dataset.read_mask(tmp_path / "m.png", (128, 128), 128).defect
            assert abs(found.mean() - B.mean()) < 0.002, quality


def test_image_modes(tmp_path):
    rgb = Image.fromarray(grey(120))
    expected = np.full((3, 256, 256), 120)
    for mode in ("L", "RGBA", "CMYK", "P", "LA", "1", "YCbCr"):
        path = tmp_path / f"{mode}.{ {'CMYK': 'tif', 'YCbCr': 'jpg'}.get(mode, 'png') }"
        converted = {"1": Image.new("1", (64, 64), 1), "P": rgb.quantize(4)}
        (converted.get(mode) or rgb.convert(mode)).save(path)
        image = dataset.read_image(path)
        target = np.full_like(expected, 255) if mode == "1" else expected
        assert np.abs(image.astype(int) - target).max() <= 3, mode
    save(tmp_path / "sixteen.png", np.full((64, 64), 120 * 257, np.uint16))
    assert np.array_equal(dataset.read_image(tmp_path / "sixteen.png"), expected)


def test_upright_as_the_camera_says(tmp_path):
    array = grey(0)
    array[:, :32] = 200  # bright on the left
    image = dataset.read_image(save(tmp_path / "camera.jpg", array, exif=TURN, quality=95))  # bright on top
    assert image[:, :100].mean() > 180
    assert image[:, 156:].mean() < 20


def test_second_load_comes_from_the_cache_and_a_changed_source_is_noticed(folder, monkeypatch):
    first = dataset.load(folder)
    with monkeypatch.context() as patch:
        patch.setattr(dataset, "read_entry", lambda *_: pytest.fail("the cache was not used"))
        second = dataset.load(folder)
    assert second.fingerprint == first.fingerprint
    assert np.array_equal(second.test.masks, first.test.masks)
    save(folder / "train/good/2.png", grey(200))
    third = dataset.load(folder)
    assert third.train.images[2, 0, 0, 0] == 200
    assert third.fingerprint != first.fingerprint
    elsewhere = shutil.copytree(folder, folder.parent / "elsewhere")
    assert dataset.load(elsewhere).fingerprint == third.fingerprint
    (folder / "train/good/3.png").unlink()
    monkeypatch.setattr(cache, "HOLD_IN_MEMORY", 0)  # larger sets stay on the disk
    last = dataset.load(folder).train
    assert isinstance(last.images, np.memmap)
    assert last.images[:, 0, 0, 0].tolist() == [50, 51, 200]


def test_a_damaged_cached_set_is_made_anew(folder, tmp_path, monkeypatch):
    monkeypatch.setenv("HAZELNUT_CACHE", str(tmp_path / "cache"))
    first = dataset.load(folder)
    (header,) = (tmp_path / "cache").glob("sets/*/*/set.json")
    images = header.with_name("images.npy")
    images.write_bytes(images.read_bytes()[:1000])
    assert np.array_equal(dataset.load(folder).train.images, first.train.images)
    header.write_text("{}", encoding="utf-8")
    assert dataset.load(folder).fingerprint == first.fingerprint
    assert "fingerprint" in header.read_text(encoding="utf-8")
    assert [path.name for path in header.parent.parent.iterdir()] == [header.parent.name]


def problem(folder):
    with pytest.raises(DataError) as caught:
        dataset.load(folder)
    message = str(caught.value)
    assert "\n" not in message
    _, problems, _ = dataset.check(folder)
    assert problems, "check must list what load refuses"
    return message


def test_files_that_cannot_be_read_or_do_not_fit_together(folder):
    path = save(folder / "train/good/float.tif", np.ones((8, 8), np.float32))
    assert "floating-point" in problem(folder)
    path.rename(folder / "train/good/0.bmp")
    assert "same name" in problem(folder)
    (folder / "train/good/0.bmp").unlink()
    Image.fromarray(grey(90, 40, 64)).save(folder / "test/scratch/2.jpg", exif=TURN)
    path = save(folder / "ground_truth/scratch/2.png", mask(40, 64))
    assert "save the mask at the size of its image, turned like it by its EXIF orientation" in problem(folder)
    save(path, mask(32, 32))
    assert "32×32" in problem(folder)
    (folder / "test/scratch/2.jpg").unlink()
    assert "2.png has no image" in problem(folder)
    path.unlink()
    path = folder / "train/good/1.png"
    path.write_bytes(path.read_bytes()[:-60])
    assert "1.png cannot be read" in problem(folder)
    shutil.rmtree(folder / "train")
    assert "train/good" in problem(folder)
    assert "is not a folder" in problem(folder / "nowhere")


def test_masks_may_be_missing_for_some_images_or_for_all(folder):
    (folder / "ground_truth/scratch/0_mask.png").unlink()
    assert dataset.load(folder).test.masks.any(axis=(1, 2)).tolist() == [False, False, True]
    shutil.rmtree(folder / "ground_truth")
    assert dataset.check(folder)[:2] == ({"train/good": 4, "test/good": 1, "test/scratch": 2}, [])


def test_other_files_are_passed_over_and_named_with_a_remedy_that_helps(folder):
    (folder / "train/good/notes.txt").write_text("bought in Viterbo")
    (folder / "train/good/.hidden").write_text("x")
    gif = folder / "ground_truth/scratch/0_mask.gif"
    Image.fromarray(mask()).save(gif)
    gif.with_suffix(".png").unlink()
    assert len(dataset.load(folder).train) == 4
    _, problems, notes = dataset.check(folder)
    assert not problems
    for name in ("notes.txt", str(gif)):
        assert f"{name} is not a PNG, JPEG, BMP or TIFF file and is skipped; save it as PNG" in "\n".join(notes)
    with Image.open(gif) as image:
        image.save(gif.with_suffix(".png"))
    assert dataset.load(folder).test.masks.sum((1, 2)).tolist() == [0, 64 * 64, 64 * 64]


def test_check_says_how_the_masks_of_a_folder_were_read_and_what_is_not_counted_is_not(folder, capsys):
    """Among 12 masks white on black are 3 with a palette and a border; the metrics leave the border out."""
    for i in range(15):
        save(folder / "test/hole" / f"{i}.png", grey(90, 128, 128))
        path = save(folder / "ground_truth/hole" / f"{i}.png", WHITE)
        if i < 3:
            VOC.save(path)
    assert cli.main(["check", str(folder)]) == 0
    said = capsys.readouterr().out
    assert "ground_truth/hole: 12 masks: white on black; 3 masks: palette, class 1; 255 is not counted." in said
    assert "ground_truth/scratch: 2 masks: white on black." in said
    test = dataset.load(folder, 128).test
    hole = test.of("hole")
    bordered = [path[-6:] in ("/0.png", "/1.png", "/2.png") for path in hole.paths]
    assert (hole.ignored.sum((1, 2)) == np.where(bordered, (G & ~B).sum(), 0)).all()
    maps = np.random.default_rng(0).random(test.masks.shape, np.float32) + test.masks / 4 + 3 * test.ignored
    found = results.evaluate("x", prediction_from_maps(maps), test, tau_label_free=0.9)
    truth, scores = (part[~test.ignored] for part in (test.masks, maps))
    assert found["pixels"]["auroc"] == pytest.approx(sk.roc_auc_score(truth, scores), abs=1e-4)
    assert found["pixels"]["average_precision"] == pytest.approx(sk.average_precision_score(truth, scores), abs=1e-3)
    assert found["pixels"]["f1_label_free"] == pytest.approx(sk.f1_score(truth, scores > 0.9))
    assert found["pixels"]["f1_all_defective"] == pytest.approx(sk.f1_score(truth, np.ones_like(truth)))
    low, high = found["pixels"]["intervals"]["f1_label_free"]
    assert low <= found["pixels"]["f1_label_free"] <= high


def test_a_mask_over_half_of_its_image_is_named_once_and_nothing_is_turned_round(folder, capsys):
    save(folder / "ground_truth/scratch/1_mask.png", 255 - mask())
    said = f"is marked in 1 mask, such as that of {folder / 'test/scratch/1.png'}: probably inverted; if so, swap black"
    for _ in range(2):
        assert dataset.load(folder).test.masks[2].mean() == 15 / 16
    assert capsys.readouterr().err.count(said) == 1
    assert said in "".join(dataset.check(folder)[2])


def test_several_masks_of_an_image_are_one_and_the_exact_name_comes_first(folder):
    (folder / "ground_truth/scratch/0_mask.png").unlink()
    parts = np.zeros((2, 64, 64), np.uint8)
    parts[0, :8, :8], parts[1, 32:, 32:] = 1, 251
    for i, part in enumerate(parts):
        save(folder / "ground_truth/scratch/0" / f"00{i}.png", part)
    assert dataset.load(folder, 64).test.of("scratch").masks[0].sum() == 64 + 1024
    save(folder / "test/scratch/board0_mask.png", grey(90))
    save(folder / "ground_truth/scratch/board0_mask.png", mask())
    assert len(dataset.load(folder).test.of("scratch")) == 3
    save(folder / "test/scratch/board0.png", grey(90))
    test = dataset.load(folder).test
    assert not test.masks[test.paths.index("test/scratch/board0.png")].any()
    save(folder / "ground_truth/scratch/board0.png", mask())
    assert len(dataset.load(folder).test.of("scratch")) == 4
    save(folder / "ground_truth/scratch/1.png", mask())
    assert "1_mask.png has no image, or another mask fits it, too" in problem(folder)


def test_ok_is_good(folder):
    for place in ("train", "test"):
        (folder / place / "good").rename(folder / place / "ok")
    (folder / "test/scratch").rename(folder / "test/ko")
    (folder / "ground_truth/scratch").rename(folder / "ground_truth/ko")
    data = dataset.load(folder)
    assert (data.train.defects, sorted(data.test.defects)) == (["good"] * 4, ["good", "ko", "ko"])
    notes = "\n".join(dataset.check(folder)[2])
    assert f"{folder / 'test/ok'} is read as good images, as {folder / 'test/good'}; rename it if" in notes


def ramp(highest, shape=(256, 256)):
    """16-bit grey with many levels, and a bright square."""
    grey = np.linspace(0, highest * 0.8, shape[0] * shape[1]).reshape(shape)
    grey[8:16, 8:16] = highest
    return grey.astype(np.uint16)


def test_bits_that_16_bit_files_do_not_use(tmp_path, capsys):
    """The largest value of the folder decides, also for the darker ones of its images; and a dark set is named."""
    for highest, white in ((200, 255), (1000, 1023), (4000, 4095), (4096, 16383), (60000, 65535)):
        folder = tmp_path / str(highest)
        save(folder / "train/good/0.png", ramp(highest))
        save(folder / "train/good/1.tif", ramp(highest) // 2)
        data = dataset.load(folder)
        assert data.white == white
        assert [image.max() for image in data.train.images] == [round(255 * h / white) for h in (highest, highest // 2)]
        assert len(np.unique(data.train.images[0])) > (100 if highest != 4096 else 50)
        assert ("bits: " in "".join(dataset.check(folder)[2])) == (white != 65535)
    capsys.readouterr()
    dark = tmp_path / "dark"
    save(dark / "train/good/0.png", grey(16))
    dataset.load(dark)
    assert "good is dark: its images reach 16 of 255; expose longer, or" in capsys.readouterr().err
    assert "good is dark: its images reach 16 of 255" in dataset.check(dark)[2][-1]


def test_pages_of_a_tiff_and_its_thumbnail(folder):
    first, *more = (Image.fromarray(grey(v)) for v in (90, 120, 150))
    first.save(folder / "train/good/scan.tif", save_all=True, append_images=more)
    assert "scan.tif has 3 pages; save each page as a file of its own" in problem(folder)
    for page, value in ((1, 90), (3, 150)):
        assert set(np.unique(dataset.read_image(folder / f"train/good/scan.tif#{page}"))) == {value}
    with pytest.raises(DataError, match=r"scan\.tif has 3 pages"):
        dataset.read_image(folder / "train/good/scan.tif#4")
    thumbnail = Image.fromarray(grey(7, 8, 8))
    thumbnail.encoderinfo = {"tiffinfo": {254: 1}}
    first.save(folder / "train/good/scan.tif", save_all=True, append_images=[thumbnail])
    assert len(dataset.load(folder).train) == 5


def test_the_same_images_are_the_same_to_every_command(tmp_path, capsys):
    """12-bit files, transparency and pages: check, train, evaluate, predict, load_detector and export."""
    folder, run, out = tmp_path / "parts", tmp_path / "run", tmp_path / "out"
    for i in range(4):
        save(folder / "train/ok" / f"{i}.png", ramp(4000 - i))
    save(folder / "test/ok/0.png", ramp(3500))
    save(folder / "test/ko/0.png", ramp(3000).T)
    save(folder / "ground_truth/ko/0.png", (ramp(2) > 1).astype(np.uint8).T)
    clear = np.zeros((3, 32, 32, 4), np.uint8)  # the same picture, with other colours where nothing is seen
    clear[0, ..., :3], clear[1, ..., 0], clear[..., 8:16, :] = 255, 99, 180
    for i in range(3):
        save(folder / "test/ko" / f"{i + 1}.png", clear[i])
        save(folder / "ground_truth/ko" / f"{i + 1}.png", mask(32, 32))
    assert cli.main(["check", str(folder)]) == 0
    assert "The 16-bit files hold 12 bits: 4095 is read as white." in capsys.readouterr().out
    assert cli.main(["train", str(folder), "--run", str(run), "--preset", "tiny", "--epochs", "1"]) == 0
    assert json.loads((run / "config.json").read_text())["white"] == 4095
    assert cli.main(["evaluate", str(folder), "--run", str(run)]) == 0
    data, detector = dataset.load(folder), hazelnut_ae.load_detector(run)
    scores = image_scores(detector.detector.anomaly_maps(data.test.images))
    assert len(set(scores[1:4])) == 1
    files = [folder / path for path in data.test.paths]
    assert data.test.paths[-1] == "test/ok/0.png"
    pictures = [ramp(3000).T, *clear, Image.open(files[-1])]
    assert detector.predict(files).scores.tolist() == detector.predict(pictures).scores.tolist() == scores.tolist()
    pages = [Image.fromarray(ramp(value)) for value in (3500, 4000)]
    pages[0].save(tmp_path / "x.tif", save_all=True, append_images=pages[1:])
    names = [*map(str, files), str(tmp_path / "x.tif")]
    assert cli.main(["predict", *names, "--run", str(run), "--out", str(out), "--no-pictures"]) == 0
    images = json.loads((out / "predictions.json").read_text(encoding="utf-8"))["images"]
    assert [image["file"] for image in images] == [*names[:-1], f"{names[-1]}#1", f"{names[-1]}#2"]
    assert [image["score"] for image in images[:6]] == pytest.approx([*scores, scores[-1]], rel=1e-5)
    with pytest.raises(DataError, match="holds values from 0 to 60000, but black is 0 and white 4095"):
        detector.predict(save(tmp_path / "bright.png", ramp(60000)))
    save(tmp_path / "glint.png", ramp(4000) + np.uint16(5000) * (np.arange(256) == 8))
    assert np.isfinite(detector.predict(tmp_path / "glint.png").scores).all()
    onnx = pytest.importorskip("onnx")
    assert cli.main(["export", "--run", str(run), str(tmp_path / "x.onnx")]) == 0
    about = {one.key: one.value for one in onnx.load(tmp_path / "x.onnx").metadata_props}
    assert about["white"] == "4095"
    save(tmp_path / "brighter/train/good/0.png", ramp(60000))
    save(tmp_path / "brighter/test/good/0.png", ramp(60000))
    assert cli.main(["evaluate", str(tmp_path / "brighter"), "--run", str(run)]) == 1
    assert "16-bit grey in brighter reaches to 65535, but in the images of" in capsys.readouterr().err


NOISE = np.random.default_rng(0).integers(0, 256, (30, 20, 4), dtype=np.uint8)


@pytest.mark.parametrize(
    "array",
    [
        *(NOISE[..., 0], NOISE[..., :1], NOISE[..., :1].transpose(2, 0, 1), NOISE[..., :3], NOISE, NOISE[..., 0] > 99),
        *(NOISE[..., 0] * np.uint16(257), NOISE[..., :1] * np.uint16(257), NOISE[..., :3] * np.uint16(257)),
        *(NOISE[..., :3] / 255, NOISE[..., 0] / np.float32(255), NOISE[..., :3].transpose(2, 0, 1)),
        (NOISE[..., 0] * np.uint16(257)).astype(">u2"),
    ],
    ids=lambda array: f"{array.dtype} {array.shape}",
)
def test_arrays_and_pillow_images_are_taken_as_files_are(array, tmp_path):
    channels = 1 if array.ndim == 2 or 1 in array.shape else array.shape[2] if array.shape[2] < 5 else 3
    like = NOISE[..., 0] if channels == 1 else NOISE[..., :channels]
    like = np.where(array, np.uint8(255), np.uint8(0)) if array.dtype == bool else like
    path = save(tmp_path / "x.png", like * np.uint16(257) if array.dtype.str[1:] == "u2" and channels == 1 else like)
    assert np.array_equal(prepared(array), dataset.read_image(path))
    with Image.open(path) as image:
        assert np.array_equal(prepared(image), dataset.read_image(path))


def test_check_lists_all_problems_at_once(folder):
    (folder / "train/good/1.png").write_bytes(b"no image")
    save(folder / "ground_truth/scratch/0_mask.png", mask(32, 32))
    save(folder / "ground_truth/scratch/9_mask.png", mask())
    counts, problems, _ = dataset.check(folder)
    assert counts == {"train/good": 4, "test/good": 1, "test/scratch": 2}
    assert len(problems) == 3
