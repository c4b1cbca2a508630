"""What a job may take at once."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Needs:
    """Cores and MiB of memory; zero is what is not known."""

    cores: float = 0.0
    memory_mib: float = 0.0

    def capped(self, cores: float | None, memory_mib: float | None) -> "Needs":
        """Return no more than this; None: no limit."""
        return Needs(
            self.cores if cores is None else min(self.cores, cores),
            self.memory_mib if memory_mib is None else min(self.memory_mib, memory_mib),
        )

    def plus(self, other: "Needs") -> "Needs":
        """Return both together."""
        return Needs(self.cores + other.cores, self.memory_mib + other.memory_mib)


ROUNDING = 1e-6
"""What sums of fractions of cores may be above a limit."""
NO_NEEDS = Needs()
"""Nothing is known."""
