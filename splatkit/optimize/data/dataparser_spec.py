"""The entry point `splatkit-data`.

It is apart from the method's, because the host imports both while it builds its own tables.
"""

from nerfstudio.plugins.registry_dataparser import DataParserSpecification

from splatkit.optimize.data.dataparser import SplatkitDataParserConfig

splatkit_data = DataParserSpecification(
    config=SplatkitDataParserConfig(),
    description="transforms.json with poses, frame and scale kept as they are, and a seed cloud.",
)
