"""Images and files in JSON: data URLs made and taken apart, and the media type told by the first bytes.

Ollama's images come without a media type, and all other dialects want one.
"""

_MAGIC = (
    ("iVBORw0KGgo", "image/png"),
    ("/9j/", "image/jpeg"),
    ("R0lGOD", "image/gif"),
    ("Qk0", "image/bmp"),
    ("JVBERi", "application/pdf"),
    ("SUkq", "image/tiff"),
    ("TU0A", "image/tiff"),
)
"""How base64 of each kind begins. WebP is a RIFF file with `WEBP` from its ninth byte on."""


def sniff(data: str) -> str | None:
    """Tell the media type of base64 data by its beginning; None when it is no known one."""
    for beginning, mime in _MAGIC:
        if data.startswith(beginning):
            return mime
    return "image/webp" if data.startswith("UklGR") and data[12:16] == "RUJQ" else None


def data_url(mime: str | None, data: str, default: str) -> str:
    """Make a data URL; `default` is the media type when neither it nor the data tells."""
    return f"data:{mime or sniff(data) or default};base64,{data}"
