"""`splatkit doctor`: what works on this machine."""

from dataclasses import dataclass

from splatkit.commands.terminal import say


@dataclass(frozen=True)
class Doctor:
    """Report what works on this machine and what is missing."""


def run_doctor(settings: Doctor) -> None:
    """Print one line for each finding."""
    from splatkit.doctor import report

    for name, finding in report():
        say(f"{name:12} {finding}")
