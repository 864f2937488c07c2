"""The room that several tests of the capture stage look at."""

from pathlib import Path

import pytest

from tests.capture.room import Room, photograph_room


@pytest.fixture(scope="session")
def room(tmp_path_factory) -> Room:
    """Eight photographs, 320x240."""
    folder: Path = tmp_path_factory.mktemp("room")
    return photograph_room(folder / "images")
