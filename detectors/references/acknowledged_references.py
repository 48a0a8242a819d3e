"""Which acknowledgements one revision has heard, and what its monitors compare with because of them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from detectors.acknowledgement import ENOUGH, Acknowledgement, Present
from detectors.detector import Detector, State


class AcknowledgedReferences:
    """References by monitor; of those that hold too few events, since when events count.

    Attributes
    ----------
    references : by monitor; without any event where it is still learning.
    learning : start of the change, by monitor whose reference is still too small.
    """

    def __init__(self) -> None:
        self._heard: list[str] = []  # a word counts once, whether or not its alert was open
        self.references: dict[str, Present] = {}
        self.learning: dict[str, int] = {}

    def due(self, words: Sequence[Acknowledgement], until: int) -> list[Acknowledgement]:
        """Words that count by a time and were not heard yet, in the order of their times; they are heard now."""
        found = sorted((word for word in words if word.effective_from <= until and word.key not in self._heard), key=lambda word: (word.effective_from, word.key))
        once = list({word.key: word for word in reversed(found)}.values())[::-1]
        self._heard += [word.key for word in once]
        return once

    def next_from(self, words: Sequence[Acknowledgement]) -> int | None:
        """When the next word counts that was not heard yet."""
        return min((word.effective_from for word in words if word.key not in self._heard), default=None)

    def begin(self, since: Mapping[str, int]) -> None:
        """What monitors see from these times on becomes their reference."""
        for name, start in since.items():
            self.references[name], self.learning[name] = Present(), start

    def learn(self, detectors: Iterable[Detector], states: Mapping[str, State]) -> list[str]:
        """Take what learning monitors have seen where it is enough; returns their names.

        Parameters
        ----------
        detectors : all of the model's.
        states : of the detectors, by the names of their monitors joined by commas.
        """
        learnt = []
        for detector in detectors if self.learning else ():
            for place, name in enumerate(detector.names):
                if name in self.learning:
                    found = detector.present(states[",".join(detector.names)], place, self.learning[name])
                    if found.events >= ENOUGH:
                        self.references[name] = found
                        learnt.append(name)
        for name in learnt:
            del self.learning[name]
        return learnt

    def take(self, references: Mapping[str, Present]) -> None:
        """Compare monitors with these, whatever they were compared with, or were still learning."""
        self.references = self.references | dict(references)
        self.learning = {name: since for name, since in self.learning.items() if name not in references}

    def drop(self, names: Collection[str]) -> None:
        """Forget monitors that no longer exist."""
        self.references = {name: present for name, present in self.references.items() if name not in names}
        self.learning = {name: since for name, since in self.learning.items() if name not in names}

    def state(self) -> dict[str, Any]:
        """What to save."""
        return {"heard": list(self._heard), "references": {name: present.plain() for name, present in self.references.items()}, "learning": dict(self.learning)}

    def restore(self, state: dict[str, Any]) -> None:
        """Take saved state."""
        self._heard, self.learning = list(state["heard"]), dict(state["learning"])
        self.references = {name: Present(*plain) for name, plain in state["references"].items()}
