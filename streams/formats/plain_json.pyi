from collections.abc import Iterable, Sequence

from detectors.event_batch import Bool, Float64, Int32, Int64, UInt8

FIELDS: tuple[str, ...]

class PlainReader:
    def __init__(
        self,
        *,
        numeric: Sequence[str],
        categories: Sequence[str],
        passed_over: Sequence[str],
        segments: Sequence[str],
        kinds: Iterable[str],
        any_feature: bool,
        regression: bool,
    ) -> None: ...
    def read(self, data: bytes, bounds: Int64, times: Int64) -> tuple[Bool, Int64, Float64, UInt8, Bool, Float64]: ...

def coded(data: bytes, starts: Int64, ends: Int64) -> tuple[Int32, Int64]: ...
