"""What the official SDK reads in a stream of the scripted provider: a line of JSON in, a line out, until all are read.

In: `{"api", "stream"}`. Out: the answer as a client is to keep it; or `{"fault"}`, when an event is none that the SDK's
types know, or when the pieces do not make up what the events say at their ends.
"""

import json
import sys

from openai._streaming import SSEDecoder
from openai.types.chat import ChatCompletionChunk
from openai.types.responses import ResponseStreamEvent
from pydantic import TypeAdapter

# The SDK passes over what it does not know; real servers send such things too.
UNKNOWN = ("something_new", "keepalive")
UNKNOWN_MEMBER = "obfuscation"
PIECES = {
    "response.output_text": ("text", "content_index"),
    "response.refusal": ("refusal", "content_index"),
    "response.reasoning_summary_text": ("text", "summary_index"),
    "response.function_call_arguments": ("arguments", None),
}


def main():
    reads = {"responses": read_responses, "chat": read_chat}
    for line in sys.stdin:
        asked = json.loads(line)
        try:
            events = list(SSEDecoder().iter_bytes(iter([asked["stream"].encode()])))
            answer = reads[asked["api"]](events)
        except (AssertionError, ValueError) as fault:
            answer = {"fault": str(fault)}
        print(json.dumps(answer), flush=True)


def read_responses(events):
    knows = TypeAdapter(ResponseStreamEvent)
    items, pieces, last = [], {}, None
    for number, sse in enumerate(events):
        event = json.loads(sse.data)
        assert sse.event == event["type"], f"the event {sse.event} holds a {event['type']}"
        assert event["sequence_number"] == number, f"{event['type']} is event {number}: {event}"
        if event["type"] in UNKNOWN:
            continue
        nothing_unknown(knows.validate_json(sse.data, strict=True))
        last = event
        kind, _, step = event["type"].rpartition(".")
        if kind in PIECES:
            field, index = PIECES[kind]
            place = (event["item_id"], event["output_index"], event.get(index))
            if step == "delta":
                pieces[place] = pieces.get(place, "") + event["delta"]
            else:
                assert pieces.get(place, "") == event[field], f"{pieces.get(place)!r} became {event[field]!r}"
        elif event["type"] == "response.output_item.added":
            assert event["output_index"] == len(items), f"an item out of order: {event}"
        elif event["type"] == "response.output_item.done":
            items.append(event["item"])
    response = last.get("response")
    if last["type"] in ("response.completed", "response.incomplete"):
        assert response["output"] == items, f"{items} became {response['output']}"
    return {"ends": last["type"], "items": items, "response": response}


def read_chat(events):
    knows = TypeAdapter(ChatCompletionChunk)
    message, calls, usage, finish = {"content": "", "reasoning_content": "", "refusal": ""}, [], None, None
    ends = None
    for sse in events:
        assert ends is None, f"after the end: {sse.data}"
        if sse.data == "[DONE]":
            ends = "[DONE]"
            continue
        data = json.loads(sse.data)
        if "error" in data:
            ends = data
            continue
        chunk = knows.validate_json(sse.data, strict=True)
        usage = data.get("usage") or usage
        assert len(chunk.choices) < 2 and (usage is None or not chunk.choices), f"too much in {sse.data}"
        for choice in data["choices"]:
            assert finish is None, f"after the finish: {sse.data}"
            finish = choice["finish_reason"]
            for name in message:
                message[name] += choice["delta"].get(name, "")
            for call in choice["delta"].get("tool_calls", ()):
                add(calls, call)
    return {"ends": ends, "message": message, "calls": calls, "finish": finish, "usage": usage}


def add(calls, delta):
    if delta["index"] == len(calls):
        calls.append({"id": delta["id"], "name": delta["function"]["name"], "arguments": ""})
    assert delta["index"] == len(calls) - 1, f"a call out of order: {delta}"
    calls[-1]["arguments"] += delta["function"]["arguments"]


def nothing_unknown(value):
    """The SDK's types take any further member; a misspelt one must not pass."""
    for name, member in value:
        assert name in type(value).model_fields or name == UNKNOWN_MEMBER, f"{type(value).__name__} has no {name}"
        for part in member if isinstance(member, list) else [member]:
            if hasattr(part, "model_fields_set"):
                nothing_unknown(part)


if __name__ == "__main__":
    main()
