"""Blur is measured in pixels; of each window the sharpest frame is kept, and standing still adds nothing."""

import sys

import cv2
import imageio_ffmpeg
import numpy as np
import pytest
from PIL import Image, ImageOps

from splatkit.capture.images.files import blurred_among, list_images, read_image_files
from splatkit.capture.images.frame_selection import extract_frames, select_photographs
from splatkit.capture.images.sharpness import blur_width
from splatkit.capture.left_out import left_out_of
from splatkit.errors import DatasetError, SettingsError
from splatkit.io.images import read_image, write_image
from splatkit.progress import no_progress


def picture(seed: int = 0, size: tuple[int, int] = (640, 480)) -> np.ndarray:
    """Blocks of gray with edges, of (width, height) px."""
    rng = np.random.default_rng(seed)
    blocks = rng.integers(20, 235, (size[1] // 32, size[0] // 32)).astype(np.uint8)
    return np.kron(blocks, np.ones((32, 32), np.uint8))


def soft(sigma: float, across: float | None = None) -> np.ndarray:
    """The picture blurred, sideways by `sigma` px and up and down by `across` px."""
    other = sigma if across is None else across
    return np.asarray(cv2.GaussianBlur(picture(), (0, 0), sigmaX=sigma, sigmaY=other), np.uint8)


@pytest.mark.parametrize("sigma", [1.0, 2.0, 4.0])
@pytest.mark.parametrize("noise", [0.0, 3.0])
def test_the_blur_of_edges_is_measured_in_pixels(sigma, noise):
    rng = np.random.default_rng(1)
    noisy = soft(sigma) + rng.normal(scale=noise, size=(480, 640))
    assert blur_width(np.clip(noisy, 0, 255).astype(np.uint8)) == pytest.approx(sigma, rel=0.15)


def test_contrast_does_not_matter():
    blurred = soft(2.0)
    assert blur_width((blurred / 4).astype(np.uint8)) == pytest.approx(blur_width(blurred), rel=0.1)


def test_a_shake_along_one_axis_counts_as_blur():
    assert blur_width(soft(3.0, across=0.01)) == pytest.approx(3.0, rel=0.1)


def test_an_image_of_one_color_has_no_sharpness():
    assert blur_width(np.full((100, 100), 128, np.uint8)) == float("inf")


def make_video(path, frames) -> None:
    height, width = frames[0].shape
    writer = imageio_ffmpeg.write_frames(str(path), (width, height), fps=10, quality=9, macro_block_size=1)
    writer.send(None)
    for frame in frames:
        writer.send(np.repeat(frame[..., None], 3, -1).tobytes())
    writer.close()


def walk(count: int, blurred: set[int], still: set[int]) -> list[np.ndarray]:
    """Views that move sideways by 20 px a frame; some blurred, some where the camera stands still."""
    panorama, place, frames = picture(2, (640 + 32 * count, 480)), 0, []
    for index in range(count):
        place += 0 if index in still else 20
        view = panorama[:, place : place + 640]
        frames.append(cv2.GaussianBlur(view, (0, 0), 3.0) if index in blurred else view)
    return frames


def test_the_sharpest_frame_of_each_window_is_kept(tmp_path):
    make_video(tmp_path / "walk.mp4", walk(20, blurred=set(range(20)) - {1, 7, 8, 13, 19}, still=set()))
    (tmp_path / "frames").mkdir()
    chosen = extract_frames(tmp_path / "walk.mp4", tmp_path / "frames", count=4)
    assert chosen.examined == 20
    assert [round(shot.time * 10) for shot in chosen.kept if shot.time is not None] == [1, 7, 13, 19]
    assert [name for name, _ in list_images(tmp_path / "frames")] == [f"frame_0000{i}.jpg" for i in (1, 2, 3, 4)]
    assert read_image(chosen.kept[0].path).shape == (480, 640, 3)


def test_a_camera_that_stands_still_is_taken_once(tmp_path):
    make_video(tmp_path / "walk.mp4", walk(20, blurred=set(), still=set(range(6, 16))))
    (tmp_path / "frames").mkdir()
    chosen = extract_frames(tmp_path / "walk.mp4", tmp_path / "frames", interval_s=0.2)
    assert len(chosen.kept) + chosen.repeated == 10
    assert chosen.repeated >= 4


def test_of_many_photographs_the_sharpest_of_each_window_is_kept(tmp_path):
    for index, frame in enumerate(walk(12, blurred=set(range(12)) - {2, 5, 6, 11}, still=set())):
        write_image(tmp_path / f"{index}.png", frame)  # 10.png comes behind 9.png
    photographs = read_image_files(list_images(tmp_path), 1, no_progress)
    kept = select_photographs(photographs, 4).kept
    assert [shot.name for shot in kept] == ["2.png", "5.png", "6.png", "11.png"]


def test_those_much_more_blurred_than_the_others_are_named():
    assert blurred_among({"a": 1.0, "b": 1.2, "c": 0.9, "d": 2.6}) == ["d"]
    assert blurred_among({"a": 0.2, "b": 0.2, "c": 0.9}) == []  # that is still sharp


def test_bad_videos_and_settings_are_named(tmp_path):
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"no video at all" * 100)
    with pytest.raises(DatasetError, match=r"broken\.mp4: not a video"):
        extract_frames(broken, tmp_path)
    with pytest.raises(FileNotFoundError, match=r"none\.mp4"):
        extract_frames(tmp_path / "none.mp4", tmp_path)
    for settings in ({"count": 0}, {"interval_s": -1.0}, {"count": 3, "interval_s": 1.0}):
        with pytest.raises(SettingsError, match="frames, interval"):
            extract_frames(broken, tmp_path, **settings)


def test_folders_without_photographs_say_what_to_do(tmp_path):
    with pytest.raises(FileNotFoundError, match="no such folder"):
        list_images(tmp_path / "none")
    (tmp_path / "IMG_1.AVIF").write_bytes(b"x")
    with pytest.raises(FileNotFoundError, match=r"1 \.avif must be converted to \.jpg or \.png"):
        list_images(tmp_path)


def test_kinds_of_an_extra_that_is_missing_are_counted_with_what_to_install(tmp_path, monkeypatch):
    for module in ("pi_heif", "rawpy"):
        monkeypatch.setitem(sys.modules, module, None)
    for name in ("IMG_1.HEIC", "IMG_2.heic", "IMG_3.NEF"):
        (tmp_path / name).write_bytes(b"x")
    told = r"2 \.heic are read by an extra: pip install 'splatkit\[heif\]'; 1 \.nef .*: pip install 'splatkit\[raw\]'"
    with pytest.raises(FileNotFoundError, match=told):
        list_images(tmp_path)
    heic, nef = left_out_of(tmp_path, ())
    assert str(heic) == (
        "2 files are left out, .heic is read by an extra: pip install 'splatkit[heif]', or convert them to .jpg or "
        ".png (IMG_1.HEIC, IMG_2.heic)"
    )
    assert nef.names == ("IMG_3.NEF",)


@pytest.mark.parametrize(("orientation", "up"), [(1, (0, -1)), (3, (0, 1)), (6, (-1, 0)), (8, (1, 0))])
def test_exif_tells_which_way_is_up_in_the_stored_pixels(tmp_path, orientation, up):
    """Against Pillow, which turns an image by the same tag: the brighter half must come to lie above."""
    stored = np.full((64, 64), 40, np.uint8)
    rows, columns = np.mgrid[:64, :64] - 31.5
    stored[columns * up[0] + rows * up[1] > 0] = 200
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(stored).save(tmp_path / "a.jpg", exif=exif)
    turned = np.asarray(ImageOps.exif_transpose(Image.open(tmp_path / "a.jpg")))
    assert turned[:28].mean() > 180 > 60 > turned[36:].mean()
    (found,) = read_image_files(list_images(tmp_path), 1, no_progress)
    assert found.up == up


def test_a_damaged_photograph_is_named(tmp_path):
    write_image(tmp_path / "a.jpg", picture())
    whole = (tmp_path / "a.jpg").read_bytes()
    (tmp_path / "b.jpg").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DatasetError, match=r"b\.jpg"):
        read_image_files(list_images(tmp_path), 2, no_progress)
