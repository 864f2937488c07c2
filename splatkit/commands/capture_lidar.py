"""`splatkit capture lidar` and `static`: photographs and scans to a metric dataset."""

from splatkit.capture.lidar.settings import CaptureLidarSettings, CaptureStaticSettings
from splatkit.commands.terminal import print_warnings, show_progress


def run_capture_lidar(settings: CaptureLidarSettings) -> None:
    """Make the dataset, with its report; say how good it is."""
    from splatkit.capture.lidar.stage import capture_lidar
    from splatkit.pages.capture_lidar import write_lidar_report

    captured = capture_lidar(settings, show_progress, write_lidar_report)
    print_warnings(captured.warnings)
    print(f"{settings.out}: {captured.verdict()}")


def run_capture_static(settings: CaptureStaticSettings) -> None:
    """Make the dataset, with its report; say how good it is."""
    from splatkit.capture.lidar.stage import capture_static
    from splatkit.pages.capture_lidar import write_static_report

    captured = capture_static(settings, show_progress, write_static_report)
    print_warnings(captured.warnings)
    print(f"{settings.out}: {captured.verdict()}")
