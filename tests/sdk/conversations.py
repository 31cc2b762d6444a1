"""What must not change from one request of a conversation to the next."""

import hashlib
import json

from verdict import Broken

# Where something is cached is no part of what it says.
MARKS = ("cache_control", "prompt_cache_breakpoint")


class Conversations:
    """Every request goes on where an earlier one of its conversation ended, and changes nothing before that."""

    def __init__(self):
        self.known = []

    def check(self, pieces, is_new):
        """`pieces` are all pieces of the conversation, each as its place and what stands there."""
        now = [digest(piece) for _, piece in pieces]
        shared = [common(earlier, now) for earlier in self.known]
        for at, earlier in enumerate(self.known):
            if shared[at] == len(earlier):
                self.known[at] = now
                return
        if not is_new:
            most = max(shared, default=0)
            place = pieces[most][0] if most < len(pieces) else "the end"
            raise Broken(f"{place}: what was sent before was changed or left out; a conversation is only added to")
        self.known.append(now)


def common(one, other):
    """How many items are the same from the beginning on."""
    same = 0
    while same < min(len(one), len(other)) and one[same] == other[same]:
        same += 1
    return same


def digest(value):
    """Names a piece of a conversation; where it is cached is no part of it."""
    text = json.dumps(without_marks(value), sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def without_marks(value):
    if isinstance(value, dict):
        return {name: without_marks(member) for name, member in value.items() if name not in MARKS}
    return [without_marks(item) for item in value] if isinstance(value, list) else value
