"""Tables of times are read or refused with their line; nothing else happens."""

from hypothesis import given, settings
from hypothesis import strategies as st

from splatkit.capture.times import read_times
from splatkit.errors import DatasetError


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.binary(max_size=60) | st.text(alphabet="file,time_s.0123456789eE+-nai\n\t ", max_size=60).map(str.encode))
def test_any_bytes_are_read_or_refused(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("fuzz") / "times.csv"
    path.write_bytes(content)
    assert "times.csv" in (refusal(path) or "times.csv")


def refusal(path):
    """What reading a file says against it; empty if it is read."""
    try:
        read_times(path)
    except DatasetError as error:
        return str(error)
    return ""
