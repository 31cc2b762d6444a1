"""Pictures in requests: what they are, and how large."""

import base64
import hashlib
import io

from PIL import Image

from verdict import Broken, require

MAX_PICTURE = 5 << 20


class Pictures:
    """Opens each picture once: a conversation sends all of them again and again."""

    def __init__(self):
        self.known = {}

    def long_edge(self, place, media_type, data):
        name = hashlib.sha256(f"{media_type},{data}".encode("utf-8", "surrogatepass")).digest()
        if name not in self.known:
            self.known[name] = decoded(place, media_type, data)
        return max(self.known[name])


def decoded(place, media_type, data):
    """The width and height of a picture, as who opens it sees them."""
    require(len(data) <= MAX_PICTURE, f"{place}: a picture of {len(data)} bytes in base64; at most {MAX_PICTURE}")
    try:
        with Image.open(io.BytesIO(base64.b64decode(data, validate=True))) as image:
            size, kind = image.size, Image.MIME.get(image.format)
            image.load()
    except (ValueError, OSError) as error:
        raise Broken(f"{place}: a picture cannot be read: {error}") from error
    require(kind == media_type, f"{place}: a picture is {kind}, and is said to be {media_type}")
    return size
