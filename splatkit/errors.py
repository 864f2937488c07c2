"""Errors that splatkit raises on purpose: their message alone tells a person what to do."""


class SplatkitError(Exception):
    """Base of all errors of geometry or data that cannot be solved; the message names what to add or change."""


class DatasetError(SplatkitError):
    """A dataset (folder, transforms.json, image, point cloud) cannot be used; the message names the file."""


class EmptyMeshError(SplatkitError):
    """A reconstruction produced no surface; the message says which stage lost it."""


class SettingsError(SplatkitError, ValueError):
    """Settings contradict each other or lie outside their range; the message names the setting."""


class RefusedError(SplatkitError):
    """No result that one could trust follows from the data; the message says why and what to add."""


class CalibrationRefusedError(RefusedError):
    """There is no such calibration."""


class CaptureRefusedError(RefusedError):
    """Photographs do not give a reconstruction, or photographs and scans do not fit together."""
