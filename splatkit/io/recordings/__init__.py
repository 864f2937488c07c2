"""Recordings of robots: what their topics hold, read one message at a time by rosbags (the extra `bags`)."""
