"""Image files of every kind: depth, orientation, alpha, frames, damage."""

import struct
import zlib
from collections import Counter

import numpy as np
import pytest
from PIL import Image, ImageCms, ImageOps, features

from geomrob.data import load_data
from geomrob.data.image_files import BROKEN, UPRIGHT, _deep_avif, read_image
from geomrob.data.resize import Fit
from geomrob.errors import Note, UsageError

RANDOM = np.random.default_rng(0)
COLOURS = RANDOM.integers(0, 256, (5, 7, 3), dtype=np.uint8)
DEEP = RANDOM.integers(0, 65536, (5, 7, 4), dtype=np.uint16)


def deep_png(path, pixels, kind, interlace=0):
    """Write a PNG of 16 bits a channel, big-endian, whatever Pillow can write."""

    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)
    header = struct.pack(">IIBBBBB", pixels.shape[1], pixels.shape[0], 16, kind, 0, 0, interlace)
    content = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + content)


def deep_tiff(path, pixels, order="<", bits=16, sample_format=1):
    """Write an uncompressed TIFF of one strip."""
    height, width, channels = pixels.shape
    data = pixels.astype(f"{order}u2" if bits == 16 else pixels.dtype.newbyteorder(order)).tobytes()
    tags = [(256, 3, 1, width), (257, 3, 1, height), (258, 3, channels, None), (259, 3, 1, 1)]
    tags += [(262, 3, 1, 2 if channels >= 3 else 1), (273, 4, 1, None), (277, 3, 1, channels), (278, 3, 1, height)]
    tags += [(279, 4, 1, len(data)), *([(338, 3, 1, 2)] if channels in (2, 4) else []), (339, 3, 1, sample_format)]
    end = 8 + 2 + 12 * len(tags) + 4
    depth = struct.pack(f"{order}{channels}H", *[bits] * channels)
    entries = b""
    for tag, kind, count, value in tags:
        if tag == 258:
            inline = depth.ljust(4, b"\0") if len(depth) <= 4 else struct.pack(f"{order}I", end)
        elif tag == 273:
            inline = struct.pack(f"{order}I", end + 8)
        else:
            inline = struct.pack(f"{order}I", value) if kind == 4 else struct.pack(f"{order}HH", value, 0)
        entries += struct.pack(f"{order}HHI", tag, kind, count) + inline
    mark = b"II" if order == "<" else b"MM"
    head = mark + struct.pack(f"{order}HIH", 42, 8, len(tags)) + entries + b"\0" * 4
    path.write_bytes(head + depth.ljust(8, b"\0") + data)


def counted(path, channels, **options):
    counts = Counter()
    return read_image(path, channels, conversions=counts, **options), dict(counts)


@pytest.mark.parametrize(
    ("name", "exact"),
    [
        ("a.png", True), ("a.bmp", True), ("a.dib", True), ("a.tiff", True), ("a.tif", True), ("a.ppm", True),
        ("a.pnm", True), ("a.jpg", False), ("a.jpeg", False), ("a.JPE", False), ("a.jfif", False), ("a.gif", True),
        ("a.webp", True), ("a.avif", False),
    ],
)  # fmt: skip
def test_files_of_every_kind_are_read(tmp_path, name, exact):
    if name == "a.avif" and not features.check("avif"):
        pytest.skip("this Pillow reads no AVIF")
    smooth = np.broadcast_to(np.arange(0, 160, 10, dtype=np.uint8)[:, None, None], (16, 16, 3)).copy()
    picture = Image.fromarray(smooth)
    options = {"lossless": True} if name.endswith("webp") else {}
    kinds = {"jfif": "JPEG", "JPE": "JPEG", "dib": "DIB", "pnm": "PPM"}
    picture.save(tmp_path / name, kinds.get(name.split(".")[1]), **options)
    (tmp_path / "one").mkdir()
    (tmp_path / name).rename(tmp_path / "one" / name)
    found = load_data(tmp_path).images[0].permute(1, 2, 0) * 255
    assert np.abs(found.numpy() - smooth).max() <= (1e-4 if exact else 12)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["jpg", "png", "tiff", "webp"])
def test_the_orientation_of_exif_is_applied_as_pillow_does(tmp_path, orientation, kind):
    file = tmp_path / f"turned.{kind}"
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(COLOURS).save(file, exif=exif, **({"lossless": True} if kind == "webp" else {}))
    with Image.open(file) as image:
        expected = np.asarray(ImageOps.exif_transpose(image))
    found, counts = counted(file, 3)
    np.testing.assert_array_equal(found, expected.transpose(2, 0, 1))
    assert found.shape[1:] == ((5, 7) if orientation < 5 else (7, 5))
    if kind != "tiff":
        assert counts == ({} if orientation == 1 else {"turned by their EXIF orientation": 1})


def test_a_photograph_is_upright_in_a_folder(tmp_path):
    (tmp_path / "a").mkdir()
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (40, 30)).save(tmp_path / "a" / "turned.jpg", exif=exif)
    with pytest.warns(Note, match="1 of 1 images of .* are turned by their EXIF orientation"):
        samples = load_data(tmp_path)
    assert samples.images.shape == (1, 3, 40, 30)
    assert set(UPRIGHT) == set(range(2, 9))


def test_damaged_exif_does_not_hide_the_image(tmp_path):
    Image.fromarray(COLOURS).save(tmp_path / "a.png", exif=b"Exif\0\0no orientation here")
    found, counts = counted(tmp_path / "a.png", 3)
    assert (found.shape, counts) == ((3, 5, 7), {})


@pytest.mark.parametrize("write", ["png", "tiff<", "tiff>"])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_sixteen_bits_are_kept(tmp_path, write, channels):
    pixels = DEEP[..., :channels]
    file = tmp_path / ("a.png" if write == "png" else "a.tiff")
    if write == "png":
        deep_png(file, pixels, {1: 0, 2: 4, 3: 2, 4: 6}[channels])
    elif channels == 2:
        pytest.skip("Pillow reads no TIFF of deep grey with alpha")
    else:
        deep_tiff(file, pixels, write[-1])
    planes = 3 if channels > 2 else 1
    found, counts = counted(file, planes)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, pixels[..., :planes].transpose(2, 0, 1) / np.float32(65535))
    assert [key for key in counts if "transparency" in key] == ([] if channels in (1, 3) else list(counts))
    assert len(counts) == (channels in (2, 4))


def test_deep_colour_keeps_its_levels_in_a_folder(tmp_path):
    for name in "ab":
        (tmp_path / name).mkdir()
        deep_png(tmp_path / name / "1.png", DEEP[..., :3], 2)
    found = load_data(tmp_path).images
    assert len(found[0].unique()) == len(np.unique(DEEP[..., :3]))
    for name in "ab":
        deep_png(tmp_path / name / "1.png", DEEP[..., :2], 4)
    with pytest.warns(Note, match="alpha channel is dropped"):
        assert load_data(tmp_path).images.shape == (2, 1, 5, 7)


@pytest.mark.parametrize("largest", [65535, 1023])
def test_deep_portable_pixmaps_are_kept(tmp_path, largest):
    pixels = (DEEP[..., :3] % (largest + 1.0)).astype(np.uint16)
    (tmp_path / "a.ppm").write_bytes(b"P6\n7 5\n%d\n" % largest + pixels.astype(">u2").tobytes())
    (tmp_path / "a.pgm").write_bytes(b"P5\n7 5\n%d\n" % largest + pixels[..., 0].astype(">u2").tobytes())
    np.testing.assert_allclose(read_image(tmp_path / "a.ppm", 3), pixels.transpose(2, 0, 1) / largest, rtol=1e-6)
    np.testing.assert_allclose(read_image(tmp_path / "a.pgm", 1)[0], pixels[..., 0] / largest, atol=1e-5)
    (tmp_path / "text.ppm").write_bytes(b"P3\n1 1\n1023\n1 2 3\n")
    with pytest.raises(UsageError, match=r"text.ppm must be a binary PPM"):
        read_image(tmp_path / "text.ppm", 3)


def test_floats_are_taken_within_their_range_and_refused_beyond(tmp_path):
    values = RANDOM.random((5, 7)).astype(np.float32)
    Image.fromarray(values).save(tmp_path / "a.tiff")
    np.testing.assert_array_equal(read_image(tmp_path / "a.tiff", 1)[0], values)
    assert read_image(tmp_path / "a.tiff", 3).shape == (3, 5, 7)
    for wrong in (values * 255, values - 1, np.where(values > 0.9, np.nan, values)):
        Image.fromarray(wrong.astype(np.float32)).save(tmp_path / "b.tiff")
        with pytest.raises(UsageError, match=r"b.tiff must lie in \[0, 1\]"):
            read_image(tmp_path / "b.tiff", 1)
    Image.fromarray(np.full((5, 7), 70_000, np.int32)).save(tmp_path / "c.tiff")
    with pytest.raises(UsageError, match=r"c.tiff must have 8 or 16 bits a channel.*of unknown range"):
        read_image(tmp_path / "c.tiff", 1)


def test_alpha_is_dropped_and_counted_where_it_shows(tmp_path):
    for mode, alpha in (("RGBA", 0), ("RGBA", 255), ("LA", 9)):
        bands = len(mode) - 1
        pixels = np.dstack([COLOURS[..., :bands], np.full((5, 7), alpha, np.uint8)])
        Image.fromarray(pixels, mode).save(tmp_path / "a.png")
        found, counts = counted(tmp_path / "a.png", bands)
        np.testing.assert_array_equal(found, COLOURS[..., :bands].transpose(2, 0, 1))
        assert any("alpha channel is dropped" in key for key in counts) == (alpha < 255)


def test_palettes_bits_and_print_colours(tmp_path):
    few = Image.fromarray(COLOURS).quantize(8)
    few.save(tmp_path / "palette.png")
    np.testing.assert_array_equal(
        read_image(tmp_path / "palette.png", 3), np.asarray(few.convert("RGB")).transpose(2, 0, 1)
    )
    few.save(tmp_path / "clear.gif", transparency=0)
    assert "alpha" in str(counted(tmp_path / "clear.gif", 3)[1])
    black = Image.fromarray(COLOURS[..., 0] > 100)
    black.save(tmp_path / "bits.png")
    np.testing.assert_array_equal(read_image(tmp_path / "bits.png", 1)[0], np.where(COLOURS[..., 0] > 100, 255, 0))
    ink = Image.new("CMYK", (7, 5), (255, 0, 0, 0))
    ink.save(tmp_path / "ink.jpg", quality=100)
    found, counts = counted(tmp_path / "ink.jpg", 3)
    assert list(counts) == ["CMYK: converted to RGB without their colour profile"]
    assert np.abs(found[:, 2, 3].astype(int) - [0, 255, 255]).max() < 5


@pytest.mark.parametrize("kind", ["gif", "png", "webp", "tiff", "mpo"])
def test_of_several_frames_the_first_is_read_and_said(tmp_path, kind):
    frames = [Image.new("RGB", (7, 5), colour) for colour in ("red", "blue", "lime")]
    frames[0].save(tmp_path / f"a.{kind}", save_all=True, append_images=frames[1:])
    found, counts = counted(tmp_path / f"a.{kind}", 3)
    assert list(counts) == ["of several frames: the first is read"]
    assert np.abs(found[:, 2, 3].astype(int) - [255, 0, 0]).max() < 8


def test_a_deep_avif_is_known_by_its_flag(tmp_path):
    if not features.check("avif"):
        pytest.skip("this Pillow reads no AVIF")
    Image.fromarray(COLOURS).save(tmp_path / "a.avif")
    assert counted(tmp_path / "a.avif", 3)[1] == {}
    content = bytearray((tmp_path / "a.avif").read_bytes())
    content[content.index(b"av1C") + 6] |= 0x40
    (tmp_path / "a.avif").write_bytes(content)
    # Pillow writes no deep AVIF, and libavif does not read a false flag.
    assert _deep_avif(tmp_path / "a.avif")


def test_bombs_are_no_images_and_programs_are_not_started(tmp_path, monkeypatch):
    Image.fromarray(COLOURS).save(tmp_path / "a.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 34)
    with pytest.raises(Image.DecompressionBombError, match="7x5, more pixels than Pillow's limit 34"):
        read_image(tmp_path / "a.png", 3)
    monkeypatch.undo()
    (tmp_path / "b.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 7 5\n%%EndComments\nshowpage\n")
    with pytest.raises(BROKEN, match="cannot identify"):
        read_image(tmp_path / "b.png", 3)


def test_a_file_without_permission_is_one_sentence(tmp_path, monkeypatch):
    def refused(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Image, "open", refused)
    with pytest.raises(UsageError, match=r"a.png must be readable; got no permission: change its permissions"):
        read_image(tmp_path / "a.png", 3)


def test_every_cut_of_a_file_is_an_image_or_broken(tmp_path):
    """No other exception comes of a file that is cut off or has bytes changed."""
    for kind in ("png", "jpg", "gif", "webp", "tiff", "bmp"):
        whole = tmp_path / f"whole.{kind}"
        Image.fromarray(COLOURS).save(whole)
        content = whole.read_bytes()
        for at in RANDOM.integers(0, len(content), 25):
            for damaged in (content[:at], content[:at] + b"\xff\x00\xff" + content[at + 3 :]):
                (tmp_path / f"cut.{kind}").write_bytes(damaged)
                try:
                    assert len(read_image(tmp_path / f"cut.{kind}", 3)) == 3
                except BROKEN:
                    continue


def test_a_size_is_given_to_every_kind(tmp_path):
    Image.fromarray(COLOURS).save(tmp_path / "a.png")
    deep_png(tmp_path / "b.png", DEEP[..., :3], 2)
    deep_png(tmp_path / "c.png", DEEP[..., :1], 0)
    for name, channels, kind in (("a", 3, np.uint8), ("b", 3, np.float32), ("c", 1, np.float32)):
        found = read_image(tmp_path / f"{name}.png", channels, fit=Fit((4, 6), crop=0.9))
        assert (found.shape, found.dtype) == ((channels, 4, 6), kind)


def test_the_a_of_lab_is_no_alpha_channel(tmp_path):
    file = tmp_path / "lab.tif"
    Image.new("RGB", (4, 3), (200, 30, 60)).convert("LAB").save(file)
    counts = Counter()
    read_image(file, 3, conversions=counts)
    assert not counts


def test_floats_of_a_portable_map_are_taken(tmp_path):
    values = RANDOM.random((5, 7)).astype("<f4")
    (tmp_path / "a.pfm").write_bytes(b"Pf\n7 5\n-1.0\n" + values[::-1].tobytes())
    np.testing.assert_array_equal(read_image(tmp_path / "a.pfm", 1)[0], values)
    (tmp_path / "a.pfm").write_bytes(b"Pf\n7 5\n-1.0\n" + (9 * values).tobytes())
    with pytest.raises(UsageError, match=r"a.pfm must lie in \[0, 1\]"):
        read_image(tmp_path / "a.pfm", 1)


def entry_of(tag, value):
    """One number of 16 bits in the list of a TIFF's tags."""
    return struct.pack("<HHIHH", tag, 3, 1, value, 0)


@pytest.mark.parametrize(
    ("channels", "changes"),
    [(4, [((262, 2), (262, 5)), ((338, 2), (339, 1))]), (3, [((339, 1), (284, 2))])],
    ids=["CMYK", "planes apart"],
)
def test_depths_that_pillow_cannot_read_are_refused_by_name(tmp_path, channels, changes):
    file = tmp_path / "a.tiff"
    deep_tiff(file, DEEP[..., :channels])
    content = file.read_bytes()
    for old, new in changes:
        assert content.count(entry_of(*old)) == 1
        content = content.replace(entry_of(*old), entry_of(*new))
    file.write_bytes(content)
    with pytest.raises(UsageError, match=r"a\.tiff must have 8 bits a channel; got 16 in (CMYK|RGB)"):
        read_image(file, 3)


def test_a_deep_avif_is_counted(tmp_path, monkeypatch):
    if not features.check("avif"):
        pytest.skip("this Pillow reads no AVIF")
    Image.fromarray(COLOURS).save(tmp_path / "a.avif")
    monkeypatch.setattr("geomrob.data.image_files._deep_avif", lambda _: True)
    assert counted(tmp_path / "a.avif", 3)[1] == {"AVIF of more than 8 bits a channel: read at 8": 1}


def test_a_colour_profile_is_not_applied(tmp_path):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    Image.fromarray(COLOURS).save(tmp_path / "a.png", icc_profile=profile)
    found, counts = counted(tmp_path / "a.png", 3)
    np.testing.assert_array_equal(found, COLOURS.transpose(2, 0, 1))
    assert counts == {}
