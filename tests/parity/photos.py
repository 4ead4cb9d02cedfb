"""Makes the fixtures of the picture decoder: photos as cameras, phones and print shops save them, each with what Pillow
and lcms make of it.

    python tests/parity/photos.py

(which needs libjpeg's `jpegtran`) remakes `tests/parity/fixtures/photos/`: beside `NAME.EXT`, `NAME.srgb.png` has the pixels that must come out. The
versions it ran with are in `versions.json` there.
"""

import io
import shutil
import struct
import subprocess
import zlib
from pathlib import Path

import numpy as np
import PIL
from PIL import Image, ImageCms
from record import record_versions

HERE = Path(__file__).parent / "fixtures" / "photos"
#: Chromaticities of red, green and blue, and of the white D65 (x, y): Display P3, SMPTE EG 432-1.
DISPLAY_P3 = [(0.680, 0.320), (0.265, 0.690), (0.150, 0.060)]
D65 = (0.3127, 0.3290)
#: The white of ICC profiles, and the matrix that takes colours there (ICC.1:2010, annex E).
D50 = (0.9642, 1.0, 0.8249)
BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
ORIENTATION, MAKER_NOTE, GPS, ARTIST = 0x0112, 0x927C, 0x8825, 0x013B
SECRET = b"48 deg 51' N, 2 deg 17' E"


def xyz(x, y):
    return np.array([x / y, 1.0, (1 - x - y) / y])


def fixed(value):
    """s15Fixed16Number."""
    return struct.pack(">i", round(value * 65536))


def xyz_tag(values):
    return b"XYZ \0\0\0\0" + b"".join(fixed(value) for value in values)


def gamma_tag(gamma):
    """curveType with one u8Fixed8Number."""
    return b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256))


def text_tag(text):
    return b"text\0\0\0\0" + text.encode() + b"\0"


def description_tag(text):
    text = text.encode() + b"\0"
    return b"desc\0\0\0\0" + struct.pack(">I", len(text)) + text + bytes(4 + 4 + 2 + 1 + 67)


def icc(device_class, space, connection, tags):
    """An ICC profile of version 2.1 with these tags."""
    tags = {b"desc": description_tag("impasto fixture"), b"cprt": text_tag("CC0"), b"wtpt": xyz_tag(D50)} | tags
    table, data = struct.pack(">I", len(tags)), b""
    start = 128 + 4 + 12 * len(tags)
    for name, content in tags.items():
        table += name + struct.pack(">II", start + len(data), len(content))
        data += content + bytes(-len(content) % 4)
    header = struct.pack(">I4sI4s4s4s", start + len(data), bytes(4), 0x02100000, device_class, space, connection)
    header += struct.pack(">6H", 2024, 1, 1, 0, 0, 0) + b"acsp" + bytes(28)
    header += b"".join(fixed(value) for value in D50)
    return header.ljust(128, b"\0") + table + data


def rgb_profile(primaries, gamma):
    """Three colorants and one tone curve."""
    columns = np.stack([xyz(*primary) for primary in primaries], axis=1)
    white = xyz(*D65)
    columns = columns * np.linalg.solve(columns, white)
    cones = np.diag((BRADFORD @ np.array(D50)) / (BRADFORD @ white))
    columns = np.linalg.inv(BRADFORD) @ cones @ BRADFORD @ columns
    tags = {name: xyz_tag(columns[:, at]) for at, name in enumerate([b"rXYZ", b"gXYZ", b"bXYZ"])}
    return icc(b"mntr", b"RGB ", b"XYZ ", tags | {name: gamma_tag(gamma) for name in [b"rTRC", b"gTRC", b"bTRC"]})


def grey_profile(gamma):
    return icc(b"mntr", b"GRAY", b"XYZ ", {b"kTRC": gamma_tag(gamma)})


def cmyk_profile():
    """Inks on paper as a table (lut16Type) from none and all of each to Lab, duller than what screens show. Lab is a sum
    over the inks, so that every way of reading between the table's lines gives the same.
    """
    inks = np.stack(np.meshgrid(*[np.linspace(0, 1, 2)] * 4, indexing="ij"), axis=-1).reshape(-1, 4)
    light, a, b = np.array([[-21, -24, -6, -40], [-30, 55, -6, 0], [-38, -4, 60, 0]]) @ inks.T
    # Lab of version 2 in 16 bits: L from 0 to 0xff00, a and b with 0 at 0x8000.
    table = np.stack([(95 + light) * 652.8, (a + 128) * 256, (b + 128) * 256], axis=-1)
    line = struct.pack(">HH", 0, 65535)
    lut = b"mft2\0\0\0\0" + bytes([4, 3, 2, 0]) + b"".join(fixed(value) for value in np.eye(3).ravel())
    lut += struct.pack(">HH", 2, 2) + line * 4 + table.round().astype(">u2").tobytes() + line * 3
    return icc(b"prtr", b"CMYK", b"Lab ", {b"A2B0": lut})


def patches(channels, side=8, count=6):
    """A chart of flat squares, which every compression leaves as they are."""
    rng = np.random.default_rng(7)
    colours = rng.integers(10, 246, (count, count, channels), dtype=np.uint8)
    return colours.repeat(side, axis=0).repeat(side, axis=1)


def in_srgb(image, profile):
    """Without what lcms does besides: for this sRGB, of version 4, it would move the inks' black to the screen's, and
    where it is quick it moves paper to white.
    """
    source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    options = dict(renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC, flags=ImageCms.Flags.NOOPTIMIZE)
    return ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB", **options)


def expect(name, image):
    """The pixels alone: no profile says again what they are."""
    image.save(HERE / f"{name}.srgb.png", optimize=True, icc_profile=None)


def save(name, image, expected, **options):
    path = HERE / name
    image.save(path, **options)
    # What compression loses is no matter of these fixtures: the file as it is read again is converted.
    expect(path.stem, expected(Image.open(path)))


def with_profile(profile):
    return lambda image: in_srgb(image, profile)


def make_profiles():
    p3, grey, cmyk = rgb_profile(DISPLAY_P3, 2.2), grey_profile(1.0), cmyk_profile()
    (HERE / "p3.icc").write_bytes(p3)
    colour = Image.fromarray(patches(3))
    save("p3-jpeg.jpg", colour, with_profile(p3), quality=95, subsampling=0, icc_profile=p3)
    save("p3-png.png", colour, with_profile(p3), icc_profile=p3)
    save("p3-webp.webp", colour, with_profile(p3), lossless=True, icc_profile=p3)
    save("grey.png", Image.fromarray(patches(1)[..., 0]), with_profile(grey), icc_profile=grey)
    inks = Image.fromarray(patches(4), "CMYK")
    naive = lambda image: image.convert("RGB")
    save("cmyk.jpg", inks, naive, quality=95, subsampling=0)
    save("cmyk-profile.jpg", inks, with_profile(cmyk), quality=95, subsampling=0, icc_profile=cmyk)
    # Pillow cannot write YCCK: its channels go in as if they were inks, and the Adobe segment says what they are.
    for name, expected, options in [
        ("ycck.jpg", naive, {}),
        ("ycck-profile.jpg", with_profile(cmyk), {"icc_profile": cmyk}),
    ]:
        rgb = Image.fromarray(255 - patches(4)[..., :3]).convert("YCbCr")
        channels = np.concatenate([255 - np.asarray(rgb), patches(4)[..., 3:]], axis=-1)
        buffer = io.BytesIO()
        Image.fromarray(channels, "CMYK").save(buffer, "JPEG", quality=95, subsampling=0, **options)
        content = bytearray(buffer.getvalue())
        at = content.index(b"Adobe") + 11
        assert content[at] == 0
        content[at] = 2
        (HERE / name).write_bytes(content)
        expect(Path(name).stem, expected(Image.open(HERE / name)))


def make_orientations():
    """The same upright picture, stored in the eight ways of EXIF."""
    upright = Image.fromarray(np.random.default_rng(3).integers(0, 256, (2, 3, 3), dtype=np.uint8))
    expect("orientation", upright)
    stored = {
        1: None, 2: Image.FLIP_LEFT_RIGHT, 3: Image.ROTATE_180, 4: Image.FLIP_TOP_BOTTOM, 5: Image.TRANSPOSE,
        6: Image.ROTATE_90, 7: Image.TRANSVERSE, 8: Image.ROTATE_270,
    }
    for orientation, method in stored.items():
        exif = Image.Exif()
        exif[ORIENTATION] = orientation
        image = upright if method is None else upright.transpose(method)
        for name, options in [("png", {}), ("webp", {"lossless": True})]:
            image.save(HERE / f"orientation-{orientation}.{name}", exif=exif, **options)


def make_camera():
    """A phone's JPEG, on its side, with a place, a name, a small JPEG inside, XMP and a profile."""
    profile = rgb_profile(DISPLAY_P3, 2.2)
    shot = Image.fromarray(patches(3)[:, :32])
    small = io.BytesIO()
    shot.resize((8, 12)).save(small, "JPEG")
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    exif[ARTIST] = SECRET.decode()
    exif.get_ifd(0x8769)[MAKER_NOTE] = small.getvalue()
    exif.get_ifd(GPS).update({1: "N", 2: (48.0, 51.0, 0.0), 3: "E", 4: (2.0, 17.0, 0.0)})
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/">' + SECRET + b"</x:xmpmeta>"
    turned = lambda image: in_srgb(image, profile).transpose(Image.ROTATE_270)
    options = dict(quality=95, exif=exif, xmp=xmp, icc_profile=profile, comment=SECRET)
    save("camera.jpg", shot, turned, subsampling=0, **options)
    assert b"\xff\xd9" in (HERE / "camera.jpg").read_bytes()[:-2], "the small picture is not inside"
    shot.save(HERE / "camera.webp", lossless=True, exif=exif, xmp=xmp, icc_profile=profile)
    # Photographers' programs save progressive files.
    save("progressive.jpg", shot, lambda image: image.convert("RGB"), quality=90, subsampling=0, progressive=True)


def make_scans():
    """Colours in scans of their own, as `cjpeg -scans` and some scanners write them."""
    ordinary, script, out = HERE / "ordinary.jpg", HERE / "scans.txt", HERE / "out.jpg"
    Image.fromarray(patches(3)).save(ordinary, quality=95, subsampling=2)
    for name, scans in [("scans-three.jpg", "0; 1; 2;"), ("scans-two.jpg", "0; 1 2;")]:
        script.write_text(scans)
        subprocess.run(["jpegtran", "-scans", script, "-outfile", out, ordinary], check=True)
        (HERE / name).write_bytes(out.read_bytes())
        expect(Path(name).stem, Image.open(out).convert("RGB"))
    for path in (ordinary, script, out):
        path.unlink()


def make_transparent():
    """Lossy colours, alpha beside them: laid over white."""
    chart = patches(4)
    chart[..., 3] = np.where(chart[..., 3] > 127, 255, 0)
    over_white = lambda image: Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    save("lossy.webp", Image.fromarray(chart, "RGBA"), over_white, quality=90, exact=True)


def make_animations():
    frames = [Image.new("RGB", (6, 4), colour) for colour in [(200, 30, 20), (20, 30, 200)]]
    for name, options in [("animated.webp", {"lossless": True}), ("animated.png", {})]:
        frames[0].save(HERE / name, save_all=True, append_images=frames[1:], duration=100, **options)
    expect("animated", frames[0])


def chunk(kind, content):
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def make_bombs():
    """Files that are small and would be huge: pixels beyond what the header says, and a profile of zeros."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 16, 16, 8, 2, 0, 0, 0))
    zeros = zlib.compress(bytes(48 << 20), 9)
    end = chunk(b"IDAT", zlib.compress(bytes(16 * 49))) + chunk(b"IEND", b"")
    signature = b"\x89PNG\r\n\x1a\n"
    pixels = signature + header + chunk(b"IDAT", zeros) + chunk(b"IEND", b"")
    profile = signature + header + chunk(b"iCCP", b"a\0\0" + zeros) + end
    (HERE / "bomb-pixels.png").write_bytes(pixels)
    (HERE / "bomb-profile.png").write_bytes(profile)


def main():
    shutil.rmtree(HERE, ignore_errors=True)
    HERE.mkdir(parents=True)
    make_profiles()
    make_orientations()
    make_camera()
    make_scans()
    make_transparent()
    make_animations()
    make_bombs()
    record_versions(HERE, np, PIL)


if __name__ == "__main__":
    main()
