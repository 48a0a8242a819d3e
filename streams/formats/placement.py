"""Whether events lie in the partition of their ids: a label in another partition than its prediction never meets it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from streams.partitioner import partition_of

SAMPLED_FETCHES = 16  # the first of so many fetches is looked at
SAMPLED = 8  # ids that are looked at in a fetch: a producer with another partitioner misplaces most of them


@dataclass(frozen=True)
class Placement:
    """A source partition among ``partitions``.

    Examples
    --------
    >>> Placement(2, 4).misplaced(["a", "b", "c"])
    ['a', 'b']
    """

    partition: int
    partitions: int

    def misplaced(self, event_ids: Sequence[str]) -> list[str]:
        """Of some event ids those that belong to another partition."""
        owners = partition_of([event_id.encode() for event_id in event_ids], self.partitions).tolist()
        return [event_id for event_id, owner in zip(event_ids, owners, strict=True) if owner != self.partition]

    def story(self, misplaced: Sequence[str]) -> str:
        """What to do about it."""
        first = misplaced[0]
        owner = int(partition_of([first.encode()], self.partitions)[0])
        return (
            f"event {first!r:.100} came in partition {self.partition}, but belongs to partition {owner} of {self.partitions}; labels there do not meet their predictions, "
            "and label coverage is not trustworthy. The partition is murmur2(event id) mod n: Java's default; for librdkafka set partitioner=murmur2_random, "
            "and let every record, JSON Lines and Arrow batches too, hold ids of its own partition only"
        )


def sample(count: int) -> list[int]:
    """Places of `SAMPLED` things among so many, evenly spread; all of fewer."""
    return list(range(count)) if count <= SAMPLED else [place * count // SAMPLED for place in range(SAMPLED)]
