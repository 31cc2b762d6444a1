"""How a rule says that it does not hold."""


class Broken(Exception):
    """The API would answer 400."""


def require(holds, otherwise):
    if not holds:
        raise Broken(otherwise)
