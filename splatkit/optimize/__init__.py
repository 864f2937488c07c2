"""Stage 2: the nerfstudio methods, data parser and trainer; the only importer of nerfstudio."""
