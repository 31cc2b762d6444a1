"""What OpenAI's Responses API refuses, and what a client must not do that keeps nothing there.

An answer of the model is `{"items", "stop_reason"}`.
"""

from openai.types.responses import response_create_params

import openai_rules
from conversations import Conversations, digest
from strict_types import StrictType
from verdict import require

COMPUTERS = ("computer", "computer_use_preview")
CALLS = ("function_call", "computer_call")
OUTPUTS = tuple(f"{call}_output" for call in CALLS)
# Items that only the model makes, beside its messages.
THE_MODELS_OWN = ("reasoning", *CALLS)
KEPT_THERE = ("previous_response_id", "conversation", "prompt", "background")
MIN_OUTPUT = 16
# Stands where the types are not to look.
SAID = {"role": "assistant", "content": "said"}


class Checker:
    def __init__(self):
        self.shape = StrictType(response_create_params.ResponseCreateParamsStreaming)
        self.said = Said()
        self.conversations = Conversations()
        self.pictures = openai_rules.DataPictures()

    def check(self, headers, body, _size):
        openai_rules.headers_and_stream(headers, self.said.passed_over(body), self.shape)
        require("model" in body, "model: Field required")
        require(body.get("store") is False, "store must be false: nothing is kept there")
        for name in KEPT_THERE:
            require(not body.get(name), f"{name} needs what is kept there")
        limit = body.get("max_output_tokens")
        require(limit is None or limit >= MIN_OUTPUT, f"max_output_tokens must be at least {MIN_OUTPUT}")
        reasoning(body)
        items = items_of(body)
        tools(body.get("tools", ()), items)
        conversation(items, self.said)
        for index, item in enumerate(items):
            for place, url in pictures(f"input.{index}", item):
                self.pictures.check(place, url)
        pieces = [(f"input.{index}", item) for index, item in enumerate(items)]
        self.conversations.check(pieces, not any(self.said.has(item) for item in items))


class Said:
    """What the model has said so far, and in which order."""

    def __init__(self):
        self.items = set()
        self.answers = {}
        self.after = {}
        self.before = {}
        self.count = 0

    def add(self, answer):
        self.count += 1
        items = [(item, digest(item)) for item in answer["items"]]
        for at, (item, name) in enumerate(items):
            self.items.add(name)
            if not is_known_to_be_the_models(item):
                continue
            self.answers[name] = self.count
            if item["type"] == "reasoning":
                self.after[name] = items[at + 1][1] if at + 1 < len(items) else None
            if at > 0 and items[at - 1][0]["type"] == "reasoning":
                self.before[name] = items[at - 1][1]

    def has(self, item):
        return digest(item) in self.items

    def passed_over(self, body):
        """The API takes back what it gave, also what its SDK calls incomplete or does not know."""
        items = body.get("input") if isinstance(body, dict) else None
        if not isinstance(items, list):
            return body
        return {**body, "input": [SAID if self.has(item) else item for item in items]}


def reasoning(body):
    asked = body.get("reasoning") or {}
    if asked and asked.get("effort") != "none":
        included = "reasoning.encrypted_content" in (body.get("include") or ())
        require(included, "include must have reasoning.encrypted_content: nothing else brings the reasoning back")


def tools(declared, items):
    functions = [(f"tools.{at}", tool) for at, tool in enumerate(declared) if tool["type"] == "function"]
    openai_rules.functions(functions)
    computers = [tool["type"] for tool in declared if tool["type"] in COMPUTERS]
    require(len(computers) < 2, f"tools: {len(computers)} computers; a call could not tell which one it means")
    for index, item in enumerate(items):
        of_a_computer = item.get("type") in ("computer_call", "computer_call_output")
        require(computers or not of_a_computer, f"input.{index}: a {item.get('type')}, and no computer is declared")


def conversation(items, said):
    require(items, "input is empty")
    for index, item in enumerate(items):
        forged = is_known_to_be_the_models(item) and not said.has(item) and not is_told(item)
        require(not forged, f"input.{index}: the model never said this {kind_of(item)}")
    waiting, call_ids, answered, answer = {}, set(), set(), None
    for index, item in enumerate(items):
        place, kind = f"input.{index}", kind_of(item)
        if is_the_models(item, said):
            now = said.answers.get(digest(item))
            if now is not None:
                require(now not in answered, f"{place}: what the model said at once is torn apart")
                require(now == answer or not waiting, f"{place}: no output of {list(waiting)} before the model goes on")
                answer = now
            companions(place, index, items, said)
            if kind in CALLS:
                require(item["call_id"] not in call_ids, f"{place}: the call_id {item['call_id']} is not unique")
                call_ids.add(item["call_id"])
                waiting[item["call_id"]] = item
        elif kind in OUTPUTS:
            answered.add(answer)
            output(place, item, waiting)
        else:
            require(kind == "message", f"{place}: a {kind} needs what is kept there, or a tool that nobody declared")
            require(not waiting, f"{place}: no output of {list(waiting)} directly after the call")
            openai_rules.filled(place, item["content"])
    require(not waiting, f"no output of {list(waiting)}")


def companions(place, index, items, said):
    """The API refuses reasoning without what came of it, and what came of reasoning without the reasoning."""
    name = digest(items[index])
    if name in said.after:
        follows = digest(items[index + 1]) if index + 1 < len(items) else None
        kept = follows is not None and follows == said.after[name]
        require(kept, f"{place}: reasoning without the item that followed it when it was said")
    if name in said.before:
        kept = index > 0 and digest(items[index - 1]) == said.before[name]
        require(kept, f"{place}: an item without the reasoning that it followed when it was said")


def output(place, item, waiting):
    call = waiting.pop(item.get("call_id"), None)
    require(call, f"{place}: an output of {item.get('call_id')}, which waits for none")
    require(item["type"] == f"{call['type']}_output", f"{place}: a {item['type']} for a {call['type']}")
    if call["type"] == "computer_call":
        pending = sorted(check["id"] for check in call["pending_safety_checks"])
        acknowledged = sorted(check["id"] for check in item.get("acknowledged_safety_checks") or ())
        require(pending == acknowledged, f"{place}: the safety checks {pending} are pending, and {acknowledged} acknowledged")


def pictures(place, item):
    parts = item.get("content") if item.get("type") in (None, "message") else item.get("output")
    for at, part in enumerate(parts if isinstance(parts, list) else [parts]):
        if isinstance(part, dict) and part.get("type") in ("input_image", "computer_screenshot"):
            require(not part.get("file_id"), f"{place}.{at}: a file_id needs what is kept there")
            yield f"{place}.{at}", part.get("image_url")


def items_of(body):
    asked = body.get("input", [])
    return [{"role": "user", "content": asked}] if isinstance(asked, str) else asked


def kind_of(item):
    return item.get("type") or ("message" if "role" in item else "item_reference")


def is_told(item):
    """What was said and done elsewhere may be told as the model's own words, and then as words alone."""
    return item.get("role") == "assistant" and isinstance(item.get("content"), str) and "id" not in item


def is_the_models(item, said):
    return is_known_to_be_the_models(item) or said.has(item)


def is_known_to_be_the_models(item):
    return item.get("role") == "assistant" or item.get("type") in THE_MODELS_OWN
