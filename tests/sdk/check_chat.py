"""What OpenAI's Chat Completions refuse, or one of the many servers that speak them.

An answer of the model is `{"message", "stop_reason"}`.
"""

import json

from openai.types.chat import completion_create_params

import openai_rules
from conversations import Conversations
from strict_types import StrictType
from verdict import Broken, require

ROLES = ("system", "developer", "user", "assistant", "tool")


class Checker:
    def __init__(self):
        self.shape = StrictType(completion_create_params.CompletionCreateParamsStreaming)
        self.said = Said()
        self.conversations = Conversations()
        self.pictures = openai_rules.DataPictures()

    def check(self, headers, body, _size):
        openai_rules.headers_and_stream(headers, body, self.shape)
        counts = (body.get("stream_options") or {}).get("include_usage")
        require(counts, "stream_options.include_usage must be true: nothing else tells what an answer costs")
        require(not body.get("store"), "store must not be true: nothing is kept there")
        tools(body.get("tools", ()))
        conversation(body["messages"], self.said)
        for index, message in enumerate(body["messages"]):
            for place, part in parts_of(f"messages.{index}", message):
                if part["type"] == "image_url":
                    self.pictures.check(place, part["image_url"]["url"])
        pieces = [(f"messages.{index}", message) for index, message in enumerate(body["messages"])]
        own = any(message["role"] == "assistant" and self.said.has(message) for _, message in pieces)
        self.conversations.check(pieces, not own)


class Said:
    """What the model has said so far."""

    def __init__(self):
        self.messages = set()

    def add(self, answer):
        message = answer["message"]
        self.messages.add(essence(message))
        if answer["stop_reason"] != "tool_use":
            # Calls of an answer that was cut off are not to be carried out, and need not be kept.
            self.messages.add(essence({**message, "tool_calls": []}))

    def has(self, message):
        return essence(message) in self.messages


def essence(message):
    """What of an answer has to stay as it was said; arguments that are no object are the same as an empty one."""
    content = message.get("content") or message.get("refusal") or ""
    text = content if isinstance(content, str) else "".join(part.get("text") or part["refusal"] for part in content)
    calls = tuple(
        (call["id"], call["function"]["name"], readable(call["function"]["arguments"]))
        for call in message.get("tool_calls", ())
    )
    return text if text.strip() else "", calls


def tools(declared):
    for at, tool in enumerate(declared):
        require(tool["type"] == "function", f"tools.{at}: {tool['type']} is no function")
    openai_rules.functions([(f"tools.{at}.function", tool["function"]) for at, tool in enumerate(declared)])


def conversation(messages, said):
    first = messages[0]["role"] if messages else None
    require(first in ("system", "developer"), f"the first message must be the system's or developer's, not {first}")
    waiting, ids = [], set()
    for index, message in enumerate(messages):
        place, role = f"messages.{index}", message["role"]
        require(role in ROLES, f"{place}: the role {role} is gone")
        if role == "tool":
            name = message["tool_call_id"]
            require(name in waiting, f"{place}: a tool message for {name}, which waits for none")
            waiting.remove(name)
        else:
            require(not waiting, f"{place}: no tool message for {waiting} directly after the call")
        speaks_otherwise = role == "assistant" and (message.get("tool_calls") or message.get("refusal"))
        if message.get("content") is not None or not speaks_otherwise:
            openai_rules.filled(place, message.get("content"))
        if role == "assistant":
            waiting = calls(place, message, ids)
            # What was said and done elsewhere may be told as the model's own words, and then as words alone.
            require(said.has(message) or message.keys() == {"role", "content"}, f"{place}: the model never said this message")
        for part_place, part in parts_of(place, message):
            # Others than OpenAI know no more.
            known = ("text", "image_url") if role == "user" else ("text", "refusal")
            require(part["type"] in known, f"{part_place}: a {part['type']} in a message of the role {role}")
    require(not waiting, f"no tool message for {waiting}")


def calls(place, message, ids):
    """The ids of the calls of a message."""
    require(message.get("tool_calls") != [], f"{place}: tool_calls is an empty list")
    waiting = []
    for call in message.get("tool_calls", ()):
        require(call["type"] == "function", f"{place}: a call of a {call['type']}")
        require(call["id"] not in ids, f"{place}: the id {call['id']} is not unique")
        ids.add(call["id"])
        waiting.append(call["id"])
        arguments(f"{place}.{call['id']}", call["function"]["arguments"])
    return waiting


def readable(text):
    """Many servers read what is sent back, and fail where the model has written nonsense."""
    try:
        return text if isinstance(json.loads(text), dict) else "{}"
    except ValueError:
        return "{}"


def arguments(place, text):
    try:
        value = json.loads(text)
    except ValueError as error:
        raise Broken(f"{place}: the arguments are no JSON: {error}") from error
    require(isinstance(value, dict), f"{place}: the arguments are no object")


def parts_of(place, message):
    content = message.get("content")
    return [(f"{place}.{at}", part) for at, part in enumerate(content)] if isinstance(content, list) else []
