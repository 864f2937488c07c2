"""Whether `ns-train` takes these words: `python -m splatkit.pipeline.check_training ges --data ...`; trains nothing.

A process of its own, because nerfstudio's configurations take seconds and hundreds of megabytes to import.
"""

import sys

import tyro
from nerfstudio.configs.config_utils import convert_markup_to_ansi
from nerfstudio.configs.method_configs import AnnotatedBaseConfigUnion

if __name__ == "__main__":
    tyro.cli(AnnotatedBaseConfigUnion, description=convert_markup_to_ansi(""), args=sys.argv[1:])
