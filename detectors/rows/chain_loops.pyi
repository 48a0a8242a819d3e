from detectors.event_batch import Int32, Int64, UInt8, UInt64

def chain(bucket: Int64, first: int, latest: Int32, before: Int32) -> None: ...
def walk(
    entry: Int32,
    wanted: UInt64,
    until: Int64,
    since: Int64,
    ids: UInt64,
    positions: Int32 | Int64,
    position_base: int,
    position_alike: int,
    timestamps: Int32 | Int64,
    timestamp_base: int,
    timestamp_alike: int,
    before: Int32,
    steps: int,
    best: Int32,
) -> tuple[int, int]: ...
def chain_and_walk(
    bucket: Int64,
    first: int,
    latest: Int32,
    before: Int32,
    until: Int64,
    since: Int64,
    ids: UInt64,
    positions: Int32 | Int64,
    position_base: int,
    position_alike: int,
    timestamps: Int32 | Int64,
    timestamp_base: int,
    timestamp_alike: int,
    steps: int,
    repeats: UInt8,
) -> int: ...
