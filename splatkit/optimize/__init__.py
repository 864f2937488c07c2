"""Stage 2: the nerfstudio methods, data parser and trainer; the only importer of nerfstudio."""

import warnings

# Imports of the host use what torch has renamed since: nothing that a person who trains could mend.
warnings.filterwarnings("ignore", message=".*torch.jit.script. is deprecated", category=FutureWarning)
warnings.filterwarnings("ignore", message=".*torch.cuda.amp", category=FutureWarning, module="nerfstudio")
warnings.filterwarnings("ignore", message="Using a non-tuple sequence", category=UserWarning, module="nerfstudio")
