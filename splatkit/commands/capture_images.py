"""`splatkit capture images`: photographs, a video or given poses to a dataset."""

from splatkit.capture.images.settings import CaptureImagesSettings
from splatkit.commands.terminal import print_warnings, show_progress


def run_capture_images(settings: CaptureImagesSettings) -> None:
    """Make the dataset, with its report; say how good it is."""
    from splatkit.capture.images.stage import capture_images
    from splatkit.pages.capture_images import write_images_report

    captured = capture_images(settings, show_progress, write_images_report)
    print_warnings(captured.warnings)
    print(f"{settings.out}: {captured.verdict()}")
