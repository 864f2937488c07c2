"""What a process has in memory."""

from splatkit.memory import peak_memory_mb, resident_memory_mb


def test_resident_memory_grows_with_what_is_kept_and_never_exceeds_the_peak():
    before = resident_memory_mb()
    kept = bytearray(b"x" * 100_000_000)
    after = resident_memory_mb()
    assert before is None or (after is not None and after > before + 50)
    assert after is None or after <= peak_memory_mb() + 50  # the system counts in batches of pages
    assert len(kept) == 100_000_000
