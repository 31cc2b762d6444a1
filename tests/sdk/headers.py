"""Headers that tell a provider what is not for it."""

from verdict import require

# What only CloudBot's own parts tell each other.
OURS = ("cookie", "x-cloudbot-vm", "x-cloudbot-capability")


def not_for_a_provider(headers, names):
    for name in names:
        require(name not in headers, f"the header {name} is nothing for a provider")
