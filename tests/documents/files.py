"""Files as customers and attackers send them, made here so that no binary lies in the repository."""

import io
import struct
import zipfile
import zlib
from collections.abc import Callable
from typing import Any

import pikepdf
import pyvips
from pikepdf import Array, Dictionary, Name, Pdf, Stream, String

PLACE = b"36/1 45/1 14/1"
SECRETS = (
    b"Exif",
    b"GPS",
    b"http://ns.adobe.com",
    b"Photoshop",
    b"<?php",
    PLACE,
    b"a comment",
    b"eXIf",
    b"iCCP",
    b"tEXt",
)


def drawing(width: int = 120, height: int = 80, bands: int = 3) -> pyvips.Image:
    """Red above, blue below, and a white corner at the top left."""
    image = pyvips.Image.black(width, height, bands=3).copy(interpretation="srgb")
    image = image.draw_rect([200, 0, 0], 0, 0, width, height // 2, fill=True)
    image = image.draw_rect([0, 0, 200], 0, height // 2, width, height - height // 2, fill=True)
    image = image.draw_rect([255, 255, 255], 0, 0, 24, 24, fill=True)
    return image.colourspace("b-w") if bands == 1 else image


def tagged(image: pyvips.Image, orientation: int = 1) -> pyvips.Image:
    """With everything that tells about the traveller: where, when, with what, and a profile."""
    image = image.icc_transform("p3", input_profile="srgb") if image.bands == 3 else image.copy()
    image.set_type(pyvips.GValue.gstr_type, "exif-ifd3-GPSLatitude", f"{PLACE.decode()} (x, Rational, 3 components)")
    image.set_type(pyvips.GValue.blob_type, "xmp-data", b"<x xmlns='http://ns.adobe.com/xap/1.0/'>secret</x>")
    image.set_type(pyvips.GValue.blob_type, "iptc-data", b"Photoshop 3.0\x008BIM" + bytes(8))
    image.set_type(pyvips.GValue.gstr_type, "png-comment-0-Comment", "a comment")
    image.set_type(pyvips.GValue.gint_type, "orientation", orientation)
    return image


def jpeg(image: pyvips.Image | None = None, **options: Any) -> bytes:
    return bytes((drawing() if image is None else image).jpegsave_buffer(**options))


def png(image: pyvips.Image | None = None, **options: Any) -> bytes:
    return bytes((drawing() if image is None else image).pngsave_buffer(**options))


def cmyk() -> bytes:
    return jpeg(drawing().icc_transform("cmyk", input_profile="srgb"))


def sixteen_bits() -> bytes:
    return png(drawing().colourspace("rgb16"))


def transparent() -> bytes:
    return png(drawing().bandjoin(pyvips.Image.black(120, 80).draw_rect(255, 0, 0, 120, 40, fill=True)))


def noise(megapixels: float) -> pyvips.Image:
    width = int((megapixels * 1e6 * 4 / 3) ** 0.5)
    grey = pyvips.Image.gaussnoise(width, width * 3 // 4, mean=128, sigma=12)
    return grey.bandjoin([grey + 9, grey - 9]).cast("uchar").copy(interpretation="srgb")


def spoilt(content: bytes) -> bytes:
    """With one wrong byte in the middle."""
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


def chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def png_of(width: int, height: int, pixels: bytes, *more: bytes) -> bytes:
    """With a header that says so much, and these compressed pixels."""
    header = chunk(b"IHDR", struct.pack(">2I5B", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(more) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def inflating(mebibytes: int, start: bytes = b"") -> bytes:
    """`start` and so many mebibytes of zeros, as zlib has them: blocks that do not know of each other, repeated."""
    size = 1024 * 1024
    first, zeros, end = (zlib.compressobj(9, wbits=-15) for _ in range(3))
    head = b"\x78\xda" + first.compress(start) + first.flush(zlib.Z_FULL_FLUSH)
    block = zeros.compress(bytes(size)) + zeros.flush(zlib.Z_FULL_FLUSH)
    low = zlib.adler32(start) & 0xFFFF
    high = ((zlib.adler32(start) >> 16) + low * size * mebibytes) % 65521
    return head + block * mebibytes + end.flush() + struct.pack(">2H", high, low)


def png_bomb(width: int, height: int) -> bytes:
    return png_of(width, height, inflating(2048))


def png_text_bomb() -> bytes:
    return png_of(8, 8, zlib.compress(bytes(25 * 8)), *[chunk(b"zTXt", b"a\0\0" + inflating(256))] * 8)


def animated() -> bytes:
    frame = drawing(40, 30)
    animation = chunk(b"acTL", struct.pack(">2I", 2, 0)) + chunk(b"tEXt", b"Comment\0a comment")
    still = png(frame)
    return still[:33] + animation + still[33:]


def heic() -> bytes:
    return b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(64)


def archive(name: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as content:
        content.writestr(name, "<html>")
    return file.getvalue()


Change = Callable[[Pdf], object]


def pdf(change: Change | None = None, pages: int = 1, **options: Any) -> bytes:
    """A document with these blank pages, changed before it is saved."""
    document, file = Pdf.new(), io.BytesIO()
    for _ in range(pages):
        document.add_blank_page(page_size=(300, 400))
    if change:
        change(document)
    document.save(file, **options)
    return file.getvalue()


HIDDEN = {"object_stream_mode": pikepdf.ObjectStreamMode.generate}


def encrypted(user: str) -> bytes:
    return pdf(encryption=pikepdf.Encryption(owner="owner", user=user))


def action(kind: str, **more: Any) -> Dictionary:
    return Dictionary(S=Name(f"/{kind}"), **more)


def opening(kind: str, **more: Any) -> Change:
    return lambda document: document.Root.__setattr__("OpenAction", action(kind, **more))


def script(document: Pdf) -> Dictionary:
    return document.make_indirect(action("JavaScript", JS=String("app.alert(1)")))


def annotation(**more: Any) -> Change:
    """On the first page: a link, a field or something worse."""

    def change(document: Pdf) -> None:
        made = document.make_indirect(Dictionary(Type=Name.Annot, Rect=[0, 0, 9, 9], **more))
        document.pages[0].obj.Annots = Array([made])

    return change


def form(**more: Any) -> Change:
    """A form with one text field; `more` goes into the form."""

    def change(document: Pdf) -> None:
        annotation(Subtype=Name.Widget, FT=Name.Tx, T=String("name"), V=String("Alice"))(document)
        fields = Array([document.pages[0].obj.Annots[0]])
        document.Root.AcroForm = document.make_indirect(Dictionary(Fields=fields, **more))

    return change


def names(**trees: Any) -> Change:
    return lambda document: document.Root.__setattr__("Names", Dictionary(**trees))


def script_in_name_tree(document: Pdf) -> None:
    leaf = document.make_indirect(Dictionary(Names=[String("a"), script(document)]))
    names(JavaScript=Dictionary(Kids=[leaf]))(document)


def script_in_depth(document: Pdf) -> None:
    """In a dictionary in an array in a dictionary …, two hundred deep."""
    inside: Any = action("JavaScript", JS=String("app.alert(1)"))
    for _ in range(100):
        inside = Dictionary(Next=Array([inside]))
    document.Root.Deep = document.make_indirect(inside)


def kind_by_reference(name: str) -> Change:
    """An action whose kind is an object of its own."""

    def change(document: Pdf) -> None:
        document.Root.OpenAction = Dictionary(S=document.make_indirect(Name(name)), F=String("calc.exe"))

    return change


def attachment(document: Pdf) -> None:
    document.attachments["a.exe"] = b"MZ"


def drawn(objects: dict[int, bytes], root: bytes = b"") -> bytes:
    """A PDF written by hand. `objects` are added to a catalog (1), its pages (2) and a page (3)."""
    written = {
        1: b"<</Type/Catalog/Pages 2 0 R%b>>" % root,
        2: b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        3: b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 200 200]/Resources<<>>>>",
        **objects,
    }
    file, table = bytearray(b"%PDF-1.7\n"), bytearray(b"0000000000 65535 f \n")
    for number in range(1, len(written) + 1):
        table += b"%010d 00000 n \n" % len(file)
        file += b"%d 0 obj\n%b\nendobj\n" % (number, written[number])
    size = len(written) + 1
    end = b"xref\n0 %d\n%btrailer<</Root 1 0 R/Size %d>>\nstartxref\n%d\n%%%%EOF\n" % (size, table, size, len(file))
    return bytes(file) + end


def stream(content: bytes, entries: bytes) -> bytes:
    return b"<<%b/Filter/FlateDecode/Length %d>>stream\n%b\nendstream" % (entries, len(content), content)


def with_object_stream(content: bytes) -> bytes:
    """A PDF whose catalog refers to object 5, which is in a stream (4) of this compressed content."""
    body, places = b"%PDF-1.7\n", {}
    parts = {
        1: b"<</Type/Catalog/Pages 2 0 R/OpenAction 5 0 R>>",
        2: b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        3: b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 200 200]/Resources<<>>>>",
        4: stream(content, b"/Type/ObjStm/N 1/First 4"),
    }
    for number, part in parts.items():
        places[number] = len(body)
        body += b"%d 0 obj\n%b\nendobj\n" % (number, part)
    rows = [(0, 0, 255), *((1, place, 0) for place in places.values()), (2, 4, 0), (1, len(body), 0)]
    table = zlib.compress(b"".join(struct.pack(">BIB", *row) for row in rows))
    table_object = stream(table, b"/Type/XRef/Size 7/W[1 4 1]/Root 1 0 R")
    return body + b"6 0 obj\n%b\nendobj\nstartxref\n%d\n%%%%EOF\n" % (table_object, len(body))


def pdf_bomb() -> bytes:
    return with_object_stream(inflating(2048, b"5 0 <</S/GoTo/D[3 0 R/Fit]>> "))


def many_objects() -> bytes:
    return drawn({number: b"<<>>" for number in range(4, 100_003)})


def filled_form() -> bytes:
    """A form as a traveller fills it in, made by a library that others use."""
    from fpdf import FPDF

    made = FPDF()
    made.add_page()
    made.set_font("Helvetica", size=24)
    made.cell(text="Bank statement", link="https://example.org")
    return bytes(made.output())


def elsewhere(document: Pdf) -> None:
    """Contents that are read from a file of the reader's machine."""
    document.pages[0].Contents = Stream(document, b"", F=String("/etc/passwd"))


def slow_to_draw(document: Pdf) -> None:
    """A shading that is computed for every pixel, four hundred times."""
    program = b"{ 2 copy mul sin exch cos add 3 1 roll exch " + b"sin abs " * 60 + b" exch pop abs dup dup }"
    square, three = pikepdf.Array([0, 1, 0, 1]), pikepdf.Array([0, 1, 0, 1, 0, 1])
    function = document.make_indirect(Stream(document, program, FunctionType=4, Domain=square, Range=three))
    matrix = pikepdf.Array([600, 0, 0, 800, 0, 0])
    shading = Dictionary(ShadingType=1, ColorSpace=Name.DeviceRGB, Matrix=matrix, Function=function)
    page = document.pages[0]
    page.Resources = Dictionary(Shading=Dictionary(S=document.make_indirect(shading)))
    page.Contents = Stream(document, b"/S sh " * 4000)


def palette(side: int) -> bytes:
    """Noise of 256 colours: a byte a pixel, and three once the palette is gone."""
    noise = pyvips.Image.gaussnoise(side, side, mean=128, sigma=60).cast("uchar")
    colours = noise.maplut(
        pyvips.Image.identity().bandjoin([pyvips.Image.identity().invert(), (pyvips.Image.identity() * 7 % 256)])
    )
    return bytes(colours.cast("uchar").copy(interpretation="srgb").pngsave_buffer(palette=True, dither=0, effort=1))
