"""What both of OpenAI's APIs refuse."""

import re

from headers import OURS, not_for_a_provider
from pictures import Pictures
from verdict import require

# The key itself is looked at elsewhere; these would tell one provider about another.
NOT_FOR_OPENAI = ("x-api-key", "anthropic-version", "anthropic-beta", *OURS)
NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
DATA_URL = re.compile(r"data:(image/(?:png|jpeg));base64,([^,]*)")
MAX_EDGE = 2048


def headers_and_stream(headers, body, type_of_body):
    not_for_a_provider(headers, NOT_FOR_OPENAI)
    kind = headers.get("content-type", "").split(";")[0]
    require(kind == "application/json", f"the content-type {kind!r}; only JSON is taken")
    fault = type_of_body.fault(body)
    require(fault is None, fault)


def functions(declared):
    """Each of the functions as its place in the request and the function itself."""
    names = [function["name"] for _, function in declared]
    for place, function in declared:
        name = function["name"]
        require(NAME.fullmatch(name), f"{place}: {name!r} is no name of a function")
        require(names.count(name) == 1, f"{place}: the name {name} is there twice")
        schema = function.get("parameters")
        if schema is not None:
            require(schema.get("type") == "object", f"{place}: the schema of {name} is none of an object")
            if function.get("strict"):
                strict_schema(f"{place}.parameters", schema)


def strict_schema(place, schema):
    """With `strict`, the model is held to the schema, and only to schemas that leave nothing open."""
    if isinstance(schema, list):
        for at, part in enumerate(schema):
            strict_schema(f"{place}.{at}", part)
    if not isinstance(schema, dict):
        return
    if schema.get("type") == "object":
        closed = schema.get("additionalProperties") is False
        require(closed, f"{place}: a strict schema must have additionalProperties false")
        optional = sorted(set(schema.get("properties", ())) - set(schema.get("required", ())))
        require(not optional, f"{place}: a strict schema must require all properties, also {optional}")
    for name, part in schema.get("properties", {}).items():
        strict_schema(f"{place}.{name}", part)
    for name in ("items", "anyOf"):
        strict_schema(f"{place}.{name}", schema.get(name))


class DataPictures:
    """Pictures that stand in a request as URLs: nothing is kept at the provider, and nothing is fetched by it."""

    def __init__(self):
        self.pictures = Pictures()

    def check(self, place, url):
        parts = DATA_URL.fullmatch(url) if isinstance(url, str) else None
        require(parts, f"{place}: a picture must be a data: URL of a PNG or JPEG in base64")
        edge = self.pictures.long_edge(place, *parts.groups())
        require(edge <= MAX_EDGE, f"{place}: a picture of {edge} px an edge; at most {MAX_EDGE}")


def filled(place, content):
    """Words that are words, in either form."""
    require(content, f"{place}: content is empty")
    texts = [content] if isinstance(content, str) else [part["text"] for part in content if "text" in part]
    for text in texts:
        require(text.strip(), f"{place}: a text of the content is empty")
