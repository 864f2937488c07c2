"""`splatkit convert`: a file of one kind as a file of another."""

from splatkit.commands.terminal import say
from splatkit.export.settings import ConvertSettings


def run_convert(settings: ConvertSettings) -> None:
    """Convert; say what is in the new file, and what is not."""
    from splatkit.export.files.conversion import convert

    done = convert(settings)
    say(f"{done.path}: {done.what}" + (f"; not in it: {'; '.join(done.lost)}" if done.lost else ""))
