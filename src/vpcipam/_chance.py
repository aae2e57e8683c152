"""Chance by seed, whose state is one counter."""

_WORD = (1 << 64) - 1
_GOLDEN_GAMMA = 0x9E3779B97F4A7C15


class Scatter:
    """A seeded sequence of numbers whose whole state is one counter.

    A refused call sets the counter back and so leaves no trace, which the generators of `random` make costly.
    The mixing is SplitMix64's.
    """

    def __init__(self, seed: int) -> None:
        self._base = seed & _WORD
        self.draw_count = 0

    def below(self, bound: int) -> int:
        """Draw a number from 0 up to `bound`, exclusive."""
        self.draw_count += 1
        word = (self._base + self.draw_count * _GOLDEN_GAMMA) & _WORD
        word = ((word ^ (word >> 30)) * 0xBF58476D1CE4E5B9) & _WORD
        word = ((word ^ (word >> 27)) * 0x94D049BB133111EB) & _WORD
        return (word ^ (word >> 31)) % bound
