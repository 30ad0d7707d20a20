import pytest

from hazelnut_ae import published
from hazelnut_ae.metrics import f1, precision


def row(name):
    return next(one for one in published.ARTICLE_TABLE if name in (one.system, one.defect))


def test_the_swapped_pair_follows_from_the_numbers():
    assert published.swapped_f1() == [("cut", "hole")]
    assert published.corrected_f1(row("cut")) == 0.74
    assert published.corrected_f1(row("hole")) == 0.58
    for one in published.ARTICLE_TABLE:
        if one.defect not in ("cut", "hole"):
            assert published.printed_f1_is_possible(one, one.f1), one
            assert published.corrected_f1(one) == pytest.approx(one.f1, abs=0.011)


def test_the_proof_can_fail(monkeypatch):
    mended = [published.ArticleRow(a.system, a.defect, a.recall, a.precision, published.corrected_f1(a))
              for a in published.ARTICLE_TABLE]  # fmt: skip
    monkeypatch.setattr(published, "ARTICLE_TABLE", mended)
    assert published.swapped_f1() == []
    monkeypatch.setattr(published, "MEAN_OF_RATES", {"AE(L2)": 0.60})
    confirmed = {one["system"]: one["confirmed"] for one in published.borrowed_rates()}
    assert confirmed == {"AE(SSIM)": None, "AE(L2)": False, "AnoGAN": None, "CNN feature dictionary": None}


def test_borrowed_rows_are_image_level_rates():
    rows = {one["system"]: one for one in published.borrowed_rates()}
    assert {name: one["confirmed"] for name, one in rows.items()} == {
        "AE(SSIM)": True, "AE(L2)": True, "AnoGAN": True, "CNN feature dictionary": None,
    }  # fmt: skip
    expected = {"AE(SSIM)": (1.00, 0.15), "AE(L2)": (0.95, 0.89), "AnoGAN": (0.62, 0.25)}
    expected["CNN feature dictionary"] = (0.55, 0.12)
    for name, pair in expected.items():
        assert (round(rows[name]["precision"], 2), round(rows[name]["f1"], 2)) == pair


def test_calling_everything_defective_beats_three_of_the_four():
    constant = published.call_everything_defective()
    assert (round(precision(constant), 2), round(f1(constant), 2)) == (0.64, 0.78)
    beaten = [one["system"] for one in published.borrowed_rates() if one["f1"] < f1(constant)]
    assert beaten == ["AE(SSIM)", "AnoGAN", "CNN feature dictionary"]
