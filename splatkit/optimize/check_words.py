"""Whether `ns-train` takes these words: `python -m splatkit.optimize.check_words ges --data ...`; trains nothing.

A process of its own, because nerfstudio's configurations take seconds and hundreds of megabytes to import.
"""

import sys

from splatkit.errors import SettingsError
from splatkit.optimize.train import parse_words

if __name__ == "__main__":
    try:
        parse_words(sys.argv[1:])
    except SettingsError as error:
        sys.exit(str(error))
