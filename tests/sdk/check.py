"""Would the provider take this request? `check.py API`: a line of JSON in, a line of JSON out, until the input ends.

In: `{"path", "headers", "body", "answers"}`, where `answers` are what the model gave since the line before, each in
the form that the API's module names. Out: `null`, or what is wrong with the request.

The shape is checked against the types of the official SDK; what they cannot say (order, pairs, limits, what must not
change between two requests) is checked by the API's module.
"""

import importlib
import json
import sys

HOW_TO_INSTALL = "the checker of requests cannot run: {}. Run `scripts/setup test`, which installs what it needs"
MODULES = {"messages": "check_messages", "responses": "check_responses", "chat": "check_chat"}


def main():
    try:
        from verdict import Broken

        checker = importlib.import_module(MODULES[sys.argv[1]]).Checker()
    except ImportError as missing:
        for _ in sys.stdin:
            print(json.dumps(HOW_TO_INSTALL.format(missing)), flush=True)
        sys.exit(1)
    for line in sys.stdin:
        asked = json.loads(line)
        try:
            for answer in asked.get("answers", ()):
                checker.said.add(answer)
            checker.check(asked["headers"], asked["body"], len(line))
            verdict = None
        except Broken as broken:
            verdict = str(broken)
        print(json.dumps(verdict), flush=True)


if __name__ == "__main__":
    main()
