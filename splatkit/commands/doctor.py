"""`splatkit doctor`: what works on this machine."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Doctor:
    """Report what works on this machine and what is missing."""


def run_doctor(settings: Doctor) -> None:
    """Print one line for each finding."""
    from splatkit.doctor import report

    for name, finding in report():
        print(f"{name:12} {finding}")
