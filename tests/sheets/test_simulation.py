import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from qrestore.optics.degradation import PROFILES, Degradation, draw
from qrestore.sheets import simulation
from qrestore.sheets.frame import Frame, find_marks, project
from qrestore.sheets.page import Page
from qrestore.sheets.simulation import photograph, place, print_page, scan
from qrestore.sheets.trial import page_of, regions, scaled

FRAME = Frame(600, 1600, 1300)
STILL = (0.0, 0.0)


def setting(**changes: object) -> Degradation:
    drawn = draw(PROFILES["flatbed"], np.random.default_rng(4))
    return replace(drawn, **changes)  # type: ignore[arg-type]


def ideal() -> Degradation:
    zeros = dict.fromkeys(
        ("ink_sigma_px", "dot_gain", "mottle_sigma", "ink", "paper_texture_sigma", "ink_texture_sigma",
         "satellite_share", "lens_sigma_px", "noise_sigma"), 0.0)  # fmt: skip
    return setting(**zeros, paper=1.0, exposure=1.0, light_slope=STILL, colour_cast=(0.0, 0.0, 0.0), jpeg_quality=100)


def page(seed: int = 0) -> Page:
    out = Page(FRAME, 3)
    out.draw(np.random.default_rng(seed).random((380, 1100)) < 0.5, 250, 460)
    return out


def opened(jpeg: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(jpeg)))


def test_an_ideal_print_is_the_page():
    given = page()
    light = print_page(given, ideal())
    assert ((light > 0.5) == given.part(0, 0, FRAME.width_px, FRAME.height_px)).all()


def test_an_ideal_scan_is_the_page():
    given, d = page(), ideal()
    grey = opened(scan(print_page(given, d), FRAME, d, 600))[:, :, 1]
    homography, _ = place((0, 0, FRAME.width_px, FRAME.height_px), 1.0, 0.0, 0.0, np.random.default_rng(0))
    x, y = np.rint(homography[:2, 2]).astype(int)
    back = grey[y : y + FRAME.height_px, x : x + FRAME.width_px] > 127
    wanted = given.part(0, 0, FRAME.width_px, FRAME.height_px)
    assert (back == wanted)[5:-5, 5:-5].mean() > 0.999


def test_the_same_seed_gives_the_same_bytes_and_another_does_not():
    d = setting()
    one, two, other = (
        scan(print_page(page(), at), FRAME, at, 600, 2.0, 0.02) for at in (d, d, replace(d, seed=d.seed + 1))
    )
    assert one == two != other


@pytest.mark.parametrize(("rotation", "perspective"), [(0.0, 0.0), (5.0, 0.02), (-4.0, 0.0), (170.0, 0.02)])
def test_marks_are_where_the_homography_puts_them(rotation, perspective):
    d = setting(noise_sigma=0.004)
    jpeg = scan(print_page(page(), d), FRAME, d, 600, rotation, perspective, np.random.default_rng(1))
    homography, size = place(
        (0, 0, FRAME.width_px, FRAME.height_px), 1.0, rotation, perspective, np.random.default_rng(1)
    )
    picture = Image.open(io.BytesIO(jpeg))
    assert picture.size == size
    assert picture.info["dpi"] == (600, 600)
    (marks,) = find_marks(np.asarray(picture.convert("L")))
    assert marks.page == 3
    wanted = project(homography, FRAME.mark_corners().reshape(-1, 2)).reshape(4, 4, 2)
    assert max(np.abs(at - wanted[corner]).max() for corner, at in marks.corners.items()) < 0.6


def test_a_photograph_shows_its_region_at_its_size():
    d = setting()
    region = (200, 350, 1400, 1100)
    jpeg = photograph(print_page(page(), d, 0.9), FRAME, region, d, 10, 3.0, 0.0)
    homography, size = place(region, 10 / 9, 3.0, 0.0, np.random.default_rng(0))
    assert opened(jpeg).shape[1::-1] == size
    corners = project(homography, np.array([(200, 350), (1400, 350), (1400, 1100), (200, 1100)], float))
    assert (corners > 0).all()
    assert (corners < np.array(size)).all()
    assert np.linalg.norm(corners[1] - corners[0]) == pytest.approx(1200 * 10 / 9, rel=1e-3)


def test_a_region_beyond_the_page_is_refused():
    d = setting()
    with pytest.raises(ValueError, match="region"):
        photograph(np.zeros((1300, 1600), np.float16), FRAME, (0, 0, 1601, 10), d, 10)


def test_tiles_meet_without_a_seam(monkeypatch):
    monkeypatch.setattr(simulation, "_TILE_PX", 256)
    d = setting(paper_texture_sigma=0.0, mottle_sigma=0.0, ink_texture_sigma=0.0, satellite_share=0.0)
    small = print_page(page(), d)
    monkeypatch.setattr(simulation, "_TILE_PX", 2048)
    whole = print_page(page(), d)
    assert np.abs(small.astype(float) - whole).max() < 1e-3


def test_texture_is_as_bright_at_seams_as_elsewhere(monkeypatch):
    monkeypatch.setattr(simulation, "_TILE_PX", 256)
    light = print_page(Page(Frame(600, 2000, 2000), 0), setting()).astype(np.float64)[600:1500]
    near = np.isin(np.arange(light.shape[1]) % 256, (254, 255, 0, 1))
    assert light[:, near].mean() == pytest.approx(light[:, ~near].mean(), abs=0.003)


def test_the_lid_is_grey_round_the_page():
    d = ideal()
    picture = opened(scan(print_page(page(), d), FRAME, d, 600, 5.0))
    assert 100 < picture[2, 2, 0] < 130


def test_light_over_tiles_is_one_plane(monkeypatch):
    d = replace(ideal(), light_slope=(0.2, -0.1), exposure=0.8)
    light = np.full((1300, 1600), 0.9, np.float16)
    one = opened(scan(light, FRAME, d, 600))
    monkeypatch.setattr(simulation, "_TILE_PX", 300)
    assert np.abs(one.astype(int) - opened(scan(light, FRAME, d, 600))).max() <= 1


def test_another_scale_moves_all_towards_the_middle():
    given = page()
    shrunk = scaled(given, 0.97)
    bits = shrunk.part(0, 0, FRAME.width_px, FRAME.height_px)
    rows, columns = np.nonzero(~bits)
    before = np.nonzero(~given.part(0, 0, FRAME.width_px, FRAME.height_px))
    for now, then, side in ((rows, before[0], FRAME.height_px), (columns, before[1], FRAME.width_px)):
        middle = (side - 1) / 2
        assert now.min() - middle == pytest.approx(0.97 * (then.min() - middle), abs=1)
        assert now.max() - middle == pytest.approx(0.97 * (then.max() - middle), abs=1)
    assert (scaled(given, 1.0).bits == given.bits).all()
    with pytest.raises(ValueError, match="scale"):
        scaled(given, 0)


def test_a_page_comes_back_from_its_picture():
    given = page()
    bits = given.part(0, 0, FRAME.width_px, FRAME.height_px)
    again = page_of(np.repeat((255 * bits)[:, :, None], 3, 2).astype(np.uint8), 600)
    assert (again.bits == given.bits).all()
    assert again.frame == FRAME


def test_photographs_cover_the_page():
    frame = Frame.of("A4", 600)
    seen = np.zeros((frame.height_px // 10, frame.width_px // 10), bool)
    for left, top, right, bottom in regions(frame):
        assert 0 <= left < right <= frame.width_px
        assert 0 <= top < bottom <= frame.height_px
        seen[top // 10 : -(-bottom // 10), left // 10 : -(-right // 10)] = True
    assert seen.all()
