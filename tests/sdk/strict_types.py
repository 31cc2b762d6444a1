"""The SDK's request types, made strict: no unknown members, and every item of every list is looked at.

As they come, the SDK's TypedDicts are for people who write programs with it: they allow members that they do not
know, lists that are read lazily, open files in the place of texts, and answers of the API in the place of requests.
"""

import functools
import types
import typing
from collections.abc import Iterable, Sequence

import typing_extensions as te
from pydantic import ConfigDict, Discriminator, Tag, TypeAdapter, ValidationError, with_config

# Members by which the members of a union are told apart.
NAMES_OF_KINDS = ("type", "role")
# What stands in a request as JSON, beside lists and objects.
SCALARS = (str, int, float, bool, object, type(None))


class StrictType:
    """One of the SDK's types, as a check of what was read from JSON."""

    def __init__(self, sdk_type, without=()):
        """`without` names members that the SDK sends elsewhere than in the body."""
        self._adapter = TypeAdapter(strict_dict(sdk_type, without))

    def fault(self, value):
        """The first thing that is wrong with the value, with its place."""
        try:
            self._adapter.validate_python(value, strict=True)
        except ValidationError as error:
            # Where a union could not tell what was meant, the deepest fault is the one of what was meant.
            faults = error.errors(include_url=False, include_context=False, include_input=False)
            worst = max(faults, key=lambda fault: len(fault["loc"]))
            place = ".".join(str(part) for part in worst["loc"] if not str(part).startswith("list["))
            return f"{place}: {worst['msg']}"
        return None


@functools.cache
def strict(sdk_type):
    """The same type, strict all the way down; `Never` for what cannot stand in a request."""
    origin, parts = te.get_origin(sdk_type), te.get_args(sdk_type)
    if te.is_typeddict(sdk_type):
        return strict_dict(sdk_type)
    if sdk_type in SCALARS or origin is te.Literal:
        return sdk_type
    if origin in (te.Annotated, te.Required, te.NotRequired):
        return strict(parts[0])
    if origin in (typing.Union, types.UnionType):
        return strict_union(parts)
    if origin in (list, Iterable, Sequence) or getattr(origin, "__name__", "") == "SequenceNotStr":
        return list[strict(parts[0])]
    if origin is dict:
        return dict[strict(parts[0]), strict(parts[1])]
    # Open files, and the API's own answers, which the SDK takes in the place of requests.
    return te.Never


def strict_dict(sdk_type, without=()):
    members = {}
    for name, hint in members_of(sdk_type).items():
        if name not in without:
            members[name] = (te.Required if is_required(sdk_type, name) else te.NotRequired)[strict(hint)]
    extra = getattr(sdk_type, "__pydantic_config__", {}).get("extra", "forbid")
    return with_config(ConfigDict(extra=extra))(te.TypedDict(sdk_type.__name__, members))


@functools.cache
def members_of(sdk_type):
    return te.get_type_hints(sdk_type, include_extras=True)


def is_required(sdk_type, name):
    # The SDK's annotations are texts, in which Python does not see the mark by itself.
    mark = te.get_origin(members_of(sdk_type)[name])
    return mark is te.Required or (mark is not te.NotRequired and name in sdk_type.__required_keys__)


def strict_union(parts):
    dicts = [part for part in parts if te.is_typeddict(part)]
    others = [strict(part) for part in parts if part not in dicts]
    if dicts:
        others.append(told_apart(dicts))
    possible = tuple(part for part in others if part is not te.Never)
    return typing.Union[possible] if possible else te.Never


def told_apart(dicts, names=NAMES_OF_KINDS):
    """One fault for the kind that was meant, instead of one for each kind that there is.

    Where some are of the same kind by one name, they may be told apart by the next.
    """
    for at, name in enumerate(names):
        of_kinds = {}
        for part in dicts:
            for kind in kinds_of(part, name) or (None,):
                of_kinds.setdefault(kind, []).append(part)
        if None in of_kinds or len(of_kinds) < 2:
            continue
        tagged = (te.Annotated[told_apart(same, names[at + 1 :]), Tag(kind)] for kind, same in of_kinds.items())

        def kind_of(value, name=name):
            return str(value.get(name)) if isinstance(value, dict) else None

        return te.Annotated[typing.Union[tuple(tagged)], Discriminator(kind_of)]
    return typing.Union[tuple(strict(part) for part in dicts)]


def kinds_of(sdk_type, name):
    """The values that mark one type of a union, as texts; "None" is one where the mark may be missing."""
    hint = te.get_type_hints(sdk_type).get(name)
    literals = [hint] if te.get_origin(hint) is te.Literal else te.get_args(hint)
    kinds = [str(kind) for literal in literals if te.get_origin(literal) is te.Literal for kind in te.get_args(literal)]
    return kinds if not kinds or is_required(sdk_type, name) else kinds + ["None"]
