"""`splatkit capture`: raw photographs and scans to a dataset."""

from dataclasses import dataclass
from typing import Annotated

import tyro

from splatkit.capture.images.settings import CaptureImagesSettings
from splatkit.capture.lidar.settings import CaptureLidarSettings, CaptureStaticSettings
from splatkit.capture.recording.settings import CaptureRecordingSettings
from splatkit.capture.stereo.settings import CaptureStereoSettings
from splatkit.commands.terminal import print_warnings, say, show_progress


@dataclass(frozen=True)
class Capture:
    """Make a dataset that splatkit and nerfstudio train on."""

    what: (
        Annotated[CaptureImagesSettings, tyro.conf.subcommand("images", prefix_name=False)]
        | Annotated[CaptureLidarSettings, tyro.conf.subcommand("lidar", prefix_name=False)]
        | Annotated[CaptureStaticSettings, tyro.conf.subcommand("static", prefix_name=False)]
        | Annotated[CaptureRecordingSettings, tyro.conf.subcommand("recording", prefix_name=False)]
        | Annotated[CaptureStereoSettings, tyro.conf.subcommand("stereo", prefix_name=False)]
    )


def run_capture_recording(settings: CaptureRecordingSettings) -> None:
    """List the topics, or take everything out; say what was there."""
    from splatkit.capture.recording.stage import capture_recording, list_topics

    if settings.topics:
        for topic, use in list_topics(settings.recording):
            say(f"{topic.name}: {topic} ({use})")
        return
    captured = capture_recording(settings, show_progress)
    print_warnings(captured.warnings)
    say(f"{settings.out}: {captured.verdict()}")


def run_capture_images(settings: CaptureImagesSettings) -> None:
    """Make the dataset, with its report; say how good it is."""
    from splatkit.capture.images.stage import capture_images
    from splatkit.pages.capture_images import write_images_report

    captured = capture_images(settings, show_progress, write_images_report)
    print_warnings(captured.warnings)
    say(f"{settings.out}: {captured.verdict()}")


def run_capture_lidar(settings: CaptureLidarSettings) -> None:
    """Make the dataset, with its report; say how good it is."""
    from splatkit.capture.lidar.stage import capture_lidar
    from splatkit.pages.capture_lidar import write_lidar_report

    captured = capture_lidar(settings, show_progress, write_lidar_report)
    print_warnings(captured.warnings)
    say(f"{settings.out}: {captured.verdict()}")


def run_capture_static(settings: CaptureStaticSettings) -> None:
    """Make the dataset, with its report; say how good it is."""
    from splatkit.capture.lidar.stage import capture_static
    from splatkit.pages.capture_lidar import write_static_report

    captured = capture_static(settings, show_progress, write_static_report)
    print_warnings(captured.warnings)
    say(f"{settings.out}: {captured.verdict()}")


def run_capture_stereo(settings: CaptureStereoSettings) -> None:
    """Make the dataset, with its report; say how good it is."""
    from splatkit.capture.stereo.stage import capture_stereo
    from splatkit.pages.capture_stereo import write_stereo_report

    captured = capture_stereo(settings, show_progress, write_stereo_report)
    print_warnings(captured.warnings)
    say(f"{settings.out}: {captured.verdict()}")
