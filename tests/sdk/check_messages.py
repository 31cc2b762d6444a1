"""What Anthropic's Messages API refuses; an answer of the model is `{"content", "stop_reason"}`."""

import re

from anthropic.types import beta, message_create_params

from conversations import Conversations, digest
from headers import OURS, not_for_a_provider
from pictures import Pictures
from strict_types import StrictType
from verdict import require

# What the SDK's types name beside the body: headers.
ELSEWHERE = ("betas", "user_profile_id", "workspace_id")
NOT_FOR_A_PROVIDER = ("authorization", *OURS)
GONE = ("temperature", "top_p", "top_k")
MAX_MARKS = 4
MAX_REQUEST = 32 << 20
MAX_EDGE = 8000
MANY_PICTURES, MAX_EDGE_OF_MANY = 20, 2000
# Models with a window of 200,000 tokens take no more.
MAX_PICTURES = 100
NAME = re.compile(r"[a-zA-Z0-9_-]{1,128}")
# After these the same conversation is sent again, with the model's message at its end.
GOES_ON = ("pause_turn", "compaction")
# Blocks that only the model makes.
THE_MODELS_OWN = ("tool_use", "thinking", "redacted_thinking")


class Checker:
    def __init__(self):
        self.plain = StrictType(message_create_params.MessageCreateParamsStreaming, ELSEWHERE)
        self.beta = StrictType(beta.message_create_params.MessageCreateParamsStreaming, ELSEWHERE)
        self.said = Said()
        self.conversations = Conversations()
        self.pictures = Pictures()

    def check(self, headers, body, size):
        require("anthropic-version" in headers, "the header anthropic-version is missing")
        not_for_a_provider(headers, NOT_FOR_A_PROVIDER)
        require(isinstance(body, dict), "the body is no object")
        for name in GONE:
            require(name not in body, f"{name} is gone since 2026-10-21")
        require(size <= MAX_REQUEST, f"the request has {size} bytes; at most {MAX_REQUEST} are taken")
        shape = self.beta if "anthropic-beta" in headers else self.plain
        fault = shape.fault(self.said.without_unknown_blocks(body))
        require(fault is None, fault)
        require(body["max_tokens"] > 0, "max_tokens must be more than 0")
        tools(body.get("tools", ()))
        marks = count_marks(body)
        require(marks <= MAX_MARKS, f"{marks} cache_control marks; at most {MAX_MARKS}")
        messages = [(message["role"], blocks_of(message)) for message in body["messages"]]
        conversation(messages, self.said)
        self.check_pictures(messages)
        pieces = [
            (f"messages.{index}.content.{at}", [role, block])
            for index, (role, blocks) in enumerate(messages)
            for at, block in enumerate(blocks)
        ]
        is_new = not any(role == "assistant" and self.said.has(block) for _, (role, block) in pieces)
        self.conversations.check(pieces, is_new)

    def check_pictures(self, messages):
        pictures = [
            (f"messages.{index}", picture) for index, (_, blocks) in enumerate(messages) for picture in images(blocks)
        ]
        require(len(pictures) <= MAX_PICTURES, f"{len(pictures)} pictures; at most {MAX_PICTURES}")
        limit = MAX_EDGE_OF_MANY if len(pictures) > MANY_PICTURES else MAX_EDGE
        for place, source in pictures:
            if source["type"] != "base64":
                continue
            edge = self.pictures.long_edge(place, source["media_type"], source["data"])
            require(edge <= limit, f"{place}: a picture of {edge} px an edge; at most {limit} among {len(pictures)}")


class Said:
    """What the model has said so far."""

    def __init__(self):
        self.blocks = set()
        self.to_be_continued = set()

    def add(self, answer):
        self.blocks.update(digest(block) for block in answer["content"])
        if answer["stop_reason"] in GOES_ON:
            self.to_be_continued.add(digest(answer["content"]))

    def has(self, block):
        return digest(block) in self.blocks

    def without_unknown_blocks(self, body):
        """The API takes back what it gave, also kinds of blocks that come after this SDK."""
        messages = body.get("messages")
        if not isinstance(messages, list):
            return body
        return {**body, "messages": [self.known(message) for message in messages]}

    def known(self, message):
        content = message.get("content") if isinstance(message, dict) else None
        if not isinstance(content, list) or message.get("role") != "assistant":
            return message
        ours = ("text", *THE_MODELS_OWN)
        foreign = [isinstance(block, dict) and block.get("type") not in ours and self.has(block) for block in content]
        return {**message, "content": [block for block, is_foreign in zip(content, foreign) if not is_foreign]}


def tools(declared):
    names = [tool["name"] for tool in declared if "name" in tool]
    for name in names:
        require(NAME.fullmatch(name), f"tools: {name!r} is no name of a tool")
        require(names.count(name) == 1, f"tools: the name {name} is there twice")


def conversation(messages, said):
    require(messages and messages[0][0] == "user", "the first message must be the user's")
    waiting, toolsets = [], {}
    for index, (role, blocks) in enumerate(messages):
        place = f"messages.{index}"
        require(role in ("user", "assistant"), f"{place}: the role {role}")
        require(blocks, f"{place}: content is empty")
        for block in blocks:
            if block["type"] == "text":
                require(block["text"].strip(), f"{place}: text blocks must contain non-whitespace text")
        if role == "user":
            results(place, blocks, waiting, toolsets)
            require(not waiting, f"{place}: no tool_result for {waiting} in the very next message")
            continue
        require(not waiting, f"{place}: tool_use {waiting} has no tool_result")
        for block in blocks:
            if block["type"] == "tool_use":
                require(block["id"] not in toolsets, f"{place}: the tool_use id {block['id']} is not unique")
                require(NAME.fullmatch(block["id"]), f"{place}: {block['id']!r} is no id of a tool_use")
                toolsets[block["id"]] = block.get("toolset_name")
                waiting.append(block["id"])
    for index, (_, blocks) in enumerate(messages):
        for block in blocks:
            never_said = block["type"] in THE_MODELS_OWN and not said.has(block)
            require(not never_said, f"messages.{index}: the model never said this {block['type']} block")
    role, blocks = messages[-1]
    continued = role == "assistant" and digest(blocks) in said.to_be_continued
    require(role == "user" or continued, "the last message must be the user's, or the model's to be continued unchanged")


def results(place, blocks, waiting, toolsets):
    first_other = next((at for at, block in enumerate(blocks) if block["type"] != "tool_result"), len(blocks))
    for at, block in enumerate(blocks):
        require(block["type"] not in THE_MODELS_OWN, f"{place}: a user's message holds a {block['type']} block")
        if block["type"] != "tool_result":
            continue
        name = block["tool_use_id"]
        require(at < first_other or first_other == len(blocks), f"{place}: tool_result blocks must come first")
        require(name in waiting, f"{place}: unexpected tool_result {name}")
        waiting.remove(name)
        wanted, given = toolsets[name], block.get("toolset_name")
        require(wanted == given, f"{place}: the result of {name} has toolset_name {given}, and its tool_use {wanted}")
        parts = parts_of(block)
        for part in parts:
            if part["type"] == "text":
                require(part["text"].strip(), f"{place}: text blocks must contain non-whitespace text")
        if block.get("is_error"):
            require(parts, f"{place}: an error result is non-empty text only, and this one is empty")
            for part in parts:
                require(part["type"] == "text", f"{place}: an error result is text only, and this one has an {part['type']}")


def images(blocks):
    for block in blocks:
        if block["type"] == "image":
            yield block["source"]
        elif block["type"] == "tool_result":
            yield from images(parts_of(block))


def blocks_of(message):
    content = message["content"]
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def parts_of(result):
    return blocks_of({"content": result.get("content", [])})


def count_marks(value):
    if isinstance(value, dict):
        return ("cache_control" in value) + sum(count_marks(member) for member in value.values())
    return sum(count_marks(item) for item in value) if isinstance(value, list) else 0
