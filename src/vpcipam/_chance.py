"""Seeded random numbers for simulations."""

_WORD = (1 << 64) - 1
_GOLDEN_GAMMA = 0x9E3779B97F4A7C15


def seed_of_member(seed: int, number: int) -> int:
    """Return a member's seed, derived from the seed of its group: 0 … 2**64-1.

    Two members have the same seed only by chance, whatever the group's seed: an odd factor permutes the numbers of 64 bits.
    """
    return (seed * 1_000_003 + number) & _WORD


class Scatter:
    """A SplitMix64 random number generator whose whole state is one counter.

    To undo draws, set `draw_count` back. With a generator of `random`, a caller would have to copy its state.
    """

    def __init__(self, seed: int) -> None:
        self._base = seed & _WORD
        self.draw_count = 0

    def word(self) -> int:
        """Draw a 64-bit number."""
        self.draw_count += 1
        word = (self._base + self.draw_count * _GOLDEN_GAMMA) & _WORD
        word = ((word ^ (word >> 30)) * 0xBF58476D1CE4E5B9) & _WORD
        word = ((word ^ (word >> 27)) * 0x94D049BB133111EB) & _WORD
        return word ^ (word >> 31)

    def below(self, bound: int) -> int:
        """Draw a number from 0 up to `bound`, exclusive."""
        return self.word() % bound


class AlwaysZero(Scatter):
    """A generator that always draws 0, for a caller that wants the lowest place rather than a random one."""

    def __init__(self) -> None:
        super().__init__(0)

    def below(self, bound: int) -> int:
        """Draw 0, whatever the bound."""
        del bound
        return 0
