"""How a rule says that it does not hold."""


class Broken(Exception):
    """The API would answer 400."""


def require(holds, otherwise):
    if not holds:
        raise Broken(otherwise)


# What only CloudBot's own parts tell each other.
OURS = ("cookie", "x-cloudbot-vm", "x-cloudbot-capability")


def not_for_a_provider(headers, names):
    for name in names:
        require(name not in headers, f"the header {name} is nothing for a provider")
